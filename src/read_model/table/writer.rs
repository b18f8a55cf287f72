//! The one writer of a table: applies deltas, checks keys, and hands out snapshots.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::apply_error::{ApplyError, shown_key};
use super::canonical::{canonical, canonical_rows};
use super::decision::{Deciding, Decision, Written};
use super::encoding::{Encoded, Encoding, batch};
use super::order::Order;
use super::segments::{RowHashes, SEGMENT_ROWS, Segments, Slots};
use super::{RowsVersion, TableSnapshot, TableSpec};
use crate::circuit::ZBatch;
use crate::state::SegmentLog;

/// A table as its writer sees it.
#[derive(Debug)]
pub struct Table {
    pub(super) spec: Arc<TableSpec>,
    pub(super) key_encoding: Arc<Encoding>,
    pub(super) row_encoding: Encoding,
    pub(super) slots: Slots,
    pub(super) segments: Segments,
    pub(super) segment_log: SegmentLog,
    /// Of the rows as they are now.
    pub(super) version: RowsVersion,
}

/// What a commit did, by key; a row that stayed as it was is in none of these.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Rows whose keys were not there before.
    pub inserted: RecordBatch,
    /// The new rows of keys that were there before.
    pub updated: RecordBatch,
    /// The key columns of rows that are gone, in the order of [`TableSpec::key`].
    pub deleted_keys: RecordBatch,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changed keys.
    pub fn len(&self) -> usize {
        self.inserted.num_rows() + self.updated.num_rows() + self.deleted_keys.num_rows()
    }
}

impl Table {
    /// An empty table.
    ///
    /// # Errors
    /// If a column's type cannot be compared.
    pub fn new(spec: Arc<TableSpec>) -> Result<Self, ArrowError> {
        Self::with_segment_rows(spec, SEGMENT_ROWS)
    }

    pub(super) fn with_segment_rows(spec: Arc<TableSpec>, segment_rows: usize) -> Result<Self, ArrowError> {
        let columns: Vec<usize> = (0..spec.schema.fields().len()).collect();
        Ok(Self {
            key_encoding: Arc::new(Encoding::new(&spec.schema, &spec.key)?),
            row_encoding: Encoding::new(&spec.schema, &columns)?,
            slots: Slots::default(),
            segments: Segments::new(spec.schema.clone(), Order::count(&spec), segment_rows),
            segment_log: SegmentLog::default(),
            version: RowsVersion::next(),
            spec,
        })
    }

    pub fn spec(&self) -> &Arc<TableSpec> {
        &self.spec
    }

    /// Applies a Z-set of rows, of which the table's columns are made by index.
    ///
    /// The same row may come several times, in any order. Afterwards each key has at most one row: a delta that says
    /// otherwise, or takes back what is not there, is refused and leaves the table as it was.
    ///
    /// # Errors
    /// If the delta gives a key two rows or takes back a row that is not there; both are named.
    pub fn apply(&mut self, delta: &ZBatch) -> Result<Changes, ApplyError> {
        let rows = canonical_rows(&delta.rows, &self.spec.schema).map_err(|error| self.rows_error(error))?;
        let keys = self.key_encoding.encode(&rows).map_err(|error| self.rows_error(error))?;
        let decision = self.decide(&rows, &keys, delta)?;
        self.commit(&rows, &keys, &decision).map_err(|error| self.rows_error(error))
    }

    /// Whether a delta has a row with this key, as a [`KeyConflict`](super::KeyConflict) writes it.
    ///
    /// # Errors
    /// If the rows do not fit the table's columns.
    pub fn touches(&self, delta: &ZBatch, key: &str) -> Result<bool, ApplyError> {
        let rows = canonical_rows(&delta.rows, &self.spec.schema).map_err(|error| self.rows_error(error))?;
        Ok((0..rows.num_rows()).any(|row| shown_key(&rows, row, &self.spec) == key))
    }

    fn decide(&self, rows: &RecordBatch, encoded_keys: &Encoded, delta: &ZBatch) -> Result<Decision, ApplyError> {
        let encoded_rows = self.row_encoding.encode(rows).map_err(|error| self.rows_error(error))?;
        let deciding = Deciding {
            spec: &self.spec,
            slots: &self.slots,
            segments: &self.segments,
            rows,
            encoded_keys,
            encoded_rows: &encoded_rows,
        };
        deciding.decide(delta)
    }

