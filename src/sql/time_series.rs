//! `generate_series` and `range` over times, in microseconds, and of bounded length.
//!
//! DataFusion gives nanoseconds, which end in 2262 (<https://github.com/apache/datafusion/issues/8336>), and makes lists of any length: one
//! event with a large number in it would take all memory. A list of more than [`LENGTH_MAX`] elements is an error of its row.

use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::types::IntervalMonthDayNano;
use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, ListBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, FieldRef, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl};

use super::as_builtin::as_builtin;
use super::bounded::LENGTH_MAX;

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Registers the functions over those of the same names.
///
/// # Errors
/// If the registry lacks one of them, or refuses its successor.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for (name, has_end) in [("generate_series", true), ("range", false)] {
        let builtin = registry.udf(name)?;
        registry.register_udf(Arc::new(ScalarUDF::from(Series { builtin, has_end })))?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Series {
    builtin: Arc<ScalarUDF>,
    /// Whether the end is an element.
    has_end: bool,
}

impl ScalarUDFImpl for Series {
    as_builtin! { name aliases signature documentation }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.builtin.return_type(types).map(in_microseconds)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.builtin.return_field_from_args(args)?;
        let data_type = in_microseconds(field.data_type().clone());
        Ok(Arc::new(field.as_ref().clone().with_data_type(data_type)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let is_time = matches!(types[0], DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
        if types.iter().any(DataType::is_null) {
            return self.builtin.inner().invoke_with_args(args);
        }
        let is_scalar = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let given = args.args.iter().map(|argument| argument.to_array(rows)).collect::<Result<Vec<_>>>()?;
        if !is_time {
            self.check_length(&given)?;
            return self.builtin.inner().invoke_with_args(args);
        }
        let lists: ArrayRef = Arc::new(self.times(&given, args.return_field.data_type())?);
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&lists, 0)?)),
            false => Ok(ColumnarValue::Array(lists)),
        }
    }
}

impl Series {
    /// # Errors
    /// If a list of numbers would be too long.
    fn check_length(&self, given: &[ArrayRef]) -> Result<()> {
        let numbers = given.iter().map(|array| cast(array, &DataType::Int64)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..numbers[0].len() {
            let of = |index: usize| {
                let array = numbers.get(index)?.as_primitive::<Int64Type>();
                array.is_valid(row).then(|| i128::from(array.value(row)))
            };
            let (from, to, step) = match numbers.len() {
                1 => (Some(0), of(0), Some(1)),
                2 => (of(0), of(1), Some(1)),
                _ => (of(0), of(1), of(2)),
            };
            let (Some(from), Some(to), Some(step)) = (from, to, step) else { continue };
            if step != 0 && (to - from) / step > LENGTH_MAX as i128 {
                return self.too_long();
            }
        }
        Ok(())
    }

    fn too_long<T>(&self) -> Result<T> {
        exec_err!("`{}` would give more than {LENGTH_MAX} elements", self.name())
    }

    fn times(&self, given: &[ArrayRef], gives: &DataType) -> Result<ListArray> {
        let DataType::List(item) = gives else { return exec_err!("`{}` gives a list, and not {gives}", self.name()) };
        let zone = match given[0].data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let in_microseconds = |array: &ArrayRef| {
            // A date is its first moment; what has a zone is the same instant.
            let zone = match array.data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            };
            Ok::<TimestampMicrosecondArray, datafusion::common::DataFusionError>(
                cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?.as_primitive().clone(),
            )
        };
        let (from, to) = (in_microseconds(&given[0])?, in_microseconds(&given[1])?);
        let steps = cast(&given[2], &INTERVAL)?;
        let steps = steps.as_primitive::<IntervalMonthDayNanoType>();
        let tz: Tz = zone.as_deref().unwrap_or("+00:00").parse()?;
        let values = TimestampMicrosecondBuilder::new().with_timezone_opt(zone.clone());
        let mut lists = ListBuilder::new(values);
        for row in 0..from.len() {
            if from.is_null(row) || to.is_null(row) || steps.is_null(row) {
                lists.append_null();
                continue;
            }
            let series = self.one(from.value(row), to.value(row), steps.value(row), tz)?;
            lists.values().append_slice(&series);
            lists.append(true);
        }
        let (_, offsets, values, nulls) = lists.finish().into_parts();
        let values = cast(&values, item.data_type())?;
        Ok(ListArray::try_new(item.clone(), offsets, values, nulls)?)
    }

