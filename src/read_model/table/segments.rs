//! The segments that the writer holds, and where each slot's row is among them.
//!
//! Keys are unknown here: rows are named by their slot, and carry the hashes that their indexes need along. Locations
//! themselves lie with the keys, because a changed key asks for both.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::canonical::canonical_rows;
use super::key_index::KeyIndex;
use super::liveness::Liveness;
use super::segment::{Segment, View, gather};
use crate::state::{Key, KeyMap, Keyed, Located, RowLocation};

/// More rows than this are never joined in one segment, so that no commit stalls long.
pub(super) const SEGMENT_ROWS: usize = 65_536;

/// The keys of a table, each with what is kept of its row.
pub(super) type Slots = KeyMap<Slot>;

/// The record of a key and its row, in one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Slot {
    key: Key,
    index: RowPlace,
    location: RowLocation,
}

#[derive(Debug)]
pub(super) struct Segments {
    schema: SchemaRef,
    columns: Vec<usize>,
    /// How many orders a segment may be sorted in.
    orders: usize,
    pub(super) segment_rows: usize,
    /// By number; a number that is free may be given again.
    pub(super) held: Vec<Option<WriterSegment>>,
    free: Vec<u32>,
    pub(super) stored: usize,
    pub(super) live: usize,
}

/// Where a slot's row is, and what stays with it when it moves.
#[derive(Debug, Clone, Copy)]
struct RowPlace {
    segment: u32,
    row: u32,
    hashes: RowHashes,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowHashes {
    pub(super) key: u32,
    /// Of the whole row: a retraction of a row that is not there is noticed by it.
    pub(super) row: u32,
}

/// A segment and what only the writer knows of its rows.
#[derive(Debug)]
pub(super) struct WriterSegment {
    pub(super) segment: Arc<Segment>,
    pub(super) liveness: Arc<Liveness>,
    /// By row.
    slots: Vec<u32>,
}

impl Default for RowPlace {
    /// Nowhere.
    fn default() -> Self {
        Self { segment: u32::MAX, row: 0, hashes: RowHashes::default() }
    }
}

impl Keyed for Slot {
    fn key(&self) -> &Key {
        &self.key
    }

    fn key_mut(&mut self) -> &mut Key {
        &mut self.key
    }
}

impl Located for Slot {
    fn location(&mut self) -> &mut RowLocation {
        &mut self.location
    }
}

impl Slot {
    /// The hash of the row, if there is one.
    pub(super) fn row_hash(&self) -> u32 {
        self.index.hashes.row
    }
}

impl Segments {
    pub(super) fn new(schema: SchemaRef, orders: usize, segment_rows: usize) -> Self {
        let columns = (0..schema.fields().len()).collect();
        let (held, free) = (Vec::new(), Vec::new());
        Self { schema, columns, orders, segment_rows, held, free, stored: 0, live: 0 }
    }

    /// Adds rows, of which each slot has none yet, as one segment.
    pub(super) fn add(&mut self, rows: RecordBatch, slots: Vec<u32>, hashes: &[RowHashes], all: &mut Slots) {
        debug_assert!(rows.num_rows() == slots.len() && slots.len() == hashes.len());
        if slots.is_empty() {
            return;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.held.push(None);
            (self.held.len() - 1) as u32
        });
        for (row, (slot, hashes)) in slots.iter().zip(hashes).enumerate() {
            all.record_mut(*slot).index = RowPlace { segment: number, row: row as u32, hashes: *hashes };
        }
        self.stored += slots.len();
        self.live += slots.len();
        let keys = KeyIndex::new(hashes.iter().map(|hashes| hashes.key).collect());
        let liveness = Arc::new(Liveness::new(slots.len()));
        let segment = Arc::new(Segment::with_keys(rows, self.orders, keys));
        self.held[number as usize] = Some(WriterSegment { segment, liveness, slots });
    }

    /// The slot's row is no longer live.
    pub(super) fn kill(&mut self, slot: &mut Slot) {
        let index = std::mem::take(&mut slot.index);
        if let Some(held) = self.held.get_mut(index.segment as usize).and_then(Option::as_mut) {
            Arc::make_mut(&mut held.liveness).kill(index.row as usize);
            self.live -= 1;
        }
    }

    /// The rows of these slots, in this order.
    pub(super) fn rows_of(&self, slots: &[u32], all: &Slots) -> Result<RecordBatch, ArrowError> {
        let (numbers, sources): (Vec<usize>, Vec<&RecordBatch>) =
            self.held.iter().enumerate().filter_map(|(n, held)| Some((n, held.as_ref()?.segment.rows()))).unzip();
        let mut dense = vec![usize::MAX; self.held.len()];
        numbers.iter().enumerate().for_each(|(source, &number)| dense[number] = source);
        let indices = slots.iter().map(|&slot| {
            let index = all.record(slot).index;
            let source = dense.get(index.segment as usize).copied().filter(|&source| source != usize::MAX);
            let source = source.ok_or_else(|| ArrowError::InvalidArgumentError(format!("slot {slot} has no row")))?;
            Ok((source, index.row as usize))
        });
        gather(&sources, &indices.collect::<Result<Vec<_>, ArrowError>>()?, &self.columns, &self.schema)
    }

    /// Moves the live rows of some segments into a new one.
    pub(super) fn rewrite(&mut self, numbers: &[usize], all: &mut Slots) -> Result<(), ArrowError> {
        let (mut sources, mut indices, mut slots) = (Vec::new(), Vec::new(), Vec::new());
        for held in numbers.iter().filter_map(|&number| self.held[number].as_ref()) {
            for row in held.liveness.live_rows() {
                indices.push((sources.len(), row));
                slots.push(held.slots[row]);
            }
            sources.push(held.segment.rows());
        }
        let rows = gather(&sources, &indices, &self.columns, &self.schema)?;
        // Views would keep the buffers of the old segments.
        let rows = canonical_rows(&rows, &self.schema)?;
        numbers.iter().for_each(|&number| self.release(number));
        let hashes: Vec<RowHashes> = slots.iter().map(|&slot| all.record(slot).index.hashes).collect();
        self.add(rows, slots, &hashes, all);
        Ok(())
    }

    /// Lets go of a segment; its live rows have to be elsewhere by then, or be added again.
    pub(super) fn release(&mut self, number: usize) {
        if let Some(held) = self.held[number].take() {
            self.stored -= held.liveness.rows();
            self.live -= held.liveness.live();
            self.free.push(number as u32);
        }
    }

    pub(super) fn views(&self) -> Arc<[View]> {
        let view = |held: &WriterSegment| View { segment: held.segment.clone(), liveness: held.liveness.clone() };
        self.held.iter().flatten().map(view).collect()
    }

    /// Approximate bytes in memory.
    pub(super) fn size(&self) -> usize {
        let rows = self.stored * size_of::<u32>() + self.stored / 8;
        let segments: usize = self.held.iter().flatten().map(|held| held.segment.size()).sum();
        rows + segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_key_fits_a_cache_line() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}
