//! Operators that keep or multiply rows unseen, bounded at their input: windows keep all rows of a partition until it ends, an
//! unnested batch has as many rows as its lists have elements, each with a copy of everything beside them, and a batch of pairs
//! may have the longest row of either side in each pair.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err, resources_datafusion_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};

use super::Account;
use super::amounts::{array_bytes, batch_bytes};
use super::pairing::{PAIRS, Pairing};

/// An unnested batch is made of as many rows as give about this.
const UNNESTED_BYTES: usize = 8 << 20;
/// An element of a list as a row.
const ELEMENT_BYTES: usize = 16;
/// A value that a window adds to a row, at least.
const WINDOW_VALUE_BYTES: usize = 16;

/// The plan with the inputs of such operators bounded, and joins that give smaller batches.
pub(in crate::query) fn bounded(plan: Arc<dyn ExecutionPlan>, account: &Account) -> Result<Arc<dyn ExecutionPlan>> {
    let bounded = plan.transform_up(|node| {
        let role = if is_join(node.as_ref()) {
            return joined(node, account).map(Transformed::yes);
        } else if let Some(unnest) = node.downcast_ref::<UnnestExec>() {
            Role::Unnested(unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect())
        } else if let Some(window) = node.downcast_ref::<WindowAggExec>() {
            Role::Kept { values: window.window_expr().len() }
        } else if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
            Role::Kept { values: window.window_expr().len() }
        } else {
            return Ok(Transformed::no(node));
        };
        let inputs = node.children().into_iter().cloned();
        let inputs = inputs.map(|input| Arc::new(Bounded::new(input, role.clone(), account)) as _).collect();
        Ok(Transformed::yes(with_inputs(node, inputs)?))
    });
    bounded.data()
}

fn with_inputs(node: Arc<dyn ExecutionPlan>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    node.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// A join whose pairs are reserved for, and that gives smaller batches of them.
fn joined(join: Arc<dyn ExecutionPlan>, account: &Account) -> Result<Arc<dyn ExecutionPlan>> {
    let pairing = Arc::new(Pairing::new(account));
    let inputs = join.children().into_iter().cloned().enumerate();
    let inputs = inputs.map(|(side, input)| {
        Arc::new(Bounded::new(input, Role::Paired { pairing: pairing.clone(), side }, account))
            as Arc<dyn ExecutionPlan>
    });
    let join = with_inputs(join.clone(), inputs.collect())?;
    Ok(Arc::new(Bounded::new(join, Role::Pairs, account)))
}

fn is_join(node: &dyn ExecutionPlan) -> bool {
    node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
}

#[derive(Debug, Clone)]
enum Role {
    /// The rows are kept, and a number of values is added to each.
    Kept { values: usize },
    /// The lists in these columns become rows.
    Unnested(Vec<usize>),
    /// Each row of this side of a join becomes part of pairs.
    Paired { pairing: Arc<Pairing>, side: usize },
    /// What a join gives.
    Pairs,
}

/// Passes rows on in their order.
#[derive(Debug)]
struct Bounded {
    input: Arc<dyn ExecutionPlan>,
    role: Role,
    account: Account,
    properties: Arc<PlanProperties>,
}

impl Bounded {
    fn new(input: Arc<dyn ExecutionPlan>, role: Role, account: &Account) -> Self {
        let properties = input.properties().clone();
        Bounded { input, role, account: account.clone(), properties }
    }
}

impl DisplayAs for Bounded {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Bounded {
    fn name(&self) -> &'static str {
        "Bounded"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(input, self.role.clone(), &self.account))),
            _ => internal_err!("{} has one child", self.name()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let context = match self.role {
            Role::Pairs => with_batch_size(&context, PAIRS),
            _ => context,
        };
        Ok(Box::pin(BoundedStream {
            input: self.input.execute(partition, context)?,
            role: self.role.clone(),
            kept: self.account.reservation(self.name()),
            account: self.account.clone(),
            rest: None,
        }))
    }
}

struct BoundedStream {
    input: SendableRecordBatchStream,
    role: Role,
    account: Account,
    kept: MemoryReservation,
    /// Rows that are still to be passed on.
    rest: Option<RecordBatch>,
}

impl Stream for BoundedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => match ready!(self.input.poll_next_unpin(cx)) {
                Some(Ok(batch)) => batch,
                other => return Poll::Ready(other),
            },
        };
        Poll::Ready(Some(self.bound(batch)))
    }
}

impl BoundedStream {
    fn bound(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        self.account.check_time()?;
        match &self.role {
            Role::Kept { values } => {
                let rows = batch.num_rows() * values * WINDOW_VALUE_BYTES;
                self.kept.try_grow(batch_bytes(&batch) + rows)?;
                Ok(batch)
            }
            Role::Unnested(lists) => {
                let rows = rows_within(&batch, lists, self.account.memory_bytes)?;
                if rows < batch.num_rows() {
                    self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
                }
                Ok(batch.slice(0, rows))
            }
            Role::Paired { pairing, side } => {
                // A cross join gives as many pairs at once as a batch has rows.
                let rows = PAIRS.min(batch.num_rows());
                if batch.num_rows() > rows {
                    self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
                }
                let batch = batch.slice(0, rows);
                pairing.add(*side, &batch)?;
                Ok(batch)
            }
            Role::Pairs => Ok(batch),
        }
    }
}

/// The context of the operators below, which make batches of fewer rows than those above.
fn with_batch_size(context: &TaskContext, rows: usize) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone().with_batch_size(rows),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}

impl RecordBatchStream for BoundedStream {
    fn schema(&self) -> SchemaRef {
        self.input.schema()
    }
}

/// As many of the first rows as give one unnested batch; at least one.
fn rows_within(batch: &RecordBatch, lists: &[usize], memory_bytes: usize) -> Result<usize> {
    let copies = |row: usize| lists.iter().map(|list| elements(batch.column(*list), row)).max().unwrap_or(0).max(1);
    let beside: Vec<usize> = (0..batch.num_columns()).filter(|column| !lists.contains(column)).collect();
    let bytes_beside = |row: usize, rows: usize| -> usize {
        beside.iter().map(|column| array_bytes(&batch.column(*column).slice(row, rows))).sum()
    };
    let all = bytes_beside(0, batch.num_rows());
    let mut bytes = 0_usize;
    for row in 0..batch.num_rows() {
        let copies = copies(row);
        // What all rows have, one has too; its own bytes are asked for only where that would be too much.
        let each =
            if all.saturating_mul(copies) > UNNESTED_BYTES { bytes_beside(row, 1) } else { all / batch.num_rows() };
        let unnested = copies.saturating_mul(each + ELEMENT_BYTES);
        if unnested > memory_bytes {
            return Err(resources_datafusion_err!("a row becomes {unnested} bytes when its lists become rows"));
        }
        bytes = bytes.saturating_add(unnested);
        if bytes > UNNESTED_BYTES && row > 0 {
            return Ok(row);
        }
    }
    Ok(batch.num_rows())
}

/// Elements of the innermost lists in a row.
fn elements(column: &dyn Array, row: usize) -> usize {
    let list = match column.data_type() {
        _ if column.is_null(row) => return 0,
        DataType::List(_) => column.as_list::<i32>().value(row),
        DataType::LargeList(_) => column.as_list::<i64>().value(row),
        DataType::FixedSizeList(_, _) => column.as_fixed_size_list().value(row),
        _ => return 1,
    };
    match list.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            (0..list.len()).map(|inner| elements(&list, inner)).sum()
        }
        _ => list.len(),
    }
}
