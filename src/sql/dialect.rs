//! The dialect that texts are parsed in: DuckDB's, with PostgreSQL's operators and their precedence.
//!
//! DuckDB's own dialect takes `f(a = b)` for a named argument, `bool_or(status = 'paid')` with it, and reads `f(a = b AND c)` as
//! `a = (b AND c)`. It begins a lambda wherever a name is followed by `->`. Here that is a lambda only where one can stand, among the
//! later arguments of a list function; anywhere else it reads JSON.

use std::any::{Any, TypeId};

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};
use datafusion::sql::sqlparser::dialect::{Dialect, DuckDbDialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// DuckDB's dialect, in which `=` compares everywhere and JSON is read as in PostgreSQL.
#[derive(Debug)]
pub(super) struct Postgres;

/// Methods that are DuckDB's.
macro_rules! as_duckdb {
    ($($method:ident)*) => {
        $(fn $method(&self) -> bool {
            DuckDbDialect.$method()
        })*
    };
}

impl Dialect for Postgres {
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

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    /// `E'a\tb'`.
    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    /// `last_value(x IGNORE NULLS) OVER …`.
    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    /// `EXISTS (SELECT FROM t)`; see `desugar/no_columns.rs`.
    fn supports_empty_projections(&self) -> bool {
        true
    }

    /// `JOIN b FOR SYSTEM_TIME AS OF a.at`; see `desugar/as_of.rs`.
    fn supports_table_versioning(&self) -> bool {
        true
    }

    /// `FROM a ASOF JOIN b` names no table `ASOF` or what the parser is given for it (`desugar/as_of.rs`).
    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        !matches!(keyword, Keyword::ASOF | Keyword::STRAIGHT_JOIN) && DuckDbDialect.is_table_alias(keyword, parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        PostgreSqlDialect {}.prec_value(precedence)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            ref token if is_question(token) => Some(Ok(self.prec_value(Precedence::PgOther))),
            _ => PostgreSqlDialect {}.get_next_precedence(parser),
        }
    }

    /// What stands before `->` outside of a lambda, `E'a\tb'`, and `~a`.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        if let Token::EscapedStringLiteral(text) = &parser.peek_token_ref().token {
            let text = Value::SingleQuotedString(text.clone());
            let span = parser.next_token().span;
            return Some(Ok(Expr::Value(text.with_span(span))));
        }
        // Weaker than `+`, as in PostgreSQL.
        if parser.consume_token(&Token::Tilde) {
            let of = parser.parse_subexpr(self.prec_value(Precedence::PgOther));
            return Some(of.map(|of| Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: Box::new(of) }));
        }
        let tokens = [0, 1, 2, 3].map(|ahead| parser.peek_nth_token_ref(ahead).token.clone());
        match tokens {
            [Token::Word(word), Token::Arrow, ..] if !is_lambda_place(parser) => {
                let span = parser.next_token().span;
                Some(Ok(Expr::Identifier(word.into_ident(span))))
            }
            [Token::LParen, Token::Word(word), Token::RParen, Token::Arrow] if !is_lambda_place(parser) => {
                parser.next_token();
                let span = parser.next_token().span;
                parser.next_token();
                Some(Ok(Expr::Nested(Box::new(Expr::Identifier(word.into_ident(span))))))
            }
            _ => None,
        }
    }

    /// The operators that DuckDB's dialect lacks: `?`, `?|`, `?&`, `&&`, `#` and `^@`. And IS DISTINCT FROM, of which the parser takes
    /// everything on the right, `b AND c` too (<https://github.com/apache/datafusion-sqlparser-rs/pull/2436>).
    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        let left_of = || Box::new(left.clone());
        if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
            return Some(
                parser.parse_subexpr(precedence).map(|right| Expr::IsDistinctFrom(left_of(), Box::new(right))),
            );
        }
        if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
            return Some(
                parser.parse_subexpr(precedence).map(|right| Expr::IsNotDistinctFrom(left_of(), Box::new(right))),
            );
        }
        if let Some(found) = self.parse_words(parser, left) {
            return Some(found);
        }
        let op = match &parser.peek_token_ref().token {
            Token::Overlap => BinaryOperator::PGOverlap,
            Token::CaretAt => BinaryOperator::PGStartsWith,
            Token::Sharp => BinaryOperator::PGBitwiseXor,
            token if is_question(token) => BinaryOperator::Question,
            _ => return None,
        };
        parser.next_token();
        let op = match (&op, &parser.peek_token_ref().token) {
            (BinaryOperator::Question, Token::Pipe) => BinaryOperator::QuestionPipe,
            (BinaryOperator::Question, Token::Ampersand) => BinaryOperator::QuestionAnd,
            _ => op,
        };
        if matches!(op, BinaryOperator::QuestionPipe | BinaryOperator::QuestionAnd) {
            parser.next_token();
        }
        let right = parser.parse_subexpr(precedence);
        Some(right.map(|right| Expr::BinaryOp { left: left_of(), op, right: Box::new(right) }))
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

