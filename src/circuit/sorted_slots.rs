//! Slots of rows in the order of the rows: small while there are few, and never O(all) where there are many.
//!
//! Many stand in runs of limited length, so that putting one in moves no more than a run, and now and then the list of
//! runs. Rows are told apart by a few of their bytes that lie side by side: looking for one among a million then waits
//! for memory a few times, and not once a comparison.

use std::ops::Range;
use std::slice::SliceIndex;

use crate::state::ShortBytes;

/// Slots of a run when it is cut in two.
const RUN_MAX: usize = 256;

/// The bits of an item that are a number.
const NUMBER: u128 = u32::MAX as u128;

/// Different slots, in the order of their rows. The rows are the owner's, which gives them with each call.
#[derive(Debug)]
pub(super) enum SortedSlots {
    One(Vec<u32>),
    Many(Box<Runs>),
}

/// Runs that follow each other, none of them empty.
#[derive(Debug)]
pub(super) struct Runs {
    /// Numbers of runs, in the order of their last rows.
    order: Sequence,
    /// By number; a number that is free may be given again.
    runs: Vec<Run>,
    free: Vec<u32>,
    /// Of all runs.
    slots: usize,
}

/// Slots whose rows follow each other.
#[derive(Debug)]
struct Run {
    last: ShortBytes,
    slots: Sequence,
}

/// Numbers in the order of their rows.
#[derive(Debug)]
struct Sequence {
    /// Bytes that all rows begin with.
    front: usize,
    /// Of each row a [`window`] behind the front, and in the lowest bits its number.
    items: Vec<u128>,
}

/// Where a slot is, or where it would have to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// Which run, counted in order.
    run: usize,
    at: usize,
}

/// A search among many that is taken step by step, so that several can wait for memory together.
#[derive(Debug)]
pub(super) struct Search<'a> {
    slots: &'a Sequence,
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
    /// Of slots in order.
    pub(super) fn new<'r>(slots: Vec<u32>, row: impl Fn(u32) -> &'r [u8]) -> Self {
        if slots.len() < RUN_MAX {
            return SortedSlots::One(slots);
        }
        let runs = slots.chunks(RUN_MAX / 2).map(|slots| Run::new(slots.to_vec(), &row)).collect();
        SortedSlots::Many(Box::new(Runs::new(runs)))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            SortedSlots::One(slots) => slots.len(),
            SortedSlots::Many(runs) => runs.slots,
        }
    }

    /// Finds the slot of a row, or its position.
    pub(super) fn find<'r>(&self, wanted: &[u8], row: impl Fn(u32) -> &'r [u8]) -> Result<(u32, Position), Position> {
        match self {
            SortedSlots::One(slots) => match slots.binary_search_by(|&slot| row(slot).cmp(wanted)) {
                Ok(at) => Ok((slots[at], Position { run: 0, at })),
                Err(at) => Err(Position { run: 0, at }),
            },
            SortedSlots::Many(runs) => runs.find(wanted, row),
        }
    }

    /// Begins to look for a row, if that takes a while.
    pub(super) fn search(&self, wanted: &[u8]) -> Option<Search<'_>> {
        let SortedSlots::Many(runs) = self else { return None };
        let slots = &runs.run(runs.run_of(wanted)).slots;
        let wanted = window(wanted, slots.front) | NUMBER;
        Some(Search { slots, wanted, from: 0, rest: slots.len() })
    }

    /// Puts a slot where its row was looked for and not found. `row` knows the new one too.
    pub(super) fn insert<'r>(&mut self, position: Position, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        match self {
            SortedSlots::One(slots) => {
                slots.insert(position.at, slot);
                *self = SortedSlots::new(std::mem::take(slots), row);
            }
            SortedSlots::Many(runs) => runs.insert(position, slot, row),
        }
    }

    /// Takes out what was found.
    pub(super) fn remove<'r>(&mut self, position: Position, row: impl Fn(u32) -> &'r [u8]) {
        match self {
            SortedSlots::One(slots) => {
                slots.remove(position.at);
                if slots.is_empty() {
                    *self = SortedSlots::default();
                }
            }
            SortedSlots::Many(runs) => {
                runs.remove(position, row);
                if runs.order.len() == 1 {
                    *self = SortedSlots::One(runs.run(0).slots.numbers(..).collect());
                }
            }
        }
    }

    /// Those from a position on.
    pub(super) fn iter_from(&self, position: Position) -> impl Iterator<Item = u32> + '_ {
        let later = (position.run + 1..self.runs()).flat_map(|run| self.of_run(run, ..));
        self.of_run(position.run, position.at..).chain(later)
    }

    /// Those before a position, the last first.
    pub(super) fn iter_before(&self, position: Position) -> impl Iterator<Item = u32> + '_ {
        let earlier = (0..position.run).rev().flat_map(|run| self.of_run(run, ..).rev());
        self.of_run(position.run, ..position.at).rev().chain(earlier)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        (0..self.runs()).flat_map(|run| self.of_run(run, ..))
    }

    fn runs(&self) -> usize {
        match self {
            SortedSlots::One(_) => 1,
            SortedSlots::Many(runs) => runs.order.len(),
        }
    }

    /// Some slots of a run that there is.
    fn of_run(
        &self,
        run: usize,
        range: impl SliceIndex<[u32], Output = [u32]> + SliceIndex<[u128], Output = [u128]>,
    ) -> impl DoubleEndedIterator<Item = u32> + '_ {
        let (one, many) = match self {
            SortedSlots::One(slots) => (Some(slots[range].iter().copied()), None),
            SortedSlots::Many(runs) => (None, Some(runs.run(run).slots.numbers(range))),
        };
        one.into_iter().flatten().chain(many.into_iter().flatten())
    }
}

