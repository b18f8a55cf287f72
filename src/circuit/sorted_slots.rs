//! Slots of rows in the order of the rows: small while there are few, and never O(all) where there are many.
//!
//! Many stand in runs of limited length, so that putting one in moves no more than a run, and now and then the list of
//! runs. A run says of each row the few bytes that tell it from its neighbours: looking for one among a million then
//! waits for memory a few times, and not once a comparison.

use crate::state::ShortBytes;

/// Slots of a run before it is cut in two.
const RUN_MAX: usize = 256;

/// Different slots, in the order of their rows. The rows are the owner's, who gives them with each call.
#[derive(Debug)]
pub(super) enum SortedSlots {
    One(Vec<u32>),
    /// None is empty.
    Many(Vec<Run>),
}

/// Slots whose rows follow each other.
#[derive(Debug)]
pub(super) struct Run {
    /// The greatest row.
    last: ShortBytes,
    /// Length of a front that all rows have in common.
    shared: usize,
    /// Of each row, the bytes behind that front.
    windows: Vec<u64>,
    slots: Vec<u32>,
}

/// Where a slot is, or where it would have to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    run: usize,
    at: usize,
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
            SortedSlots::Many(runs) => {
                let run = runs.partition_point(|run| *run.last < *wanted).min(runs.len() - 1);
                match runs[run].find(wanted, row) {
                    Ok(at) => Ok((runs[run].slots[at], Place { run, at })),
                    Err(at) => Err(Place { run, at }),
                }
            }
        }
    }

    /// Puts a slot where its row was looked for and not found. `row` knows the new one too.
    pub(super) fn insert<'r>(&mut self, place: Place, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        match self {
            SortedSlots::One(slots) => {
                slots.insert(place.at, slot);
                if slots.len() > RUN_MAX {
                    let upper = slots.split_off(RUN_MAX / 2);
                    let runs = [std::mem::take(slots), upper].map(|slots| Run::new(slots, &row));
                    *self = SortedSlots::Many(runs.into());
                }
            }
            SortedSlots::Many(runs) => {
                let run = &mut runs[place.run];
                run.insert(place.at, slot, &row);
                if run.slots.len() > RUN_MAX {
                    let upper = Run::new(run.slots.split_off(RUN_MAX / 2), &row);
                    *run = Run::new(std::mem::take(&mut run.slots), &row);
                    runs.insert(place.run + 1, upper);
                }
            }
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
                runs[place.run].remove(place.at, row);
                if runs[place.run].slots.is_empty() {
                    runs.remove(place.run);
                }
                if let [only] = runs.as_mut_slice() {
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
            SortedSlots::Many(runs) => runs.len(),
        }
    }

    fn run(&self, number: usize) -> Option<&[u32]> {
        match self {
            SortedSlots::One(slots) => (number == 0).then_some(slots),
            SortedSlots::Many(runs) => runs.get(number).map(|run| run.slots.as_slice()),
        }
    }
}

impl Run {
    /// A run of slots in order, at least one.
    fn new<'r>(slots: Vec<u32>, row: impl Fn(u32) -> &'r [u8]) -> Self {
        let (first, last) = (row(slots[0]), row(slots[slots.len() - 1]));
        let shared = first.iter().zip(last).take_while(|(one, other)| one == other).count();
        let windows = slots.iter().map(|&slot| window(row(slot), shared)).collect();
        Self { last: last.into(), shared, windows, slots }
    }

    fn find<'r>(&self, wanted: &[u8], row: impl Fn(u32) -> &'r [u8]) -> Result<usize, usize> {
        let front = &self.last[..self.shared];
        if !wanted.starts_with(front) {
            return Err(if *wanted < *front { 0 } else { self.slots.len() });
        }
        let wanted_window = window(wanted, self.shared);
        let from = self.windows.partition_point(|&window| window < wanted_window);
        let alike = self.windows[from..].partition_point(|&window| window == wanted_window);
        let found = self.slots[from..from + alike].binary_search_by(|&slot| row(slot).cmp(wanted));
        found.map(|at| from + at).map_err(|at| from + at)
    }

    fn insert<'r>(&mut self, at: usize, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        let new = row(slot);
        self.slots.insert(at, slot);
        if new.starts_with(&self.last[..self.shared]) {
            self.windows.insert(at, window(new, self.shared));
            if at + 1 == self.slots.len() {
                self.last = new.into();
            }
        } else {
            *self = Run::new(std::mem::take(&mut self.slots), row);
        }
    }

    fn remove<'r>(&mut self, at: usize, row: impl Fn(u32) -> &'r [u8]) {
        self.slots.remove(at);
        self.windows.remove(at);
        if let Some(last) = self.slots.last().filter(|_| at == self.slots.len()) {
            self.last = row(*last).into();
        }
    }
}

/// The bytes of a row from `start` on, as far as they fit, in the order of the rows.
fn window(row: &[u8], start: usize) -> u64 {
    let rest = row.get(start..).unwrap_or_default();
    match rest.first_chunk() {
        Some(front) => u64::from_be_bytes(*front),
        None => {
            let mut front = [0; size_of::<u64>()];
            front[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(front)
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