impl Postgres {
    /// COLLATE behind more than a name, which the parser knows in its own dialect of PostgreSQL alone; and conditions of PostgreSQL that it
    /// knows in none, with what to write instead.
    fn parse_words(&self, parser: &mut Parser<'_>, left: &Expr) -> Option<Result<Expr, ParserError>> {
        let refused = |parser: &Parser<'_>, text: &str| {
            let place = parser.get_current_token().span.start;
            Some(Err(ParserError::ParserError(format!("{text},{place}"))))
        };
        if parser.parse_keyword(Keyword::COLLATE) {
            let collation = parser.parse_object_name(false);
            return Some(collation.map(|collation| Expr::Collate { expr: Box::new(left.clone()), collation }));
        }
        // Alone before AND it is the name of a column.
        let is_column = |place: usize| is_and(&parser.peek_nth_token_ref(place).token);
        let (between, not_between) = (is_column(2), is_column(3));
        if !between && parser.parse_keywords(&[Keyword::BETWEEN, Keyword::SYMMETRIC])
            || !not_between && parser.parse_keywords(&[Keyword::NOT, Keyword::BETWEEN, Keyword::SYMMETRIC])
        {
            return refused(parser, "there is no SYMMETRIC: write `x BETWEEN least(a, b) AND greatest(a, b)`");
        }
        if parser.parse_keywords(&[Keyword::IS, Keyword::JSON])
            || parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::JSON])
        {
            return refused(parser, "there is no IS JSON: write `json_valid(x)`, and `json_typeof(x)` for what it is");
        }
        if parser.parse_keyword(Keyword::OPERATOR) {
            return refused(parser, "there is no OPERATOR(…): write the operator alone, as in `a = b`");
        }
        None
    }
}

fn is_and(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.keyword == Keyword::AND)
}

/// A question mark is read as a parameter without a number, of which there are none.
fn is_question(token: &Token) -> bool {
    matches!(token, Token::Placeholder(name) if name == "?")
}

/// Functions that take a lambda.
const LIST_FUNCTIONS: [&str; 7] = [
    "array_filter",
    "list_filter",
    "array_transform",
    "list_transform",
    "array_any_match",
    "list_any_match",
    "any_match",
];