impl Runs {
    /// Of at least one run.
    fn new(runs: Vec<Run>) -> Self {
        let order = Sequence::new((0..runs.len() as u32).collect(), |run| &runs[run as usize].last);
        let slots = runs.iter().map(|run| run.slots.len()).sum();
        Self { order, runs, free: Vec::new(), slots }
    }

    /// The run at a position in the order.
    fn run(&self, at: usize) -> &Run {
        &self.runs[self.order.number(at) as usize]
    }

    fn find<'r>(&self, wanted: &[u8], row: impl Fn(u32) -> &'r [u8]) -> Result<(u32, Position), Position> {
        let run = self.run_of(wanted);
        let Run { last, slots } = self.run(run);
        match slots.find(wanted, last, row) {
            Ok(at) => Ok((slots.number(at), Position { run, at })),
            Err(at) => Err(Position { run, at }),
        }
    }

    /// The run that a row belongs into: the last one if it is behind them all.
    fn run_of(&self, wanted: &[u8]) -> usize {
        let last = |run: u32| &*self.runs[run as usize].last;
        let found = self.order.find(wanted, last(self.order.number(0)), last);
        found.unwrap_or_else(|at| at.min(self.order.len() - 1))
    }

    fn insert<'r>(&mut self, position: Position, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        let number = self.order.number(position.run) as usize;
        let Run { last, slots } = &mut self.runs[number];
        slots.insert(position.at, slot, &row);
        self.slots += 1;
        if slots.len() >= RUN_MAX {
            let (lower, upper) = (slots.numbers(..RUN_MAX / 2), slots.numbers(RUN_MAX / 2..));
            let (lower, upper) = (Run::new(lower.collect(), &row), Run::new(upper.collect(), &row));
            self.runs[number] = lower;
            self.replaced(position.run);
            let number = self.free.pop().unwrap_or(self.runs.len() as u32);
            match self.runs.get_mut(number as usize) {
                Some(run) => *run = upper,
                None => self.runs.push(upper),
            }
            self.order.insert(position.run + 1, number, |run| &self.runs[run as usize].last);
        } else if position.at + 1 == slots.len() {
            *last = row(slot).into();
            self.replaced(position.run);
        }
    }

    fn remove<'r>(&mut self, position: Position, row: impl Fn(u32) -> &'r [u8]) {
        let number = self.order.number(position.run);
        let Run { last, slots } = &mut self.runs[number as usize];
        slots.items.remove(position.at);
        self.slots -= 1;
        if slots.items.is_empty() {
            slots.items = Vec::new();
            self.order.items.remove(position.run);
            self.free.push(number);
        } else if position.at == slots.len() {
            *last = row(slots.number(position.at - 1)).into();
            self.replaced(position.run);
        }
    }

    /// Updates the order of runs after the last row of one changed.
    fn replaced(&mut self, at: usize) {
        self.order.replaced(at, |run| &self.runs[run as usize].last);
    }
}

