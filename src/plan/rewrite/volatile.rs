//! Functions whose result is not a function of their arguments have no place in a projection.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use super::RewriteError;
use crate::config::Code;

/// Refuses `random()`, `uuid()`, `now()`, `current_date` and the like, wherever they are in the plan.
///
/// # Errors
/// If there is such a function; the error points at it.
pub fn reject_volatile(plan: &LogicalPlan) -> Result<(), RewriteError> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| match offence(part) {
                Some(error) => Err(error.at(expression).into()),
                None => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(())
}

fn offence(expression: &Expr) -> Option<RewriteError> {
    match expression {
        Expr::ScalarFunction(call) => {
            let name = call.func.name();
            match call.func.signature().volatility {
                Volatility::Immutable => None,
                Volatility::Stable => Some(RewriteError::new(
                    Code::NotAFunctionOfEvents,
                    format!("`{name}()` is not allowed here: its result depends on when it is computed"),
                    "write `_time` for when the event happened or `_published_at` for when the stream stored it",
                )),
                Volatility::Volatile => Some(RewriteError::new(
                    Code::NotAFunctionOfEvents,
                    format!("`{name}()` is not allowed here: it gives another result each time"),
                    "derive the value from the event, for example from `_id`, `_seq`, `_time` or `_published_at`",
                )),
            }
        }
        Expr::ScalarVariable(_, names) => Some(RewriteError::new(
            Code::NotAFunctionOfEvents,
            format!("the variable `{}` is not allowed here: its value is not part of any event", names.join(".")),
            "write the value itself",
        )),
        _ => None,
    }
}
