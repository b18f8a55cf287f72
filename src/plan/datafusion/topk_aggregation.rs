//! The heap that keeps the first groups of an order by `min` or `max` compares floats in another order than those do.
//!
//! `SELECT g, max(x) AS m FROM t GROUP BY g ORDER BY m DESC NULLS LAST LIMIT 1` passes over the group with a NaN, which
//! `max` and the sort take for the greatest.
//!
//! No upstream issue was found; #24432 is the same in the grouped accumulators. The workaround turns the heap off.

use datafusion::common::config::ConfigOptions;

pub(super) fn turn_off(options: &mut ConfigOptions) {
    options.optimizer.enable_topk_aggregation = false;
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn a_nan_is_passed_over() {
        let first = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS g, CAST(column2 AS DOUBLE) AS x \
                     FROM (VALUES ('a', '1'), ('a', 'NaN'), ('b', '2'))",
            query: "SELECT g, max(x) AS m FROM t GROUP BY g ORDER BY m DESC NULLS LAST LIMIT 1",
        };
        first.is_wrong("b, 2.0", "delete `datafusion/topk_aggregation.rs`");
        first.is_mended("a, NaN");
    }
}
