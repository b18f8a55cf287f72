//! Grouped `min` and `max` over floats forget their extreme at a NaN, and never find an infinity.
//!
//! The accumulator for many groups compares by `partial_cmp` and begins at the greatest finite float; the one without
//! groups uses a total order. `SELECT g, max(x), min(x) FROM t GROUP BY g` then depends on the order of the rows.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/24432>. The workaround is `functions/extreme.rs`.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    const WORKAROUND: &str = "delete `functions/extreme.rs` and this file";

    #[test]
    fn a_nan_is_forgotten() {
        let nan = Reproduction {
            tables: "CREATE TABLE t AS SELECT 'a' AS g, CAST(column1 AS DOUBLE) AS x FROM (VALUES ('NaN'), ('1'))",
            query: "SELECT g, max(x) AS m FROM t GROUP BY g",
        };
        nan.is_wrong("a, 1.0", WORKAROUND);
        nan.is_mended("a, NaN");
    }

    #[test]
    fn an_infinity_is_not_found() {
        let infinity = Reproduction {
            tables: "CREATE TABLE t AS SELECT 'a' AS g, CAST('infinity' AS DOUBLE) AS x",
            query: "SELECT g, min(x) AS m FROM t GROUP BY g",
        };
        infinity.is_wrong("a, 1.7976931348623157e308", WORKAROUND);
        infinity.is_mended("a, inf");
    }
}
