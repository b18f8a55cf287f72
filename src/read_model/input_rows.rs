//! The rows of a projection at one cut, for a projection over it that is built beside the live ones.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;

use super::table::{Table, TableSnapshot, TableSpec};
use crate::circuit::ZBatch;
use crate::state::KeyShare;

/// All rows of a projection at one cut. Cheap to make and to keep: the table's segments are shared.
#[derive(Debug, Clone)]
pub struct InputRows {
    table: TableSnapshot,
    /// What the table has yet to take, because the projection is in error.
    held: Vec<ZBatch>,
}

impl InputRows {
    pub fn of(table: &Table, held: Vec<ZBatch>) -> Self {
        Self { table: table.snapshot(), held }
    }

    pub fn spec(&self) -> &TableSpec {
        self.table.spec()
    }

    /// Whether these are all rows, and right: the projection is not in error.
    pub fn is_whole(&self) -> bool {
        self.held.is_empty()
    }

    /// The rows whose key is in the share, in batches of bounded size made one by one.
    ///
    /// # Errors
    /// A column cannot be read, or the key's types are none that [`KeyShare::divides`].
    pub fn within(&self, share: KeyShare) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + '_ {
        let rows = self.table.scan().chain(self.held.iter().map(|held| Ok(held.rows.clone())));
        rows.map(move |rows| {
            let rows = rows?;
            if share.is_all() {
                return Ok(rows);
            }
            let key: Vec<ArrayRef> = self.spec().key.iter().map(|&column| rows.column(column).clone()).collect();
            filter_record_batch(&rows, &share.includes(&key)?)
        })
    }

    /// Live rows, if the projection is not in error.
    pub fn num_rows(&self) -> usize {
        self.table.num_rows()
    }

    /// What makes these rows of earlier ones of the same projection, or of none: batches to be taken in this order.
    ///
    /// # Errors
    /// A column of a segment cannot be read.
    pub fn changes_since(&self, earlier: Option<&InputRows>) -> Result<Vec<ZBatch>, ArrowError> {
        let mut changes = self.table.difference(earlier.map(|earlier| &earlier.table))?;
        changes.extend(earlier.into_iter().flat_map(|earlier| &earlier.held).map(ZBatch::negated));
        changes.extend(self.held.clone());
        // A part of a change may be a state that the projection never had.
        if earlier.is_some() && changes.len() > 1 {
            return Ok(vec![ZBatch::concat(&self.table.schema(), &changes)?]);
        }
        Ok(changes)
    }
}
