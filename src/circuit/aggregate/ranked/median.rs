//! DataFusion's median of the values about the middle.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::super::CircuitError;
use super::cursors::{AtCursor, CursorTarget, CursorValue, Neighbours};
use super::ordered_rows::{OrderedRows, scalars};
use super::outcome::Outcome;

/// With `distinct`, equal values count as one.
pub(in super::super) fn median(accumulator: Box<AggregateFunctionExpr>, distinct: bool) -> Box<dyn Outcome> {
    Box::new(AtCursor::new(CursorTarget::Quantile(0.5), distinct, Median(accumulator)))
}

#[derive(Debug)]
struct Median(Box<AggregateFunctionExpr>);

impl CursorValue for Median {
    fn results(
        &self,
        rows: &OrderedRows,
        found: &[Option<Neighbours<'_>>],
        data_type: &DataType,
    ) -> Result<ArrayRef, CircuitError> {
        let medians = found.iter().map(|found| {
            let mut accumulator = self.0.create_accumulator()?;
            if let Some(Neighbours { lower, upper, part }) = *found {
                let values = if part == 0.0 { vec![lower] } else { vec![lower, upper] };
                accumulator.update_batch(&rows.codec.decode(values)?)?;
            }
            Ok(accumulator.evaluate()?)
        });
        scalars(medians, data_type)
    }
}
