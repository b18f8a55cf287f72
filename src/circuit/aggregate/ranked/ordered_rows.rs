//! The rows of all groups in their order, and how they become columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array, new_empty_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, ScalarValue};

use super::super::super::CircuitError;
use super::super::super::arrangement::Arrangement;
use super::super::super::groups::Groups;
use super::super::super::persisted_batch::persisted_batch;
use super::super::super::row_codec::RowCodec;
use super::super::group::Group;
use crate::state::StoredSegment;

/// Rows of the order's columns, then the arguments.
#[derive(Debug)]
pub(in super::super) struct OrderedRows {
    pub(super) codec: RowCodec,
    pub(super) rows: Arrangement,
    pub(super) order_columns: usize,
    /// Columns of a row, those of the order included.
    pub(super) columns: usize,
}

/// The columns of a persisted segment of such rows.
pub(super) struct StoredRows<'a> {
    pub(super) keys: &'a [ArrayRef],
    pub(super) columns: &'a [ArrayRef],
    pub(super) counts: &'a Int64Array,
}

impl OrderedRows {
    /// The last column of some rows, NULL where there is none.
    ///
    /// # Errors
    /// A row cannot be decoded.
    pub(super) fn values<'a>(
        &self,
        data_type: &DataType,
        found: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Result<ArrayRef, CircuitError> {
        let mut rows = Vec::new();
        let index = |row: Option<&'a [u8]>| {
            rows.push(row?);
            Some(rows.len() as u32 - 1)
        };
        let indices: UInt32Array = found.map(index).collect();
        let column = self.codec.decode(rows)?.pop().unwrap_or_else(|| new_empty_array(data_type));
        Ok(take(&column, &indices, None)?)
    }

    /// Rows as a checkpoint keeps them: the group's key, the row's columns, and its count.
    ///
    /// # Errors
    /// A row cannot be decoded.
    pub(super) fn persisted(&self, slots: &[u32], groups: &Groups<Group>) -> Result<RecordBatch, ArrowError> {
        let entries: Vec<(u32, &[u8], i64)> = slots.iter().map(|&slot| self.rows.entry(slot)).collect();
        let mut columns = groups.keys(&entries.iter().map(|(group, _, _)| *group).collect::<Vec<_>>())?;
        columns.extend(self.codec.decode(entries.iter().map(|(_, row, _)| *row))?);
        columns.push(Arc::new(entries.iter().map(|(_, _, count)| *count).collect::<Int64Array>()));
        persisted_batch(columns)
    }

    /// The inverse of [`OrderedRows::persisted`].
    ///
    /// # Errors
    /// The segment has fewer columns.
    pub(super) fn stored<'a>(&self, segment: &'a StoredSegment) -> Result<StoredRows<'a>, CircuitError> {
        let all = segment.rows.columns();
        let parts = all.len().checked_sub(self.columns + 1).map(|keys| all.split_at(keys));
        let parts = parts.and_then(|(keys, rest)| Some((keys, rest.split_last()?)));
        let Some((keys, (counts, columns))) = parts else {
            return Err(DataFusionError::Internal("a segment of ordered rows lacks columns".to_owned()).into());
        };
        Ok(StoredRows { keys, columns, counts: counts.as_primitive::<Int64Type>() })
    }
}

/// One value a group as a column.
///
/// # Errors
/// A value could not be computed, or is not like the others.
pub(super) fn scalars(
    values: impl Iterator<Item = Result<ScalarValue, CircuitError>>,
    data_type: &DataType,
) -> Result<ArrayRef, CircuitError> {
    let values = values.collect::<Result<Vec<ScalarValue>, CircuitError>>()?;
    if values.is_empty() {
        return Ok(new_empty_array(data_type));
    }
    Ok(ScalarValue::iter_to_array(values)?)
}
