//! Persisted rows as a store and a checkpoint pass them to each other: immutable segments, and addresses in them.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

/// A row of a persisted segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RowAddress {
    pub segment: u64,
    pub row: u32,
}

/// What one store changed since its last checkpoint: O(changes), never the whole.
#[derive(Debug, Clone, Default)]
pub struct StateDelta {
    /// The new segment, if any row or any dead address is to be written. Its rows are all live now.
    pub segment: Option<NewSegment>,
    /// Segments that hold nothing live any more.
    pub dropped: Vec<u64>,
}

/// What a store holds, whatever its segments are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoreShape {
    /// Of every segment.
    pub schema: SchemaRef,
    /// Live rows.
    pub rows: u64,
}

/// A segment to be written: immutable once it is.
#[derive(Debug, Clone)]
pub struct NewSegment {
    /// Unique within the store, ascending.
    pub id: u64,
    pub rows: RecordBatch,
    /// Rows of earlier segments that are no longer live.
    pub dead: Vec<RowAddress>,
}

/// The stores of a checkpoint, by name.
pub type Stores = BTreeMap<String, Vec<StoredSegment>>;

/// A segment as it was read back, with the dead rows of all later segments taken into account.
#[derive(Debug, Clone)]
pub struct StoredSegment {
    pub id: u64,
    pub rows: RecordBatch,
    /// One flag a row.
    pub live: Vec<bool>,
    /// The dead addresses that this segment itself records; they must be kept while the segments they name exist.
    pub dead: Vec<RowAddress>,
}
