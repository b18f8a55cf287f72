//! Slots in an order that only their owner knows: small while there are few, and never O(all) where there are many.
//!
//! They stand in runs of limited length, so that putting one in moves no more than a run, and now and then the list of runs.

use std::cmp::Ordering;

/// Slots of a run before it is cut in two.
const RUN_MAX: usize = 256;

/// Different slots in order.
#[derive(Debug)]
pub(super) enum SortedSlots {
    One(Vec<u32>),
    /// None is empty.
    Many(Vec<Vec<u32>>),
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
    /// Finds what `compare` calls equal, or its place. `compare` says how a slot stands to what is looked for.
    pub(super) fn find(&self, compare: impl Fn(u32) -> Ordering) -> Result<(u32, Place), Place> {
        let (run, slots) = match self {
            SortedSlots::One(slots) => (0, slots),
            SortedSlots::Many(runs) => {
                let below = |slots: &Vec<u32>| slots.last().is_some_and(|&last| compare(last).is_lt());
                let run = runs.partition_point(below).min(runs.len() - 1);
                (run, &runs[run])
            }
        };
        match slots.binary_search_by(|&slot| compare(slot)) {
            Ok(at) => Ok((slots[at], Place { run, at })),
            Err(at) => Err(Place { run, at }),
        }
    }

    pub(super) fn insert(&mut self, place: Place, slot: u32) {
        match self {
            SortedSlots::One(slots) => {
                slots.insert(place.at, slot);
                if slots.len() > RUN_MAX {
                    let upper = slots.split_off(RUN_MAX / 2);
                    *self = SortedSlots::Many(vec![std::mem::take(slots), upper]);
                }
            }
            SortedSlots::Many(runs) => {
                let slots = &mut runs[place.run];
                slots.insert(place.at, slot);
                if slots.len() > RUN_MAX {
                    let upper = slots.split_off(RUN_MAX / 2);
                    runs.insert(place.run + 1, upper);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place) {
        match self {
            SortedSlots::One(slots) => {
                slots.remove(place.at);
                if slots.is_empty() {
                    *self = SortedSlots::default();
                }
            }
            SortedSlots::Many(runs) => {
                runs[place.run].remove(place.at);
                if runs[place.run].is_empty() {
                    runs.remove(place.run);
                }
                if let [only] = runs.as_mut_slice() {
                    *self = SortedSlots::One(std::mem::take(only));
                }
            }
        }
    }

    /// Those from a place on.
    pub(super) fn iter_from(&self, place: Place) -> impl Iterator<Item = u32> + '_ {
        let (_, from) = self.runs().split_at(place.run);
        let (run, later) = from.split_first().map_or((&[][..], from), |(run, later)| (&run[place.at..], later));
        run.iter().chain(later.iter().flatten()).copied()
    }

    /// Those before a place, the last first.
    pub(super) fn iter_before(&self, place: Place) -> impl Iterator<Item = u32> + '_ {
        let (earlier, run) = self.runs().split_at(place.run);
        let run = run.first().map_or(&[][..], |run| &run[..place.at]);
        run.iter().rev().chain(earlier.iter().rev().flat_map(|run| run.iter().rev())).copied()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.runs().iter().flatten().copied()
    }

    fn runs(&self) -> &[Vec<u32>] {
        match self {
            SortedSlots::One(slots) => std::slice::from_ref(slots),
            SortedSlots::Many(runs) => runs.as_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn they_are_as_an_ordered_set_whatever_comes_and_goes() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut slots, mut model) = (SortedSlots::default(), BTreeSet::new());
        // Grows beyond several runs, then shrinks to nothing.
        for share in [90, 50, 5] {
            for _ in 0..6_000 {
                let wanted = random.u32(..4_000);
                match (slots.find(|slot| slot.cmp(&wanted)), random.u32(..100) < share) {
                    (Err(place), true) => {
                        slots.insert(place, wanted);
                        model.insert(wanted);
                    }
                    (Ok((found, place)), false) => {
                        assert_eq!(found, wanted);
                        slots.remove(place);
                        model.remove(&wanted);
                    }
                    (found, _) => assert_eq!(found.is_ok(), model.contains(&wanted)),
                }
            }
            assert!(slots.iter().eq(model.iter().copied()));
            assert!(slots.iter().rev().eq(model.iter().rev().copied()));
            for wanted in [0, 1, 777, 2_000, 3_999, 5_000] {
                let place = slots.find(|slot| slot.cmp(&wanted)).map_or_else(|place| place, |(_, place)| place);
                assert!(slots.iter_from(place).eq(model.range(wanted..).copied()));
                assert!(slots.iter_before(place).eq(model.range(..wanted).rev().copied()));
            }
        }
        for wanted in model {
            let (_, place) = slots.find(|slot| slot.cmp(&wanted)).unwrap_or_else(|_| panic!("{wanted} is not there"));
            slots.remove(place);
        }
        assert!(matches!(slots, SortedSlots::One(slots) if slots.is_empty()));
    }
}
