//! The value in the first row: min, max, first_value, last_value over rows that come and go.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::super::super::CircuitError;
use super::ordered_rows::OrderedRows;
use super::outcome::Outcome;

#[derive(Debug)]
pub(in super::super) struct First;

impl Outcome for First {
    fn is_first(&self) -> bool {
        true
    }

    fn evaluate(&self, rows: &OrderedRows, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        rows.values(data_type, slots.iter().map(|&slot| Some(rows.rows.rows(slot).next()?.0)))
    }
}
