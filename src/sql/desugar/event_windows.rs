//! Windows of time as functions in FROM: `TUMBLE(orders.placed, _time, INTERVAL '1 hour')` has the rows of its first argument, with
//! the window that each belongs to in `window_start` and `window_end`; `HOP(t, _time, INTERVAL '1 minute', INTERVAL '5 minutes')`
//! has each row once for each window of five minutes, of which one begins every minute. `SESSION(t, _time, INTERVAL '30 minutes', user)`
//! has each row with the session that it belongs to: rows of one user that follow each other by no more than half an hour.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, TableAlias, TableFactor, TableFunctionArgs};

use super::set_functions::{plain_name, values};
use super::template;

pub(super) fn as_subquery(factor: &mut TableFactor) -> Result<()> {
    let (name, arguments, alias) = match factor {
        TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), alias, .. } => (name, args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return Ok(()),
    };
    let Some(name) = plain_name(name).filter(|name| matches!(name.as_str(), "tumble" | "hop" | "session")) else {
        return Ok(());
    };
    let form = match name.as_str() {
        "tumble" => "`TUMBLE(table, time, INTERVAL '1 hour')`",
        "session" => "`SESSION(table, time, INTERVAL '30 minutes', column, …)`",
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
        ("session", Some(time), [_, gap, by @ ..]) => sessions(&table, time, gap, by)?,
        _ => return plan_err!("write {form}"),
    };
    let alias =
        alias.clone().unwrap_or_else(|| TableAlias { explicit: true, name: last, columns: Vec::new(), at: None });
    *factor = TableFactor::Derived { lateral: false, subquery: Box::new(windows), alias: Some(alias), sample: None };
    Ok(())
}

/// The rows with their sessions. A row begins one if it comes later after the row before it than the gap is long; how many have
/// begun by then numbers them. Rows of one time belong to one session, whichever of them is first.
fn sessions(table: &str, time: Expr, gap: &Expr, by: &[Expr]) -> Result<Query> {
    let columns: Vec<String> = (0..by.len()).map(|index| format!("__by_{index}")).collect();
    let taken: String =
        columns.iter().enumerate().map(|(index, column)| format!(", $__{} AS {column}", index + 2)).collect();
    let all = columns.iter().map(|column| format!(", {column}")).collect::<String>();
    let part = match by.is_empty() {
        true => String::new(),
        false => format!("PARTITION BY {}", columns.join(", ")),
    };
    template::query(
        &format!(
            "SELECT * EXCLUDE (__time, __begins, __session{all}), \
             min(__time) OVER (PARTITION BY __session{all}) AS window_start, \
             max(__time) OVER (PARTITION BY __session{all}) + $__1 AS window_end \
             FROM (SELECT *, sum(__begins) OVER ({part} ORDER BY __time) AS __session \
             FROM (SELECT *, CASE WHEN __time - lag(__time) OVER ({part} ORDER BY __time) <= $__1 THEN 0 ELSE 1 END \
             AS __begins FROM (SELECT *, $__0 AS __time{taken} FROM {table})))"
        ),
        &[&[time, gap.clone()], by].concat(),
    )
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
