//! Windows of time as functions in FROM: `TUMBLE(orders.placed, _time, INTERVAL '1 hour')` has the rows of its first argument, with
//! the window that each belongs to in `window_start` and `window_end`; `HOP(t, _time, INTERVAL '1 minute', INTERVAL '5 minutes')`
//! has each row once for each window of five minutes, of which one begins every minute.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{Expr, Ident, TableAlias, TableFactor, TableFunctionArgs};

use super::set_functions::{plain_name, values};
use super::template;

pub(super) fn as_subquery(factor: &mut TableFactor) -> Result<()> {
    let (name, arguments, alias) = match factor {
        TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), alias, .. } => (name, args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return Ok(()),
    };
    let Some(name) = plain_name(name).filter(|name| matches!(name.as_str(), "tumble" | "hop")) else { return Ok(()) };
    let form = match name.as_str() {
        "tumble" => "`TUMBLE(table, time, INTERVAL '1 hour')`",
        _ => "`HOP(table, time, INTERVAL '1 minute', INTERVAL '5 minutes')`",
    };
    let Some(arguments) = values(arguments) else { return plan_err!("write {form}") };
    let (table, rest) = match arguments.split_first() {
        Some((table, rest)) => (table, rest),
        None => return plan_err!("write {form}"),
    };
    let Some((table, last)) = relation(table) else {
        return plan_err!("write {form}, with a table as it is named in FROM");
    };
    let time = rest.first().map(descriptor);
    let windows = match (name.as_str(), time, rest) {
        ("tumble", Some(time), [_, length]) => template::query(
            &format!(
                "SELECT *, date_bin($__1, $__0) AS window_start, date_bin($__1, $__0) + $__1 AS window_end FROM {table}"
            ),
            &[time, length.clone()],
        )?,
        ("hop", Some(time), [_, every, length]) => template::query(
            &format!(
                "SELECT *, window_start + $__2 AS window_end FROM (SELECT *, unnest(generate_series(date_bin($__1, $__0) \
                 - $__2 + $__1, date_bin($__1, $__0), $__1)) AS window_start FROM {table})"
            ),
            &[time, every.clone(), length.clone()],
        )?,
        _ => return plan_err!("write {form}"),
    };
    let alias =
        alias.clone().unwrap_or_else(|| TableAlias { explicit: true, name: last, columns: Vec::new(), at: None });
    *factor = TableFactor::Derived { lateral: false, subquery: Box::new(windows), alias: Some(alias), sample: None };
    Ok(())
}

/// A table as it is named in FROM, and the last part of its name.
fn relation(table: &Expr) -> Option<(String, Ident)> {
    match table {
        Expr::Identifier(name) => Some((name.to_string(), name.clone())),
        Expr::CompoundIdentifier(parts) => {
            let text: Vec<String> = parts.iter().map(ToString::to_string).collect();
            Some((text.join("."), parts.last()?.clone()))
        }
        _ => None,
    }
}

/// The column in `DESCRIPTOR(column)`, or the expression itself.
fn descriptor(time: &Expr) -> Expr {
    if let Expr::Function(call) = time
        && plain_name(&call.name).is_some_and(|name| name == "descriptor")
        && let datafusion::sql::sqlparser::ast::FunctionArguments::List(list) = &call.args
        && let Some([column]) = values(&list.args).as_deref()
    {
        return column.clone();
    }
    time.clone()
}
