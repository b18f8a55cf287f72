//! Expressions that never fall as event time goes on: what they were for one event, they are no more for a later one.
//!
//! Of one source only, and only where its late events are dropped, so that time does go on.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

use super::substitute::below;
use crate::event::{LateEvents, metadata};
use crate::plan::Scope;
use crate::plan::scope::Scanned;

/// The source that an expression over the rows of `input` follows, and the expression over the columns of its events.
pub(in crate::plan) fn of_event_time(expr: &Expr, input: &LogicalPlan, scope: &Scope) -> Option<(String, Expr)> {
    over_events(expr.clone(), input, scope).filter(|(_, of_time)| never_falls(of_time))
}

/// The expression over the columns of the events that `input` is made of row by row, and their source, if its late
/// events are dropped.
fn over_events(expr: Expr, input: &LogicalPlan, scope: &Scope) -> Option<(String, Expr)> {
    match input {
        LogicalPlan::Filter(filter) => over_events(expr, &filter.input, scope),
        LogicalPlan::SubqueryAlias(alias) => over_events(below(&expr, input)?, &alias.input, scope),
        LogicalPlan::Projection(projection) => over_events(below(&expr, input)?, &projection.input, scope),
        LogicalPlan::TableScan(scan) => match scope.find(&scan.table_name)? {
            Scanned::Events { source, .. } if source.schema.late_events == LateEvents::Drop => {
                Some((source.schema.source.clone(), expr))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether an expression is a function of the event time alone that never falls as time goes on.
fn never_falls(expr: &Expr) -> bool {
    match expr {
        Expr::Column(column) => column.name == metadata::NAMES[metadata::TIME],
        Expr::Alias(alias) => never_falls(&alias.expr),
        Expr::Cast(cast) => {
            let ordered = matches!(cast.field.data_type(), DataType::Timestamp(_, _) | DataType::Date32);
            ordered && never_falls(&cast.expr)
        }
        Expr::ScalarFunction(call) => match (call.name(), call.args.as_slice()) {
            ("date_trunc", [Expr::Literal(_, _), time]) | ("date_bin", [Expr::Literal(_, _), time]) => {
                never_falls(time)
            }
            ("date_bin", [Expr::Literal(_, _), time, Expr::Literal(_, _)]) => never_falls(time),
            _ => false,
        },
        Expr::BinaryExpr(binary) => {
            let moved = matches!(binary.op, Operator::Plus | Operator::Minus);
            moved && is_interval(&binary.right) && never_falls(&binary.left)
        }
        _ => false,
    }
}

fn is_interval(expr: &Expr) -> bool {
    use ScalarValue::{IntervalDayTime, IntervalMonthDayNano, IntervalYearMonth};
    matches!(expr, Expr::Literal(IntervalDayTime(_) | IntervalMonthDayNano(_) | IntervalYearMonth(_), _))
}
