//! Subqueries that would mean something else as the joins that they become.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{BinaryExpr, Exists, InSubquery};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};

use crate::plan::Refusal;
use crate::plan::facts::unique_keys::unique_sets;
use crate::plan::program::scope::Scope;

/// Refuses them wherever they are in the plan, which must not be optimised yet.
pub(in crate::plan) fn reject_misread(plan: &LogicalPlan, scope: &Scope) -> Result<(), Refusal> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Filter(filter) = node {
            let schema = filter.input.schema();
            let mut conditions = split_conjunction(&filter.predicate).into_iter();
            found = found.take().or_else(|| conditions.any(|one| takes_unknown_for_false(one, schema)).then(unknown));
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
    match expression {
        // A join would repeat the outer row. DataFusion itself sees to those that are correlated.
        Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty() => {
            let single = unique_sets(&subquery.subquery, scope).iter().any(Vec::is_empty);
            (!single).then(|| {
                Refusal::new("this subquery may give several rows in the place of one value")
                    .hint("select an aggregate, add LIMIT 1, or write a join")
            })
        }
        // As a join it has no row where there is no partner.
        Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. }) => {
            totals_for_outer_rows(&subquery.subquery).then(|| {
                Refusal::new("an aggregate without GROUP BY has a row even where nothing matches the outer one")
                    .hint("compare with the aggregate itself, for example `(SELECT count(*) …) > 0`")
            })
        }
        _ => None,
    }
}

fn unknown() -> Refusal {
    Refusal::new("IN beside other conditions takes what is NULL for false, which here is not the same")
        .hint("use EXISTS or NOT EXISTS, or columns that are never NULL")
}

/// Whether it matters in a condition that `IN (SELECT …)` is never NULL as a join. It does not where what is NULL leaves
/// the row out as what is false does. A NOT IN on its own becomes a join that knows of NULLs.
fn takes_unknown_for_false(condition: &Expr, schema: &DFSchema) -> bool {
    let alone = if let Expr::Not(inner) = condition { inner } else { condition };
    !matches!(alone, Expr::InSubquery(_)) && unknown_matters(condition, schema)
}

fn unknown_matters(condition: &Expr, schema: &DFSchema) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            unknown_matters(left, schema) || unknown_matters(right, schema)
        }
        Expr::InSubquery(InSubquery { negated: false, .. }) => false,
        // The closure never fails.
        other => other.exists(|part| Ok(may_be_unknown(part, schema))).unwrap_or(true),
    }
}

fn may_be_unknown(expression: &Expr, schema: &DFSchema) -> bool {
    let Expr::InSubquery(InSubquery { expr, subquery, .. }) = expression else { return false };
    let many = subquery.subquery.schema().fields();
    many.iter().any(|field| field.is_nullable()) || expr.nullable(schema).unwrap_or(true)
}

/// Whether the plan has an aggregate without groups over rows that depend on an outer row.
fn totals_for_outer_rows(plan: &LogicalPlan) -> bool {
    let is_total = |node: &LogicalPlan| match node {
        LogicalPlan::Aggregate(aggregate) => {
            Ok(aggregate.group_expr.is_empty() && !aggregate.input.all_out_ref_exprs().is_empty())
        }
        _ => Ok(false),
    };
    // The closure never fails.
    plan.exists(is_total).unwrap_or(true)
}
