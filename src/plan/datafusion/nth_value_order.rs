//! All `nth_value` of a query have to be in one order, which it needs its rows to be in. It knows no IGNORE NULLS.
//!
//! `SELECT nth_value(x, 1 ORDER BY n), nth_value(x, 1 ORDER BY x) FROM t` is not implemented; `array_agg` orders by itself.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/8582>. The workaround takes an element of a list:
//! `functions/nth_value.rs`.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    const TABLES: &str = "CREATE TABLE t AS SELECT column1 AS n, column2 AS x FROM (VALUES (1, NULL), (2, 5), (3, 4))";
    const WORKAROUND: &str = "and so is the other test here, delete `functions/nth_value.rs` and this file";

    #[test]
    fn two_orders_conflict() {
        let orders = Reproduction {
            tables: TABLES,
            query: "SELECT nth_value(x, 2 ORDER BY n) AS a, nth_value(x, 1 ORDER BY x) AS b FROM t",
        };
        orders.is_wrong("error: This feature is not implemented: Conflicting ordering requirements", WORKAROUND);
        orders.is_mended("5, 4");
    }

    #[test]
    fn nulls_are_not_ignored() {
        let nulls =
            Reproduction { tables: TABLES, query: "SELECT nth_value(x, 1 ORDER BY n) IGNORE NULLS AS a FROM t" };
        nulls.is_wrong("error: Error during planning: [IGNORE | RESPECT] NULLS are not permitted", WORKAROUND);
        nulls.is_mended("5");
    }
}
