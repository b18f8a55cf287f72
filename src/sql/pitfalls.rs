//! Expressions that DataFusion computes, and not as their author means: refused, with what to write instead, or computed as
//! meant. Both rooms that plan SQL need it: upcasters and projections.
//!
//! - Lengths of time and intervals are compared by months, then days, then nanoseconds, so that two days are less than
//!   `INTERVAL '1 day'`. An interval of fixed length becomes a length of time; others have none to be compared by.
//! - Patterns of times are chrono's (`%Y-%m-%d`). `YYYY-MM-DD`, as PostgreSQL writes it, would be text.
//! - A frame of a window whose start is after its end has no rows.
//! - An integer as a timestamp is one of seconds, milliseconds, microseconds or nanoseconds.
//! - SIMILAR TO is taken for a regular expression that is met anywhere in the text; in SQL it has to be met by the whole.
//! - A date and an interval give a date: the hours of the interval are cut.
//! - A decimal or a float that becomes an integer is rounded, not cut.
//! - A text beside a time is a time (`written_times`), and a list has no cast to anything but a list.
//! - Sums, differences and products of integers wrap around, and those of decimals have more digits than their type (`arithmetic`).
//! - Bins of no length, or of a negative one, all begin in 1970, and a percentile beyond the last value is the last value.

use arrow::array::types::IntervalMonthDayNano;
use arrow::datatypes::DataType;
use chrono::format::{Item, StrftimeItems};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Operator, TryCast, WindowFrame, WindowFrameBound, lit};

use super::arithmetic::failing;
use super::intervals::{TIMES, times};
use super::time_bucket::as_date_bin;
use super::whole_numbers::{has_fraction, to_whole};
use super::written_times::as_times;

const MICROSECONDS_OF_A_DAY: i64 = 86_400_000_000;

/// The functions that take a pattern of a time, and its index among their arguments; what follows are patterns too.
const PATTERNS: [(&str, usize); 9] = [
    ("to_char", 1),
    ("date_format", 1),
    ("to_date", 1),
    ("to_timestamp", 1),
    ("to_timestamp_seconds", 1),
    ("to_timestamp_millis", 1),
    ("to_timestamp_micros", 1),
    ("to_timestamp_nanos", 1),
    ("to_unixtime", 1),
];

/// The expression as it is meant.
///
/// # Errors
/// If it cannot be meant, with what to write instead.
pub fn as_meant(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expression.transform_up(|part| checked(part, schema))
}

fn checked(mut part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let has_times = as_times(&mut part, schema)?;
    let checked = without_texts(part, schema)?;
    Ok(Transformed { transformed: checked.transformed || has_times, ..checked })
}

/// What is no text beside a time.
fn without_texts(mut part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let sides: Vec<&mut Expr> = match &mut part {
        Expr::ScalarFunction(call) => {
            check_pattern(call)?;
            check_stride(call)?;
            check_digits(call, schema)?;
            let bucket = as_date_bin(call, call.args.first().and_then(written))?;
            return Ok(bucket.map_or_else(|| Transformed::no(part), Transformed::yes));
        }
        Expr::AggregateFunction(call) => {
            check_fraction(call.func.name(), &call.params.args)?;
            return Ok(Transformed::no(part));
        }
        Expr::WindowFunction(call) => {
            check_frame(&call.params.window_frame)?;
            check_fraction(call.fun.name(), &call.params.args)?;
            return Ok(Transformed::no(part));
        }
        Expr::Cast(cast) => {
            check_cast(cast, schema)?;
            let becomes_whole = is_made_whole(&cast.expr, cast.field.data_type(), schema);
            return Ok(if becomes_whole { made_whole(part) } else { Transformed::no(part) });
        }
        Expr::TryCast(cast) => {
            let becomes_whole = is_made_whole(&cast.expr, cast.field.data_type(), schema);
            return Ok(if becomes_whole { made_whole(part) } else { Transformed::no(part) });
        }
        Expr::SimilarTo(_) => {
            return plan_err!(
                "SIMILAR TO takes a pattern that is written out; write `regexp_like(…, '^(…)$')` with a regular expression"
            );
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right }) => {
            check_dates(left, right, schema)?;
            check_dates(right, left, schema)?;
            return Ok(failing(&part, schema).map_or_else(|| Transformed::no(part), Transformed::yes));
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::Multiply | Operator::Divide, .. }) | Expr::Negative(_) => {
            return Ok(failing(&part, schema).map_or_else(|| Transformed::no(part), Transformed::yes));
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => vec![left, right],
        Expr::Between(Between { expr, low, high, .. }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => std::iter::once(&mut **expr).chain(list).collect(),
        _ => return Ok(Transformed::no(part)),
    };
    let types: Vec<Option<DataType>> = sides.iter().map(|side| side.get_type(schema).ok()).collect();
    if !types.iter().flatten().any(|of| matches!(of, DataType::Interval(_))) {
        return Ok(Transformed::no(part));
    }
    for (side, of) in sides.into_iter().zip(types) {
        if matches!(of, Some(DataType::Interval(_))) {
            *side = length(side)?;
        }
    }
    Ok(Transformed::yes(part))
}

