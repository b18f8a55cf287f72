//! The rule that answers counts from statistics takes one aggregate for another.
//!
//! It looks for an aggregate without groups and without FILTER, and passes over one with a FILTER to the next below it:
//! `SELECT sum(c) FILTER (WHERE c > 0), max(c) FROM (SELECT count(*) AS c FROM t)` is answered with the inner count, and
//! fails over its other columns.
//!
//! No upstream issue was found; #24038 is another fault of the same rule. The rule is left out: there are no statistics
//! worth the while.

/// The rule's name.
pub(super) const RULE: &str = "aggregate_statistics";

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn a_total_over_a_total_is_answered_with_the_lower_one() {
        let totals = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS n FROM (VALUES (1), (2), (2))",
            query: "SELECT sum(c) FILTER (WHERE c > 0) AS s, max(c) AS m FROM (SELECT count(*) AS c FROM t)",
        };
        totals.is_wrong("error: aggregate_statistics", "delete `datafusion/aggregate_statistics.rs`");
        totals.is_mended("3, 3");
    }
}
