//! `EXCEPT ALL` and `INTERSECT ALL`, which count how often a row is there: of equal rows each has a number, and the rows are compared
//! with their numbers. The planner makes joins of them that ask only whether a row is on the right.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Distinct, Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};

/// What a row's number among its equals is called, on the left and on the right. No name that an author writes begins so.
const NUMBERS: [&str; 2] = ["__copy", "__other_copy"];

/// The plan, as the SQL planner made it, with such joins in the place of its own.
///
/// # Errors
/// If a part of the plan cannot be made again.
pub(super) fn count_copies(plan: LogicalPlan) -> Result<LogicalPlan> {
    let counted = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if asks_only_whether(&join) => Ok(Transformed::yes(counted(join)?)),
        node => Ok(Transformed::no(node)),
    });
    Ok(counted?.data)
}

/// Only set operations compare NULLs as equal this early, and only those with ALL do so over rows that may repeat.
fn asks_only_whether(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && !is_distinct(&join.left)
}

fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_distinct(&alias.input),
        other => matches!(other, LogicalPlan::Distinct(Distinct::All(_))),
    }
}

fn counted(join: Join) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let on = join.on.into_iter().chain([NUMBERS.map(|name| Expr::Column(Column::from_name(name))).into()]).collect();
    let join = Join::try_new(
        Arc::new(numbered(&join.left, NUMBERS[0])?),
        Arc::new(numbered(&join.right, NUMBERS[1])?),
        on,
        join.filter,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(join)).project(columns)?.build()
}

/// The rows, each with its number among those that are equal to it.
fn numbered(rows: &LogicalPlan, name: &str) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = rows.schema().columns().into_iter().map(Expr::Column).collect();
    // Equal rows tie in any order, and whichever is which makes no difference.
    let order = columns.iter().take(1).map(|column| column.clone().sort(true, false)).collect();
    let number = row_number().partition_by(columns.clone()).order_by(order).build()?;
    let numbered = LogicalPlanBuilder::from(rows.clone()).window([number.clone()])?;
    let number = Expr::Column(Column::from_name(number.schema_name().to_string())).alias(name);
    numbered.project(columns.into_iter().chain([number]))?.build()
}
