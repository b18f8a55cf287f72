//! Slots of rows of which the first are asked for: these in order, the rest by the hashes of their rows.
//!
//! Where no caller asks for the order of all rows, most of them need none: a change far behind the first ones is looked up
//! and no more. The front takes rows over from the rest when it has become short, and gives some up when it has become
//! long; both are paid for by earlier changes of the front.

use std::cell::Cell;

use super::sorted_slots::{Position, Search, SortedSlots};
use crate::state::{KeyMap, ShortBytes, SlotIndex};

/// Rows of the shortest front.
const FRONT_MIN: usize = 8;
/// Of so many rows one is in the front, so that going over the rest is paid for by as many changes of the front.
const FRONT_SHARE: usize = 32;

/// Different slots. The rows are the owner's, which gives them with each call.
#[derive(Debug, Default)]
pub(super) struct FirstSlots {
    front: SortedSlots,
    rest: Option<Box<Rest>>,
}

/// What lies behind the front.
#[derive(Debug)]
struct Rest {
    /// Rows up to this one are in the front, all others here.
    border: ShortBytes,
    index: SlotIndex,
    /// How long the front is meant to be at least, because a caller asked for more of it than there was.
    front_min: Cell<usize>,
}

/// Where a slot is, or where it would have to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spot {
    Front(Position),
    /// By the hash of its row.
    Rest(u32),
}

/// A row on the way to being found.
#[derive(Debug)]
pub(super) enum Near<'a> {
    Front(Search<'a>),
    Rest(&'a SlotIndex, u32),
    Found(Option<u32>),
}

impl FirstSlots {
    /// Finds the slot of a row, or its spot.
    pub(super) fn find<'r>(&self, wanted: &[u8], row: impl Fn(u32) -> &'r [u8]) -> Result<(u32, Spot), Spot> {
        match self.rest_of(wanted) {
            None => match self.front.find(wanted, row) {
                Ok((slot, position)) => Ok((slot, Spot::Front(position))),
                Err(position) => Err(Spot::Front(position)),
            },
            Some(rest) => {
                let hash = KeyMap::hash(wanted);
                let spot = Spot::Rest(hash);
                rest.index.find(hash, |slot| row(slot) == wanted).map(|slot| (slot, spot)).ok_or(spot)
            }
        }
    }

    /// Begins to look for a row, if that takes a while.
    pub(super) fn near(&self, wanted: &[u8]) -> Option<Near<'_>> {
        match self.rest_of(wanted) {
            None => self.front.search(wanted).map(Near::Front),
            Some(rest) => Some(Near::Rest(&rest.index, KeyMap::hash(wanted))),
        }
    }

    /// Puts a slot where its row was looked for and not found. `row` knows the new one too.
    pub(super) fn insert<'r>(&mut self, spot: Spot, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        match (spot, &mut self.rest) {
            (Spot::Front(position), _) => self.front.insert(position, slot, row),
            (Spot::Rest(hash), Some(rest)) => rest.index.insert(hash, slot),
            (Spot::Rest(_), None) => {}
        }
    }

    /// Takes out what was found.
    pub(super) fn remove<'r>(&mut self, spot: Spot, slot: u32, row: impl Fn(u32) -> &'r [u8]) {
        match (spot, &mut self.rest) {
            (Spot::Front(position), _) => self.front.remove(position, row),
            (Spot::Rest(hash), Some(rest)) => {
                rest.index.remove(hash, slot);
                if rest.index.is_empty() {
                    self.rest = None;
                }
            }
            (Spot::Rest(_), None) => {}
        }
    }

    /// Sees to it that the front is neither short nor long, and tells how many rows it went over. Spots are others then.
    pub(super) fn balance<'r>(&mut self, row: impl Fn(u32) -> &'r [u8]) -> usize {
        let front = self.front.len();
        let (behind, front_min) = self.rest.as_ref().map_or((0, 0), |rest| (rest.index.len(), rest.front_min.get()));
        let meant = FRONT_MIN.max((front + behind) / FRONT_SHARE).max(front_min);
        if front > 2 * meant {
            self.give_up(meant, row);
            front
        } else if behind > 0 && front < meant.div_ceil(2) {
            self.take_over(meant - front, row);
            front + behind
        } else {
            0
        }
    }

    /// All slots in the order of their rows.
    pub(super) fn iter<'s, 'r: 's>(
        &'s self,
        row: impl Fn(u32) -> &'r [u8] + 's,
    ) -> impl DoubleEndedIterator<Item = u32> + 's {
        let rest = std::iter::once_with(move || {
            self.rest.as_ref().map_or_else(Vec::new, |rest| {
                rest.front_min.set(4 * self.front.len());
                let mut slots: Vec<u32> = rest.index.slots().collect();
                slots.sort_unstable_by(|&one, &other| row(one).cmp(row(other)));
                slots
            })
        });
        self.front.iter().chain(rest.flatten())
    }

    /// All slots, in no order.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.front.iter().chain(self.rest.iter().flat_map(|rest| rest.index.slots()))
    }

    /// The front, which is all as long as [`balance`](Self::balance) was never called.
    pub(super) fn front(&self) -> &SortedSlots {
        &self.front
    }

    /// The rest, if a row belongs there.
    fn rest_of(&self, row: &[u8]) -> Option<&Rest> {
        self.rest.as_deref().filter(|rest| *row > *rest.border)
    }

    /// Leaves so many in the front.
    fn give_up<'r>(&mut self, keep: usize, row: impl Fn(u32) -> &'r [u8]) {
        let mut kept: Vec<u32> = self.front.iter().collect();
        let given_up = kept.split_off(keep);
        let border = row(kept[keep - 1]).into();
        let rest = self.rest.get_or_insert_with(Rest::empty);
        rest.border = border;
        given_up.into_iter().for_each(|slot| rest.index.insert(KeyMap::hash(row(slot)), slot));
        self.front = SortedSlots::new(kept, row);
    }

    /// Brings the first `more` of the rest to the front, or all.
    fn take_over<'r>(&mut self, more: usize, row: impl Fn(u32) -> &'r [u8]) {
        let Some(mut rest) = self.rest.take() else { return };
        let mut first: Vec<u32> = rest.index.slots().collect();
        let by_row = |one: &u32, other: &u32| row(*one).cmp(row(*other));
        if more < first.len() {
            first.select_nth_unstable_by(more, by_row);
            first.truncate(more);
        }
        first.sort_unstable_by(by_row);
        for &slot in &first {
            rest.index.remove(KeyMap::hash(row(slot)), slot);
        }
        if let Some(&last) = first.last().filter(|_| !rest.index.is_empty()) {
            rest.border = row(last).into();
            self.rest = Some(rest);
        }
        self.front = SortedSlots::new(self.front.iter().chain(first).collect(), row);
    }
}

