//! `(a, b) IN (SELECT x, y …)` in WHERE and HAVING, as EXISTS with an equality a column; NOT IN as no row that may be equal. Where what is
//! unknown is not the same as what is false, in a value or below NOT, it is refused.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, Select};

use super::template;

/// # Errors
/// If one stands where it may be unknown.
pub(super) fn as_exists(select: &mut Select) -> Result<()> {
    for condition in [&mut select.selection, &mut select.having].into_iter().flatten() {
        in_condition(condition)?;
    }
    Ok(())
}

fn in_condition(condition: &mut Expr) -> Result<()> {
    match condition {
        Expr::Nested(inner) => in_condition(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            in_condition(left).and_then(|()| in_condition(right))
        }
        Expr::InSubquery { expr, subquery, negated } => {
            let Expr::Tuple(values) = expr.as_ref() else { return Ok(()) };
            *condition = exists(values.clone(), (**subquery).clone(), *negated)?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is left where it stands.
///
/// # Errors
/// Refuses it.
pub(super) fn refuse(expr: &Expr) -> Result<()> {
    match expr {
        Expr::InSubquery { expr, .. } if matches!(**expr, Expr::Tuple(_)) => plan_err!(
            "several columns are compared with those of a subquery in WHERE alone, beside AND and OR: write `EXISTS (SELECT 1 FROM t \
             WHERE t.x = a AND t.y = b)`"
        ),
        _ => Ok(()),
    }
}

fn exists(values: Vec<Expr>, rows: Query, negated: bool) -> Result<Expr> {
    let names: Vec<String> = (0..values.len()).map(|index| format!("\"compared {index}\"")).collect();
    let equal: Vec<String> = names.iter().enumerate().map(|(index, name)| format!("$__{index} = {name}")).collect();
    let (names, equal) = (names.join(", "), equal.join(" AND "));
    let condition = if negated { format!("({equal}) IS NOT FALSE") } else { equal };
    let equals =
        template::query(&format!("SELECT 1 FROM (SELECT 1) AS \"compared\"({names}) WHERE {condition}"), &values)?;
    Ok(Expr::Exists { subquery: Box::new(template::over(equals, rows)), negated })
}
