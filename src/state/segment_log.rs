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
            located[*slot as usize].location().persisted_at(RowAddress { segment: id, row: row as u32 });
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
            located[slot as usize].location().persisted_at(RowAddress { segment: id, row: row as u32 });
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
mod tests;
