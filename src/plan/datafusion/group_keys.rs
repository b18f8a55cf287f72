//! Optimiser rules about the keys of groups: constants are none, and each is there once.
//!
//! DataFusion's own go further. One computes a key that follows from other keys above the aggregate, where an event that
//! fails in it would be beyond being parked. The other also drops what rows are ordered by where an earlier column is
//! said to determine it, which is not so any more once a list was unnested.

use std::fmt;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_group_by_constant::EliminateGroupByConstant;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// A rule of DataFusion's for some aggregates and nothing else, under its name.
pub(super) struct ForAggregates<R> {
    rule: R,
    takes: fn(&Aggregate) -> bool,
}

/// Constants are no keys, where all others are columns.
pub(super) fn plain_keys() -> ForAggregates<EliminateGroupByConstant> {
    let takes = |aggregate: &Aggregate| aggregate.group_expr.iter().all(is_plain);
    ForAggregates { rule: EliminateGroupByConstant::new(), takes }
}

/// A key that is written twice is one key.
pub(super) fn keys_once() -> ForAggregates<EliminateDuplicatedExpr> {
    ForAggregates { rule: EliminateDuplicatedExpr::new(), takes: |_| true }
}

impl<R: OptimizerRule> OptimizerRule for ForAggregates<R> {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.rule.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Aggregate(aggregate) if (self.takes)(aggregate) => self.rule.rewrite(plan, config),
            _ => Ok(Transformed::no(plan)),
        }
    }
}

impl<R: OptimizerRule> fmt::Debug for ForAggregates<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for aggregates", self.rule.name())
    }
}

fn is_plain(key: &Expr) -> bool {
    match key {
        Expr::Alias(alias) => is_plain(&alias.expr),
        _ => matches!(key, Expr::Column(_) | Expr::Literal(_, _)),
    }
}
