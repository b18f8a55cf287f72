//! `x > ALL (SELECT x FROM t)` over a table of the same name compares a column with itself.
//!
//! A comparison with all or any rows becomes EXISTS with a condition, in which the outer column and the subquery's have one name where
//! both tables have: `SELECT price FROM products WHERE price >= ALL (SELECT price FROM products)` keeps every row.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/25258>. Such plans are made by `decorrelate/` instead.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::SetComparison;

use crate::config::Code;
use crate::plan::Refusal;

pub(super) fn offence(expression: &Expr) -> Option<Refusal> {
    let Expr::SetComparison(SetComparison { expr, subquery, .. }) = expression else { return None };
    let schema = subquery.subquery.schema();
    expr.column_refs().into_iter().any(|column| schema.has_column(column)).then(|| {
        Refusal::new(
            Code::NotKept,
            "a comparison with the rows of a subquery takes its own column for theirs, which has the same name",
        )
        .hint("give the tables names, as in `FROM a AS x`")
    })
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;
    use crate::plan::datafusion::subqueries::tests::refused;

    #[test]
    fn a_column_is_compared_with_itself() {
        let greatest = Reproduction {
            tables: "CREATE TABLE a AS SELECT column1 AS k FROM (VALUES (1), (2))",
            query: "SELECT count(*) AS n FROM a WHERE k > ANY (SELECT k FROM a)",
        };
        greatest.is_wrong("0", "and so is the other test here, delete `datafusion/set_comparisons.rs`");
    }

    #[test]
    fn names_that_both_have_are_refused() {
        let is_refused = |query: &str| refused(query).is_some_and(|message| message.starts_with("a comparison with"));
        assert!(is_refused("SELECT id FROM shop.placed WHERE amount >= ALL (SELECT amount FROM shop.placed)"));
        assert!(!is_refused(
            "SELECT id FROM shop.placed AS a WHERE amount >= ALL (SELECT b.amount FROM shop.placed AS b)"
        ));
    }
}
