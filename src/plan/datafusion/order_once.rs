//! An aggregate that is ordered by one expression twice fails over the number of columns that its accumulator gets.
//!
//! `SELECT b, first_value(n ORDER BY b, b) FROM t GROUP BY b` panics: the planner drops the second expression in one place
//! and counts it in another. What was written as two expressions may be simplified into one, so the SQL need not show it; a cast to the
//! type that an expression has is dropped last of all, where the plan is made a physical one.
//!
//! Upstream: <https://github.com/apache/datafusion/issues/25398>. The workaround is an optimiser rule behind all others,
//! by which no aggregate is ordered by the same expression twice.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, SortExpr};
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
        let schema = aggregate.input.schema().clone();
        if !aggregate.aggr_expr.iter().any(|call| repeats(call, &schema)) {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let calls = aggregate.aggr_expr.into_iter().map(|call| {
            let name = call.schema_name().to_string();
            if repeats(&call, &schema) { without_repeats(call, &schema).alias(name) } else { call }
        });
        let calls = calls.collect();
        let once = Aggregate::try_new_with_schema(aggregate.input, aggregate.group_expr, calls, aggregate.schema)?;
        Ok(Transformed::yes(LogicalPlan::Aggregate(once)))
    }
}

fn repeats(call: &Expr, schema: &DFSchema) -> bool {
    match call {
        Expr::Alias(alias) => repeats(&alias.expr, schema),
        Expr::AggregateFunction(function) => {
            let order = &function.params.order_by;
            order.iter().enumerate().any(|(index, sort)| is_among(&order[..index], sort, schema))
        }
        _ => false,
    }
}

fn is_among(earlier: &[SortExpr], sort: &SortExpr, schema: &DFSchema) -> bool {
    let sorted_by = as_computed(&sort.expr, schema);
    earlier.iter().any(|earlier| as_computed(&earlier.expr, schema) == sorted_by)
}

/// Names within an order mean nothing, and are left where an expression was simplified; nor does a cast to the type that is there.
fn as_computed(expression: &Expr, schema: &DFSchema) -> Expr {
    let plain = expression.clone().unalias_nested().data.transform_up(|part| {
        Ok(match part {
            Expr::Cast(Cast { expr, field }) if expr.get_type(schema).is_ok_and(|of| of == *field.data_type()) => {
                Transformed::yes(*expr)
            }
            other => Transformed::no(other),
        })
    });
    // The closure never fails.
    plain.map_or_else(|_| expression.clone(), |plain| plain.data)
}

/// The call with only the first of each.
fn without_repeats(call: Expr, schema: &DFSchema) -> Expr {
    match call {
        Expr::Alias(alias) => without_repeats(*alias.expr, schema),
        Expr::AggregateFunction(mut function) => {
            let mut order: Vec<SortExpr> = Vec::new();
            for sort in function.params.order_by {
                if !is_among(&order, &sort, schema) {
                    order.push(sort);
                }
            }
            function.params.order_by = order;
            Expr::AggregateFunction(function)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::datafusion::reproduction::Reproduction;

    #[test]
    fn an_order_that_is_written_twice_panics() {
        let twice = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS b, column2 AS n FROM (VALUES (1, 2))",
            query: "SELECT b, first_value(n ORDER BY b, b) AS f FROM t GROUP BY b",
        };
        twice.is_wrong("error: task  panicked with message", "delete `datafusion/order_once.rs`");
        twice.is_mended("1, 2");
    }

    #[test]
    fn a_cast_to_the_type_that_is_there_is_the_same_expression() {
        let twice = Reproduction {
            tables: "CREATE TABLE t AS SELECT column1 AS b, column2 AS n FROM (VALUES (1, 2))",
            query: "SELECT b, first_value(n ORDER BY CAST(b AS BIGINT), b) AS f FROM t GROUP BY b",
        };
        twice.is_wrong("error: task  panicked with message", "delete `datafusion/order_once.rs`");
        twice.is_mended("1, 2");
    }
}
