//! Subqueries that depend on rows around them become joins, wherever they stand and whatever correlates them.
//!
//! DataFusion has rules of its own for the common forms, which make smaller plans: conditions on equality, EXISTS and IN in
//! WHERE. What they leave, or would plan as something else, is planned here as a *dependent join*: the distinct values that
//! the outer rows have in the columns that the subquery names are joined with the subquery's own rows, so that each operator of
//! it computes one result for each such combination; then the outer rows meet the result of theirs. NULLs are values like any
//! other in that.
//!
//! | File | What |
//! |---|---|
//! | `outer_values` | the distinct outer values, and how rows are matched with them |
//! | `dependent` | one operator of a subquery after the other, computed for each of them |
//! | `attach` | the value of a subquery in an expression, as a column of the rows around it |

mod attach;
mod dependent;
mod outer_values;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, JoinType, Result, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Distinct, Expr, Filter, Join, LogicalPlan, Projection, Subquery, SubqueryAlias};

use self::outer_values::OuterValues;
use crate::config::Code;
use crate::plan::datafusion::{reject_misplanned, takes_for_another};
use crate::plan::{Refusal, Scope};

/// The optimised plan, without subqueries.
///
/// # Errors
/// Refuses subqueries that are no joins, and may give several rows in the place of one value.
pub(in crate::plan) fn optimized(
    plan: &LogicalPlan,
    state: &SessionState,
    scope: &Scope,
) -> Result<LogicalPlan, Refusal> {
    if !has_subqueries(plan) {
        return Ok(state.optimize(plan)?);
    }
    if is_plain(plan) && reject_misplanned(plan, scope).is_ok() {
        // What fails here fails again below, unless DataFusion alone cannot plan it.
        if let Ok(planned) = state.optimize(plan)
            && is_kept(&planned)
        {
            return Ok(planned);
        }
    }
    Ok(state.optimize(&decorrelated(plan.clone(), Some(scope))?)?)
}

/// A reader's plan, not yet optimised, with joins in the place of subqueries that DataFusion could not run, or would take for
/// something else.
///
/// # Errors
/// Refuses subqueries that are no joins, and may give several rows in the place of one value.
pub fn readable(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan, Refusal> {
    if !has_subqueries(&plan) {
        return Ok(plan);
    }
    if is_plain(&plan) && !takes_for_another(&plan) {
        // Values of their own, which no outer row decides, are computed as they are.
        let is_left =
            |expr: &Expr| Ok(is_subquery(expr) && !is_value(expr) || matches!(expr, Expr::OuterReferenceColumn(_, _)));
        let is_runnable = |planned: &LogicalPlan| {
            is_sound(planned)
                && !planned
                    .exists(|node| Ok(node.expressions().iter().any(|expr| expr.exists(is_left).unwrap_or(true))))
                    .unwrap_or(true)
        };
        if state.optimize(&plan).is_ok_and(|planned| is_runnable(&planned)) {
            return Ok(plan);
        }
    }
    decorrelated(plan, None)
}

/// Whether an expression is a subquery of one value that reads no outer row.
fn is_value(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(subquery) if subquery.outer_ref_columns.is_empty())
}

