//! One NaN and one zero: floats that are equal in SQL become equal in bits.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::circuit::canonical;

/// `canonical_float(x)`: every NaN becomes the same NaN, -0.0 becomes 0.0.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CanonicalFloat {
    signature: Signature,
}

impl Default for CanonicalFloat {
    fn default() -> Self {
        let types = vec![DataType::Float64, DataType::Float32];
        Self { signature: Signature::uniform(1, types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CanonicalFloat {
    fn name(&self) -> &str {
        "canonical_float"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(canonical_array(&arrays[0])))
    }
}

/// A float array in canonical form; any other array as it is.
pub(super) fn canonical_array(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => {
            let canonical: Float64Array = array.as_primitive::<Float64Type>().unary(canonical);
            Arc::new(canonical)
        }
        DataType::Float32 => {
            let one = |x: f32| if x.is_nan() { f32::NAN } else { x + 0.0 };
            let canonical: Float32Array = array.as_primitive::<Float32Type>().unary(one);
            Arc::new(canonical)
        }
        _ => array.clone(),
    }
}
