//! Window functions that depend on the order of their rows get a total one.
//!
//! Ranks keep theirs, for they are about ties. So do range and group frames, whose peers belong together. What depends on the order of
//! peers in such a frame, as `last_value` does in the frame that a window has by default, is computed row by row in a total order,
//! and then taken from the last peer.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::functions_window::nth_value::{first_value_udwf, last_value_udwf};
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction};
use datafusion::logical_expr::{Expr, LogicalPlan, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, ident};

use super::RewriteError;
use super::aggregates::reject_inexact;
use super::ties::OrderedInput;
use crate::config::Code;
use crate::plan::functions::{OrderedForm, known};

/// The windows with every order made total; None if no function in them needs one.
pub(super) fn rewrite(window: &Window) -> Result<Option<LogicalPlan>, RewriteError> {
    let rows = OrderedInput::of(&window.input)?;
    let (mut kept, mut completed, mut of_peers) = (Vec::new(), Vec::new(), Vec::new());
    for expression in &window.window_expr {
        let order = call(expression).map_or(Ok(Order::AsWritten), order).map_err(|error| error.at(expression))?;
        match (order, call(expression)) {
            (Order::AsWritten, _) | (_, None) => kept.push(expression.clone()),
            (Order::Total, Some(function)) => completed.push(named(complete(function, &rows, expression)?, expression)),
            (Order::OfPeers, Some(function)) => {
                let name = format!("__of_peers_{}", of_peers.len());
                let function = complete(function, &rows, expression)?;
                of_peers.push(named(of_all_peers(&function, &name, call(expression)), expression));
                completed.push(Expr::from(by_rows(function)).alias(name));
            }
        }
    }
    if completed.is_empty() {
        return Ok(None);
    }
    // All functions of one node sort alike, so those whose order is completed need a node of their own.
    let mut plan = rows.plan;
    for expressions in [kept, completed, of_peers].into_iter().filter(|expressions| !expressions.is_empty()) {
        plan = LogicalPlan::Window(Window::try_new(expressions, Arc::new(plan))?);
    }
    Ok(Some(OrderedInput::restored(plan, &window.schema)?))
}

fn named(function: WindowFunction, expression: &Expr) -> Expr {
    Expr::from(function).alias(expression.qualified_name().1)
}

fn complete(function: &WindowFunction, rows: &OrderedInput, expression: &Expr) -> Result<WindowFunction, RewriteError> {
    let mut function = function.clone();
    if function.params.order_by.is_empty() && !rows.in_stream_order {
        return Err(unordered(function.fun.name()).at(expression));
    }
    function.params.order_by = rows.complete(function.params.order_by);
    Ok(function)
}

/// The same function over rows one by one, not over all that tie.
fn by_rows(mut function: WindowFunction) -> WindowFunction {
    let unbounded = ScalarValue::UInt64(None);
    let (start, end) = match ends_at_peers(&function.params.window_frame) {
        true => (WindowFrameBound::Preceding(unbounded), WindowFrameBound::CurrentRow),
        false => (WindowFrameBound::CurrentRow, WindowFrameBound::Following(unbounded)),
    };
    function.params.window_frame = WindowFrame::new_bounds(WindowFrameUnits::Rows, start, end);
    function
}

/// What a frame up to the peers of a row, or from them, gives: the value that the last of them has in a total order, or the
/// first, which `column` has for each row.
fn of_all_peers(completed: &WindowFunction, column: &str, written: Option<&WindowFunction>) -> WindowFunction {
    let function = match ends_at_peers(&completed.params.window_frame) {
        true => last_value_udwf(),
        false => first_value_udwf(),
    };
    let mut picked = WindowFunction::new(function, vec![ident(column)]);
    let peers = written.into_iter().flat_map(|written| &written.params.order_by).map(|sort| sort.expr.clone());
    picked.params.partition_by = completed.params.partition_by.iter().cloned().chain(peers).collect();
    picked.params.order_by.clone_from(&completed.params.order_by);
    picked.params.window_frame = WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::Following(ScalarValue::UInt64(None)),
    );
    picked
}

fn ends_at_peers(frame: &WindowFrame) -> bool {
    matches!(frame.end_bound, WindowFrameBound::CurrentRow)
}

fn call(expression: &Expr) -> Option<&WindowFunction> {
    match expression {
        Expr::Alias(alias) => call(&alias.expr),
        Expr::WindowFunction(function) => Some(function),
        _ => None,
    }
}

/// Which order a function is computed in.
enum Order {
    AsWritten,
    /// One without ties.
    Total,
    /// One without ties, and of rows that tie in the one that is written, all have the value of the outermost.
    OfPeers,
}

fn order(function: &WindowFunction) -> Result<Order, RewriteError> {
    let (name, params) = (function.fun.name(), &function.params);
    let frame = &params.window_frame;
    let [from_start, to_end] = [&frame.start_bound, &frame.end_bound].map(|bound| bound.is_unbounded());
    let [from_peers, to_peers] =
        [&frame.start_bound, &frame.end_bound].map(|bound| matches!(bound, WindowFrameBound::CurrentRow));
    let by_rows = frame.units == WindowFrameUnits::Rows;
    reject_inexact(name)?;
    let known = known(name);
    if known.is_some_and(|known| known.is_own) {
        return Err(not_a_window(name, known.and_then(|known| known.ordered)));
    }
    let skips_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
    Ok(match (name, known.and_then(|known| known.ordered)) {
        ("rank" | "dense_rank" | "percent_rank" | "cume_dist", _) => Order::AsWritten,
        ("row_number" | "ntile" | "lag" | "lead", _) => Order::Total,
        (_, None) if by_rows && !(from_start && to_end) => Order::Total,
        (_, None) => Order::AsWritten,
        _ if by_rows || from_start && to_end => Order::Total,
        // The row at the open end of a frame is the same, wherever its other end is among the peers.
        (_, Some(OrderedForm::FirstValue)) if from_start && !skips_nulls => Order::Total,
        (_, Some(OrderedForm::LastValue)) if to_end && !skips_nulls => Order::Total,
        _ if from_start && to_peers || from_peers && to_end => Order::OfPeers,
        _ => {
            return Err(RewriteError::new(
                Code::NoOrder,
                format!("`{name}` over a frame between some values or peers is undefined where they tie"),
                "begin the frame at `UNBOUNDED PRECEDING`, or count rows: `ROWS BETWEEN 3 PRECEDING AND CURRENT ROW`",
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
