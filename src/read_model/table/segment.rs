//! An immutable segment of rows with its indexes, and how rows are picked from several of them.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::encoding::{Encoding, batch};
use super::key_index::KeyIndex;
use super::liveness::Liveness;
use super::sorted_index::SortedIndex;
use crate::state::KeyMap;

/// Rows and their indexes. Secondary indexes are built by the first reader that needs them, not by commits.
#[derive(Debug)]
pub(super) struct Segment {
    rows: RecordBatch,
    keys: OnceLock<KeyIndex>,
    sorted: Box<[OnceLock<SortedIndex>]>,
    row_bytes: usize,
}

/// A segment as of one cut.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) segment: Arc<Segment>,
    pub(super) liveness: Arc<Liveness>,
}

impl Segment {
    /// A segment whose key index is built when it is first asked for.
    pub(super) fn new(rows: RecordBatch, indexes: usize) -> Self {
        let row_bytes = rows.get_array_memory_size();
        Self { rows, keys: OnceLock::new(), sorted: (0..indexes).map(|_| OnceLock::new()).collect(), row_bytes }
    }

    pub(super) fn with_keys(rows: RecordBatch, indexes: usize, keys: KeyIndex) -> Self {
        Self { keys: OnceLock::from(keys), ..Self::new(rows, indexes) }
    }

    pub(super) fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The index of the key columns that `encoding` encodes.
    pub(super) fn keys(&self, encoding: &Encoding) -> Result<&KeyIndex, ArrowError> {
        if let Some(keys) = self.keys.get() {
            return Ok(keys);
        }
        let encoded = encoding.encode(&self.rows)?;
        let hashes = (0..self.rows.num_rows()).map(|row| KeyMap::hash(encoded.get(row))).collect();
        Ok(self.keys.get_or_init(|| KeyIndex::new(hashes)))
    }

    /// The secondary index of this number, whose columns `encoding` encodes.
    pub(super) fn sorted(&self, number: usize, encoding: &Encoding) -> Result<&SortedIndex, ArrowError> {
        if let Some(sorted) = self.sorted[number].get() {
            return Ok(sorted);
        }
        let sorted = SortedIndex::new(&self.rows, encoding)?;
        Ok(self.sorted[number].get_or_init(|| sorted))
    }

    /// Bytes of the rows, dead ones included, without indexes.
    pub(super) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Approximate bytes in memory.
    pub(super) fn size(&self) -> usize {
        let keys = self.keys.get().map_or(0, KeyIndex::size);
        let sorted: usize = self.sorted.iter().filter_map(OnceLock::get).map(SortedIndex::size).sum();
        self.row_bytes + keys + sorted
    }
}

/// Copies the rows at `indices` (batch, row) into one batch: of each source, the columns that `columns` names.
pub(super) fn gather(
    sources: &[&RecordBatch],
    indices: &[(usize, usize)],
    columns: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    if indices.is_empty() {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    let gathered = columns.iter().map(|&column| {
        let arrays: Vec<&dyn Array> = sources.iter().map(|rows| rows.column(column).as_ref()).collect();
        interleave(&arrays, indices)
    });
    batch(schema.clone(), gathered.collect::<Result<_, _>>()?, indices.len())
}
