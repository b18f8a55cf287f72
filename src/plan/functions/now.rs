//! `now()` under its built-in name, in microseconds as the times of events.
//!
//! The built-in one gives nanoseconds, which end in 2262: a time of 9999 that is compared with them is an error.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, lit,
};

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Now {
    pub(super) builtin: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        self.builtin.name()
    }

    fn aliases(&self) -> &[String] {
        self.builtin.aliases()
    }

    fn signature(&self) -> &Signature {
        self.builtin.signature()
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let builtin = Arc::new(self.builtin.inner().with_updated_config(config)?);
        Some(ScalarUDF::from(Now { builtin }))
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.builtin.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.builtin.return_field_from_args(args)?;
        let DataType::Timestamp(_, time_zone) = field.data_type() else { return Ok(field) };
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, time_zone.clone());
        Ok(Arc::new(Field::new(field.name(), data_type, field.is_nullable())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.builtin.inner().invoke_with_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match self.builtin.simplify(args, info)? {
            ExprSimplifyResult::Simplified(Expr::Literal(ScalarValue::TimestampNanosecond(Some(now), zone), _)) => {
                ExprSimplifyResult::Simplified(lit(ScalarValue::TimestampMicrosecond(Some(now / 1000), zone)))
            }
            other => other,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.builtin.documentation()
    }
}
