//! DataFusion's `to_timestamp` of a text gives another type than it says.
//!
//! With a session's time zone, `to_timestamp(t, '%d.%m.%Y')` says `Timestamp(ns, "UTC")` and gives `Timestamp(ns)` for texts; so do
//! the forms for seconds to nanoseconds. As a column that is an error for every batch, and a debug build ends on it anywhere.
//! No upstream issue was found. The workaround wraps each function in one that gives the type that is said. Both rooms that
//! plan SQL need it: upcasters and projections.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl};

use super::as_builtin::as_builtin;

const FUNCTIONS: [&str; 5] =
    ["to_timestamp", "to_timestamp_seconds", "to_timestamp_millis", "to_timestamp_micros", "to_timestamp_nanos"];

/// Registers the functions over those of the same names.
///
/// # Errors
/// If the registry lacks one of them, or refuses its successor.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for name in FUNCTIONS {
        let builtin = registry.udf(name)?;
        registry.register_udf(Arc::new(ScalarUDF::from(AsDeclared { builtin })))?;
    }
    let (builtin, seconds) = (registry.udf("to_timestamp")?, registry.udf("to_timestamp_seconds")?);
    registry.register_udf(Arc::new(ScalarUDF::from(ToTimestamp { builtin, seconds })))?;
    Ok(())
}

/// `to_timestamp` in microseconds, as the times of events. The built-in one gives nanoseconds, which end in 2262.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToTimestamp {
    builtin: Arc<ScalarUDF>,
    /// What whole numbers are read by.
    seconds: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for ToTimestamp {
    as_builtin! { name signature coerce_types }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.builtin.return_type(types).map(in_microseconds)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.builtin.return_field_from_args(args)?;
        let data_type = in_microseconds(field.data_type().clone());
        Ok(Arc::new(field.as_ref().clone().with_data_type(data_type)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let declared = args.return_field.data_type().clone();
        let DataType::Timestamp(_, zone) = &declared else { return self.builtin.inner().invoke_with_args(args) };
        let (function, unit) = match args.args[0].data_type() {
            // Only a cast reads far times.
            of if of.is_string() && args.args.len() == 1 => return args.args[0].cast_to(&declared, None),
            of if of.is_integer() => (&self.seconds, TimeUnit::Second),
            _ => (&self.builtin, TimeUnit::Nanosecond),
        };
        let given = DataType::Timestamp(unit, zone.clone());
        args.return_field = Arc::new(args.return_field.as_ref().clone().with_data_type(given));
        let result = function.inner().invoke_with_args(args)?;
        if result.data_type() == declared { Ok(result) } else { result.cast_to(&declared, None) }
    }
}

fn in_microseconds(data_type: DataType) -> DataType {
    match data_type {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone),
        other => other,
    }
}

/// A function whose result is cast to the type that it declares.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AsDeclared {
    builtin: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for AsDeclared {
    as_builtin! { name signature coerce_types return_type return_field_from_args }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let declared = args.return_field.data_type().clone();
        let result = self.builtin.inner().invoke_with_args(args)?;
        if result.data_type() == declared { Ok(result) } else { result.cast_to(&declared, None) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::util::display::array_value_to_string;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    async fn shown(context: &SessionContext) -> Result<String> {
        let sql = "SELECT to_timestamp(t, '%d.%m.%Y %H:%M') AS t FROM (VALUES ('31.12.2025 23:59')) AS v(t)";
        let batches = context.sql(sql).await?.collect().await?;
        Ok(array_value_to_string(batches[0].column(0), 0)?)
    }

    #[tokio::test]
    async fn a_text_becomes_what_the_function_says() {
        let mut config = SessionConfig::new();
        config.options_mut().execution.time_zone = Some("UTC".to_owned());
        let mut context = SessionContext::new_with_config(config);
        let plain = context.clone();
        let wrong = tokio::spawn(async move { shown(&plain).await }).await;
        assert!(!matches!(wrong, Ok(Ok(_))), "it is right now: delete `sql/text_timestamps.rs`");
        register(&mut context).unwrap();
        assert_eq!(shown(&context).await.unwrap(), "2025-12-31T23:59:00Z");
    }
}
