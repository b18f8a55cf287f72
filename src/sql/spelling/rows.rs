//! Rows that are compared, `(a, b) < (c, d)`, as SQL has it: column by column, and unknown where a NULL decides. DataFusion compares them as
//! structs, in which NULL equals NULL.

use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, visit_expressions};

/// Parts of expressions that one comparison may have written out. Those of a text are many, and may stand within each other.
const COPIED_MAX: usize = 500;

/// # Errors
/// If the rows are of different lengths, or too large to be written out.
pub(super) fn replace(expr: &mut Expr) -> Result<()> {
    let replaced = match expr {
        Expr::BinaryOp { left, op, right } => {
            let (Expr::Tuple(left), Expr::Tuple(right)) = (left.as_ref(), right.as_ref()) else { return Ok(()) };
            match op {
                BinaryOperator::Eq => equal(left, right)?,
                BinaryOperator::NotEq => not(equal(left, right)?),
                BinaryOperator::Lt | BinaryOperator::LtEq => ordered(left, right, &BinaryOperator::Lt, op)?,
                BinaryOperator::Gt | BinaryOperator::GtEq => ordered(left, right, &BinaryOperator::Gt, op)?,
                _ => return Ok(()),
            }
        }
        Expr::InList { expr, list, negated } => {
            let Expr::Tuple(left) = expr.as_ref() else { return Ok(()) };
            bounded(list.len() * parts(left))?;
            let each = list.iter().map(|row| match row {
                Expr::Tuple(right) => equal(left, right),
                _ => plan_err!("a row is compared with rows: write `(a, b) IN ((1, 2), (3, 4))`"),
            });
            let Some(any) = each.reduce(|any, one| Ok(binary(any?, BinaryOperator::Or, one?))) else { return Ok(()) };
            if *negated { not(any?) } else { Expr::Nested(Box::new(any?)) }
        }
        _ => return Ok(()),
    };
    *expr = replaced;
    Ok(())
}

/// `a = c AND b = d`.
pub(super) fn equal(left: &[Expr], right: &[Expr]) -> Result<Expr> {
    let columns = pairs(left, right)?.map(|(left, right)| binary(left, BinaryOperator::Eq, right));
    match columns.reduce(|all, one| binary(all, BinaryOperator::And, one)) {
        Some(all) => Ok(Expr::Nested(Box::new(all))),
        None => plan_err!("a row without columns is compared"),
    }
}

/// `a < c OR (a = c AND b < d)`: `strict` for all columns but the last.
fn ordered(left: &[Expr], right: &[Expr], strict: &BinaryOperator, last: &BinaryOperator) -> Result<Expr> {
    bounded(parts(left) + parts(right))?;
    let mut columns: Vec<(Expr, Expr)> = pairs(left, right)?.collect();
    let Some((left, right)) = columns.pop() else { return plan_err!("a row without columns is compared") };
    let mut answer = binary(left, last.clone(), right);
    for (left, right) in columns.into_iter().rev() {
        let decided = binary(left.clone(), strict.clone(), right.clone());
        let equal = binary(left, BinaryOperator::Eq, right);
        let otherwise = Expr::Nested(Box::new(binary(equal, BinaryOperator::And, answer)));
        answer = Expr::Nested(Box::new(binary(decided, BinaryOperator::Or, otherwise)));
    }
    Ok(answer)
}

fn pairs(left: &[Expr], right: &[Expr]) -> Result<impl Iterator<Item = (Expr, Expr)>> {
    if left.len() != right.len() {
        return plan_err!("a row of {} columns is compared with one of {}", left.len(), right.len());
    }
    Ok(left.iter().cloned().zip(right.iter().cloned()))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
}

/// The parts of expressions.
pub(super) fn parts(exprs: &[Expr]) -> usize {
    let mut parts = 0;
    for expr in exprs {
        let _ = visit_expressions(expr, |_| {
            parts += 1;
            ControlFlow::<()>::Continue(())
        });
    }
    parts
}

/// # Errors
/// If so many parts are too many to be copied.
pub(super) fn bounded(copied: usize) -> Result<()> {
    match copied > COPIED_MAX {
        true => plan_err!("written out, this comparison is too large: name its expressions in a subquery in FROM"),
        false => Ok(()),
    }
}
