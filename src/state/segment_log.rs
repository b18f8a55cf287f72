//! The log of segments of one store: where the persisted row of each slot lives, and what a checkpoint has to write.
//!
//! Persisted state is a log of immutable segments. A checkpoint writes one new segment: the slots that changed, and the
//! addresses of the rows that died by it. Two rules move what is still needed of old segments into the new one, each
//! paid for by earlier changes, so that a checkpoint costs O(changes) amortised:
//!
//! - Garbage (dead rows, and addresses that name no segment any more) never exceeds the live rows and a constant.
//!   While it would, some segment holds at least half as much garbage as there is to move out of it: that one goes.
//! - Segments of like size are joined as soon as there are [`FAN`] of them, so their number is logarithmic.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use super::row_location::{Located, RowLocation, SlotChange};
use super::segment::{NewSegment, RowAddress, StateDelta};

/// Segments of one size class that are joined; also the ratio between classes.
const FAN: usize = 4;
/// Items of the smallest size class.
const CLASS_ITEMS_MIN: usize = 64;
/// Garbage that is let be, however little is live.
const SPARE_ITEMS: usize = 256;

/// The slot of a row that was dead when it was read back.
const NO_SLOT: u32 = u32::MAX;

/// The bookkeeping of one store. The slots' locations lie with their owner, which gives them with each call.
#[derive(Debug, Default)]
pub struct SegmentLog {
    /// Slots whose change is not [`SlotChange::None`], each once.
    changed: Vec<u32>,
    segments: BTreeMap<u64, LogSegment>,
    /// Rows that died since the last checkpoint.
    died: Vec<RowAddress>,
    next_id: u64,
}

#[derive(Debug, Default)]
struct LogSegment {
    /// The slot of each row when it was written; the row is live while that slot's location is still here.
    slots: Vec<u32>,
    live: usize,
    /// Dead addresses that this segment records.
    dead: Vec<RowAddress>,
    /// How many of `dead` name each segment that still exists.
    about: BTreeMap<u64, usize>,
    /// The sum of `about`.
    needed: usize,
}

impl LogSegment {
    /// Items that have to be written again if this segment goes.
    fn cost(&self) -> usize {
        self.live + self.needed
    }

    /// Items that no later checkpoint needs.
    fn garbage(&self) -> usize {
        self.slots.len() - self.live + self.dead.len() - self.needed
    }

    fn size_class(&self) -> u32 {
        (self.cost() / CLASS_ITEMS_MIN).max(1).ilog(FAN)
    }
}

/// What a checkpoint has to write for a store.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Writing {
    /// The new segment's id.
    pub id: u64,
    /// The slots whose rows make up the new segment, in this order.
    pub slots: Vec<u32>,
    pub dead: Vec<RowAddress>,
    pub dropped: Vec<u64>,
}

impl Writing {
    /// The delta, given the rows of `slots`. There is no new segment if it would hold nothing.
    pub fn into_delta(self, rows: RecordBatch) -> StateDelta {
        let holds_something = !self.slots.is_empty() || !self.dead.is_empty();
        let segment = holds_something.then_some(NewSegment { id: self.id, rows, dead: self.dead });
        StateDelta { segment, dropped: self.dropped }
    }
}

impl SegmentLog {
    /// Notes that a slot's row is new or changed.
    pub fn touch(&mut self, slot: u32, slots: &mut [impl Located]) {
        let location = slots[slot as usize].location();
        if location.change() == SlotChange::None {
            self.changed.push(slot);
        }
        location.set_change(SlotChange::Touched);
    }

    /// Notes that a slot's row is gone.
    pub fn remove(&mut self, slot: u32, slots: &mut [impl Located]) {
        let location = slots[slot as usize].location();
        if location.change() == SlotChange::Touched {
            location.set_change(SlotChange::Withdrawn);
        }
        self.vacate(location);
    }

    /// Whether there may be anything to write.
    pub fn is_dirty(&self) -> bool {
        !self.changed.is_empty() || !self.died.is_empty()
    }

    /// Persisted rows, live and dead.
    pub fn rows(&self) -> usize {
        self.segments.values().map(|segment| segment.slots.len()).sum()
    }

    /// Persisted rows that are live.
    pub fn live_rows(&self) -> usize {
        self.segments.values().map(|segment| segment.live).sum()
    }

