//! Two physical rules leave rows uncomputed: one merges projections, so that what a subquery computes moves into what is computed
//! of it above; the other moves OFFSET and LIMIT below a projection.
//!
//! That is a choice, not a fault: `SELECT CASE WHEN n = 0 THEN 1 ELSE q END FROM (SELECT n, 100 / n AS q FROM t) AS below`
//! then divides under the condition only, and `SELECT 100 / sum(n) FROM t OFFSET 1` not at all. Here what is selected is computed
//! for every event and every group, and what fails is parked or an error, on both ways alike. The rules are left out where batch
//! results are computed; readers may have them.

use datafusion::execution::{SessionState, SessionStateBuilder};

const RULES: [&str; 2] = ["ProjectionPushdown", "LimitPushdown"];

/// The same session, in which what the plan computes is computed for every row.
pub(in crate::plan) fn computing_every_row(state: SessionState) -> SessionState {
    let rules = state.physical_optimizers().iter().filter(|rule| !RULES.contains(&rule.name())).cloned().collect();
    SessionStateBuilder::new_from_existing(state).with_physical_optimizer_rules(rules).build()
}

#[cfg(test)]
mod tests {
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::plan::datafusion::reproduction::{Reproduction, plain};

    #[test]
    fn a_subquerys_column_is_computed_for_every_row() {
        let below = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS n FROM (VALUES (0), (5))",
            query: "SELECT CASE WHEN n = 0 THEN 1 ELSE q END AS q FROM (SELECT n, 100 / n AS q FROM t) AS below",
        };
        let message = "If that is an error, delete the rule from `datafusion/every_row.rs`";
        assert_eq!(below.outcome(&plain()), "1\n20", "{message}");
        let kept = SessionContext::new_with_state(computing_every_row(plain().state()));
        assert_eq!(below.outcome(&kept), "error: Arrow error: Divide by zero error");
    }

    #[test]
    fn what_an_offset_leaves_out_is_computed_too() {
        let left_out = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS n FROM (VALUES (1), (-1))",
            query: "SELECT 100 / sum(n) AS q FROM t ORDER BY q LIMIT 4 OFFSET 1",
        };
        let message = "If that is an error, delete the rule from `datafusion/every_row.rs`";
        assert_eq!(left_out.outcome(&plain()), "", "{message}");
        let kept = SessionContext::new_with_state(computing_every_row(plain().state()));
        assert_eq!(left_out.outcome(&kept), "error: Arrow error: Divide by zero error");
    }

    #[test]
    fn the_rules_exist() {
        let names: Vec<String> = PhysicalOptimizer::new().rules.iter().map(|rule| rule.name().to_owned()).collect();
        assert!(RULES.iter().all(|rule| names.iter().any(|name| name == rule)), "{names:?}");
    }
}
