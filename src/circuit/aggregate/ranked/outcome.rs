//! The results that are made of a group's ordered rows.

use std::fmt::Debug;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::ordered_rows::OrderedRows;

/// What a call makes of the rows, for all groups. The rows themselves are kept elsewhere; an outcome keeps what it needs
/// to find its result among them without going over them.
pub(in super::super) trait Outcome: Debug + Send {
    /// Whether it only asks for the first row of a group.
    fn is_first(&self) -> bool {
        false
    }

    /// Makes room for as many groups.
    fn grow(&mut self, _slots: usize) {}

    /// Forgets a group.
    fn clear(&mut self, _slot: u32) {}

    /// Bytes in memory beside the rows.
    fn size(&self) -> usize {
        0
    }

    /// Follows changes of the rows, all of which are made already. `columns` are those that the changed rows come from,
    /// and `slots` the groups that may have changed.
    ///
    /// # Errors
    /// A column has a type that the planner does not give to this outcome.
    fn follow(
        &mut self,
        _rows: &OrderedRows,
        _changes: &[Change<'_>],
        _columns: &[ArrayRef],
        _slots: &[u32],
    ) -> Result<(), ArrowError> {
        Ok(())
    }

    /// The results for some groups.
    ///
    /// # Errors
    /// A row cannot be decoded, or DataFusion's accumulator fails.
    fn evaluate(&self, rows: &OrderedRows, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError>;
}

/// Copies of a row that were added to a group, or taken away.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Change<'a> {
    /// Its index in the columns.
    pub(super) row: usize,
    /// Of its group.
    pub(super) slot: u32,
    pub(super) bytes: &'a [u8],
    /// How many copies.
    pub(super) weight: i64,
    /// By how many different rows the group has more since.
    pub(super) distinct: i64,
}
