//! SQL as texts of the configuration and of readers have it, in the words that the planner knows.

use datafusion::common::{Result, not_impl_err, plan_datafusion_err};
use datafusion::execution::SessionState;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;

use super::desugar::{RelationKeys, Relations, as_parsed, desugar, without_hints};
use super::dialect::Postgres;
use super::number_literals::exponents_as_floats;
use super::refusals::refuse;
use super::spelling::as_known;

/// Parses one statement.
///
/// # Errors
/// If the text is not one statement of SQL.
pub fn parse_statement(state: &SessionState, sql: &str) -> Result<Statement> {
    let tokens = Tokenizer::new(&Postgres, sql).tokenize_with_location().map_err(ParserError::from)?;
    let parser = DFParserBuilder::new(as_parsed(without_hints(tokens)));
    let parser = parser.with_dialect(&Postgres).with_recursion_limit(recursion_limit(state));
    let mut statements = parser.build()?.parse_statements()?;
    if statements.len() > 1 {
        return not_impl_err!("there are several statements: write one");
    }
    let first = statements.pop_front();
    let mut statement = first.ok_or_else(|| plan_datafusion_err!("there is no statement"))?;
    planned_form(&mut statement, state)?;
    Ok(statement)
}

/// The statement with the forms that the planner knows, that of an EXPLAIN too.
fn planned_form(statement: &mut Statement, state: &SessionState) -> Result<()> {
    match statement {
        Statement::Statement(statement) => {
            exponents_as_floats(statement);
            desugar(statement, None)?;
            as_known(statement)?;
            refuse(statement.as_ref(), state)
        }
        Statement::Explain(explain) => planned_form(&mut explain.statement, state),
        _ => Ok(()),
    }
}

/// Gives a parsed statement the forms that the planner knows where what they mean depends on the relations of the session: which columns
/// two of them share, and which follow from the key of one.
///
/// # Errors
/// If one of the forms cannot be written otherwise, with what to write instead.
pub fn over_relations(statement: &mut Statement, state: &SessionState, keys: &RelationKeys) -> Result<()> {
    match statement {
        Statement::Statement(statement) => desugar(statement, Some(Relations::new(state, keys))),
        Statement::Explain(explain) => over_relations(&mut explain.statement, state, keys),
        _ => Ok(()),
    }
}

/// Parses one expression.
///
/// # Errors
/// If the text is not one expression of SQL.
pub fn parse_expression(state: &SessionState, sql: &str) -> Result<ExprWithAlias> {
    let parser = DFParserBuilder::new(sql).with_dialect(&Postgres).with_recursion_limit(recursion_limit(state));
    let mut expression = parser.build()?.parse_into_expr()?;
    exponents_as_floats(&mut expression);
    as_known(&mut expression)?;
    refuse(&expression, state)?;
    Ok(expression)
}

fn recursion_limit(state: &SessionState) -> usize {
    state.config_options().sql_parser.recursion_limit.get()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::SessionContext;
    use expect_test::{Expect, expect};

    use super::*;

    fn check(sql: &str, expected: Expect) {
        let state = SessionContext::new().state();
        expected.assert_eq(&parse_expression(&state, sql).unwrap().to_string());
    }

    #[test]
    fn an_equals_sign_in_a_call_compares() {
        check("bool_or(status = 'paid' AND ok)", expect!["bool_or(status = 'paid' AND ok)"]);
        let state = SessionContext::new().state();
        let statement =
            parse_statement(&state, "SELECT bool_or(a = 1 AND b) FROM (VALUES (1, true)) AS t (a, b)").unwrap();
        let plan = futures::executor::block_on(state.statement_to_plan(statement)).unwrap();
        assert!(plan.to_string().contains("bool_or(t.a = Int64(1) AND t.b)"), "{plan}");
    }

    #[test]
    fn everything_else_is_as_in_duckdb() {
        check("list_filter(l, x -> x > 1)", expect!["list_filter(l, x -> x > 1)"]);
        check("{'a': 1, 'b': [1, 2]}", expect!["{'a': 1, 'b': [1, 2]}"]);
        let state = SessionContext::new().state();
        for sql in [
            "SELECT * EXCLUDE (a) FROM t GROUP BY ALL ORDER BY ALL",
            "SELECT * EXCEPT (a, b) FROM t",
            "FROM t SELECT a",
            "SELECT a, FROM t",
        ] {
            parse_statement(&state, sql).unwrap();
        }
    }
}
