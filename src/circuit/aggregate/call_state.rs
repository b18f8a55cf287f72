//! The state of one aggregate call for all groups, behind one trait for all functions.
//!
//! Groups are the operator's slots. A batch is one call of a method, so what is behind it knows its types in its loops.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::super::digest::Digest;
use super::super::groups::{Groups, TouchedGroups};
use super::super::{CircuitError, ZBatch};
use super::group::Group;
use crate::state::{StateDelta, StoreShape, StoredSegment};

/// The state of one call.
pub(super) trait CallState: Debug + Send {
    /// Makes room for as many groups.
    fn grow(&mut self, slots: usize);

    /// Forgets a group.
    fn clear(&mut self, slot: u32);

    /// Applies the rows of a batch that pass `mask`, the call's FILTER clause.
    ///
    /// # Errors
    /// A column has a type that the planner does not give to this call.
    fn update(
        &mut self,
        input: &ZBatch,
        touched: &TouchedGroups,
        mask: Option<&BooleanArray>,
    ) -> Result<(), ArrowError>;

    /// The call's results for some groups.
    ///
    /// # Errors
    /// A result does not fit `data_type`, or DataFusion's accumulator cannot compute it.
    fn evaluate(&self, slots: &[u32], groups: &Groups<Group>, data_type: &DataType) -> Result<ArrayRef, CircuitError>;

    /// Bytes in memory, those on the heap included.
    fn size(&self) -> usize;

    /// The columns that a checkpoint keeps of some groups; none if the call keeps its rows in a store of its own.
    ///
    /// # Errors
    /// A kept value cannot be decoded, which no update leads to.
    fn persisted(&self, _slots: &[u32], _groups: &Groups<Group>) -> Result<Vec<ArrayRef>, ArrowError> {
        Ok(Vec::new())
    }

    /// Takes what [`CallState::persisted`] gave from the front of `columns`, and gives back the rest.
    ///
    /// # Errors
    /// A value is not one that this call persists.
    fn restore<'a>(&mut self, columns: &'a [ArrayRef], _: &[Option<u32>]) -> Result<&'a [ArrayRef], ArrowError> {
        Ok(columns)
    }

    /// The rows, if the call keeps them one by one.
    fn rows(&self) -> Option<&dyn RowStore> {
        None
    }

    /// The same, to be changed.
    fn rows_mut(&mut self) -> Option<&mut dyn RowStore> {
        None
    }
}

/// Rows that a call keeps one by one, in a store of their own.
pub(super) trait RowStore {
    /// Number of different rows.
    fn len(&self) -> usize;

    /// How many rows were looked at since the beginning.
    fn touched(&self) -> u64;

    /// What changed since the last call.
    ///
    /// # Errors
    /// A kept row cannot be decoded, which no update leads to.
    fn capture(&mut self, groups: &Groups<Group>) -> Result<Option<StateDelta>, CircuitError>;

    /// What the checkpoints hold of it since the last capture.
    ///
    /// # Errors
    /// The columns cannot be made, which no accepted plan leads to.
    fn shape(&self, groups: &Groups<Group>) -> Result<StoreShape, ArrowError>;

    /// Takes back what a checkpoint holds.
    ///
    /// # Errors
    /// The segment does not hold such rows.
    fn restore(&mut self, segment: &StoredSegment, groups: &mut Groups<Group>) -> Result<(), CircuitError>;

    /// Adds all rows, as a part of the operator's state.
    fn digest(&self, part: usize, groups: &Groups<Group>, digest: &mut Digest);
}

/// Whether a row passes a FILTER clause: NULL does not.
pub(super) fn passes(mask: Option<&BooleanArray>, row: usize) -> bool {
    mask.is_none_or(|mask| mask.is_valid(row) && mask.value(row))
}