/// An interval that is written out.
fn written(interval: &Expr) -> Option<IntervalMonthDayNano> {
    match interval {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(interval), _) => *interval,
        Expr::Negative(negated) => {
            let IntervalMonthDayNano { months, days, nanoseconds } = written(negated)?;
            Some(IntervalMonthDayNano::new(-months, -days, -nanoseconds))
        }
        Expr::Alias(alias) => written(&alias.expr),
        Expr::ScalarFunction(call) if call.func.name() == TIMES => {
            let [interval, Expr::Literal(factor, _)] = &call.args[..] else { return None };
            match factor.cast_to(&DataType::Float64).ok()? {
                ScalarValue::Float64(Some(factor)) => times(written(interval)?, factor).ok(),
                _ => None,
            }
        }
        _ => None,
    }
}

/// An interval of fixed length as a length of time.
fn length(interval: &Expr) -> Result<Expr> {
    match written(interval) {
        Some(IntervalMonthDayNano { months: 0, days, nanoseconds }) => {
            let length = i64::from(days) * MICROSECONDS_OF_A_DAY + nanoseconds / 1000;
            Ok(lit(ScalarValue::DurationMicrosecond(Some(length))))
        }
        Some(_) => plan_err!(
            "an interval with months has no fixed length, so that nothing can be compared with it; write days, or add \
             the interval to a time and compare times"
        ),
        None => plan_err!(
            "`{}` is an interval, whose months, days and nanoseconds are not one length to be compared; subtract times, \
             and compare with an interval that is written out",
            interval.human_display()
        ),
    }
}

fn check_pattern(call: &ScalarFunction) -> Result<()> {
    let Some((_, first)) = PATTERNS.iter().find(|(name, _)| *name == call.func.name()) else { return Ok(()) };
    for argument in call.args.iter().skip(*first) {
        let Expr::Literal(value, _) = argument else { continue };
        let Some(Some(pattern)) = value.try_as_str() else { continue };
        let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
        let is_known = !items.contains(&Item::Error);
        let reads_a_time = items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_)));
        if !is_known || !reads_a_time {
            let name = call.func.name();
            return plan_err!(
                "`{pattern}` is no pattern of a time for `{name}`: patterns are written as in `%Y-%m-%d %H:%M:%S`"
            );
        }
    }
    Ok(())
}

fn check_stride(call: &ScalarFunction) -> Result<()> {
    let stride = call.args.first().filter(|_| matches!(call.func.name(), "date_bin" | "time_bucket")).and_then(written);
    match stride {
        Some(stride) if stride <= IntervalMonthDayNano::ZERO => {
            plan_err!(
                "`{0}` takes a length greater than nothing, as in `{0}(INTERVAL '15 minutes', …)`",
                call.func.name()
            )
        }
        _ => Ok(()),
    }
}

/// Digits of a hash that would be taken for bytes.
fn check_digits(call: &ScalarFunction, schema: &DFSchema) -> Result<()> {
    let Some(hash) = call.args.first().filter(|_| call.func.name() == "encode") else { return Ok(()) };
    let is_hash = matches!(hash, Expr::ScalarFunction(call) if matches!(call.func.name(), "md5" | "sha224" | "sha256" | "sha384" | "sha512"));
    if is_hash && hash.get_type(schema).is_ok_and(|of| of.is_string()) {
        return plan_err!(
            "`{}` gives hexadecimal digits of a text already: leave out `encode`, or hash its bytes, `sha256(CAST(… AS BYTEA))`",
            hash.human_display()
        );
    }
    Ok(())
}

