//! Slots of rows in the order of the rows: small while there are few, and never O(all) where there are many.
//!
//! Many stand in runs of limited length, so that putting one in moves no more than a run, and now and then the list of
//! runs. Rows are told apart by a few of their bytes that lie side by side: looking for one among a million then waits
//! for memory a few times, and not once a comparison.

use std::ops::Range;

use crate::state::ShortBytes;

/// Slots of a run before it is cut in two.
const RUN_MAX: usize = 256;

/// Different slots, in the order of their rows. The rows are the owner's, who gives them with each call.
#[derive(Debug)]
pub(super) enum SortedSlots {
    One(Vec<u32>),
    Many(Box<Runs>),
}

/// Runs that follow each other, none of them empty.
#[derive(Debug)]
pub(super) struct Runs {
    /// Of the last row of each run.
    windows: Windows,
    runs: Vec<Run>,
}

/// Slots whose rows follow each other.
#[derive(Debug)]
struct Run {
    last: ShortBytes,
    windows: Windows,
    slots: Vec<u32>,
}

/// What rows in order differ in: of each row some bytes behind a front that all have in common.
#[derive(Debug)]
struct Windows {
    front: usize,
    bytes: Vec<u128>,
}

/// Where a slot is, or where it would have to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    run: usize,
    at: usize,
}

/// A search among many that is taken step by step, so that several can wait for memory together.
#[derive(Debug)]
pub(super) struct Search<'a> {
    run: &'a Run,
    wanted: u128,
    from: usize,
    rest: usize,
}

impl Default for SortedSlots {
    fn default() -> Self {
        SortedSlots::One(Vec::new())
    }
}

impl SortedSlots {
    /// Finds the slot of a row, or its place.
    pub(super) fn find<'r>(&self, wanted: &[u8], row: impl Fn(u32) -> &'r [u8]) -> Result<(u32, Place), Place> {
        match self {
            SortedSlots::One(slots) => match slots.binary_search_by(|&slot| row(slot).cmp(wanted)) {
                Ok(at) => Ok((slots[at], Place { run: 0, at })),
                Err(at) => Err(Place { run: 0, at }),
            },
            SortedSlots::Many(runs) => runs.find(wanted, row),
        }
    }

    /// Begins to look for a row, if that takes a while.
    pub(super) fn search(&self, wanted: &[u8]) -> Option<Search<'_>> {
        let SortedSlots::Many(runs) = self else { return None };
        let run = &runs.runs[runs.run_of(wanted)];
        let (wanted, rest) = (window(wanted, run.windows.front), run.slots.len());
        Some(Search { run, wanted, from: 0, rest })
    }

    /// Puts a slot where its row was looked for and not found. `row` knows the new one too.
    pub(super) fn insert<'r>(&mut self, place: Place, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        match self {
            SortedSlots::One(slots) => {
                slots.insert(place.at, slot);
                if slots.len() > RUN_MAX {
                    let upper = slots.split_off(RUN_MAX / 2);
                    let runs = [std::mem::take(slots), upper].map(|slots| Run::new(slots, &row));
                    *self = SortedSlots::Many(Box::new(Runs::new(runs.into())));
                }
            }
            SortedSlots::Many(runs) => runs.insert(place, slot, row),
        }
    }

    /// Takes out what was found.
    pub(super) fn remove<'r>(&mut self, place: Place, row: impl Fn(u32) -> &'r [u8]) {
        match self {
            SortedSlots::One(slots) => {
                slots.remove(place.at);
                if slots.is_empty() {
                    *self = SortedSlots::default();
                }
            }
            SortedSlots::Many(runs) => {
                runs.remove(place, row);
                if let [only] = runs.runs.as_mut_slice() {
                    *self = SortedSlots::One(std::mem::take(&mut only.slots));
                }
            }
        }
    }

    /// Those from a place on.
    pub(super) fn iter_from(&self, place: Place) -> impl Iterator<Item = u32> + '_ {
        let first = self.run(place.run).map_or(&[][..], |slots| &slots[place.at..]);
        first.iter().chain((place.run + 1..self.runs()).filter_map(|run| self.run(run)).flatten()).copied()
    }

    /// Those before a place, the last first.
    pub(super) fn iter_before(&self, place: Place) -> impl Iterator<Item = u32> + '_ {
        let last = self.run(place.run).map_or(&[][..], |slots| &slots[..place.at]);
        let earlier = (0..place.run).rev().filter_map(|run| self.run(run)).flat_map(|slots| slots.iter().rev());
        last.iter().rev().chain(earlier).copied()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        (0..self.runs()).filter_map(|run| self.run(run)).flatten().copied()
    }

    fn runs(&self) -> usize {
        match self {
            SortedSlots::One(_) => 1,
            SortedSlots::Many(runs) => runs.runs.len(),
        }
    }

    fn run(&self, number: usize) -> Option<&[u32]> {
        match self {
            SortedSlots::One(slots) => (number == 0).then_some(slots),
            SortedSlots::Many(runs) => runs.runs.get(number).map(|run| run.slots.as_slice()),
        }
    }
}

