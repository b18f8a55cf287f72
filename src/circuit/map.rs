//! Filter and projection: row by row, without state.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;

use super::ZBatch;

/// Keeps the rows for which `filter` is true, and computes one column an expression.
#[derive(Debug)]
pub struct Map {
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// None keeps the columns as they are.
    pub columns: Option<Vec<Arc<dyn PhysicalExpr>>>,
    pub schema: SchemaRef,
}

impl Map {
    pub(super) fn name(&self) -> &'static str {
        match (&self.filter, &self.columns) {
            (Some(_), None) => "filter",
            (None, Some(_)) => "project",
            _ => "map",
        }
    }

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
