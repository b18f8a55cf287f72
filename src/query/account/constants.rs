//! Two functions that plans are completed with: `constant`, a value as it is copied into rows, and `joined`, the operator `||`
//! of texts. By themselves neither is a function that could be metered.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::concat_elements::concat_elements_utf8;
use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

const CONSTANT: &str = "constant";

/// A value as an array of as many rows as there are.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant(Signature);

/// `a || b` of texts; NULL where either is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined(Signature);

pub(super) fn constant() -> Arc<ScalarUDF> {
    // Not to be folded into the literal that it stands for.
    Arc::new(ScalarUDF::from(Constant(Signature::any(1, Volatility::Stable))))
}

pub(super) fn joined() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Joined(Signature::any(2, Volatility::Immutable))))
}

pub(super) fn is_constant(function: &ScalarUDF) -> bool {
    function.name() == CONSTANT
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        CONSTANT
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().ok_or_else(|| internal_datafusion_err!("constant() has one argument"))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = args.args.pop().ok_or_else(|| internal_datafusion_err!("constant() has one argument"))?;
        Ok(ColumnarValue::Array(value.into_array(args.number_rows)?))
    }
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &str {
        "joined"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let texts = args.args.into_iter().map(|arg| Ok(cast(&arg.into_array(rows)?, &DataType::Utf8)?));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        let [left, right] = &texts[..] else { return Err(internal_datafusion_err!("joined() has two arguments")) };
        let joined = concat_elements_utf8(left.as_string::<i32>(), right.as_string::<i32>())?;
        Ok(ColumnarValue::Array(Arc::new(joined) as Arc<dyn Array>))
    }
}