impl Runs {
    fn new(runs: Vec<Run>) -> Self {
        Self { windows: Windows::new(runs.len(), |run| &runs[run].last), runs }
    }

    fn find<'r>(&self, wanted: &[u8], row: impl Fn(u32) -> &'r [u8]) -> Result<(u32, Place), Place> {
        let run = self.run_of(wanted);
        let Run { last, windows, slots } = &self.runs[run];
        match windows.find(wanted, last, |at| row(slots[at])) {
            Ok(at) => Ok((slots[at], Place { run, at })),
            Err(at) => Err(Place { run, at }),
        }
    }

    /// The run that a row belongs into: the last one if it is behind them all.
    fn run_of(&self, wanted: &[u8]) -> usize {
        let last = |run: usize| &*self.runs[run].last;
        self.windows.find(wanted, last(0), last).unwrap_or_else(|run| run.min(self.runs.len() - 1))
    }

    fn insert<'r>(&mut self, place: Place, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        let Run { last, windows, slots } = &mut self.runs[place.run];
        slots.insert(place.at, slot);
        let slots = &*slots;
        windows.insert(place.at, slots.len(), |at| row(slots[at]));
        if slots.len() > RUN_MAX {
            let mut lower = std::mem::take(&mut self.runs[place.run].slots);
            let upper = lower.split_off(RUN_MAX / 2);
            self.runs[place.run] = Run::new(lower, &row);
            self.runs.insert(place.run + 1, Run::new(upper, &row));
            let (runs, count) = (&self.runs, self.runs.len());
            self.windows.replace(place.run, count - 1, |run| &runs[run].last);
            self.windows.insert(place.run + 1, count, |run| &runs[run].last);
        } else if place.at + 1 == slots.len() {
            *last = row(slot).into();
            self.replace_last(place.run);
        }
    }

    fn remove<'r>(&mut self, place: Place, row: impl Fn(u32) -> &'r [u8]) {
        let Run { last, windows, slots } = &mut self.runs[place.run];
        slots.remove(place.at);
        windows.bytes.remove(place.at);
        match slots.last() {
            None => {
                self.runs.remove(place.run);
                self.windows.bytes.remove(place.run);
            }
            Some(slot) if place.at == slots.len() => {
                *last = row(*slot).into();
                self.replace_last(place.run);
            }
            Some(_) => {}
        }
    }

    /// Takes note of another last row of a run.
    fn replace_last(&mut self, run: usize) {
        let runs = &self.runs;
        self.windows.replace(run, runs.len(), |run| &runs[run].last);
    }
}

impl Search<'_> {
    /// Takes the next step, if there is one.
    pub(super) fn step(&mut self) -> bool {
        let half = self.rest / 2;
        // Without a branch: a wrong guess would hold up the other searches.
        self.from += usize::from(self.run.windows.bytes[self.from + half] <= self.wanted) * half;
        self.rest -= half;
        half > 0
    }

    /// The slot of the row, or of one near to it, when there is no step left.
    pub(super) fn slot(&self) -> u32 {
        self.run.slots[self.from]
    }
}

impl Run {
    /// A run of slots in order, at least one.
    fn new<'r>(slots: Vec<u32>, row: impl Fn(u32) -> &'r [u8]) -> Self {
        let last = row(slots[slots.len() - 1]).into();
        Self { last, windows: Windows::new(slots.len(), |at| row(slots[at])), slots }
    }
}

