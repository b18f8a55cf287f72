//! A condition that `AND` or `OR` has settled by its left side computes no right side that could fail.
//!
//! DataFusion computes the right side for all rows of a batch as soon as some of them need it. A circuit computes the rows
//! one by one where their batch fails, so that there the left side guards the right one; the batch result has to do the
//! same, however many rows its operators put into one batch.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, internal_datafusion_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, disjunction, merge_schema};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, lit, when};

use super::facts::fallible::can_fail;

/// An optimised plan whose conditions are computed in turn. What optimises it again may undo it.
pub(super) fn conditions_in_turn(plan: LogicalPlan) -> Result<LogicalPlan> {
    let in_turn = plan.transform_up_with_subqueries(|node| {
        let (schema, names) = (merge_schema(&node.inputs()), NamePreserver::new(&node));
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(computed_in_turn(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })
    });
    Ok(in_turn?.data)
}

fn computed_in_turn(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some(operator) = connective(&expr) else {
        // A circuit computes a function of a list's elements for all of them at once.
        let is_of_elements = matches!(expr, Expr::Lambda(_));
        return if is_of_elements {
            Ok(Transformed::no(expr))
        } else {
            expr.map_children(|child| computed_in_turn(child, schema))
        };
    };
    let parts = connected(expr, operator);
    let last = parts.iter().rposition(|part| can_fail(part, schema)).unwrap_or_default();
    let parts = parts.into_iter().map(|part| computed_in_turn(part, schema).map(|part| part.data));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let settles = operator == Operator::Or;
    let settled = |part: &Expr| if settles { part.clone().is_true() } else { part.clone().is_false() };
    let guards: Vec<Expr> = parts[..last].iter().map(settled).collect();
    let joined = if settles { disjunction(parts) } else { conjunction(parts) };
    let joined = joined.ok_or_else(|| internal_datafusion_err!("a condition has parts"))?;
    let Some((first, others)) = guards.split_first() else { return Ok(Transformed::yes(joined)) };
    let mut cases = when(first.clone(), lit(settles));
    for guard in others {
        cases = cases.when(guard.clone(), lit(settles));
    }
    cases.otherwise(joined).map(Transformed::yes)
}

/// `AND` or `OR`, if the expression is one.
fn connective(expr: &Expr) -> Option<Operator> {
    match expr {
        Expr::BinaryExpr(binary) => Some(binary.op).filter(|op| matches!(op, Operator::And | Operator::Or)),
        _ => None,
    }
}

/// The parts that an operator connects, from left to right.
fn connected(expr: Expr, operator: Operator) -> Vec<Expr> {
    let (mut first, mut others) = (expr, Vec::new());
    loop {
        match first {
            Expr::BinaryExpr(binary) if binary.op == operator => {
                others.push(*binary.right);
                first = *binary.left;
            }
            _ => break,
        }
    }
    others.push(first);
    others.reverse();
    others
}
