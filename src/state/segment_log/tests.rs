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
