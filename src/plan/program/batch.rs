//! The batch result: the same SQL over given rows, by DataFusion alone. The oracle, and what `verify` compares with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;

use super::compile::{output_schema, rewritten, scope_session};
use super::restriction::{Needed, RelationName, computable, is_of_result, needed, restricted};
use super::selected::Selected;
use crate::config::Code;
use crate::plan::conditions_in_turn::conditions_in_turn;
use crate::plan::datafusion::{computing_every_row, planning_state};
use crate::plan::decorrelate::optimized;
use crate::plan::guard::guarded;
use crate::plan::{Refusal, Scope};
use crate::state::KeyShare;

/// SQL made ready to run over one set of rows after the other.
pub struct Batch {
    state: SessionState,
    optimized: LogicalPlan,
    schema: SchemaRef,
    sources: BTreeSet<String>,
    /// The share of its key that the result is restricted to once it is there.
    of_result: Option<(Vec<usize>, KeyShare)>,
}

/// Runs what is `selected` over the rows that `rows` gives for each relation `(source or none, table)`. Blocks until it is done.
///
/// # Errors
/// If the SQL is refused, or fails over these rows.
pub fn batch<'a>(
    selected: impl Into<Selected<'a>>,
    scope: &Scope,
    rows: &dyn Fn(Option<&str>, &str) -> Vec<RecordBatch>,
) -> Result<RecordBatch, Refusal> {
    Batch::new(selected, scope)?.run(rows)
}

