//! Aggregates that are written as others: JSON of many rows as a list of texts, and what is ordered by WITHIN GROUP.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::{call, named, text};

/// Replaces a call of the aggregate of that name, if it has another form here.
///
/// # Errors
/// If it is called as it cannot be.
pub(super) fn replace(name: &str, expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    match name {
        "jsonb_agg" => {
            each_argument(function, |argument| call("to_jsonb", vec![argument]));
            enclose(expr, "json_of_elements")
        }
        "jsonb_object_agg" => {
            let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(key)), FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] =
                list.args.as_slice()
            else {
                return plan_err!("`jsonb_object_agg` takes a key and a value");
            };
            let key = Expr::Function(call("json_key", vec![key.clone()]));
            let value = Expr::Function(call("to_jsonb", vec![value.clone()]));
            let member = call("named_struct", vec![text("key"), key, text("value"), value]);
            list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(member)))];
            enclose(expr, "json_of_members")
        }
        "mode" if !function.within_group.is_empty() => {
            let [order] = function.within_group.as_slice() else {
                return plan_err!("`mode` is of one value: `mode() WITHIN GROUP (ORDER BY x)`");
            };
            if order.options.asc == Some(false) {
                return plan_err!("`mode` takes the least of several values that are as frequent: leave out DESC");
            }
            let value = order.expr.clone();
            function.within_group = Vec::new();
            if let FunctionArguments::List(list) = &mut function.args {
                list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value))];
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn each_argument(function: &mut Function, change: impl Fn(Expr) -> Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in &mut list.args {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
            *expr = Expr::Function(change(expr.clone()));
        }
    }
}

/// Makes the aggregate a list, and calls a function of it.
fn enclose(expr: &mut Expr, outer: &str) -> Result<()> {
    if let Expr::Function(function) = expr {
        function.name = named("array_agg");
        let list = Expr::Function(function.clone());
        *expr = Expr::Function(call(outer, vec![list]));
    }
    Ok(())
}
