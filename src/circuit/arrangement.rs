//! Counted rows in order, by group: the state of every operator that needs more of its input than a total.
//!
//! A row is a byte string of [`RowCodec`](super::row_codec::RowCodec), so the order of the bytes is the order of the
//! rows. Groups are the owner's slots.

use std::cell::Cell;
use std::hint::black_box;

use super::first_slots::{FirstSlots, Near, Spot};
use super::sorted_slots::{Position, SortedSlots};
use crate::state::{Located, RowLocation, SegmentLog, ShortBytes, StoredSegment, Writing};

/// Rows that are loaded at once.
pub(crate) const PRELOADED: usize = 256;

/// For each group an ordered multiset of rows.
#[derive(Debug, Default)]
pub(crate) struct Arrangement {
    /// By group slot: the slots of its entries.
    groups: Vec<FirstSlots>,
    /// Whether only the first rows of a group are asked for in order.
    first_only: bool,
    entries: Vec<ArrangedRow>,
    free: Vec<u32>,
    segment_log: SegmentLog,
    /// Of rows that are too long to lie in `entries`.
    heap_bytes: usize,
    /// Rows looked at.
    touched: Cell<u64>,
}

/// A row and what is kept of it, in one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct ArrangedRow {
    row: ShortBytes,
    location: RowLocation,
    group: u32,
    weight: i64,
    /// A number that the owner keeps with the row.
    extra: i64,
}

impl Located for ArrangedRow {
    fn location(&mut self) -> &mut RowLocation {
        &mut self.location
    }
}

impl Arrangement {
    /// For an owner that asks for the first rows of a group in order. Others come in order too, but at a price.
    pub(crate) fn of_first_rows() -> Self {
        Self { first_only: true, ..Self::default() }
    }

    /// Adds `weight` copies of a row to a group.
    pub(crate) fn add(&mut self, group: u32, row: &[u8], weight: i64) {
        let (slot, spot) = self.change(group, row, weight);
        if self.entries[slot as usize].weight == 0 {
            self.segment_log.remove(slot, &mut self.entries);
            self.groups[group as usize].remove(spot, slot, |slot| &self.entries[slot as usize].row);
            self.free(slot);
        } else {
            self.segment_log.touch(slot, &mut self.entries);
        }
        self.balance(group);
    }