/// The fraction of a percentile, as an aggregate or over a window.
fn check_fraction(name: &str, args: &[Expr]) -> Result<()> {
    if !matches!(name, "percentile_cont" | "percentile_disc" | "approx_percentile_cont") {
        return Ok(());
    }
    let Some(Expr::Literal(fraction, _)) = args.get(1) else { return Ok(()) };
    match fraction.cast_to(&DataType::Float64)? {
        ScalarValue::Float64(Some(fraction)) if !(0.0..=1.0).contains(&fraction) => {
            plan_err!("`{name}` takes a fraction from 0 to 1, and {fraction} is none")
        }
        _ => Ok(()),
    }
}

/// A date to which an interval is added.
fn check_dates(date: &Expr, interval: &Expr, schema: &DFSchema) -> Result<()> {
    let is = |side: &Expr, wanted: fn(&DataType) -> bool| side.get_type(schema).is_ok_and(|of| wanted(&of));
    if !is(date, |of| matches!(of, DataType::Date32)) || !is(interval, |of| matches!(of, DataType::Interval(_))) {
        return Ok(());
    }
    match written(interval) {
        Some(interval) if interval.nanoseconds == 0 => Ok(()),
        _ => plan_err!(
            "`{}` is a date, which would stay one and lose the hours of the interval; cast it to TIMESTAMP, or write an \
             interval of days or months",
            date.human_display()
        ),
    }
}

fn check_cast(cast: &Cast, schema: &DFSchema) -> Result<()> {
    let is_list =
        |of: &DataType| matches!(of, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..));
    let to = cast.field.data_type();
    if !is_list(to) && !to.is_string() && cast.expr.get_type(schema).is_ok_and(|of| is_list(&of)) {
        let list = match &*cast.expr {
            Expr::ScalarFunction(call) => format!("{}(…)", call.func.name()),
            other => other.human_display().to_string(),
        };
        return plan_err!(
            "`{list}` is a list, and a cast is of one value; `unnest({list})` makes a row of each element, as a function in FROM does"
        );
    }
    let is_time = matches!(cast.field.data_type(), DataType::Timestamp(_, _));
    if is_time && cast.expr.get_type(schema).is_ok_and(|of| of.is_integer()) {
        return plan_err!(
            "`{}` is a number, and a number is no timestamp without its unit; write `to_timestamp_seconds(…)`, \
             `to_timestamp_millis(…)` or `to_timestamp_micros(…)`",
            cast.expr.human_display()
        );
    }
    Ok(())
}

/// Whether a number loses its fraction in a cast.
fn is_made_whole(expr: &Expr, to: &DataType, schema: &DFSchema) -> bool {
    to.is_integer() && !is_whole(expr) && expr.get_type(schema).is_ok_and(|of| has_fraction(&of))
}

fn is_whole(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if matches!(call.func.name(), "to_whole" | "floor" | "ceil"))
}

fn made_whole(mut part: Expr) -> Transformed<Expr> {
    if let Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) = &mut part {
        let number = std::mem::take(&mut **expr);
        **expr = to_whole(number);
    }
    Transformed::yes(part)
}

/// DataFusion finds out only where it computes the window itself.
fn check_frame(frame: &WindowFrame) -> Result<()> {
    let (start, end) = (&frame.start_bound, &frame.end_bound);
    let rank = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(_) => 0,
        WindowFrameBound::CurrentRow => 1,
        WindowFrameBound::Following(_) => 2,
    };
    let is_behind = match (start, end) {
        // The greater number is further from the row.
        (WindowFrameBound::Preceding(start), WindowFrameBound::Preceding(end)) if !start.is_null() => {
            end.is_null() || start < end
        }
        (WindowFrameBound::Following(start), WindowFrameBound::Following(end)) if !end.is_null() => {
            start.is_null() || start > end
        }
        (start, end) => rank(start) > rank(end),
    };
    if is_behind {
        return plan_err!("a window's frame starts at `{start}`, which is after its end `{end}`: exchange them");
    }
    Ok(())
}

/// Whether two values are compared by it.
pub(super) fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}
