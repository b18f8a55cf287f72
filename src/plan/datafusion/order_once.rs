//! An optimiser rule: no aggregate is ordered by the same expression twice.
//!
//! What was written as two expressions may be simplified into one. DataFusion drops the second when it plans, and then
//! fails over the number of columns that its accumulators get.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, SortExpr};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

#[derive(Debug)]
pub(super) struct OrderOnce;

impl OptimizerRule for OrderOnce {
    fn name(&self) -> &str {
        "order_once"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(Transformed::no(plan)) };
        if !aggregate.aggr_expr.iter().any(repeats) {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let calls = aggregate.aggr_expr.into_iter().map(|call| {
            let name = call.schema_name().to_string();
            if repeats(&call) { plain(call).alias(name) } else { call }
        });
        let calls = calls.collect();
        let plain = Aggregate::try_new_with_schema(aggregate.input, aggregate.group_expr, calls, aggregate.schema)?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(plain)))
    }
}

fn repeats(call: &Expr) -> bool {
    match call {
        Expr::Alias(alias) => repeats(&alias.expr),
        Expr::AggregateFunction(function) => {
            let order = &function.params.order_by;
            order.iter().enumerate().any(|(place, sort)| is_among(&order[..place], sort))
        }
        _ => false,
    }
}

fn is_among(earlier: &[SortExpr], sort: &SortExpr) -> bool {
    earlier.iter().any(|earlier| bare(&earlier.expr) == bare(&sort.expr))
}

/// Names within an order mean nothing, and are left where an expression was simplified.
fn bare(expression: &Expr) -> Expr {
    expression.clone().unalias_nested().data
}

/// The call with only the first of each.
fn plain(call: Expr) -> Expr {
    match call {
        Expr::Alias(alias) => plain(*alias.expr),
        Expr::AggregateFunction(mut function) => {
            let mut order: Vec<SortExpr> = Vec::new();
            for sort in function.params.order_by {
                if !is_among(&order, &sort) {
                    order.push(sort);
                }
            }
            function.params.order_by = order;
            Expr::AggregateFunction(function)
        }
        other => other,
    }
}
