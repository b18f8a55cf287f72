//! What a checkpoint has to write of a table, and a table made from what one wrote. Reading and writing are elsewhere.

use std::sync::Arc;

use arrow::error::ArrowError;

use super::apply_error::shown_key;
use super::canonical::canonical_rows;
use super::decision::row_hash;
use super::segments::RowHashes;
use super::writer::take_rows;
use super::{RowsVersion, Table, TableSpec};
use crate::state::{KeyMap, NewSegment, StateDelta, StoreShape, StoredSegment, Writing};

/// Why stored segments do not make up a table.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(
        "checkpoint of table `{table}`: segment {segment} has a second live row with the key {key}; \
         restore the checkpoint's objects, or start with an empty data_dir, which builds everything anew"
    )]
    DuplicateKey { table: String, segment: u64, key: String },
    #[error("table `{table}`: {source}")]
    Columns { table: String, source: ArrowError },
    #[error(
        "checkpoint of table `{table}`: segment {segment}: {source}; restore the checkpoint's objects, or start with an empty \
         data_dir, which builds everything anew"
    )]
    Rows { table: String, segment: u64, source: ArrowError },
}

impl Table {
    /// What changed since the last capture, or none. It counts as written: the caller has to write it.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn capture(&mut self) -> Result<Option<StateDelta>, ArrowError> {
        let Some(Writing { id, slots, dead, dropped }) = self.segment_log.write(self.slots.records_mut()) else {
            return Ok(None);
        };
        let segment = match slots.is_empty() && dead.is_empty() {
            true => None,
            false => Some(NewSegment { id, rows: self.segments.rows_of(&slots, &self.slots)?, dead }),
        };
        Ok(Some(StateDelta { segment, dropped }))
    }

    /// What the checkpoints hold of it since the last capture.
    pub fn shape(&self) -> StoreShape {
        StoreShape { schema: self.spec.schema.clone(), rows: self.segment_log.live_rows() as u64 }
    }

    /// The table that the stored segments make up; they may come in any order.
    ///
    /// # Errors
    /// If the segments have other columns than the table, or two live rows of one key.
    pub fn restore(spec: Arc<TableSpec>, mut stored: Vec<StoredSegment>) -> Result<Self, RestoreError> {
        stored.sort_unstable_by_key(|segment| segment.id);
        let name = spec.name.clone();
        let mut table = Self::new(spec).map_err(|source| RestoreError::Columns { table: name, source })?;
        for segment in stored {
            table.take_over(&segment)?;
        }
        Ok(table)
    }

    fn take_over(&mut self, stored: &StoredSegment) -> Result<(), RestoreError> {
        let name = self.spec.name.clone();
        let rows_error = |source| RestoreError::Rows { table: name.clone(), segment: stored.id, source };
        self.version = RowsVersion::next();
        let rows = canonical_rows(&stored.rows, &self.spec.schema).map_err(&rows_error)?;
        let encoded_keys = self.key_encoding.encode(&rows).map_err(&rows_error)?;
        let encoded_rows = self.row_encoding.encode(&rows).map_err(&rows_error)?;
        let mut slots = vec![None; rows.num_rows()];
        let (mut live_rows, mut live_slots, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for row in (0..rows.num_rows()).filter(|&row| stored.live.get(row) == Some(&true)) {
            let key = encoded_keys.get(row);
            let (slot, new) = self.slots.get_or_insert(key);
            if !new {
                let key = shown_key(&rows, row, &self.spec);
                return Err(RestoreError::DuplicateKey { table: name, segment: stored.id, key });
            }
            slots[row] = Some(slot);
            live_rows.push(row as u32);
            live_slots.push(slot);
            hashes.push(RowHashes { key: KeyMap::hash(key), row: row_hash(encoded_rows.get(row)) });
        }
        let limit = self.segments.segment_rows;
        let parts = live_rows.chunks(limit).zip(live_slots.chunks(limit)).zip(hashes.chunks(limit));
        for ((indices, slots), hashes) in parts {
            let part = take_rows(&rows, indices.iter().copied()).map_err(&rows_error)?;
            self.segments.add(part, slots.to_vec(), hashes, &mut self.slots);
        }
        self.segments.compact(0, &mut self.slots).map_err(&rows_error)?;
        self.segment_log.restore(stored.id, &slots, stored.dead.clone(), self.slots.records_mut());
        Ok(())
    }
}