impl Search<'_> {
    /// Takes the next step, if there is one.
    pub(super) fn step(&mut self) -> bool {
        let half = self.rest / 2;
        // Without a branch: a wrong guess would hold up the other searches.
        self.from += usize::from(self.slots.items[self.from + half] <= self.wanted) * half;
        self.rest -= half;
        half > 0
    }

    /// The slot of the row, or of one near to it, when there is no step left.
    pub(super) fn slot(&self) -> u32 {
        self.slots.number(self.from)
    }
}

impl Run {
    /// A run of slots in order, at least one.
    fn new<'r>(slots: Vec<u32>, row: impl Fn(u32) -> &'r [u8]) -> Self {
        let last = row(slots[slots.len() - 1]).into();
        Self { last, slots: Sequence::new(slots, row) }
    }
}

impl Sequence {
    /// Of numbers in order, at least one.
    fn new<'r>(numbers: Vec<u32>, row: impl Fn(u32) -> &'r [u8]) -> Self {
        let ends = row(numbers[0]).iter().zip(row(numbers[numbers.len() - 1]));
        let front = ends.take_while(|(one, other)| one == other).count();
        Self {
            front,
            items: numbers.into_iter().map(|number| window(row(number), front) | u128::from(number)).collect(),
        }
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn number(&self, at: usize) -> u32 {
        self.items[at] as u32
    }

    fn numbers(&self, range: impl SliceIndex<[u128], Output = [u128]>) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.items[range].iter().map(|&item| item as u32)
    }

    /// The position of a row, or where it would have to be; `any` is a row that is there.
    fn find<'r>(&self, wanted: &[u8], any: &[u8], row: impl Fn(u32) -> &'r [u8]) -> Result<usize, usize> {
        let front = &any[..self.front];
        if !wanted.starts_with(front) {
            return Err(if *wanted < *front { 0 } else { self.len() });
        }
        let alike = self.alike(window(wanted, self.front));
        let (mut from, mut to) = (alike.start, alike.end);
        while from < to {
            let middle = (from + to) / 2;
            match row(self.number(middle)).cmp(wanted) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        Err(from)
    }

    /// The positions of rows with this window.
    fn alike(&self, window: u128) -> Range<usize> {
        let from = self.items.partition_point(|&item| item < window);
        // They are few, as a rule, so that the search for their end begins near.
        let rest = &self.items[from..];
        let mut near = 1;
        while rest.get(near - 1).is_some_and(|item| item & !NUMBER == window) {
            near *= 2;
        }
        from..from + rest[..rest.len().min(near)].partition_point(|&item| item & !NUMBER == window)
    }

    /// Puts a number at a position.
    fn insert<'r>(&mut self, at: usize, number: u32, row: impl Fn(u32) -> &'r [u8]) {
        self.items.insert(at, u128::from(number));
        self.replaced(at, row);
    }

    /// Updates the window of an item whose row changed.
    fn replaced<'r>(&mut self, at: usize, row: impl Fn(u32) -> &'r [u8]) {
        let other = if at > 0 { at - 1 } else { self.len() - 1 };
        let (number, other) = (self.number(at), self.number(other));
        if row(number).starts_with(&row(other)[..self.front]) {
            self.items[at] = window(row(number), self.front) | u128::from(number);
        } else {
            *self = Self::new(self.numbers(..).collect(), row);
        }
    }
}

/// The bytes of a row from `start` on, as far as they fit above a number, in the order of the rows.
fn window(row: &[u8], start: usize) -> u128 {
    let rest = row.get(start..).unwrap_or_default();
    let bytes = match rest.first_chunk() {
        Some(front) => *front,
        None => {
            let mut front = [0; size_of::<u128>()];
            front[..rest.len()].copy_from_slice(rest);
            front
        }
    };
    u128::from_be_bytes(bytes) & !NUMBER
}

#[cfg(test)]
mod tests;