    /// Decides what to write, and takes it as written: the caller has to write it, retrying if need be.
    pub fn write(&mut self, located: &mut [impl Located]) -> Option<Writing> {
        let mut slots = Vec::with_capacity(self.changed.len());
        for slot in std::mem::take(&mut self.changed) {
            let location = located[slot as usize].location();
            if location.is_touched() {
                self.vacate(location);
                slots.push(slot);
            }
            location.set_change(SlotChange::None);
        }
        let mut dead = std::mem::take(&mut self.died);
        if slots.is_empty() && dead.is_empty() {
            return None;
        }
        let mut dropped = Vec::new();
        for id in self.crowded() {
            self.empty(id, located, &mut slots, &mut dead);
            dropped.push(id);
        }
        while let Some(id) = self.worth_emptying(slots.len()) {
            self.empty(id, located, &mut slots, &mut dead);
            dropped.push(id);
        }
        dead.retain(|address| self.segments.contains_key(&address.segment));
        let id = self.next_id;
        self.next_id += 1;
        for (row, slot) in slots.iter().enumerate() {
            located[*slot as usize].location().settle(RowAddress { segment: id, row: row as u32 });
        }
        if !slots.is_empty() || !dead.is_empty() {
            self.insert(id, slots.clone(), slots.len(), dead.clone());
        }
        Some(Writing { id, slots, dead, dropped })
    }

    /// Takes over a segment that was read back: `slots` has the slot given to each row, none for a dead one. Segments
    /// are restored in ascending order.
    pub fn restore(&mut self, id: u64, slots: &[Option<u32>], dead: Vec<RowAddress>, located: &mut [impl Located]) {
        for (row, slot) in slots.iter().enumerate() {
            let Some(slot) = *slot else { continue };
            located[slot as usize].location().settle(RowAddress { segment: id, row: row as u32 });
        }
        let live = slots.iter().flatten().count();
        self.insert(id, slots.iter().map(|slot| slot.unwrap_or(NO_SLOT)).collect(), live, dead);
        self.next_id = self.next_id.max(id + 1);
    }

    fn insert(&mut self, id: u64, slots: Vec<u32>, live: usize, dead: Vec<RowAddress>) {
        let mut about = BTreeMap::new();
        for address in dead.iter().filter(|address| self.segments.contains_key(&address.segment)) {
            *about.entry(address.segment).or_default() += 1;
        }
        let needed = about.values().sum();
        self.segments.insert(id, LogSegment { slots, live, dead, about, needed });
    }

    fn vacate(&mut self, location: &mut RowLocation) {
        let Some(address) = location.leave() else { return };
        if let Some(segment) = self.segments.get_mut(&address.segment) {
            segment.live -= 1;
        }
        self.died.push(address);
    }

    /// Moves what is needed of a segment into the one that is being written.
    fn empty(&mut self, id: u64, located: &mut [impl Located], slots: &mut Vec<u32>, dead: &mut Vec<RowAddress>) {
        let Some(segment) = self.segments.remove(&id) else { return };
        for (row, &slot) in segment.slots.iter().enumerate().filter(|(_, slot)| **slot != NO_SLOT) {
            let (location, here) = (located[slot as usize].location(), RowAddress { segment: id, row: row as u32 });
            if location.address() == Some(here) {
                location.leave();
                slots.push(slot);
            }
        }
        dead.extend(segment.dead.iter().filter(|address| self.segments.contains_key(&address.segment)));
        for other in self.segments.values_mut() {
            other.needed -= other.about.remove(&id).unwrap_or(0);
        }
    }

    /// The segments of every size class that is full.
    fn crowded(&self) -> Vec<u64> {
        let mut classes: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (id, segment) in &self.segments {
            classes.entry(segment.size_class()).or_default().push(*id);
        }
        classes.into_values().filter(|class| class.len() >= FAN).flatten().collect()
    }

