//! Which operators are closed by a watermark: those with a key that follows the event time of one source, where late
//! events are dropped.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};

use crate::circuit::ClosingSpec;
use crate::event::{LateEvents, metadata};
use crate::plan::facts::substitute::below;
use crate::plan::scope::{Scanned, Scope};

/// How the first such key among `keys`, which are over the rows of `input`, closes groups of it.
pub(super) fn closing(keys: &[Expr], input: &LogicalPlan, scope: &Scope) -> Option<ClosingSpec> {
    keys.iter().enumerate().find_map(|(key, expr)| {
        let (source, of_time) = traced(expr.clone(), input, scope)?;
        let key_at = follows(&of_time).then(|| physical(&of_time)).flatten()?;
        Some(ClosingSpec { source, key, key_at })
    })
}

/// The expression over the columns of the events that `input` is made of row by row, and their source, if its late
/// events are dropped.
fn traced(expr: Expr, input: &LogicalPlan, scope: &Scope) -> Option<(String, Expr)> {
    match input {
        LogicalPlan::Filter(filter) => traced(expr, &filter.input, scope),
        LogicalPlan::SubqueryAlias(alias) => traced(below(&expr, input)?, &alias.input, scope),
        LogicalPlan::Projection(projection) => traced(below(&expr, input)?, &projection.input, scope),
        LogicalPlan::TableScan(scan) => match scope.find(&scan.table_name)? {
            Scanned::Events { source, .. } if source.late_events == LateEvents::Drop => {
                Some((source.source.clone(), expr))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether an expression is a function of the event time alone that never falls as time goes on.
fn follows(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == metadata::NAMES[metadata::TIME],
        Expr::Alias(alias) => follows(&alias.expr),
        Expr::Cast(cast) => {
            let ordered = matches!(cast.field.data_type(), DataType::Timestamp(_, _) | DataType::Date32);
            ordered && follows(&cast.expr)
        }
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            ("date_trunc", [Expr::Literal(_, _), time]) | ("date_bin", [Expr::Literal(_, _), time]) => follows(time),
            ("date_bin", [Expr::Literal(_, _), time, Expr::Literal(_, _)]) => follows(time),
            _ => false,
        },
        Expr::BinaryExpr(binary) => {
            let moved = matches!(binary.op, Operator::Plus | Operator::Minus);
            moved && is_interval(&binary.right) && follows(&binary.left)
        }
        _ => false,
    }
}

fn is_interval(expr: &Expr) -> bool {
    use ScalarValue::{IntervalDayTime, IntervalMonthDayNano, IntervalYearMonth};
    matches!(expr, Expr::Literal(IntervalDayTime(_) | IntervalMonthDayNano(_) | IntervalYearMonth(_), _))
}

fn physical(of_time: &Expr) -> Option<Arc<dyn PhysicalExpr>> {
    let schema = DFSchema::try_from(ClosingSpec::time_schema()).ok()?;
    let bare = of_time.clone().transform(|expr| match expr {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    });
    create_physical_expr(&bare.ok()?.data, &schema, &ExecutionProps::new(), &Default::default()).ok()
}
