//! A key of groups that follows from other keys is computed above the groups.
//!
//! That is a choice, not a fault: `SELECT 100 / n, n, count(*) FROM t GROUP BY 100 / n, n` groups by `n` alone and divides
//! afterwards. Here an event that fails in a key has to fail before it meets others, or it cannot be parked. So the rule
//! sees aggregates only whose keys are columns and literals: constants are no keys, and nothing else moves.

use datafusion::logical_expr::{Aggregate, Expr};
use datafusion::optimizer::eliminate_group_by_constant::EliminateGroupByConstant;

use super::for_aggregates::ForAggregates;

/// The rule for keys that cannot fail.
pub(super) fn constant_group_keys() -> ForAggregates<EliminateGroupByConstant> {
    let takes = |aggregate: &Aggregate| aggregate.group_expr.iter().all(is_column_or_literal);
    ForAggregates { rule: EliminateGroupByConstant::new(), takes }
}

fn is_column_or_literal(key: &Expr) -> bool {
    match key {
        Expr::Alias(alias) => is_column_or_literal(&alias.expr),
        _ => matches!(key, Expr::Column(_) | Expr::Literal(_, _)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::plan::datafusion::reproduction::{Reproduction, plain};
    use crate::plan::session;

    #[test]
    fn a_key_is_computed_with_the_groups() {
        let plan = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS n FROM (VALUES (5))",
            query: "EXPLAIN SELECT 100 / n AS share, n, count(*) AS c FROM t GROUP BY 100 / n, n",
        };
        assert!(plan.outcome(&plain()).contains("Aggregate: groupBy=[[t.n]]"));
        assert!(plan.outcome(&session().unwrap()).contains("Aggregate: groupBy=[[Int64(100) / t.n, t.n]]"));
    }
}