    /// A segment that costs nothing to drop, or while there is too much garbage the one with the most of it for what
    /// has to be moved: at most two items a piece of garbage, because garbage outweighs the live rows and each dead
    /// row is named by exactly one needed address.
    fn worth_emptying(&self, writing: usize) -> Option<u64> {
        if let Some((id, _)) = self.segments.iter().find(|(_, segment)| segment.cost() == 0) {
            return Some(*id);
        }
        let garbage: usize = self.segments.values().map(LogSegment::garbage).sum();
        if garbage <= self.live_rows() + writing + SPARE_ITEMS {
            return None;
        }
        let with_garbage = self.segments.iter().filter(|(_, segment)| segment.garbage() > 0);
        // a.cost / a.garbage < b.cost / b.garbage, without the division.
        let best = with_garbage.min_by(|(_, a), (_, b)| {
            (a.cost() as u128 * b.garbage() as u128).cmp(&(b.cost() as u128 * a.garbage() as u128))
        });
        best.map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;
    use crate::state::{Key, KeyMap, Keyed};

    /// The rows of a segment, as key and value, and its dead addresses.
    type Logged = (Vec<(u64, u64)>, Vec<RowAddress>);

    #[derive(Default)]
    struct Kept {
        key: Key,
        value: u64,
        location: RowLocation,
    }

    impl Keyed for Kept {
        fn key(&self) -> &Key {
            &self.key
        }

        fn key_mut(&mut self) -> &mut Key {
            &mut self.key
        }
    }

    impl Located for Kept {
        fn location(&mut self) -> &mut RowLocation {
            &mut self.location
        }
    }

    /// A store as an operator keeps it, the log that its checkpoints wrote, and what that cost.
    #[derive(Default)]
    struct Store {
        keys: KeyMap<Kept>,
        segment_log: SegmentLog,
        log: BTreeMap<u64, Logged>,
        changes: usize,
        written: usize,
        written_max: usize,
        writes: usize,
    }

    impl Store {
        fn put(&mut self, key: u64, value: u64) {
            let (slot, _) = self.keys.get_or_insert(&key.to_be_bytes());
            self.keys.record_mut(slot).value = value;
            self.segment_log.touch(slot, self.keys.records_mut());
            self.changes += 1;
        }

        fn remove(&mut self, key: u64) {
            if let Some(slot) = self.keys.get(&key.to_be_bytes()) {
                self.segment_log.remove(slot, self.keys.records_mut());
                self.keys.remove(slot);
                self.changes += 1;
            }
        }

        fn write(&mut self) {
            let Some(writing) = self.segment_log.write(self.keys.records_mut()) else { return };
            for id in &writing.dropped {
                assert!(self.log.remove(id).is_some(), "segment {id} was dropped twice");
            }
            self.writes += 1;
            let items = writing.slots.len() + writing.dead.len();
            self.written += items;
            self.written_max = self.written_max.max(items);
            if items > 0 {
                let rows = writing.slots.iter().map(|slot| (self.key(*slot), self.keys.record(*slot).value)).collect();
                assert!(self.log.insert(writing.id, (rows, writing.dead)).is_none(), "id {} again", writing.id);
            }
        }

        fn key(&self, slot: u32) -> u64 {
            u64::from_be_bytes(self.keys.key(slot).try_into().unwrap())
        }

        fn model(&self) -> BTreeMap<u64, u64> {
            self.keys.live().map(|slot| (self.key(slot), self.keys.record(slot).value)).collect()
        }

        fn dead(&self) -> BTreeSet<(u64, u32)> {
            self.log.values().flat_map(|(_, dead)| dead).map(|address| (address.segment, address.row)).collect()
        }

        /// Reads the log back; a key that is live twice is an error.
        fn read(&self) -> BTreeMap<u64, u64> {
            let (dead, mut read) = (self.dead(), BTreeMap::new());
            for (id, (rows, _)) in &self.log {
                for (row, (key, value)) in rows.iter().enumerate() {
                    if !dead.contains(&(*id, row as u32)) {
                        assert_eq!(read.insert(*key, *value), None, "key {key} is live twice");
                    }
                }
            }
            read
        }

        fn restart(&mut self) {
            let dead = self.dead();
            (self.keys, self.segment_log) = Default::default();
            for (id, (rows, recorded)) in &self.log {
                let mut slots = Vec::new();
                for (row, (key, value)) in rows.iter().enumerate() {
                    slots.push((!dead.contains(&(*id, row as u32))).then(|| {
                        let (slot, _) = self.keys.get_or_insert(&key.to_be_bytes());
                        self.keys.record_mut(slot).value = *value;
                        slot
                    }));
                }
                self.segment_log.restore(*id, &slots, recorded.clone(), self.keys.records_mut());
            }
        }

        fn check(&self) {
            assert_eq!(self.read(), self.model());
            let live = self.keys.len();
            let rows: usize = self.log.values().map(|(rows, _)| rows.len()).sum();
            let addresses: usize = self.log.values().map(|(_, dead)| dead.len()).sum();
            assert_eq!((rows, live), (self.segment_log.rows(), self.segment_log.live_rows()));
            assert!(rows <= 2 * live + SPARE_ITEMS, "{rows} rows for {live} live ones");
            assert!(rows + addresses <= 3 * live + 2 * SPARE_ITEMS + self.changes, "{addresses} addresses");
            assert!(self.log.len() <= (FAN + 1) * 12, "{} segments", self.log.len());
            let classes = (self.changes.max(CLASS_ITEMS_MIN) / CLASS_ITEMS_MIN).ilog(FAN) as usize + 1;
            let allowed = self.changes * (6 + classes) + self.writes * 4 * FAN * CLASS_ITEMS_MIN;
            assert!(self.written <= allowed, "{} items written, {allowed} allowed", self.written);
        }
    }

    #[test]
    fn the_log_reads_back_as_the_model_whatever_happens() {
        for seed in 0..60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut store = Store::default();
            let keys = [3, 40, 2000][seed as usize % 3];
            let burst = [4, 50, 700][seed as usize / 3 % 3];
            for step in 0..150 {
                let removing = random.u8(0..10);
                for _ in 0..random.usize(0..=burst) {
                    let key = random.u64(0..keys);
                    if random.u8(0..10) < removing { store.remove(key) } else { store.put(key, random.u64(..)) }
                }
                store.write();
                assert_eq!(store.read(), store.model(), "seed {seed} step {step}");
                store.check();
                if random.u8(0..12) == 0 {
                    store.restart();
                    store.check();
                }
            }
        }
    }

