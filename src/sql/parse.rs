//! SQL as texts of the configuration and of readers have it: DuckDB's dialect, in which `f(a = b)` compares.
//!
//! DuckDB's own dialect takes that for a named argument, `bool_or(status = 'paid')` with it, and reads `f(a = b AND c)` as
//! `a = (b AND c)`. No function here has names for its arguments.

use std::any::{Any, TypeId};

use datafusion::common::{Result, not_impl_err, plan_datafusion_err};
use datafusion::execution::SessionState;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::ExprWithAlias;
use datafusion::sql::sqlparser::dialect::{Dialect, DuckDbDialect};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;

use super::desugar::{as_parsed, desugar};
use super::number_literals::exponents_as_floats;

/// Parses one statement.
///
/// # Errors
/// If the text is not one statement of SQL.
pub fn parse_statement(state: &SessionState, sql: &str) -> Result<Statement> {
    let tokens = Tokenizer::new(&Comparing, sql).tokenize_with_location().map_err(ParserError::from)?;
    let parser = DFParserBuilder::new(as_parsed(tokens));
    let parser = parser.with_dialect(&Comparing).with_recursion_limit(recursion_limit(state));
    let mut statements = parser.build()?.parse_statements()?;
    if statements.len() > 1 {
        return not_impl_err!("The context currently only supports a single SQL statement");
    }
    let first = statements.pop_front();
    let mut statement =
        first.ok_or_else(|| plan_datafusion_err!("No SQL statements were provided in the query string"))?;
    planned_form(&mut statement)?;
    Ok(statement)
}

/// The statement with the forms that the planner knows, that of an EXPLAIN too.
fn planned_form(statement: &mut Statement) -> Result<()> {
    match statement {
        Statement::Statement(statement) => {
            exponents_as_floats(statement);
            desugar(statement)
        }
        Statement::Explain(explain) => planned_form(&mut explain.statement),
        _ => Ok(()),
    }
}

/// Parses one expression.
///
/// # Errors
/// If the text is not one expression of SQL.
pub fn parse_expression(state: &SessionState, sql: &str) -> Result<ExprWithAlias> {
    let parser = DFParserBuilder::new(sql).with_dialect(&Comparing).with_recursion_limit(recursion_limit(state));
    let mut expression = parser.build()?.parse_into_expr()?;
    exponents_as_floats(&mut expression);
    Ok(expression)
}

fn recursion_limit(state: &SessionState) -> usize {
    state.config_options().sql_parser.recursion_limit.get()
}

/// DuckDB's dialect, in which `=` compares everywhere.
#[derive(Debug)]
pub(super) struct Comparing;

/// Methods that are DuckDB's.
macro_rules! as_duckdb {
    ($($method:ident)*) => {
        $(fn $method(&self) -> bool {
            DuckDbDialect.$method()
        })*
    };
}

impl Dialect for Comparing {
    fn dialect(&self) -> TypeId {
        DuckDbDialect.type_id()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        DuckDbDialect.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        DuckDbDialect.is_identifier_part(ch)
    }

    fn supports_named_fn_args_with_eq_operator(&self) -> bool {
        false
    }

    as_duckdb! {
        supports_trailing_commas
        supports_filter_during_aggregation
        supports_group_by_expr
        supports_bitwise_shift_operators
        supports_named_fn_args_with_assignment_operator
        supports_dictionary_syntax
        support_map_literal_syntax
        supports_lambda_functions
        allow_extract_single_quotes
        supports_explain_with_utility_options
        supports_load_extension
        supports_array_typedef_with_brackets
        supports_from_first_select
        supports_order_by_all
        supports_select_wildcard_exclude
        supports_notnull_operator
        supports_install
        supports_detach
        supports_select_wildcard_replace
        supports_comma_separated_trim
    }
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
        for sql in ["SELECT * EXCLUDE (a) FROM t GROUP BY ALL ORDER BY ALL", "FROM t SELECT a", "SELECT a, FROM t"] {
            parse_statement(&state, sql).unwrap();
        }
    }
}
