//! The columns of a persisted segment as a batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

/// A batch whose columns are known by their index alone: a checkpoint lists their types, and the operator knows the rest.
pub(super) fn persisted_batch(columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let field = |(index, column): (usize, &ArrayRef)| Field::new(format!("c{index}"), column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns)
}
