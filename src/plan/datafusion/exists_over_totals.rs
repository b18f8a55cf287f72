//! EXISTS and IN over an aggregate that always has a row find none where nothing matches the outer row.
//!
//! An aggregate without GROUP BY has a row over nothing, and so has a grouping set of no columns, as in ROLLUP and CUBE.
//! `SELECT k FROM a WHERE EXISTS (SELECT count(*) FROM b WHERE b.k = a.k)` is true for every row, and keeps only those with
//! a partner once it is a join.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/24960>, and for grouping sets
//! <https://github.com/apache/datafusion/issues/25519>. Such plans are made by `decorrelate/` instead.

use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet, LogicalPlan};

use crate::config::Code;
use crate::plan::Refusal;

pub(super) fn offence(expression: &Expr) -> Option<Refusal> {
    let (Expr::Exists(Exists { subquery, .. }) | Expr::InSubquery(InSubquery { subquery, .. })) = expression else {
        return None;
    };
    has_totals_of_outer_rows(&subquery.subquery).then(|| {
        Refusal::new(
            Code::NotKept,
            "an aggregate without GROUP BY, or with a grand total, has a row even where nothing matches the outer one",
        )
        .hint("compare with the aggregate itself, for example `(SELECT count(*) …) > 0`")
    })
}

/// Whether the plan has an aggregate with a total over rows that depend on an outer row.
fn has_totals_of_outer_rows(plan: &LogicalPlan) -> bool {
    let is_total_of_outer_row = |node: &LogicalPlan| match node {
        LogicalPlan::Aggregate(aggregate) => {
            Ok(has_total(aggregate) && !aggregate.input.all_out_ref_exprs().is_empty())
        }
        _ => Ok(false),
    };
    // The closure never fails.
    plan.exists(is_total_of_outer_row).unwrap_or(true)
}

/// Whether there is a row over nothing.
fn has_total(aggregate: &Aggregate) -> bool {
    match aggregate.group_expr.as_slice() {
        [] | [Expr::GroupingSet(GroupingSet::Rollup(_) | GroupingSet::Cube(_))] => true,
        [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => sets.iter().any(Vec::is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;
    use crate::plan::datafusion::subqueries::tests::refused;

    const TABLES: &str =
        "CREATE TABLE a AS SELECT column1 AS k FROM (VALUES (1), (2)); CREATE TABLE b AS SELECT 2 AS k";

    #[test]
    fn a_count_of_nothing_is_no_row() {
        let count = Reproduction {
            tables: TABLES,
            query: "SELECT k FROM a WHERE EXISTS (SELECT count(*) FROM b WHERE b.k = a.k)",
        };
        count.is_wrong("2", "and so is the other test here, delete `datafusion/exists_over_totals.rs`");
    }

    #[test]
    fn a_grand_total_is_no_row() {
        let total = Reproduction {
            tables: TABLES,
            query: "SELECT k FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k GROUP BY ROLLUP (b.k))",
        };
        total.is_wrong("2", "and so is the other test here, delete `datafusion/exists_over_totals.rs`");
    }

    #[test]
    fn totals_of_outer_rows_are_refused() {
        let exists = |subquery: &str| {
            refused(&format!("SELECT id FROM shop.placed AS a WHERE EXISTS ({subquery})"))
                .filter(|message| message.starts_with("an aggregate without GROUP BY"))
                .is_some()
        };
        let of_outer = "FROM shop.placed AS b WHERE b.other = a.id";
        assert!(exists(&format!("SELECT max(amount) {of_outer}")));
        assert!(exists(&format!("SELECT 1 {of_outer} GROUP BY ROLLUP (amount)")));
        assert!(exists(&format!("SELECT 1 {of_outer} GROUP BY CUBE (amount)")));
        assert!(exists(&format!("SELECT 1 {of_outer} GROUP BY GROUPING SETS ((amount), ())")));
        assert!(!exists(&format!("SELECT 1 {of_outer} GROUP BY GROUPING SETS ((amount), (id))")));
        assert!(!exists(&format!("SELECT 1 {of_outer} GROUP BY amount")));
        assert!(!exists("SELECT max(amount) FROM shop.placed"));
    }
}
