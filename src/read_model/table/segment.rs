//! An immutable segment of rows with its indexes, and how rows are picked from several of them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{Array, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::encoding::{Encoding, batch};
use super::key_index::KeyIndex;
use super::liveness::Liveness;
use super::sorted_index::SortedIndex;
use crate::state::KeyMap;

/// Rows and their indexes. Each order is sorted by the first reader that needs it, not by commits.
#[derive(Debug)]
pub(super) struct Segment {
    rows: RecordBatch,
    keys: OnceLock<KeyIndex>,
    /// By the numbers of the orders.
    sorted: Box<[OnceLock<SortedIndex>]>,
    /// Held by who sorts, so that one of several readers does it.
    sorting: Mutex<()>,
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
    pub(super) fn new(rows: RecordBatch, orders: usize) -> Self {
        let row_bytes = rows.get_array_memory_size();
        let sorted = (0..orders).map(|_| OnceLock::new()).collect();
        Self { rows, keys: OnceLock::new(), sorted, sorting: Mutex::default(), row_bytes }
    }

    pub(super) fn with_keys(rows: RecordBatch, orders: usize, keys: KeyIndex) -> Self {
        Self { keys: OnceLock::from(keys), ..Self::new(rows, orders) }
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

    /// The rows in the order of this number, which `encoding` encodes.
    pub(super) fn sorted(&self, order: usize, encoding: &Encoding) -> Result<&SortedIndex, ArrowError> {
        if let Some(sorted) = self.sorted[order].get() {
            return Ok(sorted);
        }
        let _alone = self.sorting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sorted) = self.sorted[order].get() {
            return Ok(sorted);
        }
        let sorted = SortedIndex::new(&self.rows, encoding)?;
        Ok(self.sorted[order].get_or_init(|| sorted))
    }

    pub(super) fn is_sorted(&self, order: usize) -> bool {
        self.sorted[order].get().is_some()
    }

    /// Bytes of the rows, dead ones included, without indexes.
    pub(super) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Approximate bytes in memory, without orders: readers make those, and no projection is to reach its limit by being read.
    pub(super) fn size(&self) -> usize {
        self.row_bytes + self.keys.get().map_or(0, KeyIndex::size)
    }
}

/// Copies the rows at these places (view, row) into one batch of these columns.
pub(super) fn pick(
    views: &[View],
    mut places: Vec<(usize, usize)>,
    columns: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let (mut sources, mut numbers) = (Vec::new(), vec![usize::MAX; views.len()]);
    for (view, _) in &mut places {
        if numbers[*view] == usize::MAX {
            numbers[*view] = sources.len();
            sources.push(views[*view].segment.rows());
        }
        *view = numbers[*view];
    }
    gather(&sources, &places, columns, schema)
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
