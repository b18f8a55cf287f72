//! The physical rule that merges projections moves what a subquery computes into what is computed of it above.
//!
//! That is a choice, not a fault: `SELECT CASE WHEN n = 0 THEN 1 ELSE q END FROM (SELECT n, 100 / n AS q FROM t) AS below`
//! then divides under the condition only. Here a subquery's columns are computed for every event, and one that fails is parked,
//! on both ways alike. The rule is left out where batch results are computed; readers may have it.

use datafusion::execution::{SessionState, SessionStateBuilder};

/// The rule's name.
const RULE: &str = "ProjectionPushdown";

/// The same session, in which what the plan computes below is computed for every row.
pub(in crate::plan) fn without_projection_pushdown(state: SessionState) -> SessionState {
    let rules = state.physical_optimizers().iter().filter(|rule| rule.name() != RULE).cloned().collect();
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
        let message = "If that is an error, delete `datafusion/projection_pushdown.rs`";
        assert_eq!(below.outcome(&plain()), "1\n20", "{message}");
        let kept = SessionContext::new_with_state(without_projection_pushdown(plain().state()));
        assert_eq!(below.outcome(&kept), "error: Arrow error: Divide by zero error");
    }

    #[test]
    fn the_rule_exists() {
        assert!(PhysicalOptimizer::new().rules.iter().any(|rule| rule.name() == RULE));
    }
}
