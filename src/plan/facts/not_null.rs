//! Expressions that are never NULL, whatever their types say.

use datafusion::logical_expr::expr::{Alias, Cast};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use super::substitute::below;

/// Whether an expression over the plan's columns is known not to be NULL: by its type, or by a filter on the way.
pub(in crate::plan) fn never_null(expr: &Expr, plan: &LogicalPlan) -> bool {
    if matches!(expr.nullable(plan.schema()), Ok(false)) {
        return true;
    }
    match expr {
        Expr::Column(_) => {}
        Expr::Alias(Alias { expr, .. }) | Expr::Cast(Cast { expr, .. }) => return never_null(expr, plan),
        _ => return false,
    }
    match plan {
        LogicalPlan::Filter(filter) => {
            let is_not_null = |condition: &&Expr| matches!(condition, Expr::IsNotNull(inner) if **inner == *expr);
            split_conjunction(&filter.predicate).iter().any(is_not_null) || never_null(expr, &filter.input)
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            below(expr, plan).is_some_and(|expr| plan.inputs().iter().all(|input| never_null(&expr, input)))
        }
        _ => false,
    }
}
