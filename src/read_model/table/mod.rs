//! A SQL table read model: what a projection's delta is kept in, and the snapshot that queries read.
//!
//! Rows live in immutable Arrow segments. A commit adds one small segment and clears bits in copy-on-write liveness
//! bitmaps, so it costs O(delta); compaction keeps segments few and dead rows outnumbered. Durability is not here: a
//! table says what a checkpoint has to write.

mod access;
mod apply_error;
mod canonical;
mod compaction;
mod condition;
mod decision;
mod difference;
mod encoding;
mod key_index;
mod liveness;
mod order;
mod ordered_access;
mod ordered_rows;
mod persist;
mod provider;
mod reader;
mod scan_exec;
mod segment;
mod segments;
mod snapshot;
mod sorted_index;
mod version;
mod writer;

#[cfg(test)]
mod tests;

pub use apply_error::{ApplyError, KeyConflict};
pub(in crate::read_model) use canonical::canonical_rows;
pub use order::SortColumn;
pub use ordered_access::OrderedRead;
pub use ordered_rows::OrderedRows;
pub use persist::RestoreError;
// Outside of this room rows are read through a `ReadView`.
pub(in crate::read_model) use snapshot::TableSnapshot;
pub use version::RowsVersion;
pub use writer::{Changes, Table};

use arrow::datatypes::SchemaRef;

/// The specification of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    pub name: String,
    pub schema: SchemaRef,
    /// Indexes of the key columns.
    pub key: Vec<usize>,
    /// Whether the key is proven unique and non-null, so that DataFusion may be told of it.
    pub key_proven: bool,
    /// Indexes of the columns of each secondary index.
    pub indexes: Vec<Vec<usize>>,
}
