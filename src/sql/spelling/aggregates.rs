//! Aggregates that are written as others: JSON of many rows as a list of texts, and what is ordered by WITHIN GROUP.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments,
};

use super::rows::{bounded, parts};
use super::{call, named, text};

/// Replaces a call of the aggregate of that name, if it has another form here.
///
/// # Errors
/// If it is called as it cannot be.
pub(super) fn replace(name: &str, expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = expr else { return Ok(()) };
    match name {
        // The order of distinct values is theirs, and not that of their texts.
        "jsonb_agg" if is_distinct(function) => enclose(expr, "to_jsonb"),
        "percentile_cont" | "percentile_disc" => each_share(expr),
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
        "count_if" | "countif" => {
            let condition = match super::arguments(function).as_deref() {
                Some([condition]) => condition.clone(),
                _ => return plan_err!("`{name}` takes a condition"),
            };
            if let FunctionArguments::List(list) = &mut function.args {
                list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
            }
            function.name = named("count");
            function.filter = Some(Box::new(match function.filter.take() {
                None => condition,
                Some(filter) => Expr::BinaryOp {
                    left: Box::new(Expr::Nested(filter)),
                    op: BinaryOperator::And,
                    right: Box::new(Expr::Nested(Box::new(condition))),
                },
            }));
            Ok(())
        }
        // The standard's LISTAGG.
        "string_agg" if !function.within_group.is_empty() => {
            let order = FunctionArgumentClause::OrderBy(std::mem::take(&mut function.within_group));
            if let FunctionArguments::List(list) = &mut function.args {
                list.clauses.push(order);
            }
            Ok(())
        }
        "rank" | "dense_rank" | "percent_rank" | "cume_dist" if !function.within_group.is_empty() => {
            let instead = match name {
                "rank" => "1 + count(*) FILTER (WHERE x < 5)",
                "dense_rank" => "1 + count(DISTINCT x) FILTER (WHERE x < 5)",
                "percent_rank" => "CAST(count(*) FILTER (WHERE x < 5) AS FLOAT) / count(*)",
                _ => "CAST(1 + count(*) FILTER (WHERE x <= 5) AS FLOAT) / (1 + count(*))",
            };
            plan_err!("there is no `{name}` of a value that is no row: write `{instead}`")
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

fn is_distinct(function: &Function) -> bool {
    matches!(&function.args, FunctionArguments::List(list)
        if list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
}

/// Shares in a list give a list: `percentile_cont(ARRAY[0.5, 0.9])`.
fn each_share(expr: &mut Expr) -> Result<()> {
    let Expr::Function(function) = &*expr else { return Ok(()) };
    let shares = super::arguments(function).unwrap_or_default();
    let [Expr::Array(Array { elem, named })] = shares.as_slice() else { return Ok(()) };
    bounded(elem.len() * parts(std::slice::from_ref(expr)))?;
    let of_share = |share: &Expr| {
        let mut of_share = function.clone();
        if let FunctionArguments::List(list) = &mut of_share.args {
            list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(share.clone()))];
        }
        Expr::Function(of_share)
    };
    *expr = Expr::Array(Array { elem: elem.iter().map(of_share).collect(), named: *named });
    Ok(())
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
