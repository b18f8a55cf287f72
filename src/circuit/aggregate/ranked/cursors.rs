//! Where a quantile or the n-th row stands in each group's ordered rows, so that a change moves it by a few rows and
//! nothing is gone over from the start.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::super::super::arrangement::Arrangement;
use super::ordered_rows::OrderedRows;
use super::outcome::{Change, Outcome};

/// A result made of the rows at a position of the order.
pub(super) trait CursorValue: Debug + Send {
    /// The results for some groups, of which the rows at the position were found.
    ///
    /// # Errors
    /// A row cannot be decoded, or DataFusion's accumulator fails.
    fn results(
        &self,
        rows: &OrderedRows,
        found: &[Option<Neighbours<'_>>],
        data_type: &DataType,
    ) -> Result<ArrayRef, CircuitError>;
}

/// The outcome at one position of the order, which a cursor follows.
#[derive(Debug)]
pub(super) struct AtCursor<P> {
    cursors: Cursors,
    pick: P,
}

impl<P: CursorValue> AtCursor<P> {
    pub(super) fn new(wanted: CursorTarget, distinct: bool, pick: P) -> Self {
        Self { cursors: Cursors::new(wanted, distinct), pick }
    }
}

impl<P: CursorValue> Outcome for AtCursor<P> {
    fn grow(&mut self, slots: usize) {
        self.cursors.grow(slots);
    }

    fn clear(&mut self, slot: u32) {
        self.cursors.clear(slot);
    }

    fn size(&self) -> usize {
        self.cursors.size()
    }

    fn follow(
        &mut self,
        rows: &OrderedRows,
        changes: &[Change<'_>],
        _: &[ArrayRef],
        slots: &[u32],
    ) -> Result<(), ArrowError> {
        for change in changes {
            self.cursors.count(change.slot, change.bytes, change.weight, change.distinct);
        }
        self.cursors.advance(&rows.rows, slots);
        Ok(())
    }

    fn evaluate(&self, rows: &OrderedRows, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        let found: Vec<Option<Neighbours<'_>>> =
            slots.iter().map(|&slot| self.cursors.neighbours(&rows.rows, slot)).collect();
        self.pick.results(rows, &found, data_type)
    }
}

/// One cursor a group: on the row at the wanted position, or just below it.
#[derive(Debug)]
struct Cursors {
    wanted: CursorTarget,
    /// Whether copies of a row count as one.
    distinct: bool,
    cursors: Vec<Cursor>,
    /// Of the cursors' rows.
    heap_bytes: usize,
}

/// The position where a group's cursor stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum CursorTarget {
    /// Of the way from the first row to the last, 0 to 1.
    Quantile(f64),
    /// Counted from 1. Behind the last row there is nothing.
    Nth(i64),
}

#[derive(Debug, Clone, Default)]
struct Cursor {
    /// A row of the group, or one that was.
    row: Option<Box<[u8]>>,
    /// How many are before it, and in all.
    before: i64,
    total: i64,
}

/// The rows about a position. Both are the same where it falls on one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Neighbours<'a> {
    pub(super) lower: &'a [u8],
    pub(super) upper: &'a [u8],
    /// Of the way from the lower one to the upper one, where the position is.
    pub(super) part: f64,
}

impl Cursors {
    fn new(wanted: CursorTarget, distinct: bool) -> Self {
        Self { wanted, distinct, cursors: Vec::new(), heap_bytes: 0 }
    }

    fn grow(&mut self, slots: usize) {
        self.cursors.resize(slots, Cursor::default());
    }

    fn clear(&mut self, slot: u32) {
        self.heap_bytes -= std::mem::take(&mut self.cursors[slot as usize]).heap_bytes();
    }

    fn size(&self) -> usize {
        self.cursors.capacity() * size_of::<Cursor>() + self.heap_bytes
    }

    /// Counts copies of a row that were added to a group or taken away; the group has `distinct` different rows more since.
    fn count(&mut self, slot: u32, row: &[u8], weight: i64, distinct: i64) {
        let weight = if self.distinct { distinct } else { weight };
        let cursor = &mut self.cursors[slot as usize];
        cursor.total += weight;
        if cursor.row.as_deref().is_some_and(|at| row < at) {
            cursor.before += weight;
        }
    }

