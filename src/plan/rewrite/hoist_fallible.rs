//! What can fail on single events is computed before the events meet others: each other in a window or a limit, or the rows
//! of a subquery.
//!
//! The planner computes what is selected beside a window or a subquery above it, and a window or a sort computes its own
//! arguments. What fails there is no single event's fault any more. So such expressions become hidden columns of the rows
//! below. A condition on a subquery, such as `k IN (SELECT ..)`, does not guard them: the event fails whatever rows the
//! subquery has. Aggregates and joins are left alone: what is computed above them is about groups and pairs.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Distinct, DistinctOn, Expr, Filter, Limit, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias, Window, when,
};

use super::ties::OrderedInput;
use crate::plan::facts::fallible::can_fail;
use crate::plan::facts::nodes::{is_events, needs_several_rows};
use crate::plan::facts::substitute::below;

/// The same plan with such expressions further below.
pub(super) fn hoist_fallible(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut made = 0;
    plan.transform_up(|node| {
        let inputs = node.inputs();
        let [input] = inputs.as_slice() else { return Ok(Transformed::no(node)) };
        let meets = match &node {
            LogicalPlan::Window(_) | LogicalPlan::Sort(_) => true,
            LogicalPlan::Projection(_) => !is_row_wise(&node),
            LogicalPlan::Filter(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(Distinct::On(_)) => {
                !is_row_wise(input)
            }
            _ => false,
        };
        // The expressions of grouping sets are no columns of their own.
        let has_sets = node.expressions().iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
        if has_sets || !meets {
            return Ok(Transformed::no(node));
        }
        let mut hoist = Hoist { input: LogicalPlan::clone(input), moved: Vec::new(), made: &mut made };
        match &node {
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let rebuilt = hoist.distinct_on(distinct)?;
                Ok(rebuilt.map_or_else(|| Transformed::no(node), Transformed::yes))
            }
            _ => hoist.node(node),
        }
    })
    .map(|transformed| transformed.data)
}

/// One node's expressions on their way down.
struct Hoist<'a> {
    input: LogicalPlan,
    /// What has been moved, and the column that it is in now.
    moved: Vec<(Expr, Expr)>,
    /// Hidden columns so far, in the whole plan.
    made: &'a mut usize,
}

impl Hoist<'_> {
    fn node(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let schema = node.schema().clone();
        let names = NamePreserver::new(&node);
        let mut exprs = Vec::new();
        for expr in node.expressions() {
            let name = names.save(&expr);
            exprs.push(match &node {
                LogicalPlan::Filter(_) => self.condition(&expr)?,
                LogicalPlan::Sort(_) => self.parts(expr)?,
                _ => name.restore(self.parts(expr)?),
            });
        }
        if self.moved.is_empty() {
            return Ok(Transformed::no(node));
        }
        let rebuilt = node.with_new_exprs(exprs, vec![self.input.clone()])?;
        Ok(Transformed::yes(OrderedInput::restored(rebuilt, &schema)?))
    }

    /// `None` if it stays as it is. The expressions of its key stay those with which its order begins.
    fn distinct_on(&mut self, distinct: &DistinctOn) -> Result<Option<LogicalPlan>> {
        let mut of = |expr: &Expr| self.parts(expr.clone());
        let on = distinct.on_expr.iter().map(&mut of).collect::<Result<Vec<_>>>()?;
        let select = distinct
            .select_expr
            .iter()
            .map(|expr| Ok(NamePreserver::new_for_projection().save(expr).restore(of(expr)?)));
        let select = select.collect::<Result<Vec<_>>>()?;
        let order = distinct.sort_expr.as_ref().map(|order| {
            let of = |sort: &SortExpr| Ok(sort.with_expr(self.parts(sort.expr.clone())?));
            order.iter().map(of).collect::<Result<Vec<_>>>()
        });
        let order = order.transpose()?;
        if self.moved.is_empty() {
            return Ok(None);
        }
        let rebuilt = DistinctOn::try_new(on, select, order, Arc::new(self.input.clone()))?;
        let rebuilt = LogicalPlan::Distinct(Distinct::On(rebuilt));
        OrderedInput::restored(rebuilt, &distinct.schema).map(Some)
    }

    /// A condition guards by one part what it says in the next: those over events go down together.
    fn condition(&mut self, condition: &Expr) -> Result<Expr> {
        let parts = split_conjunction(condition).into_iter().cloned();
        let (of_events, others): (Vec<Expr>, Vec<Expr>) =
            parts.partition(|part| over_events(part, &self.input).is_some());
        let others = others.into_iter().map(|part| self.parts(part)).collect::<Result<Vec<_>>>()?;
        let of_events = conjunction(of_events).map(|part| self.parts(part)).transpose()?;
        Ok(conjunction(others.into_iter().chain(of_events)).unwrap_or_else(|| condition.clone()))
    }

    /// The expression with its greatest parts that can fail on an event replaced by hidden columns. What is computed only
    /// under a condition stays there.
    fn parts(&mut self, expr: Expr) -> Result<Expr> {
        let moved = expr.transform_down(|part| {
            if let Some(column) = self.moved(&part)? {
                return Ok(Transformed::new(column, true, TreeNodeRecursion::Jump));
            }
            // A function's own variable is known within it only.
            let guards = match &part {
                Expr::WindowFunction(call) => call.params.filter.is_some(),
                Expr::Lambda(_) => true,
                other => other.short_circuits(),
            };
            let on = if guards { TreeNodeRecursion::Jump } else { TreeNodeRecursion::Continue };
            Ok(Transformed::new(part, false, on))
        });
        Ok(moved?.data)
    }

    fn moved(&mut self, part: &Expr) -> Result<Option<Expr>> {
        if let Some((_, column)) = self.moved.iter().find(|(moved, _)| moved == part) {
            return Ok(Some(column.clone()));
        }
        if !can_fail(part, self.input.schema()) {
            return Ok(None);
        }
        let Some(of_event) = over_events(part, &self.input) else { return Ok(None) };
        *self.made += 1;
        let name = format!("__early_{}", self.made);
        let (input, column) = attached(&self.input, of_event.alias(name))?;
        self.input = input;
        self.moved.push((part.clone(), Expr::Column(column.clone())));
        Ok(Some(Expr::Column(column)))
    }
}

