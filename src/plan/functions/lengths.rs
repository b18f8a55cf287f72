//! Sums of intervals and averages of durations: added up in 128 bits, which no number of values exceeds.
//!
//! DataFusion's wrap around. A result that does not fit its type is an error.

use std::sync::Arc;

use arrow::array::types::IntervalMonthDayNano;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, Field, FieldRef, Int64Type, IntervalMonthDayNanoType,
    IntervalUnit,
};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::utils::format_state_name;

use crate::circuit::fitted_integer;

/// As [`Lengths::state`] gives them: decimals without a scale, whose 38 digits are more than any sum has.
const SUM: DataType = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);

#[derive(Debug)]
pub(super) struct Lengths {
    /// Months, days and nanoseconds of intervals; of durations only the first.
    sums: [i128; 3],
    count: i64,
    /// Of the values and the result.
    data_type: DataType,
}

impl Lengths {
    pub(super) fn new(data_type: DataType) -> Self {
        Self { sums: [0; 3], count: 0, data_type }
    }

    fn add(&mut self, values: &ArrayRef, weight: i64) -> Result<()> {
        match values.data_type() {
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                for interval in values.as_primitive::<IntervalMonthDayNanoType>().iter().flatten() {
                    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
                    self.add_parts([months.into(), days.into(), nanoseconds.into()], weight);
                }
            }
            DataType::Duration(_) => {
                for length in cast(values, &DataType::Int64)?.as_primitive::<Int64Type>().iter().flatten() {
                    self.add_parts([length.into(), 0, 0], weight);
                }
            }
            other => return internal_err!("{other} is no length"),
        }
        Ok(())
    }

    fn add_parts(&mut self, parts: [i128; 3], weight: i64) {
        for (sum, part) in self.sums.iter_mut().zip(parts) {
            *sum += part * i128::from(weight);
        }
        self.count += weight;
    }
}

/// The columns of a state of the call `name`.
pub(super) fn state_fields(name: &str) -> Vec<FieldRef> {
    let sums = (0..3).map(|part| Field::new(format_state_name(name, &format!("part {part}")), SUM, false));
    let count = Field::new(format_state_name(name, "count"), DataType::Int64, false);
    sums.chain([count]).map(Arc::new).collect()
}

impl Accumulator for Lengths {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (sum, parts) in self.sums.iter_mut().zip(states) {
            *sum += parts.as_primitive::<Decimal128Type>().iter().flatten().sum::<i128>();
        }
        self.count += states[3].as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sums = self.sums.map(|sum| ScalarValue::Decimal128(Some(sum), DECIMAL128_MAX_PRECISION, 0));
        Ok(sums.into_iter().chain([ScalarValue::Int64(Some(self.count))]).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(&self.data_type);
        }
        match self.data_type {
            DataType::Interval(_) => Ok(ScalarValue::IntervalMonthDayNano(Some(interval(self.sums)?))),
            _ => {
                let mean = fitted_integer::<i64>(self.sums[0] / i128::from(self.count))?;
                Ok(ScalarValue::Int64(Some(mean)).cast_to(&self.data_type)?)
            }
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

fn interval([months, days, nanoseconds]: [i128; 3]) -> Result<IntervalMonthDayNano, ArrowError> {
    let parts = (months.try_into(), days.try_into(), nanoseconds.try_into());
    let (Ok(months), Ok(days), Ok(nanoseconds)) = parts else {
        return Err(ArrowError::ArithmeticOverflow(format!(
            "a sum has more than an interval: {months} months, {days} days, {nanoseconds} nanoseconds"
        )));
    };
    Ok(IntervalMonthDayNano { months, days, nanoseconds })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{DurationMicrosecondArray, IntervalMonthDayNanoArray};
    use arrow::datatypes::TimeUnit;

    use super::*;

    /// What two accumulators give of two halves, one of which takes the state of the other.
    fn merged(halves: [ArrayRef; 2]) -> Result<ScalarValue> {
        let mut whole = Lengths::new(halves[0].data_type().clone());
        for half in halves {
            let mut part = Lengths::new(half.data_type().clone());
            part.update_batch(&[half])?;
            let state = part.state()?.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>>>()?;
            assert_eq!(
                state_fields("x").iter().map(|field| field.data_type()).collect::<Vec<_>>(),
                state.iter().map(|column| column.data_type()).collect::<Vec<_>>()
            );
            whole.merge_batch(&state)?;
        }
        whole.evaluate()
    }

    #[test]
    fn a_mean_fits_where_its_sum_does_not() {
        let of = DataType::Duration(TimeUnit::Microsecond);
        let half =
            || Arc::new(DurationMicrosecondArray::from(vec![Some(i64::MAX), None, Some(i64::MAX - 2)])) as ArrayRef;
        assert_eq!(merged([half(), half()]).unwrap(), ScalarValue::DurationMicrosecond(Some(i64::MAX - 1)));
        let mut none = Lengths::new(of);
        none.update_batch(&[half()]).unwrap();
        none.retract_batch(&[half()]).unwrap();
        assert_eq!(none.evaluate().unwrap(), ScalarValue::DurationMicrosecond(None));
    }

    #[test]
    fn intervals_are_added_up_part_by_part() {
        let half = |nanoseconds| {
            let interval = IntervalMonthDayNano { months: 1, days: -2, nanoseconds };
            Arc::new(IntervalMonthDayNanoArray::from(vec![interval])) as ArrayRef
        };
        let sum = IntervalMonthDayNano { months: 2, days: -4, nanoseconds: i64::MAX };
        let fits = merged([half(1), half(i64::MAX - 1)]).unwrap();
        assert_eq!(fits, ScalarValue::IntervalMonthDayNano(Some(sum)));
        let told = merged([half(1), half(i64::MAX)]).unwrap_err().to_string();
        assert!(told.contains("2 months, -4 days, 9223372036854775808 nanoseconds"), "{told}");
    }
}
