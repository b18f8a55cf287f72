//! Filter and projection: row by row, without state.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;

use super::row_errors::FoundErrors;
use super::{CircuitError, ZBatch};

/// Keeps the rows for which `filter` is true, and computes one column an expression.
#[derive(Debug, Clone)]
pub struct Map {
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// None keeps the columns as they are.
    pub columns: Option<Vec<Arc<dyn PhysicalExpr>>>,
    pub schema: SchemaRef,
    /// Whether a row can have no value, so that its event is rejected.
    pub can_fail: bool,
}

impl Map {
    pub(super) fn name(&self) -> &'static str {
        match (&self.filter, &self.columns) {
            (Some(_), None) => "filter",
            (None, Some(_)) => "project",
            _ => "map",
        }
    }

    /// The same for rows that come from no single event. A row that fails evaluated alone is among `errors` instead: in a
    /// batch, AND and CASE also evaluate what they do not need of some rows.
    ///
    /// # Errors
    /// If the filter or a column fails, and no row is at fault.
    pub(super) fn apply_row_by_row(&self, input: &ZBatch, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        match self.apply(input) {
            Ok(output) => Ok(output),
            Err(_) if input.len() > 1 => {
                let half = input.len() / 2;
                let halves = [input.slice(0, half), input.slice(half, input.len() - half)];
                let halves = halves.iter().map(|half| self.apply_row_by_row(half, errors));
                Ok(ZBatch::concat(&self.schema, &halves.collect::<Result<Vec<_>, _>>()?)?)
            }
            Err(error) => {
                errors.add(&input.rows, 0, input.weight(0), error.into())?;
                Ok(ZBatch::empty(self.schema.clone()))
            }
        }
    }

    /// Filters and computes a whole batch at once.
    ///
    /// # Errors
    /// If the filter or a column fails on the batch, as it also may on rows that pass alone.
    pub(crate) fn apply(&self, input: &ZBatch) -> Result<ZBatch, DataFusionError> {
        // Over no rows nothing may fail, not even a constant such as 1 / 0.
        if input.is_empty() {
            return Ok(ZBatch::empty(self.schema.clone()));
        }
        let filtered = match &self.filter {
            Some(filter) => {
                let mask = filter.evaluate(&input.rows)?.into_array(input.len())?;
                &input.filter(mask.as_boolean())?
            }
            None => input,
        };
        if filtered.is_empty() {
            return Ok(ZBatch::empty(self.schema.clone()));
        }
        let rows = match &self.columns {
            Some(columns) => {
                let columns = columns
                    .iter()
                    .map(|column| column.evaluate(&filtered.rows)?.into_array(filtered.len()))
                    .collect::<Result<Vec<ArrayRef>, _>>()?;
                let options = RecordBatchOptions::new().with_row_count(Some(filtered.len()));
                RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?
            }
            None => filtered.rows.clone(),
        };
        Ok(ZBatch { rows, weights: filtered.weights.clone() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::common::DFSchema;
    use datafusion::logical_expr::{col, lit};
    use datafusion::physical_expr::create_physical_expr;

    use super::*;

    /// Keeps the rows with `n <> 0 AND 10 / n > 1`.
    fn quotients() -> Map {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let filter = col("n").not_eq(lit(0i64)).and((lit(10i64) / col("n")).gt(lit(1i64)));
        let described = DFSchema::try_from(schema.as_ref().clone()).unwrap();
        let filter = create_physical_expr(&filter, &described, &Default::default(), &Default::default()).unwrap();
        Map { filter: Some(filter), columns: None, schema, can_fail: true }
    }

    fn input(map: &Map, values: &[i64]) -> ZBatch {
        let column = Arc::new(Int64Array::from(values.to_vec()));
        let rows = RecordBatch::try_new(map.schema.clone(), vec![column]).unwrap();
        ZBatch::new(rows, values.iter().map(|value| value + 1).collect())
    }

    #[test]
    fn no_row_fails_because_of_its_neighbours() {
        let map = quotients();
        let values = [1, 2, 3, 0, 4, 50, 5];
        assert!(map.apply(&input(&map, &values)).is_err(), "in a batch all quotients are computed");
        let mut errors = FoundErrors::default();
        let kept = map.apply_row_by_row(&input(&map, &values), &mut errors).unwrap();
        assert!(errors.is_empty());
        assert_eq!(kept.rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3, 4, 5]);
        assert_eq!(kept.weights_array().values(), &[2, 3, 4, 5, 6]);
    }
}
