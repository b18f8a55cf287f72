//! The value at a place of the order: nth_value.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::super::super::CircuitError;
use super::cursors::{AtCursor, CursorTarget, CursorValue, Neighbours};
use super::ordered_rows::OrderedRows;
use super::outcome::Outcome;

/// The value at the `place`-th row, counted from 1; with `distinct`, copies of a row count as one.
pub(in super::super) fn nth(place: i64, distinct: bool) -> Box<dyn Outcome> {
    Box::new(AtCursor::new(CursorTarget::Nth(place), distinct, Nth))
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
