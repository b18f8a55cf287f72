//! An aggregate's FILTER guards its arguments: they are computed for the rows that pass, so that no other row can fail. And what
//! a single value makes fail in an average fails in its argument.
//!
//! DataFusion computes arguments before or after the filter, depending on whether there are groups.

use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, when};

use crate::plan::facts::fallible::can_fail;
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
    guard(&mut guarded, |part| !matches!(part, Expr::Column(_) | Expr::Literal(..)))?;
    Ok((guarded != *call).then_some(guarded))
}

/// A call whose filter says which rows count beside what its author wrote, such as those with a key: for them alone is computed
/// what can fail.
pub(super) fn guarded_by_filter(mut call: AggregateFunction, schema: &DFSchema) -> PlanResult<AggregateFunction> {
    guard(&mut call, |part| can_fail(part, schema))?;
    Ok(call)
}

/// Computes those arguments and orders of a call that `needs_guard` names for the rows that pass its filter.
fn guard(call: &mut AggregateFunction, needs_guard: impl Fn(&Expr) -> bool) -> PlanResult<()> {
    let Some(filter) = call.params.filter.clone() else { return Ok(()) };
    let order = call.params.order_by.iter_mut().map(|sort| &mut sort.expr);
    for part in call.params.args.iter_mut().chain(order).filter(|part| needs_guard(part)) {
        *part = when(filter.as_ref().clone(), part.clone()).end()?;
    }
    Ok(())
}