    /// The moments from one on, each by the step after the one before.
    fn one(&self, from: i64, to: i64, step: IntervalMonthDayNano, zone: Tz) -> Result<Vec<i64>> {
        let next = |at| TimestampMicrosecondType::add_month_day_nano(at, step, zone);
        let second =
            next(from).ok_or_else(|| exec_datafusion_err!("the second moment of `{}` is out of range", self.name()))?;
        if second == from {
            return exec_err!("`{}` takes a step that leads from one moment to another", self.name());
        }
        let steps = (i128::from(to) - i128::from(from)) / i128::from(second - from);
        if step.months == 0 && steps > LENGTH_MAX as i128 {
            return self.too_long();
        }
        let is_before_end = |at: i64| match (second > from, self.has_end) {
            (true, true) => at <= to,
            (true, false) => at < to,
            (false, true) => at >= to,
            (false, false) => at > to,
        };
        let mut series = Vec::new();
        let mut at = Some(from);
        while let Some(moment) = at.filter(|at| is_before_end(*at)) {
            if series.len() == LENGTH_MAX {
                return self.too_long();
            }
            series.push(moment);
            at = next(moment);
        }
        Ok(series)
    }
}

/// The same list, of microseconds where it is of times.
fn in_microseconds(data_type: DataType) -> DataType {
    match data_type {
        DataType::List(item) => match item.data_type() {
            DataType::Timestamp(_, zone) => {
                let of = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
                DataType::List(Arc::new(Field::new_list_field(of, item.is_nullable())))
            }
            _ => DataType::List(item),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::util::display::array_value_to_string;
    use datafusion::prelude::SessionContext;

    async fn shown(sql: &str) -> String {
        let mut state = SessionContext::new().state();
        super::register(&mut state).unwrap();
        let context = SessionContext::new_with_state(state);
        let result = match context.sql(sql).await {
            Ok(frame) => frame.collect().await,
            Err(error) => Err(error),
        };
        match result {
            Ok(batches) => array_value_to_string(batches[0].column(0), 0).unwrap(),
            Err(error) => error.strip_backtrace(),
        }
    }

    const FROM: &str = "CAST('9998-12-30T12:00:00' AS TIMESTAMP(6))";

    #[tokio::test]
    async fn far_times_have_series_too() {
        let series = |to: &str, step: &str| {
            format!("SELECT generate_series({FROM}, {FROM} + INTERVAL '{to}', INTERVAL '{step}')")
        };
        assert_eq!(
            shown(&series("1 day", "12 hours")).await,
            "[9998-12-30T12:00:00, 9998-12-31T00:00:00, 9998-12-31T12:00:00]"
        );
        assert_eq!(
            shown(&series("1 day", "12 hours").replace("generate_series", "range")).await,
            "[9998-12-30T12:00:00, 9998-12-31T00:00:00]"
        );
        assert_eq!(shown(&series("-1 day", "-1 day")).await, "[9998-12-30T12:00:00, 9998-12-29T12:00:00]");
        assert_eq!(shown(&series("-1 day", "1 day")).await, "[]");
        assert_eq!(
            shown("SELECT generate_series(DATE '2024-01-31', DATE '2024-03-31', INTERVAL '1 month')").await,
            "[2024-01-31, 2024-02-29, 2024-03-29]"
        );
    }

    #[tokio::test]
    async fn no_list_is_longer_than_memory() {
        for sql in [
            "SELECT generate_series(1, 1000000000000)",
            "SELECT range(9223372036854775807)",
            "SELECT generate_series(0, -1000000000000, -1)",
            "SELECT generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2025-01-01', INTERVAL '1 microsecond')",
        ] {
            let shown = shown(sql).await;
            assert!(shown.contains("more than 10000000 elements"), "{sql}: {shown}");
        }
        assert_eq!(shown("SELECT generate_series(5, 1, -2)").await, "[5, 3, 1]");
        let same = shown(
            "SELECT generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-02-01', INTERVAL '1 month -31 days')",
        )
        .await;
        assert!(same.contains("from one moment to another"), "{same}");
    }
}
