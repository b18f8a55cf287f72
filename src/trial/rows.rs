//! Rows in an order that does not depend on how they came about.

use std::ops::Range;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use serde_json::value::RawValue;

use crate::circuit::ZBatch;
use crate::serve::json::objects;

/// Rows as JSON objects, each as often as it is there, by their key columns and then by all others.
///
/// # Errors
/// If a column's type cannot be compared, or a value cannot be written as JSON.
pub(super) fn shown(rows: &ZBatch, key: &[usize]) -> Result<Vec<Box<RawValue>>, ArrowError> {
    let copies =
        (0..rows.len()).flat_map(|row| std::iter::repeat_n(row as u32, rows.weight(row).unsigned_abs() as usize));
    let rows = take_record_batch(&rows.rows, &UInt32Array::from_iter_values(copies))?;
    objects(&sorted(&rows, key)?)
}

fn sorted(rows: &RecordBatch, key: &[usize]) -> Result<RecordBatch, ArrowError> {
    let all: Range<usize> = 0..rows.num_columns();
    let order: Vec<usize> = key.iter().copied().chain(all.filter(|column| !key.contains(column))).collect();
    if order.is_empty() {
        return Ok(rows.clone());
    }
    let columns = rows.project(&order)?;
    let fields = columns.schema().fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(columns.columns())?;
    let mut places: Vec<u32> = (0..rows.num_rows() as u32).collect();
    places.sort_by(|one, other| encoded.row(*one as usize).cmp(&encoded.row(*other as usize)));
    take_record_batch(rows, &UInt32Array::from(places))
}
