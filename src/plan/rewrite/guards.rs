//! An aggregate's FILTER guards its arguments: they are computed for the rows that pass, so that no other row can fail. And what
//! a single value makes fail in an average fails in its argument.
//!
//! DataFusion computes arguments before or after the filter, depending on whether there are groups.

use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, when};

use crate::plan::functions::averageable;

/// The aggregate with guarded arguments; None if there is nothing to guard.
pub(super) fn guarded(aggregate: &Aggregate) -> PlanResult<Option<Aggregate>> {
    let calls = aggregate.aggr_expr.iter().map(|expression| {
        let schema = aggregate.input.schema();
        let Some(call) = guarded_call(expression, schema)? else { return Ok(expression.clone()) };
        Ok(Expr::AggregateFunction(call).alias(expression.qualified_name().1))
    });
    let calls = calls.collect::<PlanResult<Vec<_>>>()?;
    if calls == aggregate.aggr_expr {
        return Ok(None);
    }
    Aggregate::try_new(aggregate.input.clone(), aggregate.group_expr.clone(), calls).map(Some)
}

fn guarded_call(expression: &Expr, schema: &DFSchema) -> PlanResult<Option<AggregateFunction>> {
    let call = match expression {
        Expr::Alias(alias) => return guarded_call(&alias.expr, schema),
        Expr::AggregateFunction(call) => call,
        _ => return Ok(None),
    };
    let mut guarded = call.clone();
    if let ("avg", [value]) = (call.func.name(), guarded.params.args.as_mut_slice()) {
        *value = averageable(std::mem::take(value), &call.params.args[0].get_type(schema)?);
    }
    if let Some(filter) = &call.params.filter {
        let order = guarded.params.order_by.iter_mut().map(|sort| &mut sort.expr);
        for part in guarded.params.args.iter_mut().chain(order) {
            if !matches!(part, Expr::Column(_) | Expr::Literal(..)) {
                *part = when(filter.as_ref().clone(), part.clone()).end()?;
            }
        }
    }
    Ok((guarded != *call).then_some(guarded))
}
