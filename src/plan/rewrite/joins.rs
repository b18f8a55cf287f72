//! Joins that the planner makes of SQL, but not as SQL means it. Both ways would agree on the wrong rows, so they are
//! refused.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::{Join, JoinConstraint, LogicalPlan};

use super::RewriteError;

/// Refuses them wherever they are in the plan, which must be as the SQL planner made it.
pub(super) fn reject_misplanned(plan: &LogicalPlan) -> Result<(), RewriteError> {
    plan.apply_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => match offence(join) {
            Some(error) => Err(join.on.first().map_or(error.clone(), |(left, _)| error.at(left)).into()),
            None => Ok(TreeNodeRecursion::Continue),
        },
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(())
}

fn offence(join: &Join) -> Option<RewriteError> {
    // Only set operations compare NULLs as equal this early, and only those with ALL do so over repeated rows.
    let of_a_set = join.null_equality == NullEquality::NullEqualsNull;
    let repeats = !is_distinct(&join.left);
    match join.join_type {
        // The planner takes the left one, which is NULL in rows of the right side alone.
        JoinType::Right | JoinType::Full if join.join_constraint == JoinConstraint::Using => Some(RewriteError::new(
            "NATURAL gives the wrong column in a right or full join",
            "name the columns with USING",
        )),
        // The planner asks only whether a row is on the right, not how often.
        JoinType::LeftSemi | JoinType::LeftAnti if of_a_set && repeats => Some(RewriteError::new(
            "EXCEPT ALL and INTERSECT ALL do not count how often a row is on the right",
            "leave out ALL, or join counts of equal rows",
        )),
        _ => None,
    }
}

fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_distinct(&alias.input),
        other => matches!(other, LogicalPlan::Distinct(_)),
    }
}
