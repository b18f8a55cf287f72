//! An aggregate's arguments are computed for rows that its FILTER leaves out, where there are groups.
//!
//! `SELECT g, sum(10 / n) FILTER (WHERE n <> 0) FROM t GROUP BY g` fails over a row with `n = 0`; without groups it does
//! not. An event would be parked for what its query guards against.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/24443>; the same in windows is #24507. The workaround writes
//! the filter into the arguments: `rewrite/guards.rs`.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn arguments_are_computed_before_the_filter() {
        let grouped = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS n FROM (VALUES (0), (5))",
            query: "SELECT n, sum(10 / n) FILTER (WHERE n <> 0) AS s FROM t GROUP BY n",
        };
        grouped.is_wrong("error: Arrow error: Divide by zero error", "delete `rewrite/guards.rs` and this file");
    }
}