    /// Moves the cursors of changed groups to where they belong now.
    fn advance(&mut self, rows: &Arrangement, slots: &[u32]) {
        for &slot in slots {
            let cursor = &mut self.cursors[slot as usize];
            self.heap_bytes -= cursor.heap_bytes();
            cursor.advance(self.wanted, self.distinct, rows, slot);
            self.heap_bytes += cursor.heap_bytes();
        }
    }

    /// None in a group without such a position.
    fn neighbours<'a>(&self, rows: &'a Arrangement, slot: u32) -> Option<Neighbours<'a>> {
        let cursor = &self.cursors[slot as usize];
        let at = cursor.row.as_deref().filter(|_| cursor.total > 0)?;
        if matches!(self.wanted, CursorTarget::Nth(n) if n > cursor.total) {
            return None;
        }
        let (index, part) = self.wanted.position(cursor.total);
        let mut following = rows.rows_from(slot, at);
        let (lower, count) = following.next().map(|(row, count)| (row, counted(count, self.distinct)))?;
        let same = part == 0.0 || index + 1 < cursor.before + count;
        let upper = if same { lower } else { following.next()?.0 };
        Some(Neighbours { lower, upper, part })
    }
}

impl Cursor {
    fn heap_bytes(&self) -> usize {
        self.row.as_ref().map_or(0, |row| row.len())
    }

    fn advance(&mut self, wanted: CursorTarget, distinct: bool, rows: &Arrangement, slot: u32) {
        if self.total <= 0 {
            *self = Cursor::default();
            return;
        }
        let (index, _) = wanted.position(self.total);
        let from = self.row.take().unwrap_or_default();
        if index < self.before {
            for (row, count) in rows.rows_before(slot, &from) {
                self.before -= counted(count, distinct);
                if self.before <= index {
                    self.row = Some(row.into());
                    break;
                }
            }
            return;
        }
        // The row may be gone; those that follow it have as many before them.
        for (row, count) in rows.rows_from(slot, &from) {
            let count = counted(count, distinct);
            if index < self.before + count {
                self.row = Some(row.into());
                break;
            }
            self.before += count;
        }
    }
}

impl CursorTarget {
    /// The row below the position counted from 0, or the last one; and how far the position is beyond it, as DataFusion
    /// computes it.
    fn position(self, total: i64) -> (i64, f64) {
        let last = (total - 1).max(0);
        match self {
            CursorTarget::Quantile(fraction) => {
                let position = fraction * last as f64;
                (position.floor() as i64, position - position.floor())
            }
            CursorTarget::Nth(n) => (last.min(n - 1), 0.0),
        }
    }
}

fn counted(copies: i64, distinct: bool) -> i64 {
    if distinct { copies.min(1) } else { copies }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values about a position by going over all.
    fn gone_over(values: &[u8], wanted: CursorTarget, distinct: bool) -> Option<(u8, u8)> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        if distinct {
            sorted.dedup();
        }
        match wanted {
            CursorTarget::Quantile(fraction) => {
                let position = fraction * sorted.len().checked_sub(1)? as f64;
                Some((sorted[position.floor() as usize], sorted[position.ceil() as usize]))
            }
            CursorTarget::Nth(n) => sorted.get(n as usize - 1).map(|&value| (value, value)),
        }
    }

    #[test]
    fn cursors_follow_every_change() {
        let quantiles = [0.5, 0.0, 1.0, 0.25, 0.9].map(CursorTarget::Quantile);
        let positions = [1, 2, 5, 20].map(CursorTarget::Nth);
        for wanted in quantiles.into_iter().chain(positions) {
            follow_every_change(wanted, false);
            follow_every_change(wanted, true);
        }
    }

    fn follow_every_change(wanted: CursorTarget, distinct: bool) {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut rows, mut cursors, mut values) = (Arrangement::default(), Cursors::new(wanted, distinct), Vec::new());
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
                let different = rows.len() as i64;
                rows.add(1, &[value], weight);
                cursors.count(1, &[value], weight, rows.len() as i64 - different);
            }
            cursors.advance(&rows, &[1]);
            let found = cursors.neighbours(&rows, 1).map(|found| (found.lower[0], found.upper[0]));
            assert_eq!(found, gone_over(&values, wanted, distinct), "{wanted:?} of {values:?}");
        }
    }
}
