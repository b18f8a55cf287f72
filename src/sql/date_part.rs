//! `date_part` under its built-in name, with the parts of time that PostgreSQL counts from years: decades, centuries, millennia;
//! and with the fraction of the seconds of a length of time.

use std::sync::Arc;

use arrow::array::{AsArray, Float64Array, Int32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl};

use super::as_builtin::as_builtin;

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let builtin = registry.udf("date_part")?;
    registry.register_udf(Arc::new(ScalarUDF::from(DatePart { builtin })))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DatePart {
    builtin: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for DatePart {
    as_builtin! { name aliases signature coerce_types return_type return_field_from_args documentation }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let part = match args.args.first() {
            Some(ColumnarValue::Scalar(part)) => part.try_as_str().flatten().map(str::to_ascii_lowercase),
            _ => None,
        };
        if part.as_deref() == Some("epoch")
            && let Some(DataType::Duration(unit)) = args.args.get(1).map(ColumnarValue::data_type)
        {
            return seconds(&args, unit);
        }
        let count: Option<fn(i32) -> i32> = match part.as_deref() {
            Some("decade" | "decades") => Some(|year| year.div_euclid(10)),
            Some("century" | "centuries") => Some(|year| counted(year, 100)),
            Some("millennium" | "millennia") => Some(|year| counted(year, 1000)),
            _ => None,
        };
        let is_time = matches!(
            args.args.get(1).map(ColumnarValue::data_type),
            Some(DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
        );
        let Some(count) = count.filter(|_| is_time) else { return self.builtin.inner().invoke_with_args(args) };
        args.args[0] = ColumnarValue::Scalar(ScalarValue::Utf8(Some("year".to_owned())));
        let rows = args.number_rows;
        let years = self.builtin.inner().invoke_with_args(args)?;
        let is_scalar = matches!(years, ColumnarValue::Scalar(_));
        let years = cast(&years.into_array(if is_scalar { 1 } else { rows })?, &DataType::Int32)?;
        let counted: Int32Array = years.as_primitive::<Int32Type>().unary(count);
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&counted, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(counted))),
        }
    }
}

/// A length of time in seconds, with the fraction that DataFusion cuts.
fn seconds(args: &ScalarFunctionArgs, unit: TimeUnit) -> Result<ColumnarValue> {
    let per_second = match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    };
    let is_scalar = matches!(args.args[1], ColumnarValue::Scalar(_));
    let lengths = args.args[1].to_array(if is_scalar { 1 } else { args.number_rows })?;
    let counts = cast(&lengths, &DataType::Int64)?;
    let seconds: Float64Array = counts.as_primitive::<Int64Type>().unary(|count| count as f64 / per_second);
    match is_scalar {
        true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&seconds, 0)?)),
        false => Ok(ColumnarValue::Array(Arc::new(seconds))),
    }
}

/// The first one begins with the year 1, and the one before it, -1, ends with the year before that, which is 0 here.
fn counted(year: i32, years: i32) -> i32 {
    if year > 0 { (year + years - 1) / years } else { -((years - year) / years) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 gives.
    #[test]
    fn centuries_begin_with_the_year_1() {
        for (year, century, millennium) in [(2024, 21, 3), (2000, 20, 2), (2001, 21, 3), (1, 1, 1), (0, -1, -1)] {
            assert_eq!((counted(year, 100), counted(year, 1000)), (century, millennium), "{year}");
        }
    }
}
