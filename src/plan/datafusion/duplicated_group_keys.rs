//! The rule that drops repeated expressions also drops orders that decide something.
//!
//! It drops what rows are ordered by where an earlier column is said to determine it. That is not so any more once a list
//! was unnested: in `SELECT t, unnest(ns) AS n FROM (SELECT t, array_agg(n) AS ns … GROUP BY t) ORDER BY t, n` the group's
//! key determines its list, but not the list's elements.
//!
//! Upstream: <https://github.com/apache/datafusion/pull/24787>. The rule sees aggregates alone, where a key that is written
//! twice is one key.

use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;

use super::for_aggregates::ForAggregates;

/// The rule without orders.
pub(super) fn duplicated_group_keys() -> ForAggregates<EliminateDuplicatedExpr> {
    ForAggregates { rule: EliminateDuplicatedExpr::new(), takes: |_| true }
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn elements_of_an_unnested_list_are_not_ordered() {
        let unnested = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS t, column2 AS n FROM (VALUES ('x', 0), ('x', 5), ('x', -1))",
            query: "SELECT t, n FROM (SELECT t, unnest(ns) AS n FROM (SELECT t, array_agg(n) AS ns FROM t GROUP BY t)) \
                    ORDER BY t DESC, n DESC",
        };
        unnested.is_wrong("x, 0\nx, 5\nx, -1", "delete `datafusion/duplicated_group_keys.rs`");
        unnested.is_mended("x, 5\nx, 0\nx, -1");
    }
}