impl Windows {
    /// Of `count` rows.
    fn new<'r>(count: usize, row: impl Fn(usize) -> &'r [u8]) -> Self {
        let front = row(0).iter().zip(row(count - 1)).take_while(|(one, other)| one == other).count();
        Self { front, bytes: (0..count).map(|at| window(row(at), front)).collect() }
    }

    /// The place of a row, or where it would have to be. `row` knows the row of each place, one of which is `any`.
    fn find<'r>(&self, wanted: &[u8], any: &[u8], row: impl Fn(usize) -> &'r [u8]) -> Result<usize, usize> {
        let front = &any[..self.front];
        if !wanted.starts_with(front) {
            return Err(if *wanted < *front { 0 } else { self.bytes.len() });
        }
        let alike = self.alike(window(wanted, self.front));
        let (mut from, mut to) = (alike.start, alike.end);
        while from < to {
            let middle = (from + to) / 2;
            match row(middle).cmp(wanted) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    /// The places of equal bytes.
    fn alike(&self, wanted: u128) -> Range<usize> {
        let from = self.bytes.partition_point(|&bytes| bytes < wanted);
        // They are few, as a rule, so that the search for their end begins near.
        let rest = &self.bytes[from..];
        let mut near = 1;
        while rest.get(near - 1) == Some(&wanted) {
            near *= 2;
        }
        from..from + rest[..rest.len().min(near)].partition_point(|&bytes| bytes == wanted)
    }

    /// Notes a row that is new at a place; `row` knows all `count` rows, with the new one.
    fn insert<'r>(&mut self, at: usize, count: usize, row: impl Fn(usize) -> &'r [u8]) {
        if self.has_front(at, count, &row) {
            self.bytes.insert(at, window(row(at), self.front));
        } else {
            *self = Self::new(count, row);
        }
    }

    /// Notes another row at a place; `row` knows all `count` rows, with that one.
    fn replace<'r>(&mut self, at: usize, count: usize, row: impl Fn(usize) -> &'r [u8]) {
        if self.has_front(at, count, &row) {
            self.bytes[at] = window(row(at), self.front);
        } else {
            *self = Self::new(count, row);
        }
    }

    /// Whether a new row has the front that its neighbours have in common.
    fn has_front<'r>(&self, at: usize, count: usize, row: impl Fn(usize) -> &'r [u8]) -> bool {
        let other = if at > 0 { at - 1 } else { count - 1 };
        row(at).starts_with(&row(other)[..self.front])
    }
}

/// The bytes of a row from `start` on, as far as they fit, in the order of the rows.
fn window(row: &[u8], start: usize) -> u128 {
    let rest = row.get(start..).unwrap_or_default();
    match rest.first_chunk() {
        Some(front) => u128::from_be_bytes(*front),
        None => {
            let mut front = [0; size_of::<u128>()];
            front[..rest.len()].copy_from_slice(rest);
            u128::from_be_bytes(front)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Rows of any length, in the order of their numbers: what they have in common differs from run to run.
    fn rows() -> Vec<Vec<u8>> {
        let mut random = fastrand::Rng::with_seed(2);
        let mut rows = BTreeSet::new();
        while rows.len() < 4_000 {
            let front = b"a front that many have in common"[random.usize(..32)..].to_vec();
            let length = random.usize(..20);
            let rest = std::iter::repeat_with(|| random.u8(..3)).take(length).collect();
            rows.insert([front, rest].concat());
        }
        rows.into_iter().collect()
    }

    #[test]
    fn they_are_as_an_ordered_set_whatever_comes_and_goes() {
        let rows = rows();
        let row = |slot: u32| rows[slot as usize].as_slice();
        let mut random = fastrand::Rng::with_seed(1);
        let (mut slots, mut model) = (SortedSlots::default(), BTreeSet::new());
        // Grows beyond several runs, then shrinks to nothing.
        for share in [90, 50, 5] {
            for _ in 0..6_000 {
                let wanted = random.u32(..4_000);
                match (slots.find(row(wanted), row), random.u32(..100) < share) {
                    (Err(place), true) => {
                        slots.insert(place, wanted, row);
                        model.insert(wanted);
                    }
                    (Ok((found, place)), false) => {
                        assert_eq!(found, wanted);
                        slots.remove(place, row);
                        model.remove(&wanted);
                    }
                    (found, _) => assert_eq!(found.is_ok(), model.contains(&wanted)),
                }
            }
            assert!(slots.iter().eq(model.iter().copied()));
            assert!(slots.iter().rev().eq(model.iter().rev().copied()));
            for wanted in [0, 1, 777, 2_000, 3_999] {
                let place = slots.find(row(wanted), row).map_or_else(|place| place, |(_, place)| place);
                assert!(slots.iter_from(place).eq(model.range(wanted..).copied()));
                assert!(slots.iter_before(place).eq(model.range(..wanted).rev().copied()));
            }
        }
        for wanted in model {
            let found = slots.find(row(wanted), row);
            let (_, place) = found.unwrap_or_else(|_| panic!("{wanted} is not there"));
            slots.remove(place, row);
        }
        assert!(matches!(slots, SortedSlots::One(slots) if slots.is_empty()));
    }
}
