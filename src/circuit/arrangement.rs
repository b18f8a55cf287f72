//! Counted rows in order, by group: the state of every operator that needs more of its input than a total.
//!
//! A row is a byte string of [`RowCodec`](super::row_codec::RowCodec), so the order of the bytes is the order of the
//! rows. Groups are the owner's slots.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::state::{Residence, Writing};

/// For each group an ordered multiset of rows.
#[derive(Debug, Default)]
pub(crate) struct Arrangement {
    /// Group slot (big endian) and row bytes, to the entry's slot.
    order: BTreeMap<Arc<[u8]>, u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    pub(crate) residence: Residence,
    bytes: usize,
    /// Rows looked at.
    touched: Cell<u64>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Arc<[u8]>,
    weight: i64,
    /// A number that the owner keeps with the row.
    extra: i64,
}

const GROUP_BYTES: usize = 4;

impl Arrangement {
    /// Adds `weight` copies of a row to a group.
    pub(crate) fn add(&mut self, group: u32, row: &[u8], weight: i64) {
        let slot = self.change(group, row, weight);
        if self.entries[slot as usize].weight == 0 {
            self.residence.remove(slot);
            self.forget(slot);
        } else {
            self.residence.touch(slot);
        }
    }

    /// Removes all rows of a group.
    pub(crate) fn remove_group(&mut self, group: u32) {
        let first = group.to_be_bytes();
        let rows = self.order.range::<[u8], _>((Bound::Included(first.as_slice()), Bound::Unbounded));
        let slots: Vec<u32> = rows.take_while(|(key, _)| key.starts_with(&first)).map(|(_, slot)| *slot).collect();
        for slot in slots {
            self.residence.remove(slot);
            self.forget(slot);
        }
    }

    /// Puts back a row that a checkpoint kept, and gives its slot.
    pub(crate) fn restore(&mut self, group: u32, row: &[u8], weight: i64) -> u32 {
        self.change(group, row, weight)
    }

    /// The rows of a group in order, each with its count.
    pub(crate) fn rows(&self, group: u32) -> impl DoubleEndedIterator<Item = (&[u8], i64)> + '_ {
        let lower = group.to_be_bytes();
        let next = group.checked_add(1).map(u32::to_be_bytes);
        let upper = next.as_ref().map_or(Bound::Unbounded, |next| Bound::Excluded(next.as_slice()));
        self.order.range::<[u8], _>((Bound::Included(lower.as_slice()), upper)).map(|entry| self.counted(entry))
    }

    /// The rows of a group from one on, whether it is there or not.
    pub(crate) fn rows_from<'a>(&'a self, group: u32, row: &[u8]) -> impl Iterator<Item = (&'a [u8], i64)> + use<'a> {
        let next = group.checked_add(1).map(u32::to_be_bytes);
        let upper = next.as_ref().map_or(Bound::Unbounded, |next| Bound::Excluded(next.as_slice()));
        let rows = self.order.range::<[u8], _>((Bound::Included(key(group, row).as_slice()), upper));
        rows.map(|entry| self.counted(entry))
    }

    /// The rows of a group before one, the last first.
    pub(crate) fn rows_before<'a>(&'a self, group: u32, row: &[u8]) -> impl Iterator<Item = (&'a [u8], i64)> + use<'a> {
        let (first, end) = (group.to_be_bytes(), key(group, row));
        let rows = self.order.range::<[u8], _>((Bound::Included(first.as_slice()), Bound::Excluded(end.as_slice())));
        rows.rev().map(|entry| self.counted(entry))
    }

    /// How many rows were looked at, changed ones included.
    pub(crate) fn touched(&self) -> u64 {
        self.touched.get()
    }

    fn counted<'a>(&self, (key, slot): (&'a Arc<[u8]>, &u32)) -> (&'a [u8], i64) {
        self.touched.update(|touched| touched + 1);
        (&key[GROUP_BYTES..], self.entries[*slot as usize].weight)
    }

    /// Number of different rows.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Approximate bytes in memory.
    pub(crate) fn size(&self) -> usize {
        self.bytes + self.order.len() * 48 + self.entries.capacity() * 24
    }

    /// Count of a row and the number kept with it.
    pub(crate) fn find(&self, group: u32, row: &[u8]) -> Option<(i64, i64)> {
        let slot = *self.order.get(key(group, row).as_slice())?;
        let entry = &self.entries[slot as usize];
        Some((entry.weight, entry.extra))
    }

    /// Keeps a number with a row that is there.
    pub(crate) fn set_extra(&mut self, group: u32, row: &[u8], extra: i64) {
        if let Some(&slot) = self.order.get(key(group, row).as_slice())
            && self.entries[slot as usize].extra != extra
        {
            self.entries[slot as usize].extra = extra;
            self.residence.touch(slot);
        }
    }

    /// Puts back the number that a checkpoint kept with a row.
    pub(crate) fn restore_extra(&mut self, slot: u32, extra: i64) {
        self.entries[slot as usize].extra = extra;
    }

    /// Row bytes, count and number of an entry in use.
    pub(crate) fn entry_with_extra(&self, slot: u32) -> (&[u8], i64, i64) {
        let Entry { key, weight, extra } = &self.entries[slot as usize];
        (&key[GROUP_BYTES..], *weight, *extra)
    }

    pub(crate) fn write(&mut self) -> Option<Writing> {
        self.residence.write()
    }

    /// Group, row bytes and count of an entry in use.
    pub(crate) fn entry(&self, slot: u32) -> (u32, &[u8], i64) {
        let Entry { key, weight, .. } = &self.entries[slot as usize];
        let mut group = [0; GROUP_BYTES];
        group.copy_from_slice(&key[..GROUP_BYTES]);
        (u32::from_be_bytes(group), &key[GROUP_BYTES..], *weight)
    }

    fn change(&mut self, group: u32, row: &[u8], weight: i64) -> u32 {
        self.touched.update(|touched| touched + 1);
        let key = key(group, row);
        if let Some(&slot) = self.order.get(key.as_slice()) {
            self.entries[slot as usize].weight += weight;
            return slot;
        }
        let key: Arc<[u8]> = key.into();
        self.bytes += key.len();
        let entry = Entry { key: key.clone(), weight, extra: 0 };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.order.insert(key, slot);
        slot
    }

    fn forget(&mut self, slot: u32) {
        let key = std::mem::replace(&mut self.entries[slot as usize].key, Arc::new([]));
        self.bytes -= key.len();
        self.order.remove(&key);
        self.free.push(slot);
    }
}

fn key(group: u32, row: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(GROUP_BYTES + row.len());
    key.extend_from_slice(&group.to_be_bytes());
    key.extend_from_slice(row);
    key
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