/// Whether the next token begins a later argument of a list function.
fn is_lambda_place(parser: &Parser<'_>) -> bool {
    let before = |index: usize| {
        let index = (0..index).rev().find(|index| !matches!(parser.token_at(*index).token, Token::Whitespace(_)))?;
        Some((index, &parser.token_at(index).token))
    };
    // The parser may have looked at what comes next, and stand behind white space.
    let Some((mut at, Token::Comma)) = before(parser.get_current_index() + 1) else { return false };
    let mut closed = 0_usize;
    while let Some((index, token)) = before(at) {
        at = index;
        match token {
            Token::RParen | Token::RBracket | Token::RBrace => closed += 1,
            Token::LParen if closed == 0 => {
                return matches!(before(at), Some((_, Token::Word(word)))
                    if LIST_FUNCTIONS.iter().any(|name| word.value.eq_ignore_ascii_case(name)));
            }
            Token::LParen | Token::LBracket | Token::LBrace => match closed.checked_sub(1) {
                Some(fewer) => closed = fewer,
                None => return false,
            },
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::SessionContext;
    use expect_test::{Expect, expect};

    use super::super::parse_expression;

    /// Every operator with its parentheses.
    fn check(sql: &str, expected: Expect) {
        let state = SessionContext::new().state();
        let parsed = parse_expression(&state, sql).unwrap();
        expected.assert_eq(&shown(&parsed.expr));
    }

    fn shown(expr: &super::Expr) -> String {
        match expr {
            super::Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shown(left), shown(right)),
            super::Expr::Cast { expr, data_type, .. } => format!("{}::{data_type}", shown(expr)),
            super::Expr::Lambda(lambda) => format!("λ {}", shown(&lambda.body)),
            super::Expr::Nested(inner) => shown(inner),
            other => other.to_string(),
        }
    }

    #[test]
    fn json_is_read_with_the_precedence_of_postgresql() {
        check("doc ->> 'a' = 'x' AND ok", expect!["(((doc ->> 'a') = 'x') AND ok)"]);
        check("doc -> 'a' ->> 'b'", expect!["((doc -> 'a') ->> 'b')"]);
        check("(doc) -> 'a' -> 0", expect!["((doc -> 'a') -> 0)"]);
        check("p.doc -> 'a' || 'x'", expect!["((p.doc -> 'a') || 'x')"]);
        check("doc -> 'a' + 1", expect!["(doc -> ('a' + 1))"]);
        check("doc ->> 'a' LIKE 'x%'", expect!["doc ->> 'a' LIKE 'x%'"]);
        check("doc ->> 'a' IS NULL", expect!["doc ->> 'a' IS NULL"]);
        check("doc ->> 'n' IN ('1')", expect!["doc ->> 'n' IN ('1')"]);
        check(
            "doc @> '{}' AND doc ? 'a' OR doc ?| '{a}'",
            expect!["(((doc @> '{}') AND (doc ? 'a')) OR (doc ?| '{a}'))"],
        );
        check("doc ->> 'a'::text", expect!["(doc ->> 'a'::TEXT)"]);
        check("a || b + c", expect!["(a || (b + c))"]);
        check("tags && x", expect!["(tags && x)"]);
    }

    #[test]
    fn is_distinct_from_leaves_what_follows_and() {
        check("a IS DISTINCT FROM b AND c", expect!["(a IS DISTINCT FROM b AND c)"]);
        check("a IS NOT DISTINCT FROM b + 1 OR c", expect!["(a IS NOT DISTINCT FROM b + 1 OR c)"]);
        check("NOT a IS NOT DISTINCT FROM b", expect!["NOT a IS NOT DISTINCT FROM b"]);
    }

    #[test]
    fn a_lambda_is_one_among_the_arguments_of_a_list_function() {
        check("coalesce(x, doc -> 'a')", expect!["coalesce(x, doc -> 'a')"]);
        let lambdas = |sql: &str| {
            let state = SessionContext::new().state();
            format!("{:?}", parse_expression(&state, sql).unwrap().expr).matches("Lambda(").count()
        };
        assert_eq!(lambdas("list_filter(l, x -> x > 1)"), 1);
        assert_eq!(lambdas("list_filter(doc -> 'a', x -> x -> 'b' = '1')"), 1);
        assert_eq!(lambdas("array_transform(f(a, [1]), (x) -> x)"), 1);
        assert_eq!(lambdas("list_filter(l, f(x, doc -> 'a'))"), 0);
        assert_eq!(lambdas("[a, doc -> 'b']"), 0);
    }
}
