//! SQL's `TIMESTAMP` is nanoseconds, which reach from 1677 to 2262; what is done about it is in `sql/microseconds.rs`, `sql/date_bin.rs`
//! and `sql/date_trunc.rs`. Here is what shows the fault, and that it is mended in projections.

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn far_dates_do_not_fit() {
        let far = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS day FROM (VALUES ('9999-12-31'))",
            query: "SELECT CAST(CAST(day AS TIMESTAMP) AS DATE) AS d FROM t",
        };
        far.is_wrong("error: Arrow error: Cast error: Overflow converting", "delete this file");
        far.is_mended("9999-12-31");
    }

    #[test]
    fn every_function_of_times_knows_far_ones() {
        let mended = |query, right| {
            let tables =
                "CREATE TABLE t AS SELECT CAST(column1 AS TIMESTAMP) AS a FROM (VALUES ('9999-12-31T10:20:30'))";
            Reproduction { tables, query }.is_mended(right);
        };
        mended("SELECT date_trunc('quarter', a) AS d FROM t", "9999-10-01T00:00:00");
        mended("SELECT date_trunc('week', a) AS d FROM t", "9999-12-27T00:00:00");
        mended("SELECT date_trunc('minute', a) AS d FROM t", "9999-12-31T10:20:00");
        mended("SELECT date_trunc('year', CAST(a AS DATE)) AS d FROM t", "9999-01-01T00:00:00");
        mended("SELECT date_bin(INTERVAL '6 hours', a) AS d FROM t", "9999-12-31T06:00:00");
        mended(
            "SELECT date_bin(INTERVAL '1 day', a, TIMESTAMP '2026-01-01T07:00:00') AS d FROM t",
            "9999-12-31T07:00:00",
        );
        mended("SELECT a > now() AS d FROM t", "true");
        mended("SELECT to_timestamp('9999-12-31') = date_trunc('day', a) AS d FROM t", "true");
        mended("SELECT to_timestamp(253402214400) = date_trunc('day', a) AS d FROM t", "true");
        mended("SELECT extract(year FROM a) AS d FROM t", "9999");
        mended("SELECT to_char(a, '%Y') AS d FROM t", "9999");
    }
}
