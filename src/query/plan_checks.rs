//! What a plan has to be before it may run: reading only, with all its parameters, bounded where the memory limit does
//! not see, and interruptible. The session that makes the plan is elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ParamValues};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::scalar::ScalarValue;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use super::{ErrorKind, QueryError, did_you_mean};

/// Functions whose result is as long as an argument says, with so many uses that they stay, up to a written length.
const PADDING: [&str; 2] = ["lpad", "rpad"];
const PADDING_MAX: i64 = 10_000;

pub(super) fn read_only() -> QueryError {
    QueryError::new(ErrorKind::ReadOnly, "only queries can be run here").hint("start with SELECT, WITH or EXPLAIN")
}

pub(super) fn reads_only(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(
            statement.as_ref(),
            SqlStatement::Query(_)
                | SqlStatement::ExplainTable { .. }
                | SqlStatement::ShowTables { .. }
                | SqlStatement::ShowColumns { .. }
        ),
        Statement::Explain(explain) => reads_only(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => false,
    }
}

/// Every placeholder has its value, and every value its placeholder.
pub(super) fn check_params(plan: &LogicalPlan, params: &ParamValues) -> Result<(), QueryError> {
    let wanted: BTreeSet<String> = plan.get_parameter_names().map_err(QueryError::planning)?.into_iter().collect();
    let given: BTreeSet<String> = match params {
        ParamValues::List(values) => (1..=values.len()).map(|number| format!("${number}")).collect(),
        ParamValues::Map(values) => values.keys().map(|name| format!("${name}")).collect(),
    };
    if let Some(missing) = wanted.difference(&given).next() {
        return Err(QueryError::invalid(format!("the parameter `{missing}` has no value"))
            .near(did_you_mean(missing, given.difference(&wanted).map(String::as_str))));
    }
    match given.difference(&wanted).next() {
        Some(extra) => Err(QueryError::invalid(format!("the parameter `{extra}` is not in the SQL"))),
        None => Ok(()),
    }
}

pub(super) fn check_padding(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut refused = None;
    let visited = for_each_expr(plan, |expr| {
        let Expr::ScalarFunction(call) = expr else { return };
        let length = match call.args.get(1) {
            Some(Expr::Literal(ScalarValue::Int64(Some(length)), _)) => *length,
            _ => i64::MAX,
        };
        if PADDING.contains(&call.name()) && length > PADDING_MAX {
            refused = Some(call.name().to_owned());
        }
    });
    visited.map_err(QueryError::planning)?;
    match refused {
        Some(name) => {
            Err(QueryError::invalid(format!("the length in {name}() has to be a number up to {PADDING_MAX}")))
        }
        None => Ok(()),
    }
}

pub(super) fn is_repeatable(plan: &LogicalPlan) -> Result<bool, DataFusionError> {
    let mut repeatable = true;
    for_each_expr(plan, |expr| {
        let volatility = match expr {
            Expr::ScalarFunction(call) => call.func.signature().volatility,
            Expr::AggregateFunction(call) => call.func.signature().volatility,
            Expr::WindowFunction(call) => call.fun.signature().volatility,
            // What a session is set to.
            Expr::ScalarVariable(..) => Volatility::Stable,
            _ => return,
        };
        repeatable &= volatility == Volatility::Immutable;
    })?;
    Ok(repeatable)
}

/// Visits every expression of a plan, those of subqueries and of expanded views too.
fn for_each_expr(plan: &LogicalPlan, mut visit: impl FnMut(&Expr)) -> Result<(), DataFusionError> {
    fn walk(plan: &LogicalPlan, visit: &mut dyn FnMut(&Expr)) -> Result<(), DataFusionError> {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && let Some(view) = scan.source.get_logical_plan()
            {
                walk(&view, visit)?;
            }
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    visit(expr);
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(())
    }
    walk(plan, &mut visit)
}

/// Makes operators that turn few rows into many yield now and then.
///
/// DataFusion lets only the leaves yield. A join of joins whose rows a filter throws away polls its leaves once in a
/// very long time, and a task that does not yield can be neither stopped nor timed out.
pub(super) fn interruptible(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let multiplies = |plan: &Arc<dyn ExecutionPlan>| plan.name().ends_with("JoinExec") || plan.name() == "UnnestExec";
    let wrapped = plan.transform_up(|node| {
        if multiplies(&node) {
            return Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>));
        }
        Ok(Transformed::no(node))
    })?;
    Ok(wrapped.data)
}
