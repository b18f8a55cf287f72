//! `lag(x, 1, y)` and `lead(x, 1, y)` with a default that is computed, as in PostgreSQL: DataFusion takes constants alone. Whether there is
//! such a row is asked of a constant, because `x` may be NULL there.

use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, UnaryOperator, Value,
};

use super::set_functions::{plain_name, values};
use super::template::{self, Copies};

/// # Errors
/// If the window is too large to be written out twice.
pub(super) fn as_case(expr: &mut Expr) -> Result<()> {
    let Expr::Function(call) = &*expr else { return Ok(()) };
    let FunctionArguments::List(FunctionArgumentList { args, clauses, .. }) = &call.args else { return Ok(()) };
    let is_offset = plain_name(&call.name).is_some_and(|name| matches!(name.as_str(), "lag" | "lead"));
    if !is_offset || call.over.is_none() || call.null_treatment.is_some() || !clauses.is_empty() {
        return Ok(());
    }
    let Some([value, rows, default]) = values(args).and_then(|args| <[Expr; 3]>::try_from(args).ok()) else {
        return Ok(());
    };
    if is_constant(&default) || !is_constant(&rows) {
        return Ok(());
    }
    let of = |first: Expr| {
        let args = [first, rows.clone()].map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).to_vec();
        let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
        Expr::Function(Function { args: FunctionArguments::List(list), ..call.clone() })
    };
    let is_there = Copies::default().of(&of(Expr::value(Value::Boolean(true))))?;
    *expr = template::expression("CASE WHEN $__0 IS NULL THEN $__1 ELSE $__2 END", &[is_there, default, of(value)])?;
    Ok(())
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) | Expr::Interval(_) => true,
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner }
        | Expr::Nested(inner)
        | Expr::Cast { expr: inner, .. } => is_constant(inner),
        _ => false,
    }
}
