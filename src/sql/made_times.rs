//! Times that are made of their parts or counted: `make_timestamp`, `date_diff`, `epoch_ms` and `last_day`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::execution::FunctionRegistry;

use super::own::{self, Call, Function, is_text, of_type};

const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const MICROSECONDS_OF_A_DAY: i64 = 86_400_000_000;

static FUNCTIONS: [&Function; 5] = [
    &Function {
        name: "make_timestamp",
        usage: "`make_timestamp(year, month, day, hour, minute, second)`",
        takes: |types| match types {
            [whole @ .., seconds] if whole.len() == 5 && seconds.is_numeric() => whole
                .iter()
                .all(DataType::is_integer)
                .then(|| [vec![DataType::Int64; 5], vec![DataType::Float64]].concat()),
            _ => None,
        },
        gives: |_| of_type(TIME),
        compute: make_timestamp,
    },
    &Function {
        name: "date_diff",
        usage: "`date_diff('day', from, to)`",
        takes: |types| match types {
            [part, from, to] if is_text(part) && is_time(from) && is_time(to) => Some(vec![DataType::Utf8, TIME, TIME]),
            _ => None,
        },
        gives: |_| of_type(DataType::Int64),
        compute: date_diff,
    },
    &counted("epoch_ms", |call| Ok(microseconds(call, |time_us| time_us.div_euclid(1000)))),
    &counted("epoch_us", |call| Ok(microseconds(call, |time_us| time_us))),
    &Function {
        name: "last_day",
        usage: "`last_day(day)`",
        takes: |types| match types {
            [of] if is_time(of) => Some(vec![DataType::Date32]),
            _ => None,
        },
        gives: |_| of_type(DataType::Date32),
        compute: |call| {
            let days = call.arguments[0].as_primitive::<Date32Type>();
            let last = |day: i32| {
                let date = Date32Type::to_naive_date_opt(day)?;
                date.with_day(1)?
                    .checked_add_months(chrono::Months::new(1))?
                    .pred_opt()
                    .map(Date32Type::from_naive_date)
            };
            let last_days = days.iter().map(|day| day.and_then(last));
            Ok(Arc::new(last_days.collect::<Date32Array>()))
        },
    },
];

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, FUNCTIONS)
}

const fn counted(name: &'static str, compute: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function {
        name,
        usage: "`epoch_ms(time)`",
        takes: |types| match types {
            [of] if is_time(of) => Some(vec![TIME]),
            _ => None,
        },
        gives: |_| of_type(DataType::Int64),
        compute,
    }
}

fn microseconds(call: &Call<'_>, count: fn(i64) -> i64) -> ArrayRef {
    let counted: Int64Array = call.arguments[0].as_primitive::<TimestampMicrosecondType>().unary(count);
    Arc::new(counted)
}

fn is_time(of: &DataType) -> bool {
    is_text(of) || matches!(of, DataType::Timestamp(..) | DataType::Date32)
}

fn make_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let made = (0..call.rows).map(|row| {
        if call.arguments.iter().any(|argument| argument.is_null(row)) {
            return Ok(None);
        }
        let [year, month, day, hour, minute] =
            [0, 1, 2, 3, 4].map(|index| call.arguments[index].as_primitive::<Int64Type>().value(row));
        let second = call.arguments[5].as_primitive::<Float64Type>().value(row);
        let made = time_us([year, month, day, hour, minute], second);
        let error = || exec_datafusion_err!("there is no time {year}-{month}-{day} {hour}:{minute}:{second}");
        made.ok_or_else(error).map(Some)
    });
    Ok(Arc::new(made.collect::<Result<TimestampMicrosecondArray>>()?))
}

fn time_us([year, month, day, hour, minute]: [i64; 5], second: f64) -> Option<i64> {
    let small = |number: i64| u32::try_from(number).ok();
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, small(month)?, small(day)?)?;
    if !(0.0..=60.0).contains(&second) {
        return None;
    }
    let time = date.and_hms_opt(small(hour)?, small(minute)?, 0)?;
    let second_us = TimeDelta::microseconds((second * 1e6).round_ties_even() as i64);
    Some(time.checked_add_signed(second_us)?.and_utc().timestamp_micros())
}

/// How many bounds of such parts lie between two times, as in DuckDB.
fn date_diff(call: &Call<'_>) -> Result<ArrayRef> {
    let [from, to] = [1, 2].map(|index| call.arguments[index].as_primitive::<TimestampMicrosecondType>());
    let counted = (0..call.rows).map(|row| {
        if call.arguments.iter().any(|argument| argument.is_null(row)) {
            return Ok(None);
        }
        let number = number_of(call.text(0).value(row))?;
        let (Some(from), Some(to)) = (number(from.value(row)), number(to.value(row))) else {
            return exec_err!("a time is out of range");
        };
        Ok(Some(to - from))
    });
    Ok(Arc::new(counted.collect::<Result<Int64Array>>()?))
}

/// The number of the part that a time is in.
///
/// # Errors
/// If there is no such part.
fn number_of(part: &str) -> Result<fn(i64) -> Option<i64>> {
    fn months(time_us: i64) -> Option<i64> {
        let date = DateTime::from_timestamp_micros(time_us)?.date_naive();
        Some(i64::from(date.year()) * 12 + i64::from(date.month0()))
    }
    let part = part.to_ascii_lowercase();
    Ok(match part.strip_suffix('s').unwrap_or(&part) {
        "microsecond" => Some,
        "millisecond" => |us| Some(us.div_euclid(1_000)),
        "second" => |us| Some(us.div_euclid(1_000_000)),
        "minute" => |us| Some(us.div_euclid(60_000_000)),
        "hour" => |us| Some(us.div_euclid(3_600_000_000)),
        "day" => |us| Some(us.div_euclid(MICROSECONDS_OF_A_DAY)),
        "week" => return exec_err!("`date_diff` counts no weeks: write `date_diff('day', a, b) / 7`"),
        "month" => months,
        "quarter" => |us| Some(months(us)?.div_euclid(3)),
        "year" => |us| Some(months(us)?.div_euclid(12)),
        _ => return exec_err!("`date_diff` counts microseconds to years, and `{part}` is none of these"),
    })
}
