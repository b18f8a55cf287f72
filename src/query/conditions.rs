//! Conditions that name no column stay where they are written.
//!
//! A scalar subquery is such a condition's value, known before any row is read. DataFusion takes the condition for one
//! on groups, and moves it below a total, which then has a row where the condition left none.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::plan::opaque;

/// The plan with every such condition held where it is written; subqueries too.
pub(super) fn held(plan: LogicalPlan) -> Result<LogicalPlan> {
    let held = plan.transform_up_with_subqueries(|node| {
        // The last columns of an aggregate are no keys.
        let by: Vec<Expr> =
            node.inputs().iter().filter_map(|input| input.schema().columns().pop()).map(Expr::Column).collect();
        Ok(match node {
            LogicalPlan::Filter(mut filter) => {
                filter.predicate = hold(filter.predicate, &by);
                Transformed::yes(LogicalPlan::Filter(filter))
            }
            LogicalPlan::Join(mut join) => {
                join.filter = join.filter.map(|filter| hold(filter, &by));
                Transformed::yes(LogicalPlan::Join(join))
            }
            other => Transformed::no(other),
        })
    });
    held.data()
}

fn hold(condition: Expr, by: &[Expr]) -> Expr {
    let held = |part| opaque().call([vec![part], by.to_vec()].concat());
    let parts = split_conjunction_owned(condition.clone()).into_iter();
    let parts = parts.map(|part| if moves(&part) { held(part) } else { part });
    conjunction(parts).unwrap_or(condition)
}

fn moves(condition: &Expr) -> bool {
    let is_subquery =
        |part: &Expr| Ok(matches!(part, Expr::ScalarSubquery(query) if query.outer_ref_columns.is_empty()));
    let names_columns = !condition.column_refs().is_empty() || condition.contains_outer();
    // The closure never fails.
    !names_columns && condition.exists(is_subquery).unwrap_or(true)
}
