//! Window functions that depend on the order of their rows get a total one.
//!
//! Ranks keep theirs, for they are about ties. So do range and group frames, whose peers belong together.

use std::sync::Arc;

use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, Window, WindowFrameUnits};

use super::RewriteError;
use super::aggregates::reject_inexact;
use super::ties::OrderedInput;
use crate::config::Code;
use crate::plan::functions::{OrderedForm, known};

/// The windows with every order made total; None if no function in them needs one.
pub(super) fn rewrite(window: &Window) -> Result<Option<LogicalPlan>, RewriteError> {
    let rows = OrderedInput::of(&window.input)?;
    let expressions = window.window_expr.iter().map(|expression| complete(expression, &rows));
    let expressions = expressions.collect::<Result<Vec<_>, _>>()?;
    let (completed, kept): (Vec<_>, Vec<_>) =
        expressions.into_iter().partition(|expression| !window.window_expr.contains(expression));
    if completed.is_empty() {
        return Ok(None);
    }
    // All functions of one node sort alike, so those whose order is completed need a node of their own.
    let mut plan = rows.plan;
    for expressions in [kept, completed].into_iter().filter(|expressions| !expressions.is_empty()) {
        plan = LogicalPlan::Window(Window::try_new(expressions, Arc::new(plan))?);
    }
    Ok(Some(OrderedInput::restored(plan, &window.schema)?))
}

fn complete(expression: &Expr, rows: &OrderedInput) -> Result<Expr, RewriteError> {
    let Some(function) = call(expression) else { return Ok(expression.clone()) };
    if !needs_total_order(function).map_err(|error| error.at(expression))? {
        return Ok(expression.clone());
    }
    let mut function = function.clone();
    if function.params.order_by.is_empty() && !rows.in_stream_order {
        return Err(unordered(function.fun.name()).at(expression));
    }
    function.params.order_by = rows.complete(function.params.order_by);
    Ok(Expr::from(function).alias(expression.qualified_name().1))
}

fn call(expression: &Expr) -> Option<&WindowFunction> {
    match expression {
        Expr::Alias(alias) => call(&alias.expr),
        Expr::WindowFunction(function) => Some(function),
        _ => None,
    }
}

fn needs_total_order(function: &WindowFunction) -> Result<bool, RewriteError> {
    let (name, params) = (function.fun.name(), &function.params);
    let frame = &params.window_frame;
    let [from_start, to_end] = [&frame.start_bound, &frame.end_bound].map(|bound| bound.is_unbounded());
    let by_rows = frame.units == WindowFrameUnits::Rows;
    reject_inexact(name)?;
    let known = known(name);
    if known.is_some_and(|known| known.is_own) {
        return Err(not_a_window(name, known.and_then(|known| known.ordered)));
    }
    let skips_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    Ok(match (name, known.and_then(|known| known.ordered)) {
        ("rank" | "dense_rank" | "percent_rank" | "cume_dist", _) => false,
        ("row_number" | "ntile" | "lag" | "lead", _) => true,
        (_, None) => by_rows && !(from_start && to_end),
        _ if by_rows || from_start && to_end => true,
        // The row at the open end of a frame is the same, wherever its other end is among the peers.
        (_, Some(OrderedForm::FirstValue)) if from_start && !skips_nulls => true,
        (_, Some(OrderedForm::LastValue)) if to_end && !skips_nulls => true,
        _ => {
            return Err(RewriteError::new(
                Code::NoOrder,
                format!("`{name}` over a frame of peers is undefined where they tie"),
                "add a frame of rows, for example `ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW`",
            ));
        }
    })
}

fn not_a_window(name: &str, form: Option<OrderedForm>) -> RewriteError {
    let hint = match form {
        Some(OrderedForm::Latest | OrderedForm::MaxBy) => {
            "write `last_value(x) IGNORE NULLS OVER (… ORDER BY … ROWS BETWEEN …)`"
        }
        Some(OrderedForm::Earliest | OrderedForm::MinBy) => {
            "write `first_value(x) IGNORE NULLS OVER (… ORDER BY … ROWS BETWEEN …)`"
        }
        _ => "write `array_agg(x) OVER (… ORDER BY … ROWS BETWEEN …)`",
    };
    RewriteError::new(Code::NotKept, format!("`{name}` is an aggregate, not a window function"), hint)
}

fn unordered(name: &str) -> RewriteError {
    RewriteError::new(
        Code::NoOrder,
        format!("`{name}` needs ORDER BY here: only the events of one source have an order of their own"),
        format!("write `{name}(…) OVER (… ORDER BY …)`, or read one relation of one source"),
    )
}
