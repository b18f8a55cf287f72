//! A subquery of one value, if it stays a value, makes conditions that name no column, and those are moved below a total.
//!
//! `SELECT s FROM (SELECT sum(k) AS s FROM a) WHERE (SELECT max(k) FROM a) > 5` has a row although the condition is false:
//! the planner takes the condition for one on groups, and a total has a row over nothing.
//!
//! No upstream issue was found. The workaround turns such values off where projections are planned: the subquery becomes a
//! join, which is kept incrementally like any other. Readers keep the values, and `query/conditions.rs` holds their
//! conditions in place.

use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;

/// The session in which plans are optimised, for the circuit and for the batch result.
pub(in crate::plan) fn planning_state(ctx: &SessionContext) -> SessionState {
    let mut state = ctx.state();
    state.config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::datafusion::reproduction::{Reproduction, plain};

    #[test]
    fn a_condition_without_columns_moves_below_a_total() {
        let total = Reproduction {
            tables: "CREATE TABLE a AS SELECT column1 AS k FROM (VALUES (1), (2))",
            query: "SELECT s FROM (SELECT sum(k) AS s FROM a) WHERE (SELECT max(k) FROM a) > 5",
        };
        let workaround = "delete `query/conditions.rs` and this half of the reason in \
                          `datafusion/scalar_subquery_as_value.rs`";
        total.is_wrong("NULL", workaround);
        assert_eq!(total.outcome(&SessionContext::new_with_state(planning_state(&plain()))), "");
    }
}
