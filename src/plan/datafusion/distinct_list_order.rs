//! A list of distinct values is reversed where another list beside it is in reverse order.
//!
//! In `SELECT array_agg(n ORDER BY m DESC), array_agg(DISTINCT m ORDER BY m) FROM t` the planner sorts rows once, by `m`
//! descending, and reverses the second list to fit. The accumulator of distinct values then sorts by the reversed order,
//! and nothing turns the result around again.
//!
//! No upstream issue was found. The workaround says that such lists need their rows in no order:
//! `functions/distinct_list.rs`, which `rewrite/aggregates.rs` puts in place of `array_agg(DISTINCT …)`.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn a_list_beside_a_reverse_one_is_reversed() {
        let lists = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS n, column2 AS m FROM (VALUES (2, 5), (3, 7))",
            query: "SELECT array_agg(n ORDER BY m DESC) AS ns, array_agg(DISTINCT m ORDER BY m) AS ms FROM t",
        };
        lists.is_wrong("[3, 2], [7, 5]", "delete `functions/distinct_list.rs` and this file");
    }
}
