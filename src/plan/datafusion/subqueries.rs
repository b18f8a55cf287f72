//! Finds subqueries that DataFusion would plan as something else. What that is says each of the four files beside; `decorrelate/`
//! plans them.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{exists_over_totals, in_subqueries, scalar_subqueries, set_comparisons};
use crate::plan::{Refusal, Scope};

/// Refuses them wherever they are in the plan, which must not be optimised yet.
///
/// # Errors
/// Refuses the first such subquery, with the reason and what to write instead.
pub(in crate::plan) fn reject_misplanned(plan: &LogicalPlan, scope: &Scope) -> Result<(), Refusal> {
    first_offence(plan, &|part| scalar_subqueries::offence(part, scope).or_else(|| taken_for_another(part)))
}

/// Whether DataFusion takes a subquery of the plan, which must not be optimised yet, for another one. In a session that computes
/// subqueries of one value as such, several rows are an error there.
pub(in crate::plan) fn takes_for_another(plan: &LogicalPlan) -> bool {
    first_offence(plan, &taken_for_another).is_err()
}

fn taken_for_another(part: &Expr) -> Option<Refusal> {
    exists_over_totals::offence(part).or_else(|| set_comparisons::offence(part))
}

fn first_offence(plan: &LogicalPlan, offence: &dyn Fn(&Expr) -> Option<Refusal>) -> Result<(), Refusal> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Filter(filter) = node {
            let mut conditions = split_conjunction(&filter.predicate).into_iter();
            let schema = filter.input.schema();
            found = found.take().or_else(|| conditions.find_map(|one| in_subqueries::offence(one, schema)));
        }
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                found = found.take().or_else(|| offence(part));
                Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    found.map_or(Ok(()), Err)
}

/// Queries over `shop.placed(id!, other, amount!)`, and why DataFusion alone must not plan them.
#[cfg(test)]
pub(super) mod tests {
    use crate::plan::datafusion::reject_misplanned;
    use crate::plan::program::planned;

    pub(in crate::plan::datafusion) fn refused(query: &str) -> Option<String> {
        let scope = crate::plan::tests::scope();
        let planned = planned(query, &scope).and_then(|plan| reject_misplanned(&plan, &scope));
        planned.err().map(|refusal| refusal.message)
    }
}