impl Near<'_> {
    /// Loads where looking begins, which decides nothing.
    pub(super) fn load(&self) -> u64 {
        match self {
            Near::Rest(index, hash) => index.load(*hash),
            Near::Front(_) | Near::Found(_) => 0,
        }
    }

    /// Takes the next step, if there is one.
    pub(super) fn step(&mut self) -> bool {
        match self {
            Near::Front(search) => return search.step(),
            Near::Rest(index, hash) => *self = Near::Found(index.find(*hash, |_| true)),
            Near::Found(_) => {}
        }
        false
    }

    /// The slot of the row, or of another one, when there is no step left.
    pub(super) fn slot(&self) -> Option<u32> {
        match self {
            Near::Front(search) => Some(search.slot()),
            Near::Rest(..) => None,
            Near::Found(slot) => *slot,
        }
    }
}

impl Rest {
    fn empty() -> Box<Self> {
        Box::new(Self { border: ShortBytes::default(), index: SlotIndex::default(), front_min: Cell::new(0) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn they_are_as_an_ordered_set_whatever_comes_and_goes() {
        let rows: Vec<[u8; 4]> = (0..3_000u32).map(u32::to_be_bytes).collect();
        let row = |slot: u32| rows[slot as usize].as_slice();
        let mut random = fastrand::Rng::with_seed(1);
        let (mut slots, mut model) = (FirstSlots::default(), BTreeSet::new());
        let (mut longest, mut behind) = (0, 0);
        for share in [90, 50, 5, 60] {
            for step in 0..4_000 {
                // Mostly among the first ones, which takes the front to both its ends.
                let wanted = if step % 3 == 0 { random.u32(..3_000) } else { random.u32(..300) };
                match (slots.find(row(wanted), row), random.u32(..100) < share) {
                    (Err(spot), true) => {
                        slots.insert(spot, wanted, row);
                        model.insert(wanted);
                    }
                    (Ok((found, spot)), false) => {
                        assert_eq!(found, wanted);
                        slots.remove(spot, found, row);
                        model.remove(&wanted);
                    }
                    (found, _) => assert_eq!(found.is_ok(), model.contains(&wanted)),
                }
                slots.balance(row);
                assert!(slots.rest.as_ref().is_none_or(|rest| !rest.index.is_empty()));
                assert!(slots.iter(row).take(3).eq(model.iter().copied().take(3)));
                longest = longest.max(slots.front.len());
                behind = behind.max(slots.rest.as_ref().map_or(0, |rest| rest.index.len()));
            }
            assert!(slots.iter(row).eq(model.iter().copied()));
            assert!(slots.iter(row).rev().eq(model.iter().rev().copied()));
            assert_eq!(slots.slots().collect::<BTreeSet<_>>(), model);
        }
        assert!(longest < 1_000 && behind > 1_000, "{longest} in front, {behind} behind");
    }

    #[test]
    fn going_over_the_rest_is_paid_for() {
        let rows: Vec<[u8; 4]> = (0..20_000u32).map(u32::to_be_bytes).collect();
        let row = |slot: u32| rows[slot as usize].as_slice();
        let (mut slots, mut gone_over) = (FirstSlots::default(), 0);
        // What comes last comes first, and then all goes from the front.
        for slot in (0..20_000).rev() {
            let Err(spot) = slots.find(row(slot), row) else { panic!("{slot} is there") };
            slots.insert(spot, slot, row);
            gone_over += slots.balance(row);
        }
        for slot in 0..20_000 {
            let Ok((found, spot)) = slots.find(row(slot), row) else { panic!("{slot} is not there") };
            slots.remove(spot, found, row);
            gone_over += slots.balance(row);
        }
        assert!(slots.slots().next().is_none());
        assert!(gone_over < 2 * FRONT_SHARE * 40_000, "{gone_over} rows for 40,000 changes");
    }
}
