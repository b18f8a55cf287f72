//! The planner compares what is nullable in a logical and in a physical plan, and refuses an aggregate over a difference.
//!
//! The two sides judge expressions by rules of their own, so `SELECT b, count(*) FROM (SELECT x IS TRUE AS b FROM …)
//! GROUP BY b` cannot be planned although nothing is wrong with it.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/24096> has this expression,
//! <https://github.com/apache/datafusion/issues/13190> the check itself. The workaround turns the check off.

use datafusion::common::config::ConfigOptions;

pub(super) fn turn_off(options: &mut ConfigOptions) {
    options.execution.skip_physical_aggregate_schema_check = true;
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn a_difference_in_what_is_nullable_is_refused() {
        let over_a_condition = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS x FROM (VALUES (2), (NULL))",
            query: "SELECT b, count(*) AS c FROM (SELECT x IS TRUE AS b, x IS TRUE AS d FROM (SELECT x > 1 AS x FROM t)) \
                    GROUP BY b ORDER BY b",
        };
        over_a_condition.is_wrong(
            "error: Internal error: Physical input schema should be the same as the one converted from logical",
            "delete `datafusion/aggregate_schema_check.rs`, unless #13190 shows another way into the check",
        );
        over_a_condition.is_mended("false, 1\ntrue, 1");
    }
}
