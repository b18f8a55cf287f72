//! Numbers with a fraction that become integers, as PostgreSQL and DuckDB have it: decimals are rounded half away from zero, floats half
//! to even.
//!
//! DataFusion cuts them. What it casts by itself, between types that it chooses, is left to it.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::Expr;

use super::own::{self, Function};

/// `to_whole(x)`: the nearest number without a fraction, of the same type.
static TO_WHOLE: Function = Function {
    name: "to_whole",
    usage: "`CAST(x AS BIGINT)`",
    takes: |types| match types {
        [of] if has_fraction(of) => Some(types.to_vec()),
        _ => None,
    },
    gives: |fields| Ok(fields[0].as_ref().clone().with_nullable(true)),
    compute: |call| rounded(&call.arguments[0]),
};

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, [&TO_WHOLE])
}

/// A number that is cast to an integer, made whole before.
pub(super) fn to_whole(expr: Expr) -> Expr {
    TO_WHOLE.udf().call(vec![expr])
}

/// Whether values of a type may have a fraction that integers have not.
pub(super) fn has_fraction(of: &DataType) -> bool {
    of.is_floating() || matches!(of, DataType::Decimal128(_, scale) if *scale > 0)
}

fn rounded(values: &ArrayRef) -> Result<ArrayRef> {
    if let DataType::Decimal128(_, scale) = values.data_type() {
        let unit = 10_i128.pow(u32::from(scale.unsigned_abs()));
        // Where there is no value, there may be any bits: their product wraps around.
        let whole = |value: i128| {
            let (quotient, rest) = (value / unit, value % unit);
            (quotient + if rest.abs() >= unit - rest.abs() { rest.signum() } else { 0 }).wrapping_mul(unit)
        };
        let whole: Decimal128Array = values.as_primitive::<Decimal128Type>().unary(whole);
        return Ok(Arc::new(whole.with_data_type(values.data_type().clone())));
    }
    let floats = cast(values, &DataType::Float64)?;
    let whole: Float64Array = floats.as_primitive::<Float64Type>().unary(f64::round_ties_even);
    Ok(cast(&whole, values.data_type())?)
}
