//! Unnest: one row a list element, without state. DataFusion's own operator does the work on each batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::{DataFusionError, UnnestOptions};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::unnest::{ListUnnest, UnnestExec};
use datafusion::physical_plan::{ExecutionPlan, common::collect};

use super::{Weights, ZBatch, unbudgeted};

/// Unnests list and struct columns of its input.
#[derive(Debug, Clone)]
pub struct Unnest {
    pub lists: Vec<ListUnnest>,
    /// Indices of struct columns that are spread into their fields.
    pub structs: Vec<usize>,
    pub options: UnnestOptions,
    pub schema: SchemaRef,
}

const WEIGHT: &str = "__weight";

impl Unnest {
    /// A row an element, with the weight of its input row.
    ///
    /// # Errors
    /// If the elements outgrow a batch.
    pub(crate) fn apply(&self, input: &ZBatch) -> Result<ZBatch, DataFusionError> {
        if input.is_empty() {
            return Ok(ZBatch::empty(self.schema.clone()));
        }
        // The weight travels as one more column, which the operator repeats for each element.
        let weighted = with_weight(&input.rows.schema());
        let mut columns: Vec<ArrayRef> = input.rows.columns().to_vec();
        columns.push(Arc::new(input.weights_array()));
        let rows = RecordBatch::try_new(weighted.clone(), columns)?;
        let source = MemorySourceConfig::try_new_exec(&[vec![rows]], weighted, None)?;
        let output = with_weight(&self.schema);
        let exec =
            UnnestExec::new(source, self.lists.clone(), self.structs.clone(), output.clone(), self.options.clone())?;
        let stream = exec.execute(0, Arc::new(TaskContext::default()))?;
        let batch = concat_batches(&output, &unbudgeted::run(collect(stream))?)?;
        let weights = batch.column(batch.num_columns() - 1).as_primitive::<Int64Type>().clone();
        let rows = RecordBatch::try_new(self.schema.clone(), batch.columns()[..batch.num_columns() - 1].to_vec())?;
        let weights = match input.weights {
            Weights::Ones => Weights::Ones,
            Weights::Each(_) => Weights::Each(weights),
        };
        Ok(ZBatch { rows, weights })
    }
}

fn with_weight(schema: &Schema) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(WEIGHT, DataType::Int64, false)));
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
