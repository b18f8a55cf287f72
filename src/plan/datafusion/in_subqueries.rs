//! IN over a subquery is NULL where it is unknown whether the value is among the rows. Its join says false.
//!
//! In a condition that matters below NOT, IS NULL and the like: `WHERE NOT (k IN (SELECT k FROM b) AND n = 1)` keeps rows
//! for which it is unknown. Where what is NULL leaves the row out as what is false does, it does not. A NOT IN on its own
//! becomes a join that knows of NULLs, but only if one of the columns in it can be NULL: not over `nullif(k, 1)`, and not
//! over a constant, whose comparison moves into the subquery.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/21309> for the first,
//! <https://github.com/apache/datafusion/issues/25473> and <https://github.com/apache/datafusion/issues/25347> for NOT IN.
//! Such plans are made by `decorrelate/` instead.

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema, ExprSchema};
use datafusion::logical_expr::expr::{BinaryExpr, InSubquery};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use crate::config::Code;
use crate::plan::Refusal;

/// The refusal of one of the conditions of a filter over rows of `schema`.
pub(super) fn offence(condition: &Expr, schema: &DFSchema) -> Option<Refusal> {
    let alone = if let Expr::Not(inner) = condition { inner } else { condition };
    let Expr::InSubquery(subquery) = alone else {
        return unknown_matters(condition, schema).then(|| {
            Refusal::new(
                Code::NotKept,
                "IN beside other conditions takes what is NULL for false, which here is not the same",
            )
            .hint("use EXISTS or NOT EXISTS, or columns that are never NULL")
        });
    };
    let is_negated = subquery.negated != matches!(condition, Expr::Not(_));
    (is_negated && loses_nulls(subquery, schema)).then(|| {
        Refusal::new(Code::NotKept, "NOT IN over an expression that can be NULL is not kept right")
            .hint("use NOT EXISTS, or compute the expression in a subquery below and name its column here")
    })
}

/// Whether `NOT IN` becomes a join that does not know of NULLs, although there may be some.
fn loses_nulls(subquery: &InSubquery, schema: &DFSchema) -> bool {
    let columns = subquery.expr.column_refs();
    if columns.is_empty() {
        return may_be_unknown(subquery, schema);
    }
    let is_nullable = |column: &&Column| schema.field_from_column(column).is_ok_and(|field| field.is_nullable());
    let is_aware = columns.iter().any(is_nullable) || has_nulls(subquery);
    !is_aware && may_be_unknown(subquery, schema)
}

fn unknown_matters(condition: &Expr, schema: &DFSchema) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And | Operator::Or, right }) => {
            unknown_matters(left, schema) || unknown_matters(right, schema)
        }
        Expr::InSubquery(InSubquery { negated: false, .. }) => false,
        other => {
            let matters = |part: &Expr| match part {
                Expr::InSubquery(subquery) => Ok(may_be_unknown(subquery, schema)),
                _ => Ok(false),
            };
            // The closure never fails.
            other.exists(matters).unwrap_or(true)
        }
    }
}

fn may_be_unknown(subquery: &InSubquery, schema: &DFSchema) -> bool {
    has_nulls(subquery) || subquery.expr.nullable(schema).unwrap_or(true)
}

fn has_nulls(subquery: &InSubquery) -> bool {
    subquery.subquery.subquery.schema().fields().iter().any(|field| field.is_nullable())
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;
    use crate::plan::datafusion::subqueries::tests::refused;

    const WITH_NULL: &str = "CREATE TABLE a AS SELECT column1 AS k FROM (VALUES (1), (2)); \
                             CREATE TABLE b AS SELECT column1 AS k, column2 AS g FROM (VALUES (1, 1), (NULL, 2))";
    const WORKAROUND: &str = "and so are the other tests here, delete `datafusion/in_subqueries.rs`";

    #[test]
    fn unknown_is_false_below_other_conditions() {
        let negated =
            Reproduction { tables: WITH_NULL, query: "SELECT k FROM a WHERE (k IN (SELECT k FROM b)) IS NULL" };
        negated.is_wrong("", WORKAROUND);
    }

    #[test]
    fn an_expression_is_not_expected_to_be_null() {
        let tables =
            "CREATE TABLE a (k INT NOT NULL) AS VALUES (1), (2); CREATE TABLE b (k INT NOT NULL) AS VALUES (3)";
        let expression = Reproduction { tables, query: "SELECT k FROM a WHERE nullif(k, 1) NOT IN (SELECT k FROM b)" };
        expression.is_wrong("1\n2", WORKAROUND);
    }

    #[test]
    fn a_constant_moves_into_the_subquery() {
        let constant =
            Reproduction { tables: WITH_NULL, query: "SELECT k FROM a WHERE 3 NOT IN (SELECT k FROM b WHERE g = a.k)" };
        constant.is_wrong("1\n2", WORKAROUND);
    }

    #[test]
    fn not_in_over_what_can_be_null_is_refused_unless_a_column_says_so() {
        let not_in = |value: &str, column: &str| {
            refused(&format!("SELECT id FROM shop.placed WHERE {value} NOT IN (SELECT {column} FROM shop.placed)"))
        };
        assert_eq!(not_in("id", "id"), None);
        assert_eq!(not_in("other", "id"), None);
        assert_eq!(not_in("id", "other"), None);
        assert_eq!(not_in("'x'", "id"), None);
        assert_eq!(not_in("nullif(other, 'x')", "id"), None);
        assert!(not_in("nullif(id, 'x')", "id").is_some());
        assert_eq!(not_in("nullif(id, 'x')", "other"), None);
        assert!(not_in("'x'", "other").is_some());
        assert!(not_in("CAST(NULL AS VARCHAR)", "id").is_some());
    }
}
