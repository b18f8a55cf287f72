//! A plan of DataFusion's, run again over the rows of some partitions.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;

use crate::circuit::{CircuitError, unbudgeted};

/// A plan over one table, run again over other rows each time.
#[derive(Clone)]
pub struct Rerun {
    /// Reads exactly one table, with the operator's input columns.
    pub plan: LogicalPlan,
    pub state: SessionState,
}

impl Rerun {
    pub(super) fn run(&self, rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, CircuitError> {
        let table = provider_as_source(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?));
        let plan = self.plan.clone().transform_up(|node| match node {
            LogicalPlan::TableScan(mut scan) => {
                scan.source = table.clone();
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let batches = unbudgeted::run(async {
            let physical = self.state.query_planner().create_physical_plan(&plan.data, &self.state).await?;
            collect(physical, self.state.task_ctx()).await
        })?;
        let renamed = batches.into_iter().map(|batch| {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)
        });
        Ok(concat_batches(schema, &renamed.collect::<Result<Vec<_>, _>>().map_err(DataFusionError::from)?)?)
    }
}

impl fmt::Debug for Rerun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rerun").field("plan", &self.plan).finish_non_exhaustive()
    }
}