/// Whether conditions on outer rows stand below nothing but what they can be moved through: a window or a limit, say, is over other
/// rows once a condition has moved above it.
fn is_plain(plan: &LogicalPlan) -> bool {
    let mut is_plain = true;
    let walked = plan.apply_with_subqueries(|node| {
        let below = node.inputs().iter().any(|input| !input.all_out_ref_exprs().is_empty());
        is_plain &= !below
            || match node {
                LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Subquery(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Distinct(Distinct::All(_)) => true,
                // The join of a lateral subquery is what takes the conditions.
                LogicalPlan::Join(join) => join.join_type == JoinType::Inner || lateral(&join.right).is_some(),
                _ => false,
            };
        Ok(if is_plain { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    walked.is_ok() && is_plain
}

/// Whether DataFusion's rules have left a plan that has an operator for each of its nodes: without subqueries.
fn is_kept(plan: &LogicalPlan) -> bool {
    !has_subqueries(plan) && is_sound(plan)
}

/// Whether DataFusion's rules have left no column of rows further out that they took for their own, and no NOT IN that depends on
/// more than its value.
fn is_sound(plan: &LogicalPlan) -> bool {
    let is_unsound = |node: &LogicalPlan| {
        let (inputs, expressions) = (node.inputs(), node.expressions());
        let is_known = |column: &&Column| inputs.iter().any(|input| input.schema().has_column(column));
        let is_foreign = !inputs.is_empty() && expressions.iter().any(|expr| !expr.column_refs().iter().all(is_known));
        let is_not_in = matches!(node, LogicalPlan::Join(join)
            if join.null_aware && (join.on.len() != 1 || join.filter.is_some()));
        Ok(is_foreign || is_not_in)
    };
    // The closure never fails.
    !plan.exists(is_unsound).unwrap_or(true)
}

/// Whether there is a subquery in an expression of the plan, or one that reads its neighbours in FROM.
pub(in crate::plan) fn has_subqueries(plan: &LogicalPlan) -> bool {
    let is_subquery = |expr: &Expr| Ok(is_subquery(expr) || matches!(expr, Expr::OuterReferenceColumn(_, _)));
    let has = |node: &LogicalPlan| {
        let in_expressions = node.expressions().iter().any(|expr| expr.exists(is_subquery).unwrap_or(true));
        Ok(in_expressions || matches!(node, LogicalPlan::Subquery(_)))
    };
    // The closures never fail.
    plan.exists(has).unwrap_or(true)
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_))
}

/// The plan, not yet optimised, with joins in the place of all its subqueries.
fn decorrelated(plan: LogicalPlan, scope: Option<&Scope>) -> Result<LogicalPlan, Refusal> {
    Ok(Decorrelation { scope, made: 0 }.plan(plan)?)
}

/// One plan's subqueries on their way to be joins.
struct Decorrelation<'a> {
    scope: Option<&'a Scope>,
    /// Hidden columns and relations so far, in the whole plan.
    made: usize,
}

impl Decorrelation<'_> {
    /// Inner subqueries come first: what they name of rows further out is then part of their own plan.
    fn plan(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.map_children(|input| Ok(Transformed::yes(self.plan(input)?)))?.data;
        match plan {
            LogicalPlan::Join(join) if lateral(&join.right).is_some() => self.lateral_join(join),
            LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(has_subquery) => self.join_condition(join),
            node if node.expressions().iter().any(has_subquery) => self.node(node),
            node => Ok(node),
        }
    }

    /// A node with its subqueries attached to its input.
    fn node(&mut self, node: LogicalPlan) -> Result<LogicalPlan> {
        let inputs = node.inputs();
        let [input] = inputs.as_slice() else { return Err(unplanned("a subquery in this place")) };
        let mut input = LogicalPlan::clone(input);
        let schema = node.schema().clone();
        let names = NamePreserver::new(&node);
        let mut exprs = Vec::new();
        for expr in node.expressions() {
            let name = names.save(&expr);
            let attached = self.attached(expr, &mut input)?;
            exprs.push(if matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Sort(_)) {
                attached
            } else {
                name.restore(attached)
            });
        }
        restored(node.with_new_exprs(exprs, vec![input])?, &schema)
    }

    /// The expression with columns of `input`, which gets them, in the place of its subqueries.
    fn attached(&mut self, expr: Expr, input: &mut LogicalPlan) -> Result<Expr> {
        let attached = expr.transform_up(|part| match is_subquery(&part) {
            true => Ok(Transformed::yes(self.attach(part, input)?)),
            false => Ok(Transformed::no(part)),
        })?;
        Ok(attached.data)
    }

    /// A subquery in the condition of an inner join is one of a filter above it.
    fn join_condition(&mut self, join: Join) -> Result<LogicalPlan> {
        if join.join_type != JoinType::Inner {
            return Err(unplanned("a subquery in the condition of an outer join"));
        }
        let Join { left, right, on, filter, join_constraint, null_equality, .. } = join;
        let (pairs, condition) =
            (Join::try_new(left, right, on, None, JoinType::Inner, join_constraint, null_equality, false)?, filter);
        let pairs = Arc::new(LogicalPlan::Join(pairs));
        match condition {
            Some(condition) => self.node(LogicalPlan::Filter(Filter::try_new(condition, pairs)?)),
            None => Ok(LogicalPlan::clone(&pairs)),
        }
    }

    /// A join with what reads its left side.
    fn lateral_join(&mut self, join: Join) -> Result<LogicalPlan> {
        let Some((subquery, alias)) = lateral(&join.right) else { return Ok(LogicalPlan::Join(join)) };
        let aliased = |plan: LogicalPlan| match &alias {
            Some(alias) => SubqueryAlias::try_new(Arc::new(plan), alias.clone()).map(LogicalPlan::SubqueryAlias),
            None => Ok(plan),
        };
        let rows = subquery.subquery.as_ref();
        let Some(outer) = OuterValues::read_by(rows, &join.left, self)? else {
            let right = Arc::new(aliased(rows.clone())?);
            let Join { left, on, filter, join_type, join_constraint, null_equality, .. } = join;
            let plain = Join::try_new(left, right, on, filter, join_type, join_constraint, null_equality, false)?;
            return Ok(LogicalPlan::Join(plain));
        };
        if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
            return Err(unplanned("a right or full join with what reads its left side"));
        }
        let right = aliased(self.dependent(rows, &outer)?)?;
        let met = outer.met(right.schema())?;
        let condition = join.filter.clone().map_or(met.clone(), |filter| met.and(filter));
        let Join { left, on, join_type, join_constraint, null_equality, schema, .. } = join;
        let joined = Join::try_new(
            left,
            Arc::new(right),
            on,
            Some(condition),
            join_type,
            join_constraint,
            null_equality,
            false,
        )?;
        restored(LogicalPlan::Join(joined), &schema)
    }

    /// A name that nothing else in the plan has.
    fn fresh(&mut self, of: &str) -> String {
        self.made += 1;
        format!("__{of}_{}", self.made)
    }
}

/// The right side of a join that reads its left side, with the name that it has there.
fn lateral(right: &LogicalPlan) -> Option<(&Subquery, Option<TableReference>)> {
    match right {
        LogicalPlan::Subquery(subquery) => Some((subquery, None)),
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => match input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((subquery, Some(alias.clone()))),
            _ => None,
        },
        _ => None,
    }
}

fn has_subquery(expr: &Expr) -> bool {
    // The closure never fails.
    expr.exists(|part| Ok(is_subquery(part))).unwrap_or(true)
}

/// The plan with the columns of `schema` alone.
fn restored(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    if plan.schema().columns() == schema.columns() {
        return Ok(plan);
    }
    let columns = schema.columns().into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// The refusal of what is no join.
fn unplanned(what: &str) -> DataFusionError {
    let refusal = Refusal::new(Code::NotKept, format!("{what} cannot be kept incrementally"));
    refusal.hint("write it as a join, or make the subquery a projection of its own").into()
}
