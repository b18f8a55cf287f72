//! The rows of a projection at one cut, for a projection over it that is built beside the live ones.

use arrow::error::ArrowError;

use super::table::{Table, TableSnapshot, TableSpec};
use crate::circuit::ZBatch;

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
