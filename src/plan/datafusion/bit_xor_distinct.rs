//! Grouped `bit_xor(DISTINCT x)` counts equal values as often as they come.
//!
//! `SELECT g, bit_xor(DISTINCT x), count(*) FROM t GROUP BY g` ignores DISTINCT: the function has an accumulator for many
//! groups that does not know of it. Where the aggregate is alone, a rule makes two aggregates of it and hides the fault.
//!
//! Upstream: mended after 55.2 by <https://github.com/apache/datafusion/pull/24989>. The workaround is
//! `functions/distinct_xor.rs`.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn equal_values_cancel_out() {
        let grouped = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS g, column2 AS x FROM (VALUES ('a', 3), ('a', 3), ('a', 1))",
            query: "SELECT g, bit_xor(DISTINCT x) AS b, count(*) AS c FROM t GROUP BY g",
        };
        grouped.is_wrong("a, 1, 3", "delete `functions/distinct_xor.rs` and this file");
        grouped.is_mended("a, 2, 3");
    }
}
