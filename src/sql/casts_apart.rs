//! `cast_apart(x, 'TYPE')` is `x`, under a name of its own. `desugar/casts_apart.rs` writes it, and the optimiser takes it away again.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(in crate::sql) const CAST_APART: &str = "cast_apart";

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    registry
        .register_udf(Arc::new(ScalarUDF::from(CastApart { signature: Signature::any(2, Volatility::Immutable) })))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CastApart {
    signature: Signature,
}

impl ScalarUDFImpl for CastApart {
    fn name(&self) -> &str {
        CAST_APART
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    /// With what the value's own field says beside its type: whether it is NULL, and whether it is JSON.
    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(args.arg_fields[0].as_ref().clone().with_name(CAST_APART)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args[0].clone())
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.into_iter().next() {
            Some(value) => Ok(ExprSimplifyResult::Simplified(value)),
            None => internal_err!("`{CAST_APART}` has no argument"),
        }
    }
}
