//! Joins that the planner makes of SQL, but not as SQL means it. Both ways would agree on the wrong rows, so they are
//! refused.

use datafusion::common::JoinType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Join, JoinConstraint, LogicalPlan};

use super::RewriteError;
use crate::config::Code;

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
    // The planner takes the left column, which is NULL in rows of the right side alone.
    let is_padded = matches!(join.join_type, JoinType::Right | JoinType::Full);
    (is_padded && join.join_constraint == JoinConstraint::Using).then(|| {
        RewriteError::new(
            Code::NotKept,
            "NATURAL over relations whose columns are not written down gives the wrong column in a right or full join",
            "name the columns with USING",
        )
    })
}
