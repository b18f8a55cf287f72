//! Limits on a reader's SQL as a text and as a statement, kept before anything recursive runs over it.
//!
//! The parser, the planner and the optimiser recurse over what is nested, and each level takes stack. The parser also tries
//! several readings of what is in parentheses, so that its time doubles with every level once one of them hits its own limit.
//! The text is therefore looked at as tokens first, which takes one pass and no stack; and a statement is measured as it would
//! be with its common table expressions written out, because the planner writes them out.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Query, Statement, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::QueryError;

/// Longest SQL text of a reader, in bytes.
const LENGTH_MAX: usize = 64 * 1024;
/// Parentheses, brackets and CASE within each other.
const NESTING_MAX: usize = 32;
/// Operators in a row, as in `a OR b OR c`: each is one level of the expression.
const CHAIN_MAX: usize = 500;
/// UNION, EXCEPT and INTERSECT, and JOIN, in one statement; and common table expressions.
const SET_OPERATIONS_MAX: usize = 64;
const JOINS_MAX: usize = 64;
const EXPRESSIONS_MAX: usize = 64;
/// Subqueries in expressions within each other (EXISTS, IN, scalar ones): the planner's time doubles with each.
const SUBQUERIES_MAX: usize = 6;
/// Relations in a statement whose common table expressions are written out wherever they are named.
const RELATIONS_MAX: usize = 256;
/// Columns in ROLLUP and CUBE: each CUBE column doubles the sets.
const CUBE_COLUMNS_MAX: usize = 6;

/// What the parser's own limit counts; it is never reached by a text within the limits here.
pub(super) const PARSER_RECURSION_MAX: usize = 4_000;

/// Checks a text before it is parsed.
///
/// # Errors
/// The text is too long, no SQL, or has too much of something; the error names it and what to write instead.
pub(super) fn check_text(sql: &str) -> Result<(), QueryError> {
    if sql.len() > LENGTH_MAX {
        return Err(QueryError::invalid(format!("the SQL is longer than {LENGTH_MAX} bytes")));
    }
    let tokens = Tokenizer::new(&DuckDbDialect {}, sql).tokenize();
    let tokens = tokens.map_err(|error| QueryError::invalid(format!("the SQL cannot be read: {error}")))?;
    let mut shape = TextCounts::default();
    tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).try_for_each(|token| shape.take(token))
}

/// The counts of a text that are limited.
#[derive(Default)]
struct TextCounts {
    /// The operators in a row at each open level, the innermost last.
    open: Vec<usize>,
    chain: usize,
    set_operations: usize,
    joins: usize,
}

