//! Ranks that a filter bounds: `row_number() OVER (…) <= 3`, `rank()`, `dense_rank()`.
//!
//! Only the first rows of a partition can pass, so only they are computed; without the bound the whole partition would
//! be. The filter itself stays above.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{self as logical, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

use super::closing::{closing, specify_closing};
use super::expressions::{arrow, physical};
use super::{Specified, specification};
use crate::circuit::{PartitionOutput, PartitionSpec, Ranking, RankingFunction};
use crate::identity::Specification;
use crate::plan::Refusal;
use crate::plan::facts::substitute::below;
use crate::plan::scope::Scope;

/// The filter brought down to the window functions whose ranks it bounds, if there are only projections in between.
pub(super) fn sunk(filter: &logical::Filter, scope: &Scope) -> Result<Option<LogicalPlan>, Refusal> {
    let through = match filter.input.as_ref() {
        LogicalPlan::Window(window) => {
            let bounds = lower_ranking(&filter.predicate, window, scope)?.is_some();
            return Ok(bounds.then(|| LogicalPlan::Filter(filter.clone())));
        }
        through => through,
    };
    let inputs = through.inputs();
    let (Some(predicate), [input]) = (below(&filter.predicate, through), inputs.as_slice()) else { return Ok(None) };
    let input = Arc::new(LogicalPlan::clone(input));
    let Some(input) = sunk(&logical::Filter::try_new(predicate, input)?, scope)? else { return Ok(None) };
    Ok(Some(through.with_new_exprs(through.expressions(), vec![input])?))
}

/// The operator, if every function ranks in one order of one partition, and `filter` lets out the first of them only.
pub(super) fn lower_ranking(
    filter: &Expr,
    window: &logical::Window,
    scope: &Scope,
) -> Result<Option<Specified<PartitionSpec>>, Refusal> {
    let Some(calls) = window.window_expr.iter().map(ranking_call).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let Some(((_, first), rest)) = calls.split_first() else { return Ok(None) };
    let (partition, order) = (&first.params.partition_by, &first.params.order_by);
    if rest.iter().any(|(_, call)| call.params.partition_by != *partition || call.params.order_by != *order) {
        return Ok(None);
    }
    let names = window.window_expr.iter().map(|expr| expr.qualified_name().1);
    let functions: Vec<RankingFunction> = calls.iter().map(|(function, _)| *function).collect();
    let bounds = names.zip(&functions).filter_map(|(name, function)| Some((*function, bound(filter, &name)?)));
    let Some((bound, most)) = bounds.min_by_key(|(_, most)| *most) else { return Ok(None) };
    let input = window.input.schema();
    let closing = closing(partition, &window.input, scope);
    let specification = specification::expressions(Specification::of("ranking/1"), partition, input)?;
    let specification = specification::order(specification, order, input)?
        .list(functions.iter(), |specification, function| specification.text(function.name()))
        .text(bound.name())
        .number(most);
    let specification = specify_closing(specification, closing.as_ref());
    let operator = PartitionSpec {
        keys: physical(partition, input)?,
        key_types: partition.iter().map(|key| key.get_type(input)).collect::<Result<_, _>>()?,
        order: physical(&expressions(order), input)?.into_iter().zip(order.iter().map(options)).collect(),
        input: arrow(input),
        schema: arrow(&window.schema),
        closing,
        outcome: PartitionOutput::Ranking(Ranking { functions, bound, most }),
    };
    Ok(Some(Specified { operator, specification }))
}

fn expressions(order: &[Sort]) -> Vec<Expr> {
    order.iter().map(|sort| sort.expr.clone()).collect()
}

/// Arrow's option for a direction.
pub(super) fn options(sort: &Sort) -> SortOptions {
    SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first }
}

fn ranking_call(expr: &Expr) -> Option<(RankingFunction, &WindowFunction)> {
    let call = match expr {
        Expr::Alias(alias) => return ranking_call(&alias.expr),
        Expr::WindowFunction(call) => call,
        _ => return None,
    };
    let known = [RankingFunction::RowNumber, RankingFunction::Rank, RankingFunction::DenseRank];
    let function = known.into_iter().find(|function| function.name() == call.fun.name())?;
    let counts_all = call.params.filter.is_none() && !call.params.distinct;
    counts_all.then_some((function, call))
}

/// The greatest value of a column that passes the condition, if it bounds the column.
fn bound(condition: &Expr, column: &str) -> Option<u64> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(found) if found.name == column);
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            [bound(left, column), bound(right, column)].into_iter().flatten().min()
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(bound(left, column)?.max(bound(right, column)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (operator, limit) = match (is_column(left), is_column(right)) {
                (true, false) => (*op, number(right)?),
                (false, true) => (op.swap()?, number(left)?),
                _ => return None,
            };
            match operator {
                Operator::Eq | Operator::LtEq => Some(limit),
                Operator::Lt => Some(limit.saturating_sub(1)),
                _ => None,
            }
        }
        Expr::InList(list) if !list.negated && is_column(&list.expr) => {
            list.list.iter().map(number).collect::<Option<Vec<u64>>>()?.into_iter().max()
        }
        _ => None,
    }
}

/// A rank as a literal; the optimiser has given it the type of ranks.
fn number(expr: &Expr) -> Option<u64> {
    match expr {
        Expr::Literal(ScalarValue::UInt64(Some(number)), _) => Some(*number),
        _ => None,
    }
}
