//! `percentile_cont` cuts the weight of an interpolation to six places.
//!
//! Between 0 and 1e9 the 0.12345678th part is 123456000. Upstream: <https://github.com/apache/datafusion/issues/25266>. The
//! workaround is a function of the same name: `functions/percentile.rs`.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    const VALUES: &str = "CREATE TABLE t AS SELECT CAST(column1 AS DOUBLE) AS x FROM (VALUES (0), (1e9))";

    #[test]
    fn small_parts_count() {
        let part = Reproduction { tables: VALUES, query: "SELECT percentile_cont(x, 0.12345678) AS p FROM t" };
        part.is_wrong("123456000.0", "delete `functions/percentile.rs` and this file");
        part.is_mended("123456780.0");
    }

    #[test]
    fn every_form_is_mended() {
        let mended = |query, right| Reproduction { tables: VALUES, query }.is_mended(right);
        mended("SELECT percentile_cont(0.12345678) WITHIN GROUP (ORDER BY x DESC) AS p FROM t", "876543220.0");
        mended(
            "SELECT percentile_cont(DISTINCT x, 0.5) AS p FROM (SELECT x FROM t UNION ALL SELECT x FROM t)",
            "500000000.0",
        );
        mended(
            "SELECT x > 1 AS g, percentile_cont(x, 0.3) AS p FROM t GROUP BY 1 ORDER BY 1",
            "false, 0.0\ntrue, 1000000000.0",
        );
        mended("SELECT percentile_cont(x, 0.3) AS p FROM t WHERE x > 1e9", "NULL");
        mended("SELECT percentile_cont(x, 0.25) OVER (ORDER BY x) AS p FROM t", "0.0\n250000000.0");
        mended(
            "SELECT percentile_cont(x, 0.5) AS p FROM (SELECT CAST(CASE WHEN x > 1 THEN '1.7e308' ELSE '-1.7e308' END AS DOUBLE) AS x FROM t)",
            "0.0",
        );
    }
}
