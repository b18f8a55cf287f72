//! `time_bucket(width, t)`, which is `date_bin` from another origin: bins of months begin in January 2000, others on Monday, 3 January
//! 2000, so that weeks begin on Mondays.

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::functions::datetime::date_bin;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF, lit};

use super::date_bin::DateBin;
use super::own::{self, Function, is_text, of_type};

/// Microseconds of 1 and 3 January 2000.
const MONTHS_FROM_US: i64 = 946_684_800_000_000;
const DAYS_FROM_US: i64 = 946_857_600_000_000;

static TIME_BUCKET: Function = Function {
    name: "time_bucket",
    usage: "`time_bucket(INTERVAL '1 hour', t)`, and a time to begin from",
    takes: |types| match types {
        [DataType::Interval(_), time, origin @ ..] if origin.len() < 2 => {
            let time = match time {
                DataType::Timestamp(..) => time.clone(),
                of if is_text(of) || *of == DataType::Date32 => DataType::Timestamp(TimeUnit::Microsecond, None),
                _ => return None,
            };
            let is_time = |of: &DataType| is_text(of) || matches!(of, DataType::Timestamp(..) | DataType::Date32);
            let origin = origin.first().map(|of| is_time(of).then(|| time.clone()));
            let cast_to = [Some(types[0].clone()), Some(time)].into_iter().chain(origin);
            cast_to.collect()
        }
        _ => None,
    },
    gives: |fields| of_type(fields[1].data_type().clone()),
    compute: |_| exec_err!("`time_bucket` takes a length that is written out, as in INTERVAL '1 hour'"),
};

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, [&TIME_BUCKET])
}

/// The call as one of `date_bin`, if it is one of `time_bucket`.
///
/// # Errors
/// If its width is not written out, or has months and days.
pub(super) fn as_date_bin(call: &ScalarFunction, written: Option<IntervalMonthDayNano>) -> Result<Option<Expr>> {
    if call.func.name() != TIME_BUCKET.name {
        return Ok(None);
    }
    let Some(width) = written else {
        return plan_err!(
            "`time_bucket` takes a length that is written out, as in `time_bucket(INTERVAL '1 hour', t)`"
        );
    };
    let origin = match width {
        IntervalMonthDayNano { months: 0, .. } => DAYS_FROM_US,
        IntervalMonthDayNano { days: 0, nanoseconds: 0, .. } => MONTHS_FROM_US,
        _ => return plan_err!("`time_bucket` takes months, or days and hours, and not both at once"),
    };
    let mut arguments = call.args.clone();
    if arguments.len() < 3 {
        arguments.push(lit(ScalarValue::TimestampMicrosecond(Some(origin), None)));
    }
    let function = ScalarUDF::from(DateBin::new(date_bin()));
    Ok(Some(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(function), arguments))))
}