    /// Everything that can fail comes before the first change, up to compaction, which changes no row.
    fn commit(&mut self, rows: &RecordBatch, keys: &Encoded, decision: &Decision) -> Result<Changes, ArrowError> {
        let Decision { inserted, updated, deleted } = decision;
        let written: Vec<Written> =
            inserted.iter().chain(updated.iter().map(|(written, _)| written)).copied().collect();
        let new_rows = take_rows(rows, written.iter().map(|written| written.row))?;
        let deleted_keys = take_rows(&rows.project(&self.spec.key)?, deleted.iter().map(|&(row, _)| row))?;
        let parts = split(&new_rows, self.segments.segment_rows)?;

        // Where every row stays as it was, what was read of them before still holds.
        if !(written.is_empty() && deleted.is_empty()) {
            self.version = RowsVersion::next();
        }
        for &(_, slot) in deleted {
            self.segments.kill(self.slots.record_mut(slot));
            self.slots.remove(slot);
            self.segment_log.remove(slot, self.slots.records_mut());
        }
        let mut slots = Vec::with_capacity(written.len());
        slots.extend(inserted.iter().map(|written| self.slots.get_or_insert(keys.get(written.row as usize)).0));
        for &(_, slot) in updated {
            self.segments.kill(self.slots.record_mut(slot));
            slots.push(slot);
        }
        let hashes: Vec<RowHashes> = written.iter().map(|written| written.hashes).collect();
        let mut start = 0;
        for part in parts {
            let range = start..start + part.num_rows();
            start = range.end;
            self.segments.add(part, slots[range.clone()].to_vec(), &hashes[range], &mut self.slots);
        }
        slots.iter().for_each(|&slot| self.segment_log.touch(slot, self.slots.records_mut()));

        let changes = Changes {
            inserted: new_rows.slice(0, inserted.len()),
            updated: new_rows.slice(inserted.len(), updated.len()),
            deleted_keys,
        };
        self.segments.compact(changes.len(), &mut self.slots)?;
        Ok(changes)
    }

    /// An immutable state that later deltas do not reach. Costs O(segments).
    pub fn snapshot(&self) -> TableSnapshot {
        TableSnapshot::new(self.spec.clone(), self.key_encoding.clone(), self.segments.views(), self.version)
    }

    /// Live rows.
    pub fn num_rows(&self) -> usize {
        self.segments.live
    }

    /// Rows in memory, dead ones included: at most twice the live ones.
    pub fn stored_rows(&self) -> usize {
        self.segments.stored
    }

    /// Segments that a scan visits.
    pub fn num_segments(&self) -> usize {
        self.segments.held.iter().flatten().count()
    }

    /// Approximate bytes in memory, without what only older snapshots hold and what readers have sorted.
    pub fn size(&self) -> usize {
        // SegmentLog: a slot number a row.
        self.segments.size() + self.slots.size() + self.slots.records().len() * 4
    }

    /// The columns of [`Changes::deleted_keys`].
    ///
    /// # Errors
    /// If the key names no column, which a checked specification never does.
    pub fn key_schema(&self) -> Result<SchemaRef, ArrowError> {
        Ok(Arc::new(self.spec.schema.project(&self.spec.key)?))
    }

    pub(super) fn rows_error(&self, source: ArrowError) -> ApplyError {
        ApplyError::Rows { table: self.spec.name.clone(), source }
    }
}

/// Copies of some rows, none of which holds on to the batch that they come from.
pub(super) fn take_rows(rows: &RecordBatch, indices: impl Iterator<Item = u32>) -> Result<RecordBatch, ArrowError> {
    let indices = UInt32Array::from_iter_values(indices);
    let columns = rows.columns().iter().map(|column| canonical(&take(column, &indices, None)?));
    batch(rows.schema(), columns.collect::<Result<_, _>>()?, indices.len())
}

/// The rows in batches of at most so many; each owns its memory.
fn split(rows: &RecordBatch, rows_max: usize) -> Result<Vec<RecordBatch>, ArrowError> {
    if rows.num_rows() <= rows_max {
        return Ok(vec![rows.clone()]);
    }
    let total = rows.num_rows() as u32;
    let starts = (0..total).step_by(rows_max);
    starts.map(|start| take_rows(rows, start..total.min(start + rows_max as u32))).collect()
}
