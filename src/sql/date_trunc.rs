//! `date_trunc` under its built-in name: times in microseconds by the calendar, as far as they reach; the built-in function for
//! every other type.
//!
//! The built-in function goes by way of nanoseconds, which end in 2262.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::as_builtin::as_builtin;

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let date_trunc = DateTrunc::new(registry.udf("date_trunc")?);
    registry.register_udf(Arc::new(ScalarUDF::from(date_trunc)))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    builtin: Arc<ScalarUDF>,
    signature: Signature,
}

impl DateTrunc {
    fn new(builtin: Arc<ScalarUDF>) -> Self {
        Self { builtin, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DateTrunc {
    as_builtin! { name aliases return_type return_field_from_args documentation }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Days and texts become times in microseconds.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [unit, time] = types else { return plan_err!("`date_trunc` takes a unit and a time") };
        let time = match time {
            DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => time.clone(),
            other if other.is_string() || other.is_null() || matches!(other, DataType::Date32 | DataType::Date64) => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            other => return plan_err!("`date_trunc` takes a time, and {other} is none"),
        };
        match unit.is_string() {
            true => Ok(vec![DataType::Utf8, time]),
            false => plan_err!("`date_trunc` takes a unit as a text, such as 'day', and {unit} is none"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unit = match args.args.as_slice() {
            [ColumnarValue::Scalar(unit), time] if is_utc_microseconds(&time.data_type()) => {
                unit.try_as_str().flatten()
            }
            _ => None,
        };
        let Some(unit) = unit.and_then(Unit::of) else { return self.builtin.inner().invoke_with_args(args) };
        let rows = args.number_rows;
        let is_scalar = matches!(args.args[1], ColumnarValue::Scalar(_));
        let of = args.args[1].data_type();
        let times = args.args[1].to_array(if is_scalar { 1 } else { rows })?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let truncated: PrimitiveArray<TimestampMicrosecondType> = times.try_unary(|time| unit.truncated(time))?;
        let truncated: ArrayRef = Arc::new(truncated.with_data_type(of));
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&truncated, 0)?)),
            false => Ok(ColumnarValue::Array(truncated)),
        }
    }
}

pub(super) fn is_utc_microseconds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, time_zone) => {
            time_zone.as_deref().is_none_or(|time_zone| time_zone == "UTC")
        }
        _ => false,
    }
}

/// What a time is truncated to.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// Microseconds.
    Fixed(i64),
    Week,
    /// Of the calendar.
    Months(u32),
}

impl Unit {
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "microsecond" => Unit::Fixed(1),
            "millisecond" => Unit::Fixed(1_000),
            "second" => Unit::Fixed(1_000_000),
            "minute" => Unit::Fixed(60_000_000),
            "hour" => Unit::Fixed(3_600_000_000),
            "day" => Unit::Fixed(86_400_000_000),
            "week" => Unit::Week,
            "month" => Unit::Months(1),
            "quarter" => Unit::Months(3),
            "year" => Unit::Months(12),
            _ => return None,
        })
    }

    /// # Errors
    /// The time is out of the calendar's range.
    fn truncated(self, time_us: i64) -> Result<i64, arrow::error::ArrowError> {
        if let Unit::Fixed(microseconds) = self {
            return Ok(time_us.div_euclid(microseconds) * microseconds);
        }
        let day = DateTime::from_timestamp_micros(time_us).map(|time| time.date_naive());
        let first = day.and_then(|day| match self {
            Unit::Week => day.week(chrono::Weekday::Mon).checked_first_day(),
            Unit::Months(months) => NaiveDate::from_ymd_opt(day.year(), day.month0() / months * months + 1, 1),
            Unit::Fixed(_) => Some(day),
        });
        let start = first.and_then(|first| first.and_hms_opt(0, 0, 0)).map(|start| start.and_utc().timestamp_micros());
        start.ok_or_else(|| arrow::error::ArrowError::ComputeError(format!("{time_us} microseconds are out of range")))
    }
}
