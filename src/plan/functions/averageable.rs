//! `averageable(x)`: a decimal as it is, if it is an average of its own; else an error.
//!
//! An average has four more digits behind the point than its values, which the greatest decimals have no room for. So one value
//! can make an average fail, and that is the fault of its event. DataFusion finds it out in the average of a whole group.

use std::sync::Arc;

use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL128_MAX_SCALE, DataType};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Digits that an average has behind those of its values.
const MORE_DIGITS: u8 = 4;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Averageable {
    signature: Signature,
}

impl Default for Averageable {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

/// The values, checked if one of their type may be no average.
pub(in crate::plan) fn averageable(values: Expr, data_type: &DataType) -> Expr {
    match data_type {
        DataType::Decimal128(precision, _) if precision + MORE_DIGITS > DECIMAL128_MAX_PRECISION => {
            ScalarUDF::from(Averageable::default()).call(vec![values])
        }
        _ => values,
    }
}

impl ScalarUDFImpl for Averageable {
    fn name(&self) -> &str {
        "averageable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let values = Arc::clone(&ColumnarValue::values_to_arrays(&args.args)?[0]);
        if let DataType::Decimal128(_, scale) = values.data_type() {
            let scale = scale.saturating_add_unsigned(MORE_DIGITS).min(DECIMAL128_MAX_SCALE);
            let average = DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale);
            cast_with_options(&values, &average, &CastOptions { safe: false, ..CastOptions::default() })?;
        }
        Ok(ColumnarValue::Array(values))
    }
}
