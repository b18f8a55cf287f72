//! `date_bin` under its built-in name: times in microseconds by arithmetic, as far as they reach; the built-in function for
//! every other type and for months.
//!
//! The built-in function goes by way of nanoseconds, which end in 2262, and gives NULL for later times.

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::as_builtin::as_builtin;
use super::date_trunc::is_utc_microseconds;

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let date_bin = DateBin::new(registry.udf("date_bin")?);
    registry.register_udf(Arc::new(ScalarUDF::from(date_bin)))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DateBin {
    builtin: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for DateBin {
    as_builtin! { name return_type return_field_from_args output_ordering documentation }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Days and texts become times in microseconds, and an origin a time as those that are binned.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let (stride, time, origin) = match types {
            [stride, time] => (stride, time, None),
            [stride, time, origin] => (stride, time, Some(origin)),
            _ => return plan_err!("`date_bin` takes an interval, a time, and perhaps an origin"),
        };
        if !matches!(stride, DataType::Interval(_)) {
            return plan_err!(
                "`date_bin` takes an interval first, such as INTERVAL '15 minutes', and {stride} is none"
            );
        }
        let time = match time {
            DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => time.clone(),
            other if other.is_string() || other.is_null() || matches!(other, DataType::Date32 | DataType::Date64) => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            other => return plan_err!("`date_bin` takes a time, and {other} is none"),
        };
        let origin = origin.map(|_| match &time {
            DataType::Timestamp(TimeUnit::Microsecond, _) | DataType::Time32(_) | DataType::Time64(_) => time.clone(),
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()),
            other => other.clone(),
        });
        let stride = DataType::Interval(IntervalUnit::MonthDayNano);
        Ok([stride, time].into_iter().chain(origin).collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((stride, origin)) = microseconds(&args.args) else { return self.by_nanoseconds(args) };
        let of = args.args[1].data_type();
        let is_scalar = matches!(args.args[1], ColumnarValue::Scalar(_));
        let times = args.args[1].to_array(if is_scalar { 1 } else { args.number_rows })?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        // What lies in the place of a NULL is no time.
        let binned: PrimitiveArray<TimestampMicrosecondType> = times.try_unary(|time| {
            let behind = time.checked_sub(origin).map(|length| length.rem_euclid(stride));
            let start = behind.and_then(|behind| time.checked_sub(behind));
            start.ok_or_else(|| ArrowError::ComputeError(format!("{time} microseconds are out of range")))
        })?;
        let binned: ArrayRef = Arc::new(binned.with_data_type(of));
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&binned, 0)?)),
            false => Ok(ColumnarValue::Array(binned)),
        }
    }
}

impl DateBin {
    pub(super) fn new(builtin: Arc<ScalarUDF>) -> Self {
        Self { builtin, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// # Errors
    /// A time is out of the range of nanoseconds, for which the built-in function gives NULL.
    fn by_nanoseconds(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        if let Some(origin) = args.args.get_mut(2)
            && let DataType::Timestamp(_, zone) = origin.data_type()
        {
            *origin = origin.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, zone), None)?;
        }
        let nulls = |value: &ColumnarValue| Ok(value.to_array(rows)?.null_count());
        let before: Vec<usize> = args.args.iter().map(nulls).collect::<Result<_>>()?;
        let binned = self.builtin.inner().invoke_with_args(args)?;
        if nulls(&binned)? > 0 && before.iter().all(|nulls| *nulls == 0) {
            return exec_err!("`date_bin` by months takes times from 1677 to 2262 only");
        }
        Ok(binned)
    }
}

/// The stride and the origin, if they and the times are whole microseconds.
fn microseconds(args: &[ColumnarValue]) -> Option<(i64, i64)> {
    let (stride, time, origin) = match args {
        [stride, time] => (stride, time, None),
        [stride, time, origin] => (stride, time, Some(origin)),
        _ => return None,
    };
    let ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(stride))) = stride else { return None };
    let IntervalMonthDayNano { months: 0, days, nanoseconds } = *stride else { return None };
    let stride = i64::from(days) * 86_400_000_000 + nanoseconds / 1000;
    if nanoseconds % 1000 != 0 || stride <= 0 || !is_utc_microseconds(&time.data_type()) {
        return None;
    }
    let origin = match origin {
        None => 0,
        Some(ColumnarValue::Scalar(origin)) => {
            match origin.cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None)).ok()? {
                ScalarValue::TimestampMicrosecond(Some(origin), _) => origin,
                _ => return None,
            }
        }
        Some(ColumnarValue::Array(_)) => return None,
    };
    Some((stride, origin))
}
