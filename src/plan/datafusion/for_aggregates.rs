//! A rule of DataFusion's for some aggregates and nothing else. Which ones is said by the workarounds that use it.

use std::fmt;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Aggregate, LogicalPlan};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rule under its own name, which it replaces.
pub(super) struct ForAggregates<R> {
    pub(super) rule: R,
    /// Whether the rule may see an aggregate.
    pub(super) takes: fn(&Aggregate) -> bool,
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