    /// Loads what looking for some rows will wait for: one step of each search before the next step, so that they wait
    /// for memory together. Good for as many as fit the cache, [`PRELOADED`].
    pub(crate) fn preload<'r>(&self, rows: impl Iterator<Item = (u32, &'r [u8])>) {
        let near = rows.filter_map(|(group, row)| self.groups.get(group as usize)?.near(row));
        let mut near: Vec<Near<'_>> = near.collect();
        black_box(near.iter().map(Near::load).fold(0, u64::wrapping_add));
        while near.iter_mut().map(Near::step).filter(|&more| more).count() > 0 {}
        black_box(near.iter().filter_map(Near::slot).map(|slot| self.entries[slot as usize].weight).sum::<i64>());
    }

    /// Removes all rows of a group.
    pub(crate) fn remove_group(&mut self, group: u32) {
        let Some(slots) = self.groups.get_mut(group as usize).map(std::mem::take) else { return };
        for slot in slots.slots() {
            self.segment_log.remove(slot, &mut self.entries);
            self.free(slot);
        }
    }

    /// Takes over a segment whose rows were put back, each in its slot.
    pub(crate) fn restored(&mut self, segment: &StoredSegment, slots: &[Option<u32>]) {
        self.segment_log.restore(segment.id, slots, segment.dead.clone(), &mut self.entries);
    }

    /// Puts back a row that a checkpoint kept, and gives its slot.
    pub(crate) fn restore(&mut self, group: u32, row: &[u8], weight: i64) -> u32 {
        let (slot, _) = self.change(group, row, weight);
        self.balance(group);
        slot
    }

    /// The rows of a group in order, each with its count.
    pub(crate) fn rows(&self, group: u32) -> impl DoubleEndedIterator<Item = (&[u8], i64)> + '_ {
        let slots = self.groups.get(group as usize).into_iter();
        slots.flat_map(|slots| slots.iter(|slot| self.counted(slot).0)).map(|slot| self.counted(slot))
    }

    /// The rows of a group from one on, whether it is there or not.
    pub(crate) fn rows_from<'a>(&'a self, group: u32, row: &[u8]) -> impl Iterator<Item = (&'a [u8], i64)> + use<'a> {
        let found = self.groups.get(group as usize).map(|slots| (slots.front(), self.position(slots.front(), row)));
        found.into_iter().flat_map(|(slots, position)| slots.iter_from(position)).map(|slot| self.counted(slot))
    }

    /// The rows of a group before one, the last first.
    pub(crate) fn rows_before<'a>(&'a self, group: u32, row: &[u8]) -> impl Iterator<Item = (&'a [u8], i64)> + use<'a> {
        let found = self.groups.get(group as usize).map(|slots| (slots.front(), self.position(slots.front(), row)));
        found.into_iter().flat_map(|(slots, position)| slots.iter_before(position)).map(|slot| self.counted(slot))
    }

    /// How many rows were looked at, changed ones included.
    pub(crate) fn touched(&self) -> u64 {
        self.touched.get()
    }

    fn counted(&self, slot: u32) -> (&[u8], i64) {
        self.touched.update(|touched| touched + 1);
        let ArrangedRow { row, weight, .. } = &self.entries[slot as usize];
        (row, *weight)
    }

    /// Number of different rows.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Approximate bytes in memory.
    pub(crate) fn size(&self) -> usize {
        // A row's slot and window in its group, and in the log of segments a slot number.
        let groups = self.groups.capacity() * size_of::<FirstSlots>();
        self.heap_bytes + groups + self.len() * 24 + self.entries.capacity() * size_of::<ArrangedRow>()
    }

    /// Count of a row and the number kept with it.
    pub(crate) fn find(&self, group: u32, row: &[u8]) -> Option<(i64, i64)> {
        let ArrangedRow { weight, extra, .. } = &self.entries[self.slot(group, row)? as usize];
        Some((*weight, *extra))
    }

    /// Keeps a number with a row that is there.
    pub(crate) fn set_extra(&mut self, group: u32, row: &[u8], extra: i64) {
        if let Some(slot) = self.slot(group, row)
            && self.entries[slot as usize].extra != extra
        {
            self.entries[slot as usize].extra = extra;
            self.segment_log.touch(slot, &mut self.entries);
        }
    }

    /// Puts back the number that a checkpoint kept with a row.
    pub(crate) fn restore_extra(&mut self, slot: u32, extra: i64) {
        self.entries[slot as usize].extra = extra;
    }

    /// Row bytes, count and number of an entry in use.
    pub(crate) fn entry_with_extra(&self, slot: u32) -> (&[u8], i64, i64) {
        let ArrangedRow { row, weight, extra, .. } = &self.entries[slot as usize];
        (row, *weight, *extra)
    }

    pub(crate) fn write(&mut self) -> Option<Writing> {
        self.segment_log.write(&mut self.entries)
    }

    /// Number of rows that the checkpoints hold since the last writing.
    pub(crate) fn persisted_rows(&self) -> u64 {
        self.segment_log.live_rows() as u64
    }

    /// Group, row bytes and count of an entry in use.
    pub(crate) fn entry(&self, slot: u32) -> (u32, &[u8], i64) {
        let ArrangedRow { row, group, weight, .. } = &self.entries[slot as usize];
        (*group, row, *weight)
    }

    fn slot(&self, group: u32, row: &[u8]) -> Option<u32> {
        let found = self.groups.get(group as usize)?.find(row, |slot| &self.entries[slot as usize].row);
        found.ok().map(|(slot, _)| slot)
    }

    /// Where a row is among the slots of its group, or would be.
    fn position(&self, slots: &SortedSlots, row: &[u8]) -> Position {
        match slots.find(row, |slot| &self.entries[slot as usize].row) {
            Ok((_, position)) | Err(position) => position,
        }
    }

    fn balance(&mut self, group: u32) {
        if self.first_only {
            let looked_at = self.groups[group as usize].balance(|slot| &self.entries[slot as usize].row);
            self.touched.update(|touched| touched + looked_at as u64);
        }
    }

    /// Adds to the weight of a row, and says where it is.
    fn change(&mut self, group: u32, row: &[u8], weight: i64) -> (u32, Spot) {
        self.touched.update(|touched| touched + 1);
        if group as usize >= self.groups.len() {
            self.groups.resize_with(group as usize + 1, FirstSlots::default);
        }
        let slots = &mut self.groups[group as usize];
        match slots.find(row, |slot| &self.entries[slot as usize].row) {
            Ok((slot, spot)) => {
                self.entries[slot as usize].weight += weight;
                (slot, spot)
            }
            Err(spot) => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.entries.push(ArrangedRow::default());
                    (self.entries.len() - 1) as u32
                });
                let entry = &mut self.entries[slot as usize];
                *entry = ArrangedRow { row: row.into(), location: entry.location, group, weight, extra: 0 };
                self.heap_bytes += entry.row.heap_bytes();
                slots.insert(spot, slot, |slot| &self.entries[slot as usize].row);
                (slot, spot)
            }
        }
    }

    /// Lets an entry be used again that its group has no more.
    fn free(&mut self, slot: u32) {
        let row = std::mem::take(&mut self.entries[slot as usize].row);
        self.heap_bytes -= row.heap_bytes();
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_order_with_their_counts_and_leave_no_trace() {
        let mut arrangement = Arrangement::default();
        for (group, row, weight) in [(1, "b", 1), (0, "z", 1), (1, "a", 2), (1, "b", 1), (1, "c", -1), (1, "c", 1)] {
            arrangement.add(group, row.as_bytes(), weight);
        }
        let rows: Vec<_> = arrangement.rows(1).map(|(row, weight)| (row.to_vec(), weight)).collect();
        assert_eq!(rows, [(b"a".to_vec(), 2), (b"b".to_vec(), 2)]);
        assert_eq!(arrangement.len(), 3);
    }
}
