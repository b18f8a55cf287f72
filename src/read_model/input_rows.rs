//! The rows of a projection at one cut, for a projection over it that is built beside the live ones.

use arrow::error::ArrowError;

use super::table::{Table, TableSnapshot};
use crate::circuit::ZBatch;

/// All rows of a projection at one cut. Cheap to make and to keep: the table's segments are shared.
#[derive(Debug, Clone)]
pub struct InputRows(TableSnapshot);

impl InputRows {
    pub fn of(table: &Table) -> Self {
        Self(table.snapshot())
    }

    /// What makes these rows of earlier ones of the same projection, or of none: batches to be taken in this order.
    ///
    /// # Errors
    /// A column of a segment cannot be read.
    pub fn changes_since(&self, earlier: Option<&InputRows>) -> Result<Vec<ZBatch>, ArrowError> {
        self.0.difference(earlier.map(|earlier| &earlier.0))
    }
}
