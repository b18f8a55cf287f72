//! The value of the n-th row of an order: nth_value.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::super::super::CircuitError;
use super::cursors::{AtCursor, CursorTarget, CursorValue, Neighbours};
use super::ordered_rows::OrderedRows;
use super::outcome::Outcome;

/// The value at the `n`-th row, counted from 1; with `distinct`, copies of a row count as one.
pub(in super::super) fn nth(n: i64, distinct: bool) -> Box<dyn Outcome> {
    Box::new(AtCursor::new(CursorTarget::Nth(n), distinct, Nth))
}

#[derive(Debug)]
struct Nth;

impl CursorValue for Nth {
    fn results(
        &self,
        rows: &OrderedRows,
        found: &[Option<Neighbours<'_>>],
        data_type: &DataType,
    ) -> Result<ArrayRef, CircuitError> {
        rows.values(data_type, found.iter().map(|found| Some(found.as_ref()?.lower)))
    }
}
