//! Intervals that are made, multiplied and taken between times, as PostgreSQL has them: `make_interval`, `interval * n`, `age`.

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::array::{Array, AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use datafusion::common::{DFSchema, Result, exec_datafusion_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{ExprSchemable, cast, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::own::{self, Call, Function, is_text, of_type};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const SECONDS_OF_A_DAY: f64 = 86_400.0;
const NANOSECONDS_OF_A_SECOND: f64 = 1e9;
const DAYS_OF_A_MONTH: f64 = 30.0;

/// The function that `interval * number` is.
pub(super) const TIMES: &str = "interval_times";

static MULTIPLY: Function = Function {
    name: TIMES,
    usage: "`INTERVAL '1 day' * n`",
    takes: |types| match types {
        [DataType::Interval(_), of] if of.is_numeric() || of.is_null() => Some(vec![INTERVAL, DataType::Float64]),
        _ => None,
    },
    gives: |_| of_type(INTERVAL),
    compute: |call| {
        let factors = call.arguments[1].as_primitive::<Float64Type>();
        let intervals = call.arguments[0].as_primitive::<IntervalMonthDayNanoType>();
        let products = intervals.iter().zip(factors).map(|(interval, factor)| match (interval, factor) {
            (Some(interval), Some(factor)) => times(interval, factor).map(Some),
            _ => Ok(None),
        });
        Ok(Arc::new(products.collect::<Result<IntervalMonthDayNanoArray>>()?))
    },
};

static MAKE_INTERVAL: Function = Function {
    name: "make_interval",
    usage: "`make_interval(days => 3)`, with years, months, weeks, days, hours, mins and secs",
    takes: |types| {
        let whole = types.iter().take(6).all(|of| of.is_integer() || of.is_null());
        let seconds = types.get(6).is_none_or(|of| of.is_numeric() || of.is_null());
        let cast_to = [vec![DataType::Int64; 6], vec![DataType::Float64]].concat();
        (types.len() < 8 && whole && seconds).then(|| cast_to[..types.len()].to_vec())
    },
    gives: |_| of_type(INTERVAL),
    compute: |call| {
        let made = (0..call.rows).map(|row| match call.arguments.iter().all(|argument| argument.is_valid(row)) {
            true => made(call, row).map(Some),
            false => Ok(None),
        });
        Ok(Arc::new(made.collect::<Result<IntervalMonthDayNanoArray>>()?))
    },
};

static AGE: Function = Function {
    name: "age",
    usage: "`age(later, earlier)`",
    takes: |types| {
        let is_time = |of: &DataType| is_text(of) || matches!(of, DataType::Date32 | DataType::Timestamp(_, _));
        let to = DataType::Timestamp(TimeUnit::Microsecond, None);
        (types.len() == 2 && types.iter().all(is_time)).then(|| vec![to; 2])
    },
    gives: |_| of_type(INTERVAL),
    compute: |call| {
        let [later, earlier] = [0, 1].map(|index| call.arguments[index].as_primitive::<TimestampMicrosecondType>());
        let ages = later.iter().zip(earlier).map(|(later, earlier)| match (later, earlier) {
            (Some(later), Some(earlier)) => age(later, earlier).ok_or_else(out_of_range).map(Some),
            _ => Ok(None),
        });
        Ok(Arc::new(ages.collect::<Result<IntervalMonthDayNanoArray>>()?))
    },
};

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, [&MULTIPLY, &MAKE_INTERVAL, &AGE])?;
    registry.register_expr_planner(Arc::new(Products))
}

/// `interval * n`, `n * interval` and `interval / n`.
#[derive(Debug)]
struct Products;

impl ExprPlanner for Products {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if !matches!(expr.op, BinaryOperator::Multiply | BinaryOperator::Divide) {
            return Ok(PlannerResult::Original(expr));
        }
        let is_interval = [&expr.left, &expr.right]
            .map(|side| side.get_type(schema).is_ok_and(|of| matches!(of, DataType::Interval(_))));
        let name = format!("{} {} {}", expr.left.human_display(), expr.op, expr.right.human_display());
        let product = match (&expr.op, is_interval) {
            (BinaryOperator::Multiply, [true, false]) => MULTIPLY.udf().call(vec![expr.left, expr.right]),
            (BinaryOperator::Multiply, [false, true]) => MULTIPLY.udf().call(vec![expr.right, expr.left]),
            (BinaryOperator::Divide, [true, false]) => {
                // What is divided by 0 is infinite, and no interval.
                let share = lit(1.0) / cast(expr.right, DataType::Float64);
                MULTIPLY.udf().call(vec![expr.left, share])
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(product.alias(name)))
    }
}

/// What is left of a month are days of 30, and what is left of a day is time, as in PostgreSQL.
///
/// # Errors
/// If the product is no interval.
pub(super) fn times(interval: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    let six_digits = |x: f64| (x * 1e6).round_ties_even() / 1e6;
    let (months, days) = (f64::from(interval.months) * factor, f64::from(interval.days) * factor);
    let days_of_month = six_digits((months - months.trunc()) * DAYS_OF_A_MONTH);
    let seconds = six_digits((days - days.trunc() + days_of_month - days_of_month.trunc()) * SECONDS_OF_A_DAY);
    let whole_days = (seconds / SECONDS_OF_A_DAY).trunc();
    let seconds = seconds - whole_days * SECONDS_OF_A_DAY;
    let microseconds = interval.nanoseconds as f64 / 1e3 * factor + seconds * 1e6;
    let nanoseconds = microseconds.round_ties_even() * 1e3;
    let days = days.trunc() + days_of_month.trunc() + whole_days;
    Ok(IntervalMonthDayNano::new(whole(months.trunc())? as i32, whole(days)? as i32, long(nanoseconds)?))
}

fn made(call: &Call<'_>, row: usize) -> Result<IntervalMonthDayNano> {
    let part = |index: usize| {
        call.arguments.get(index).map_or(0, |argument| argument.as_primitive::<Int64Type>().value(row)) as f64
    };
    let seconds = call.arguments.get(6).map_or(0.0, |argument| argument.as_primitive::<Float64Type>().value(row));
    let microseconds = ((part(4) * 60.0 + part(5)) * 60.0) * 1e6 + (seconds * 1e6).round_ties_even();
    Ok(IntervalMonthDayNano::new(
        whole(part(0) * 12.0 + part(1))? as i32,
        whole(part(2) * 7.0 + part(3))? as i32,
        long(microseconds * NANOSECONDS_OF_A_SECOND / 1e6)?,
    ))
}

/// # Errors
/// The number is none of 32 bits.
fn whole(number: f64) -> Result<i64> {
    let fits = number.is_finite() && number.abs() <= f64::from(i32::MAX);
    if fits { Ok(number as i64) } else { Err(out_of_range()) }
}

fn long(number: f64) -> Result<i64> {
    let fits = number.is_finite() && number.abs() < i64::MAX as f64;
    if fits { Ok(number as i64) } else { Err(out_of_range()) }
}

fn out_of_range() -> datafusion::common::DataFusionError {
    exec_datafusion_err!("the interval is out of range")
}

/// Years, months, days and time from the earlier time to the later, by the calendar; days that a month lacks are those of the month
/// of the earlier one, as in PostgreSQL.
fn age(to_us: i64, from_us: i64) -> Option<IntervalMonthDayNano> {
    let (later, earlier) = (to_us.max(from_us), to_us.min(from_us));
    let (end, start) = (date_time(later)?, date_time(earlier)?);
    let mut time_us = microseconds_of_day(end) - microseconds_of_day(start);
    let mut days = end.day() as i32 - start.day() as i32;
    let mut months = (end.year() - start.year()) * 12 + end.month() as i32 - start.month() as i32;
    if time_us < 0 {
        time_us += 86_400_000_000;
        days -= 1;
    }
    // Of two times that are given the other way round, PostgreSQL borrows from the month of the first as well.
    if days < 0 {
        days += days_of_month(start.date())?;
        months -= 1;
    }
    let sign = if to_us < from_us { -1 } else { 1 };
    Some(IntervalMonthDayNano::new(sign * months, sign * days, i64::from(sign) * time_us * 1000))
}

fn date_time(time_us: i64) -> Option<NaiveDateTime> {
    Some(DateTime::from_timestamp_micros(time_us)?.naive_utc())
}

fn microseconds_of_day(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_micros().rem_euclid(86_400_000_000)
}

fn days_of_month(day: NaiveDate) -> Option<i32> {
    Some(i32::from(day.num_days_in_month()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn us(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_micros()
    }

    /// What PostgreSQL 15 gives.
    #[test]
    fn an_age_is_that_of_postgresql() {
        let hours = |hours: i64| hours * 3_600_000_000_000;
        for (later, earlier, expected) in [
            ("2024-03-01 00:00", "2023-01-15 00:00", (13, 17, 0)),
            ("2024-03-31 00:00", "2024-02-29 00:00", (1, 2, 0)),
            ("2024-03-01 10:00", "2024-01-31 12:00", (1, 0, hours(22))),
            ("2024-01-31 00:00", "2024-03-01 00:00", (-1, -1, 0)),
            ("2024-03-01 00:00", "2023-03-02 00:00", (11, 30, 0)),
        ] {
            let found = age(us(later), us(earlier)).unwrap();
            assert_eq!((found.months, found.days, found.nanoseconds), expected, "{later} {earlier}");
        }
    }

    /// What PostgreSQL 15 gives.
    #[test]
    fn a_product_is_that_of_postgresql() {
        let interval = IntervalMonthDayNano::new;
        for (factors, expected) in [
            ((interval(1, 15, 0), 1.5), interval(1, 37, 43_200_000_000_000)),
            ((interval(0, 1, 0), 0.5), interval(0, 0, 43_200_000_000_000)),
            ((interval(1, 0, 0), 1.0 / 3.0), interval(0, 10, 0)),
            ((interval(0, 1, 0), 1.0 / 7.0), interval(0, 0, 12_342_857_143_000)),
            ((interval(0, 0, 10_800_000_000_000), -2.0), interval(0, 0, -21_600_000_000_000)),
            ((interval(0, 1, 0), 3.0), interval(0, 3, 0)),
        ] {
            assert_eq!(times(factors.0, factors.1).unwrap(), expected, "{factors:?}");
        }
        assert!(times(interval(1, 0, 0), f64::INFINITY).is_err());
    }
}
