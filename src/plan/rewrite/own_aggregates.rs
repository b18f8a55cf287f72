//! The aggregates that exist only in this crate's SQL, in queries of readers and in views: they become built-in ones there as
//! well. Beside them only set operations with ALL are touched, which the planner plans otherwise than SQL means them.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::counted_copies::count_copies;
use super::{RewriteError, aggregates};
use crate::config::Code;
use crate::plan::functions::is_only_a_name;

/// The plan with set operations that count, and built-in aggregates in the place of `latest`, `earliest`, `collect`, `max_by` and `min_by`.
///
/// # Errors
/// If one of them needs an order, which rows of a table have none of.
pub fn rewrite_own_aggregates(plan: LogicalPlan) -> Result<LogicalPlan, RewriteError> {
    let rewritten = count_copies(plan)?.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::Aggregate(aggregate) if has_own(aggregate)? => {
            let rewritten = aggregates::rewrite(aggregate)?;
            Ok(rewritten.map_or_else(|| Transformed::no(node.clone()), Transformed::yes))
        }
        LogicalPlan::Window(window) => match window.window_expr.iter().find_map(own_window) {
            Some(name) => Err(RewriteError::new(
                Code::NotKept,
                format!("`{name}` is no window function"),
                "use `first_value` or `last_value` with an order in `OVER (…)`",
            )
            .into()),
            None => Ok(Transformed::no(node)),
        },
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(rewritten.data)
}

/// The name of an own aggregate that is used as a window function.
fn own_window(expression: &Expr) -> Option<String> {
    let Expr::WindowFunction(call) = expression.clone().unalias() else { return None };
    is_only_a_name(call.fun.name()).then(|| call.fun.name().to_owned())
}

fn has_own(aggregate: &Aggregate) -> datafusion::common::Result<bool> {
    let mut has_own = false;
    for expression in &aggregate.aggr_expr {
        expression.apply(|expr| {
            has_own |= matches!(expr, Expr::AggregateFunction(call) if is_only_a_name(call.func.name()));
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(has_own)
}
