//! A float is compared with a decimal as a decimal of 30 digits, 15 of them behind the point.
//!
//! `SELECT x > CAST(1.5 AS DECIMAL(3, 2)) FROM t` fails over `x = 1e30`, and takes `1e-20` for zero. In DuckDB's dialect
//! every literal with a point is a decimal, so `x > 1.5` does.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/14272>. The workaround casts the decimal to a float:
//! `rewrite/floats.rs`.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    const WORKAROUND: &str = "delete `compared` in `rewrite/floats.rs` and this file";

    #[test]
    fn great_floats_do_not_fit() {
        let great = Reproduction {
            tables: "CREATE TABLE t AS SELECT CAST(column1 AS DOUBLE) AS x FROM (VALUES (1e30))",
            query: "SELECT x > CAST(1.5 AS DECIMAL(3, 2)) AS c FROM t",
        };
        great.is_wrong("error: Arrow error: Cast error: Cannot cast to Decimal128(30, 15)", WORKAROUND);
    }

    #[test]
    fn small_floats_vanish() {
        let small = Reproduction {
            tables: "CREATE TABLE t AS SELECT CAST(column1 AS DOUBLE) AS x FROM (VALUES (1e-20))",
            query: "SELECT x > CAST(0 AS DECIMAL(3, 2)) AS c FROM t",
        };
        small.is_wrong("false", WORKAROUND);
    }
}