/// The expression over the rows of events that a plan is made of, if there is nothing but windows and limits between.
fn over_events(expr: &Expr, plan: &LogicalPlan) -> Option<Expr> {
    let is_known = |column: &Column| plan.schema().has_column(column);
    let is_other =
        |part: &Expr| Ok(needs_several_rows(part) || matches!(part, Expr::Column(column) if !is_known(column)));
    // The closure never fails.
    if expr.column_refs().is_empty() || expr.exists(is_other).unwrap_or(true) {
        return None;
    }
    match plan {
        _ if is_row_wise(plan) => Some(expr.clone()),
        LogicalPlan::Window(window) => over_events(expr, &window.input),
        LogicalPlan::Sort(sort) => over_events(expr, &sort.input),
        LogicalPlan::Limit(limit) => over_events(expr, &limit.input),
        LogicalPlan::Projection(projection) => over_events(&below(expr, plan)?, &projection.input),
        LogicalPlan::SubqueryAlias(alias) => over_events(&below(expr, plan)?, &alias.input),
        LogicalPlan::Filter(filter) => {
            let conditions = split_conjunction(&filter.predicate).into_iter();
            let guard = conjunction(conditions.filter_map(|part| over_events(part, &filter.input)));
            let expr = over_events(expr, &filter.input)?;
            guard.map_or(Some(expr.clone()), |guard| when(guard, expr).end().ok())
        }
        _ => None,
    }
}

/// The plan with one more column, which is computed from the rows of events below it.
fn attached(plan: &LogicalPlan, of_event: Expr) -> Result<(LogicalPlan, Column)> {
    let column = Column::new_unqualified(of_event.qualified_name().1);
    let through = |input: &LogicalPlan| attached(input, of_event.clone()).map(|(input, _)| Arc::new(input));
    let plan = match plan {
        _ if is_row_wise(plan) => {
            let columns = plan.schema().columns().into_iter().map(Expr::Column).chain([of_event]).collect();
            LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan.clone()))?)
        }
        LogicalPlan::Window(window) => {
            LogicalPlan::Window(Window::try_new(window.window_expr.clone(), through(&window.input)?)?)
        }
        LogicalPlan::Sort(sort) => {
            LogicalPlan::Sort(Sort { expr: sort.expr.clone(), input: through(&sort.input)?, fetch: sort.fetch })
        }
        LogicalPlan::Limit(limit) => LogicalPlan::Limit(Limit {
            skip: limit.skip.clone(),
            fetch: limit.fetch.clone(),
            input: through(&limit.input)?,
        }),
        LogicalPlan::Filter(filter) => {
            LogicalPlan::Filter(Filter::try_new(filter.predicate.clone(), through(&filter.input)?)?)
        }
        LogicalPlan::Projection(projection) => {
            let (input, column) = attached(&projection.input, of_event)?;
            let columns = projection.expr.iter().cloned().chain([Expr::Column(column.clone())]).collect();
            return Ok((LogicalPlan::Projection(Projection::try_new(columns, Arc::new(input))?), column));
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let (input, column) = attached(&alias.input, of_event)?;
            let column = Column::new(Some(alias.alias.clone()), column.name);
            return Ok((
                LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?),
                column,
            ));
        }
        // No other node is passed through.
        other => other.clone(),
    };
    Ok((plan, column))
}

/// Whether every row is made of one event alone.
fn is_row_wise(plan: &LogicalPlan) -> bool {
    let is_of_one_row = |expr: &Expr| !expr.exists(|part| Ok(needs_several_rows(part))).unwrap_or(true);
    match plan {
        LogicalPlan::TableScan(scan) => is_events(scan),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => {
            plan.expressions().iter().all(is_of_one_row) && plan.inputs().into_iter().all(is_row_wise)
        }
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Unnest(_) | LogicalPlan::Union(_) => {
            plan.inputs().into_iter().all(is_row_wise)
        }
        _ => false,
    }
}
