//! `sum` of integers, durations and decimals: DataFusion's own over a wider type, so that it never wraps around.
//!
//! A sum that does not fit its type is an error.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type, FieldRef, Int64Type,
    UInt64Type, i256,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, EmitTo, GroupsAccumulator};

use crate::circuit::{fitted_decimal, fitted_integer};

/// The type that values of `data_type` are added up in, which no number of them exceeds.
fn wide_type(data_type: &DataType) -> Result<DataType> {
    match data_type {
        DataType::Int64 | DataType::UInt64 | DataType::Duration(_) => {
            Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0))
        }
        DataType::Decimal128(_, scale) => Ok(DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale)),
        other => internal_err!("a sum of {other} is not widened"),
    }
}

fn widened(values: &ArrayRef) -> Result<ArrayRef> {
    let integers = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);
    Ok(match values.data_type() {
        DataType::Int64 => {
            let wide = values.as_primitive::<Int64Type>().unary::<_, Decimal128Type>(i128::from);
            Arc::new(wide.with_data_type(integers))
        }
        DataType::UInt64 => {
            let wide = values.as_primitive::<UInt64Type>().unary::<_, Decimal128Type>(i128::from);
            Arc::new(wide.with_data_type(integers))
        }
        DataType::Duration(_) => widened(&cast(values, &DataType::Int64)?)?,
        DataType::Decimal128(_, scale) => {
            let wide = values.as_primitive::<Decimal128Type>().unary::<_, Decimal256Type>(i256::from_i128);
            Arc::new(wide.with_data_type(DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale)))
        }
        other => return internal_err!("a sum of {other} is not widened"),
    })
}

/// The inverse of [`widened`], for values of `data_type`.
fn fitted(sums: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    Ok(match data_type {
        DataType::UInt64 => {
            Arc::new(sums.as_primitive::<Decimal128Type>().try_unary::<_, UInt64Type, _>(fitted_integer)?)
        }
        DataType::Int64 | DataType::Duration(_) => {
            let sums = sums.as_primitive::<Decimal128Type>().try_unary::<_, Int64Type, _>(fitted_integer)?;
            cast(&sums, data_type)?
        }
        &DataType::Decimal128(precision, scale) => {
            let fitted = |sum| fitted_decimal(sum, precision, scale);
            let sums = sums.as_primitive::<Decimal256Type>().try_unary::<_, Decimal128Type, _>(fitted)?;
            Arc::new(sums.with_data_type(data_type.clone()))
        }
        other => return internal_err!("a sum of {other} is not widened"),
    })
}

/// The call over the wider type.
fn wide_call<'a>(args: &AccumulatorArgs<'a>) -> Result<AccumulatorArgs<'a>> {
    let return_field = Arc::new(args.return_field.as_ref().clone().with_data_type(wide_type(args.return_type())?));
    Ok(AccumulatorArgs { return_field, ..args.clone() })
}

/// What a state keeps of a sum.
pub(super) fn state_fields(sum: &AggregateUDF, args: &StateFieldsArgs) -> Result<Vec<FieldRef>> {
    let return_field = Arc::new(args.return_field.as_ref().clone().with_data_type(wide_type(args.return_type())?));
    sum.state_fields(StateFieldsArgs {
        name: args.name,
        input_fields: args.input_fields,
        return_field,
        ordering_fields: args.ordering_fields,
        is_distinct: args.is_distinct,
    })
}

/// DataFusion's accumulator over the wider type.
pub(super) fn accumulator(sum: &AggregateUDF, args: &AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
    Ok(wide_accumulator(sum.accumulator(wide_call(args)?)?, args))
}

/// As [`accumulator`], for one that takes values back.
pub(super) fn sliding_accumulator(sum: &AggregateUDF, args: &AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
    Ok(wide_accumulator(sum.create_sliding_accumulator(wide_call(args)?)?, args))
}

fn wide_accumulator(inner: Box<dyn Accumulator>, args: &AccumulatorArgs) -> Box<dyn Accumulator> {
    Box::new(WideAccumulator { inner, data_type: args.return_type().clone() })
}

/// DataFusion's accumulator of many groups over the wider type.
pub(super) fn groups_accumulator(sum: &AggregateUDF, args: &AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
    let inner = sum.create_groups_accumulator(wide_call(args)?)?;
    Ok(Box::new(WideGroups { inner, data_type: args.return_type().clone() }))
}

#[derive(Debug)]
struct WideAccumulator {
    inner: Box<dyn Accumulator>,
    /// Of the values and the result, whose precision alone may be another.
    data_type: DataType,
}

impl Accumulator for WideAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&[widened(&values[0])?])
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&[widened(&values[0])?])
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&fitted(&sum, &self.data_type)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}

struct WideGroups {
    inner: Box<dyn GroupsAccumulator>,
    /// Of the values and the results.
    data_type: DataType,
}

impl GroupsAccumulator for WideGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        self.inner.update_batch(&[widened(&values[0])?], groups, filter, group_count)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        self.inner.merge_batch(states, groups, group_count)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        fitted(&self.inner.evaluate(emit_to)?, &self.data_type)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&[widened(&values[0])?], filter)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}