impl TextCounts {
    fn take(&mut self, token: &Token) -> Result<(), QueryError> {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => self.enter(),
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.leave();
                Ok(())
            }
            Token::Comma | Token::SemiColon => {
                self.chain = 0;
                Ok(())
            }
            Token::Word(word) => self.word(word.keyword),
            Token::Number(..) | Token::Period | Token::Placeholder(_) => Ok(()),
            text if is_text(text) => Ok(()),
            _ => self.operator(),
        }
    }

    fn word(&mut self, keyword: Keyword) -> Result<(), QueryError> {
        match keyword {
            Keyword::CASE => self.enter(),
            Keyword::END => {
                self.leave();
                Ok(())
            }
            Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS => {
                self.chain = 0;
                self.set_operations += 1;
                within(self.set_operations, SET_OPERATIONS_MAX, "set operations", "read the parts in several queries")
            }
            Keyword::JOIN => {
                self.chain = 0;
                self.joins += 1;
                within(self.joins, JOINS_MAX, "joins", "declare what they have in common as a projection")
            }
            Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::XOR
            | Keyword::DIV
            | Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::RLIKE
            | Keyword::REGEXP
            | Keyword::BETWEEN
            | Keyword::AT
            | Keyword::COLLATE
            | Keyword::INTERVAL
            | Keyword::PRIOR => self.operator(),
            Keyword::SELECT
            | Keyword::FROM
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::QUALIFY
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE
            | Keyword::ON => {
                self.chain = 0;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self) -> Result<(), QueryError> {
        self.open.push(std::mem::take(&mut self.chain));
        within(self.open.len(), NESTING_MAX, "levels of nesting", "name its parts in a WITH clause")
    }

    fn leave(&mut self) {
        self.chain = self.open.pop().unwrap_or_default();
    }

    fn operator(&mut self) -> Result<(), QueryError> {
        self.chain += 1;
        let depth = self.chain + self.open.iter().sum::<usize>();
        within(depth, CHAIN_MAX, "operators in a row", "write `column IN (…)` for alternatives")
    }
}

fn is_text(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

fn within(count: usize, most: usize, what: &str, hint: &str) -> Result<(), QueryError> {
    if count <= most {
        return Ok(());
    }
    Err(QueryError::invalid(format!("the SQL has more than {most} {what}")).hint(hint.to_owned()))
}

/// Checks a statement before it is planned.
///
/// # Errors
/// It would have too many relations once its common table expressions are written out, or too many grouping sets.
pub(super) fn check_statement(statement: &Statement) -> Result<(), QueryError> {
    let mut measure = RelationCount::default();
    let _ = statement.visit(&mut measure);
    within(
        measure.expressions,
        EXPRESSIONS_MAX,
        "common table expressions",
        "declare what they share as a projection",
    )?;
    within(
        measure.cube_columns,
        CUBE_COLUMNS_MAX,
        "columns in ROLLUP and CUBE",
        "write the GROUPING SETS that are needed",
    )?;
    let hint = "join the inner relations, or name one in a WITH clause";
    within(measure.deepest, SUBQUERIES_MAX, "levels of subqueries in expressions", hint)?;
    let hint = "a WITH clause is computed again wherever it is named: declare it as a projection";
    within(measure.most, RELATIONS_MAX, "relations once its WITH clauses are written out", hint)
}

/// Counts relations as if common table expressions were written out.
#[derive(Default)]
struct RelationCount {
    /// The queries around the one that is visited, the innermost last.
    queries: Vec<OpenQuery>,
    expressions: usize,
    cube_columns: usize,
    /// Subqueries in expressions around what is visited, and the most that there were.
    subqueries: usize,
    deepest: usize,
    most: usize,
}

/// A query that is being visited.
#[derive(Default)]
struct OpenQuery {
    relations: usize,
    /// Common table expressions of it that are known, with their relations, and the names of those to come.
    known: HashMap<String, usize>,
    to_come: VecDeque<String>,
}

impl Visitor for RelationCount {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let names = query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.to_lowercase());
        let open = OpenQuery { to_come: names.collect(), ..OpenQuery::default() };
        self.expressions += open.to_come.len();
        self.queries.push(open);
        ControlFlow::Continue(())
    }

    // The expressions of a WITH clause are visited first, in their order.
    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        let Some(OpenQuery { relations, .. }) = self.queries.pop() else { return ControlFlow::Break(()) };
        self.most = self.most.max(relations);
        if let Some(outer) = self.queries.last_mut() {
            match outer.to_come.pop_front() {
                Some(name) => drop(outer.known.insert(name, relations.max(1))),
                None => outer.relations = outer.relations.saturating_add(relations),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let name = relation.to_string().trim_matches('"').to_lowercase();
        let known = self.queries.iter().rev().find_map(|query| query.known.get(&name).copied());
        if let Some(query) = self.queries.last_mut() {
            query.relations = query.relations.saturating_add(known.unwrap_or(1));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cube(columns) | Expr::Rollup(columns) = expr {
            self.cube_columns += columns.len();
        }
        if is_subquery(expr) {
            self.subqueries += 1;
            self.deepest = self.deepest.max(self.subqueries);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.subqueries -= usize::from(is_subquery(expr));
        ControlFlow::Continue(())
    }
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::Exists { .. } | Expr::InSubquery { .. } | Expr::Subquery(_))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::sql::sqlparser::parser::Parser;
    use expect_test::expect;

    use super::*;

    fn refused(sql: &str) -> String {
        let statement = |sql: &str| {
            let parser = Parser::new(&DuckDbDialect {}).with_recursion_limit(PARSER_RECURSION_MAX);
            parser.try_with_sql(sql).unwrap().parse_statement().unwrap()
        };
        let checked = check_text(sql).and_then(|()| check_statement(&statement(sql)));
        checked.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
        format!("SELECT {}{inner}{}", open.repeat(levels), close.repeat(levels))
    }

    #[test]
    fn what_people_write_is_fine() {
        let numbers = (0..5_000).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
        let sums = ["a + b * c - d"; 200].join(", ");
        let ands = ["a = 1 AND b <> 'x'"; 80].join(" AND ");
        for sql in [
            format!("SELECT a FROM t WHERE a IN ({numbers})"),
            format!("SELECT {sums} FROM t"),
            format!("SELECT a FROM t WHERE {ands}"),
            "WITH a AS (SELECT * FROM t), b AS (SELECT * FROM a JOIN a AS c USING (k)) SELECT * FROM b, a".to_owned(),
            nested("CASE WHEN a THEN ", "1", " ELSE 2 END", 20),
            "SELECT ')))(((' AS x, '{\"a\": [1]}' AS j, count(*) FROM t GROUP BY ROLLUP (a, b)".to_owned(),
        ] {
            assert_eq!(refused(&sql), "fine", "{sql}");
        }
    }

    #[test]
    fn what_would_need_too_much_stack_or_time_is_refused_with_a_way_out() {
        let doubling: String =
            (1..30).map(|n| format!(", c{n} AS (SELECT * FROM c{0} UNION ALL SELECT * FROM c{0})", n - 1)).collect();
        let doubling_joins: String =
            (1..12).map(|n| format!(", c{n} AS (SELECT a.k FROM c{0} AS a, c{0} AS b)", n - 1)).collect();
        let chained: String = (1..90).map(|n| format!(", c{n} AS (SELECT * FROM c{})", n - 1)).collect();
        let cases = [
            nested("NOT (", "a", ")", 42),
            nested("NOT (NOT (b OR ", "a", "))", 20),
            nested("[", "1", "]", 40),
            nested("CASE WHEN a THEN ", "1", " END", 40),
            nested("(SELECT ", "1", ")", 40),
            format!("SELECT 1 WHERE {}true{}", "EXISTS (SELECT 1 WHERE ".repeat(7), ")".repeat(7)),
            format!("SELECT {}1{} AS x", "(SELECT ".repeat(7), ")".repeat(7)),
            format!("SELECT {}a", "NOT ".repeat(600)),
            format!("SELECT {}", vec!["v"; 3_000].join("+")),
            format!(
                "SELECT a FROM t WHERE {}",
                (0..3_000).map(|n| format!("v = {n}")).collect::<Vec<_>>().join(" OR ")
            ),
            format!("SELECT a{}", "::int".repeat(700)),
            vec!["SELECT 1"; 500].join(" UNION ALL "),
            format!("SELECT 1 FROM t{}", " JOIN t USING (k)".repeat(400)),
            format!("SELECT 1 FROM {}", vec!["t"; 400].join(", ")),
            format!("WITH c0 AS (SELECT * FROM t){doubling} SELECT * FROM c29"),
            format!("WITH c0 AS (SELECT k FROM t){doubling_joins} SELECT * FROM c11"),
            format!("WITH c0 AS (SELECT * FROM t){chained} SELECT * FROM c89"),
            "SELECT count(*) FROM t GROUP BY CUBE (a, b, c, d, e, f), CUBE (g, h, i, j, k, l)".to_owned(),
            format!("SELECT '{}'", "x".repeat(70_000)),
            "SELECT 'open".to_owned(),
        ];
        let refused: String = cases.iter().map(|sql| format!("{}\n", refused(sql))).collect();
        expect![[r#"
            the SQL has more than 32 levels of nesting
            the SQL has more than 32 levels of nesting
            the SQL has more than 32 levels of nesting
            the SQL has more than 32 levels of nesting
            the SQL has more than 32 levels of nesting
            the SQL has more than 6 levels of subqueries in expressions
            the SQL has more than 6 levels of subqueries in expressions
            the SQL has more than 500 operators in a row
            the SQL has more than 500 operators in a row
            the SQL has more than 500 operators in a row
            the SQL has more than 500 operators in a row
            the SQL has more than 64 set operations
            the SQL has more than 64 joins
            the SQL has more than 256 relations once its WITH clauses are written out
            the SQL has more than 256 relations once its WITH clauses are written out
            the SQL has more than 256 relations once its WITH clauses are written out
            the SQL has more than 64 common table expressions
            the SQL has more than 6 columns in ROLLUP and CUBE
            the SQL is longer than 65536 bytes
            the SQL cannot be read: Unterminated string literal at Line: 1, Column: 8
        "#]]
        .assert_eq(&refused);
    }
}
