//! What joins, windows and orders keep rows by is computed in front of them, if it can fail: so it is the fault of one row, or
//! of its event, and the operator with state never sees that row. The batch result has the same guards, because DataFusion
//! computes no order of one row, nor one that is the same for all rows.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan};

use super::facts::fallible::can_fail;

/// An optimised plan with its guards. What optimises it again would take them for conditions that are always true.
pub(super) fn guarded(plan: LogicalPlan) -> Result<LogicalPlan> {
    let guarded = plan.transform_up(|node| {
        Ok(Transformed::yes(match node {
            LogicalPlan::Join(mut join) => {
                let (left_on, right_on): (Vec<&Expr>, Vec<&Expr>) =
                    join.on.iter().map(|(left, right)| (left, right)).unzip();
                let (left, right) = (computable(&left_on, &join.left)?, computable(&right_on, &join.right)?);
                (join.left, join.right) = (left, right);
                LogicalPlan::Join(join)
            }
            LogicalPlan::Window(mut window) => {
                let functions = window.window_expr.iter().filter_map(|expr| match expr.clone().unalias() {
                    Expr::WindowFunction(function) => Some(function.params),
                    _ => None,
                });
                let params: Vec<_> = functions.collect();
                let exprs: Vec<&Expr> = params
                    .iter()
                    .flat_map(|params| params.partition_by.iter().chain(params.order_by.iter().map(|sort| &sort.expr)))
                    .collect();
                window.input = computable(&exprs, &window.input)?;
                LogicalPlan::Window(window)
            }
            LogicalPlan::Sort(mut sort) => {
                let exprs: Vec<&Expr> = sort.expr.iter().map(|sort| &sort.expr).collect();
                sort.input = computable(&exprs, &sort.input)?;
                LogicalPlan::Sort(sort)
            }
            other => other,
        }))
    });
    guarded.data()
}

/// The rows of which the expressions can be computed.
fn computable(exprs: &[&Expr], input: &Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    let fallible = exprs.iter().filter(|expr| can_fail(expr, input.schema()));
    let is_computed = |expr: &&Expr| (*expr).clone().is_null().or((*expr).clone().is_not_null());
    let Some(condition) = conjunction(fallible.map(is_computed)) else { return Ok(input.clone()) };
    Ok(Arc::new(LogicalPlan::Filter(Filter::try_new(condition, input.clone())?)))
}
