//! Optimiser rules about the keys of groups: constants are none, and each is there once.
//!
//! DataFusion's own go further. One computes a key that follows from other keys above the aggregate, where an event that
//! fails in it would be beyond being parked. The other also drops what rows are ordered by where an earlier column is
//! said to determine it, which is not so any more once a list was unnested.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_group_by_constant::EliminateGroupByConstant;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// In the place of DataFusion's rule, under its name.
#[derive(Debug, Default)]
pub(super) struct PlainKeys(EliminateGroupByConstant);

impl OptimizerRule for PlainKeys {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().all(is_plain) => {
                self.0.rewrite(plan, config)
            }
            _ => Ok(Transformed::no(plan)),
        }
    }
}

fn is_plain(key: &Expr) -> bool {
    match key {
        Expr::Alias(alias) => is_plain(&alias.expr),
        _ => matches!(key, Expr::Column(_) | Expr::Literal(_, _)),
    }
}

/// In the place of DataFusion's rule, under its name.
#[derive(Debug, Default)]
pub(super) struct KeysOnce(EliminateDuplicatedExpr);

impl OptimizerRule for KeysOnce {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Aggregate(_) => self.0.rewrite(plan, config),
            _ => Ok(Transformed::no(plan)),
        }
    }
}
