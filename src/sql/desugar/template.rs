//! Syntax from text, with the author's own expressions in the place of `$__0`, `$__1` …: they keep their places in the text, which
//! errors point at.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::sqlparser::ast::{Expr, Query, Value, VisitMut, visit_expressions_mut};
use datafusion::sql::sqlparser::parser::Parser;

use crate::sql::dialect::Postgres;

/// The query that the text says.
///
/// # Errors
/// If the text is not SQL, which no caller's is.
pub(super) fn query(text: &str, values: &[Expr]) -> Result<Query> {
    filled(parser(text)?.parse_query().map(|query| *query), values)
}

/// The expression that the text says.
///
/// # Errors
/// If the text is not SQL, which no caller's is.
pub(super) fn expression(text: &str, values: &[Expr]) -> Result<Expr> {
    filled(parser(text)?.parse_expr(), values)
}

fn parser(text: &str) -> Result<Parser<'static>> {
    Parser::new(&Postgres).try_with_sql(text).map_err(of_parser)
}

fn of_parser(error: datafusion::sql::sqlparser::parser::ParserError) -> DataFusionError {
    DataFusionError::SQL(Box::new(error), None)
}

fn filled<T: VisitMut>(
    parsed: std::result::Result<T, datafusion::sql::sqlparser::parser::ParserError>,
    values: &[Expr],
) -> Result<T> {
    let mut parsed = parsed.map_err(of_parser)?;
    let _ = visit_expressions_mut(&mut parsed, |expr| {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(name) = &value.value
            && let Some(given) = name.strip_prefix("$__").and_then(|index| values.get(index.parse::<usize>().ok()?))
        {
            *expr = given.clone();
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(parsed)
}
