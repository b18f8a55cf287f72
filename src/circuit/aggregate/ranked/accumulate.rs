//! DataFusion's accumulator over all rows of a group in order: lists, and everything that no other outcome knows.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::super::CircuitError;
use super::ordered_rows::{OrderedRows, scalars};
use super::outcome::Outcome;

/// It takes the arguments and then the order's columns.
#[derive(Debug)]
pub(in super::super) struct Accumulate(pub(in super::super) Box<AggregateFunctionExpr>);

impl Accumulate {
    fn of_group(&self, rows: &OrderedRows, slot: u32) -> Result<ScalarValue, CircuitError> {
        let mut accumulator = self.0.create_accumulator()?;
        let copies = rows.rows.rows(slot).flat_map(|(row, count)| std::iter::repeat_n(row, count.max(0) as usize));
        let mut columns = rows.codec.decode(copies)?;
        if columns.first().is_some_and(|column| !column.is_empty()) {
            columns.rotate_left(rows.order_columns);
            accumulator.update_batch(&columns)?;
        }
        Ok(accumulator.evaluate()?)
    }
}

impl Outcome for Accumulate {
    fn evaluate(&self, rows: &OrderedRows, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        scalars(slots.iter().map(|&slot| self.of_group(rows, slot)), data_type)
    }
}
