//! Refuses subqueries that DataFusion would plan as something else. What that is says each of the three files beside.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{exists_over_totals, in_subqueries, scalar_subqueries};
use crate::plan::{Refusal, Scope};

/// Refuses them wherever they are in the plan, which must not be optimised yet.
///
/// # Errors
///
/// Refuses the first such subquery, with the reason and what to write instead.
pub(in crate::plan) fn reject_misplanned(plan: &LogicalPlan, scope: &Scope) -> Result<(), Refusal> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Filter(filter) = node {
            let mut conditions = split_conjunction(&filter.predicate).into_iter();
            let schema = filter.input.schema();
            found = found.take().or_else(|| conditions.find_map(|one| in_subqueries::offence(one, schema)));
        }
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                found = found.take().or_else(|| offence(part, scope));
                Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    found.map_or(Ok(()), Err)
}

fn offence(expression: &Expr, scope: &Scope) -> Option<Refusal> {
    scalar_subqueries::offence(expression, scope).or_else(|| exists_over_totals::offence(expression))
}

/// Queries over `shop.placed(id!, other, amount!)`, and whether they are refused.
#[cfg(test)]
pub(super) mod tests {
    pub(in crate::plan::datafusion) fn refused(query: &str) -> Option<String> {
        let compiled = crate::plan::compile(query, &["id".to_owned()], &crate::plan::tests::scope());
        compiled.err().map(|refusal| refusal.message)
    }
}
