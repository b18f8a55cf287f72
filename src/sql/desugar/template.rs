//! Syntax from text, with the author's own expressions in the place of `$__0`, `$__1` …: they keep their places in the text, which
//! errors point at.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    Expr, Query, SetExpr, TableFactor, Value, VisitMut, visit_expressions, visit_expressions_mut,
};
use datafusion::sql::sqlparser::parser::Parser;

use crate::sql::dialect::Postgres;

/// The query that the text says.
///
/// # Errors
/// If the text is not SQL, which no caller's is.
pub(super) fn query(text: &str, values: &[Expr]) -> Result<Query> {
    filled(parser(text)?.parse_query().map(|query| *query), values)
}

/// The query with other rows in the place of the subquery that it has in FROM.
pub(super) fn over(mut query: Query, rows: Query) -> Query {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|item| &mut item.relation)
    {
        **subquery = rows;
    }
    query
}

/// The expression that the text says.
///
/// # Errors
/// If the text is not SQL, which no caller's is.
pub(super) fn expression(text: &str, values: &[Expr]) -> Result<Expr> {
    filled(parser(text)?.parse_expr(), values)
}

/// Parts of expressions that one statement may have copied. A text of a few pages names one long expression thousands of times: written
/// out, it would fill the memory.
const COPIED_MAX: usize = 20_000;

/// What a statement has copied so far.
#[derive(Debug, Default)]
pub(super) struct Copies(usize);

impl Copies {
    /// One more copy.
    ///
    /// # Errors
    /// If the statement becomes too large by it.
    pub(super) fn of(&mut self, expr: &Expr) -> Result<Expr> {
        let _ = visit_expressions(expr, |_| {
            self.0 += 1;
            ControlFlow::<()>::Continue(())
        });
        if self.0 > COPIED_MAX {
            return plan_err!(
                "written out, this query is too large: name the expression in a subquery in FROM, and use its column"
            );
        }
        Ok(expr.clone())
    }
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