impl Batch {
    /// Plans what is `selected` over the relations of `scope`.
    ///
    /// # Errors
    /// If the SQL is refused.
    pub fn new<'a>(selected: impl Into<Selected<'a>>, scope: &Scope) -> Result<Self, Refusal> {
        Self::planned(selected.into(), scope, Ok)
    }

    /// Plans the part of what is `selected` whose key, the columns `key` of the result, is in the share. The key's types are
    /// some that [`KeyShare::divides`].
    ///
    /// # Errors
    /// If the SQL is refused.
    pub fn within<'a>(
        selected: impl Into<Selected<'a>>,
        scope: &Scope,
        key: &[usize],
        share: KeyShare,
    ) -> Result<Self, Refusal> {
        let selected = selected.into();
        match Self::planned(selected, scope, |plan| restricted(plan, key, share)) {
            Ok(batch) if !is_of_result(&batch.optimized)? => {
                Ok(Self { optimized: computable(batch.optimized, share)?, ..batch })
            }
            // An error may be one of the restriction's, such as a key that is a constant and fails.
            _ => Ok(Self { of_result: Some((key.to_vec(), share)), ..Self::new(selected, scope)? }),
        }
    }

    fn planned(
        selected: Selected<'_>,
        scope: &Scope,
        change: impl FnOnce(LogicalPlan) -> Result<LogicalPlan, DataFusionError>,
    ) -> Result<Self, Refusal> {
        let ctx = scope_session(scope)?;
        let plan = change(rewritten(&ctx, selected, scope)?)?;
        let state = computing_every_row(planning_state(&ctx));
        let optimized = guarded(optimized(&plan, &state, scope)?)?;
        let schema = output_schema(&plan, &optimized);
        let sources = scope.sources.keys().cloned().collect();
        Ok(Self { state, optimized, schema, sources, of_result: None })
    }

    /// Each side of its joins, semi-joins and set operations, in subqueries too, made ready to run by itself: of a side whose
    /// other side has no rows the engine need not compute anything, so that what fails there fails in the side alone.
    ///
    /// # Errors
    /// If a subquery of the plan cannot be walked through.
    pub fn sides(&self) -> Result<Vec<Self>, Refusal> {
        let mut sides = Vec::new();
        self.optimized.apply_with_subqueries(|node| {
            if let LogicalPlan::Join(join) = node {
                sides.extend([&join.left, &join.right].map(|side| Self {
                    state: self.state.clone(),
                    optimized: LogicalPlan::clone(side),
                    schema: side.schema().inner().clone(),
                    sources: self.sources.clone(),
                    of_result: None,
                }));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(sides)
    }

    /// What it needs of each relation that it reads.
    ///
    /// # Errors
    /// If the key's computation cannot be planned over the rows of a relation.
    pub fn needed(&self) -> Result<BTreeMap<RelationName, Needed>, Refusal> {
        Ok(needed(&self.optimized, |schema| self.sources.contains(schema))?)
    }

    /// The result over the rows that `rows` gives for each relation `(source or none, table)`. Blocks until it is done.
    ///
    /// # Errors
    /// If the SQL fails over these rows.
    pub fn run(&self, rows: &dyn Fn(Option<&str>, &str) -> Vec<RecordBatch>) -> Result<RecordBatch, Refusal> {
        let batches = run(&self.state, &self.over(rows)?)?.into_iter().map(|batch| {
            // What comes out may be declared nullable although the plan knows that it is not.
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(self.schema.clone(), batch.columns().to_vec(), &options)
        });
        let batches =
            batches.collect::<Result<Vec<_>, _>>().map_err(|error| Refusal::new(Code::NotKept, error.to_string()))?;
        let result = concat_batches(&self.schema, &batches);
        let result = result.and_then(|result| match &self.of_result {
            None => Ok(result),
            Some((key, share)) => {
                let key: Vec<ArrayRef> = key.iter().map(|&column| result.column(column).clone()).collect();
                filter_record_batch(&result, &share.includes(&key)?)
            }
        });
        result.map_err(|error| Refusal::new(Code::NotKept, error.to_string()))
    }

    /// The plan with these rows in place of its tables, to be run as it is. Its conditions show no more what the result is
    /// restricted to.
    fn over(&self, rows: &dyn Fn(Option<&str>, &str) -> Vec<RecordBatch>) -> Result<LogicalPlan, DataFusionError> {
        let filled = conditions_in_turn(self.optimized.clone())?.transform_up_with_subqueries(|node| match node {
            LogicalPlan::TableScan(mut scan) => {
                let source = scan.table_name.schema().filter(|schema| self.sources.contains(*schema));
                let mut rows = rows(source, scan.table_name.table());
                // Of a batch without rows a kernel may still compute a constant, and fail.
                rows.retain(|batch| batch.num_rows() > 0);
                scan.source = provider_as_source(Arc::new(MemTable::try_new(scan.source.schema(), vec![rows])?));
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(filled.data)
    }
}

/// Some plans spawn tasks. They have a runtime and a thread of their own: the thread that waits here may be the only one of
/// another one, or of none.
fn run(state: &SessionState, optimized: &LogicalPlan) -> Result<Vec<RecordBatch>, DataFusionError> {
    let body = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            let physical = state.query_planner().create_physical_plan(optimized, state).await?;
            collect(physical, state.task_ctx()).await
        })
    };
    let panicked = |_| DataFusionError::Internal("a query's thread panicked".to_owned());
    std::thread::scope(|scope| scope.spawn(body).join().unwrap_or_else(|panic| Err(panicked(panic))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use crate::identity::Specification;
    use crate::plan::ProjectionSchema;

    /// The sum of the first column over a relation `t(x, y)` of three rows.
    fn sum(sql: &str) -> i64 {
        let fields = ["x", "y"].map(|name| Field::new(name, DataType::Int64, false));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let relation = ProjectionSchema {
            schema: schema.clone(),
            key: vec![0],
            key_proven: true,
            reads: Default::default(),
            append_only: true,
            identity: Specification::of("test").finish(),
        };
        let mut scope = Scope::default();
        scope.projections.insert("t".to_owned(), relation);
        let column = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_new(schema, vec![column.clone(), column]).unwrap();
        let result = batch(sql, &scope, &|_, _| vec![rows.clone()]).unwrap();
        result.column(0).as_primitive::<Int64Type>().values().iter().sum()
    }

    #[tokio::test]
    async fn a_plan_with_tasks_of_its_own_ends_on_a_runtime_of_one_thread() {
        assert_eq!(sum("SELECT sum(x) AS s FROM (SELECT x FROM t UNION ALL SELECT y FROM t)"), 12);
    }

    #[test]
    fn columns_may_come_out_nullable() {
        assert_eq!(sum("SELECT DISTINCT ON (x) x, y FROM t ORDER BY x, y DESC"), 6);
    }
}
