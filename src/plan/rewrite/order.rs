//! The rewriting itself: wherever the order of rows matters, it is made total.
//!
//! Bottom-up over the plan and its subqueries. Each node keeps the names and types of its columns, so that those above
//! it need not know.

use std::sync::Arc;

use datafusion::common::Result as PlanResult;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, Limit, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias,
};

use super::counted_copies::count_copies;
use super::floats::canonical_floats;
use super::hoist_fallible::hoist_fallible;
use super::ties::OrderedInput;
use super::{RewriteError, aggregates, guards, joins, reject_volatile, windows};
use crate::config::Code;

/// For tables and search: refuses volatile functions and joins that are no SQL, makes floats canonical, breaks all ties,
/// and hoists what can fail on single events below what events meet in.
///
/// # Errors
/// If the result would depend on how rows arrive, and what to write instead.
pub fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan, RewriteError> {
    reject_volatile(&plan)?;
    joins::reject_misplanned(&plan)?;
    let plan = count_copies(plan)?;
    Ok(hoist_fallible(break_ties(canonical_floats(plan)?)?)?)
}

/// Breaks all ties, and plans the aggregates that need an order.
fn break_ties(plan: LogicalPlan) -> Result<LogicalPlan, RewriteError> {
    let schema = plan.schema().clone();
    let plan = plan.transform_up_with_subqueries(|node| Ok(rewrite_node(node)?))?.data;
    if !plan.schema().logically_equivalent_names_and_types(&schema) {
        let message = format!("the rewritten plan gives {} instead of {schema}; this is a bug", plan.schema());
        return Err(RewriteError { code: Code::NotKept, message, hint: None, span: None });
    }
    Ok(plan)
}

fn rewrite_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>, RewriteError> {
    let rewritten = match &node {
        LogicalPlan::Aggregate(aggregate) => match guards::guarded(aggregate)? {
            Some(guarded) => aggregates::rewrite(&guarded)?.or(Some(LogicalPlan::Aggregate(guarded))),
            None => aggregates::rewrite(aggregate)?,
        },
        LogicalPlan::Window(window) => windows::rewrite(window)?,
        LogicalPlan::Distinct(Distinct::On(distinct)) => Some(distinct_on(distinct)?),
        LogicalPlan::Limit(limit) => Some(limited(limit)?),
        _ => None,
    };
    Ok(rewritten.map_or_else(|| Transformed::no(node), Transformed::yes))
}

fn distinct_on(distinct: &DistinctOn) -> Result<LogicalPlan, RewriteError> {
    let rows = OrderedInput::of(&distinct.input)?;
    let keys = distinct.on_expr.len();
    let mut order = match &distinct.sort_expr {
        Some(order) => order.clone(),
        None if rows.in_stream_order => distinct.on_expr.iter().map(|key| key.clone().sort(true, false)).collect(),
        None => {
            let error = RewriteError::new(
                Code::NoOrder,
                "`DISTINCT ON` over derived rows has no order: which row of a key it keeps is undefined",
                "add `ORDER BY` with the `DISTINCT ON` expressions first, then what decides, for example `updated_at DESC`",
            );
            return Err(distinct.on_expr.first().map_or(error.clone(), |key| error.at(key)));
        }
    };
    let decisive = order.split_off(keys.min(order.len()));
    let order = rows.complete_after(order, decisive);
    let mut on: Vec<Expr> = Vec::new();
    for key in &distinct.on_expr {
        if !on.contains(key) {
            on.push(key.clone());
        }
    }
    let select = distinct.select_expr.clone();
    let distinct = DistinctOn::try_new(on, select, Some(order), Arc::new(rows.plan))?;
    Ok(LogicalPlan::Distinct(Distinct::On(distinct)))
}

/// A limit keeps the first rows of a total order: of the one below it, completed, or of none but the ties.
fn limited(limit: &Limit) -> Result<LogicalPlan, RewriteError> {
    let input = match completed(&limit.input)? {
        Some(input) => input,
        None => sorted(vec![], &limit.input, None)?,
    };
    Ok(LogicalPlan::Limit(Limit { skip: limit.skip.clone(), fetch: limit.fetch.clone(), input: Arc::new(input) }))
}

/// The plan with the sort that orders its rows completed; None if nothing orders them.
fn completed(plan: &LogicalPlan) -> PlanResult<Option<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Sort(sort) => Some(sorted(sort.expr.clone(), &sort.input, sort.fetch)?),
        LogicalPlan::Projection(projection) => match completed(&projection.input)? {
            Some(input) => {
                let projection = Projection::try_new_with_schema(
                    projection.expr.clone(),
                    Arc::new(input),
                    projection.schema.clone(),
                )?;
                Some(LogicalPlan::Projection(projection))
            }
            None => None,
        },
        LogicalPlan::SubqueryAlias(alias) => match completed(&alias.input)? {
            Some(input) => {
                Some(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?))
            }
            None => None,
        },
        _ => None,
    })
}

fn sorted(order: Vec<SortExpr>, input: &LogicalPlan, fetch: Option<usize>) -> PlanResult<LogicalPlan> {
    let rows = OrderedInput::of(input)?;
    let order = rows.complete(order);
    let sort = LogicalPlan::Sort(Sort { expr: order, input: Arc::new(rows.plan), fetch });
    OrderedInput::restored(sort, input.schema())
}

#[cfg(test)]
mod tests;
