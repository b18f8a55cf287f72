//! Where a quantile stands in each group's ordered values, so that a change moves it by a few values and nothing is
//! gone over from the start.

use super::super::arrangement::Arrangement;

/// One cursor a group: on the value at the quantile, or just below it.
#[derive(Debug)]
pub(super) struct Cursors {
    /// Of the way from the first value to the last, 0 to 1.
    fraction: f64,
    cursors: Vec<Cursor>,
}

#[derive(Debug, Clone, Default)]
struct Cursor {
    /// A row of the group, or one that was.
    row: Option<Box<[u8]>>,
    /// How many copies are before it, and in all.
    before: i64,
    total: i64,
}

/// The values about a quantile. Both are the same where it falls on one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Neighbours<'a> {
    pub(super) lower: &'a [u8],
    pub(super) upper: &'a [u8],
    /// Of the way from the lower one to the upper one, where the quantile is.
    pub(super) part: f64,
}

impl Cursors {
    pub(super) fn new(fraction: f64) -> Self {
        Self { fraction, cursors: Vec::new() }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        self.cursors.resize(slots, Cursor::default());
    }

    pub(super) fn clear(&mut self, slot: u32) {
        self.cursors[slot as usize] = Cursor::default();
    }

    pub(super) fn size(&self) -> usize {
        self.cursors.capacity() * size_of::<Cursor>()
    }

    /// Takes note of copies that were added to a group, or taken away.
    pub(super) fn note(&mut self, slot: u32, row: &[u8], weight: i64) {
        let cursor = &mut self.cursors[slot as usize];
        cursor.total += weight;
        if cursor.row.as_deref().is_some_and(|at| row < at) {
            cursor.before += weight;
        }
    }

    /// Moves the cursors of changed groups to where their quantiles are now.
    pub(super) fn settle(&mut self, rows: &Arrangement, slots: &[u32]) {
        slots.iter().for_each(|&slot| self.cursors[slot as usize].settle(self.fraction, rows, slot));
    }

    /// None in a group without values.
    pub(super) fn neighbours<'a>(&self, rows: &'a Arrangement, slot: u32) -> Option<Neighbours<'a>> {
        let cursor = &self.cursors[slot as usize];
        let at = cursor.row.as_deref().filter(|_| cursor.total > 0)?;
        let (index, part) = place(self.fraction, cursor.total);
        let mut following = rows.rows_from(slot, at);
        let (lower, count) = following.next()?;
        let same = part == 0.0 || index + 1 < cursor.before + count;
        let upper = if same { lower } else { following.next()?.0 };
        Some(Neighbours { lower, upper, part })
    }
}

impl Cursor {
    fn settle(&mut self, fraction: f64, rows: &Arrangement, slot: u32) {
        if self.total <= 0 {
            *self = Cursor::default();
            return;
        }
        let (index, _) = place(fraction, self.total);
        let from = self.row.take().unwrap_or_default();
        if index < self.before {
            for (row, count) in rows.rows_before(slot, &from) {
                self.before -= count;
                if self.before <= index {
                    self.row = Some(row.into());
                    break;
                }
            }
            return;
        }
        // The row may be gone; those that follow it have as many before them.
        for (row, count) in rows.rows_from(slot, &from) {
            if index < self.before + count {
                self.row = Some(row.into());
                break;
            }
            self.before += count;
        }
    }
}

/// The value below the quantile by its place from 0, and how far the quantile is beyond it. DataFusion's arithmetic.
fn place(fraction: f64, total: i64) -> (i64, f64) {
    let place = fraction * (total - 1).max(0) as f64;
    (place.floor() as i64, place - place.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values about a quantile by going over all.
    fn counted(values: &[u8], fraction: f64) -> Option<(u8, u8)> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let place = fraction * sorted.len().checked_sub(1)? as f64;
        Some((sorted[place.floor() as usize], sorted[place.ceil() as usize]))
    }

    #[test]
    fn cursors_follow_every_change() {
        let mut random = fastrand::Rng::with_seed(7);
        for fraction in [0.5, 0.0, 1.0, 0.25, 0.9] {
            let (mut rows, mut cursors, mut values) = (Arrangement::default(), Cursors::new(fraction), Vec::new());
            cursors.grow(2);
            for _ in 0..500 {
                for _ in 0..random.usize(1..4) {
                    let (value, weight) = match values.len() {
                        length if length > 0 && random.bool() => (values.swap_remove(random.usize(..length)), -1),
                        _ => (random.u8(..9), 1),
                    };
                    if weight > 0 {
                        values.push(value);
                    }
                    rows.add(1, &[value], weight);
                    cursors.note(1, &[value], weight);
                }
                cursors.settle(&rows, &[1]);
                let found = cursors.neighbours(&rows, 1).map(|found| (found.lower[0], found.upper[0]));
                assert_eq!(found, counted(&values, fraction), "{fraction} of {values:?}");
            }
        }
    }
}