    #[test]
    fn a_trickle_after_a_great_deletion_stays_cheap() {
        let mut store = Store::default();
        (0..20_000).for_each(|key| store.put(key, key));
        store.write();
        (0..8_000).for_each(|key| store.remove(key));
        store.write();
        let before = store.written;
        for step in 0..500 {
            store.put(10_000 + step % 7, step);
            store.write();
        }
        store.check();
        // The dead addresses are not written again with every change, nor is any large segment.
        assert!(store.written - before < 40_000, "{} items for 500 changes", store.written - before);
    }

    #[test]
    fn a_segment_of_middling_size_is_not_rewritten_by_a_trickle() {
        let mut store = Store::default();
        for size in [40_000, 30_000, 5_000] {
            let from = store.keys.len() as u64;
            (from..from + size).for_each(|key| store.put(key, 0));
            store.write();
        }
        let before = store.written;
        for step in 0..300 {
            store.put(1_000_000 + step, step);
            store.write();
        }
        assert!(store.written - before < 20_000, "{} items for 300 changes", store.written - before);
    }

    #[test]
    fn a_store_that_was_emptied_leaves_nothing() {
        let mut store = Store::default();
        (0..1000).for_each(|key| store.put(key, key));
        store.write();
        store.restart();
        (0..1000).for_each(|key| store.remove(key));
        store.write();
        assert!(store.log.is_empty());
        assert_eq!(store.segment_log.write(store.keys.records_mut()), None);
    }

    #[test]
    fn a_restored_segment_of_dead_rows_only_can_be_emptied() {
        let (mut segment_log, mut locations) = (SegmentLog::default(), [RowLocation::default()]);
        segment_log.restore(0, &[None, None], Vec::new(), &mut locations);
        let dead = vec![RowAddress { segment: 0, row: 0 }, RowAddress { segment: 0, row: 1 }];
        segment_log.restore(1, &[], dead, &mut locations);
        segment_log.touch(0, &mut locations);
        assert_eq!(
            segment_log.write(&mut locations),
            Some(Writing { id: 2, slots: vec![0], dead: vec![], dropped: vec![0, 1] })
        );
    }

    #[test]
    fn what_was_touched_and_taken_back_is_not_written() {
        let (mut segment_log, mut locations) = (SegmentLog::default(), [RowLocation::default()]);
        for _ in 0..3 {
            segment_log.touch(0, &mut locations);
            segment_log.remove(0, &mut locations);
        }
        assert_eq!(segment_log.changed.len(), 1);
        assert_eq!(segment_log.write(&mut locations), None);
        assert!(!segment_log.is_dirty());
    }
}
