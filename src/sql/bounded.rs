//! Functions whose result is as long as an argument says: `repeat`, `lpad`, `array_repeat` and the like. An event with a large number in it
//! would take all memory, so that a result of more than [`LENGTH_MAX`] characters or elements is an error of its row.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl};

use super::as_builtin::as_builtin;

/// Of a list in elements, of a text in bytes of UTF-8.
pub(super) const LENGTH_MAX: usize = 10_000_000;

/// Each takes the length as its second argument.
const FUNCTIONS: [&str; 5] = ["repeat", "lpad", "rpad", "array_repeat", "array_resize"];

/// Registers the functions over those of the same names.
///
/// # Errors
/// If the registry lacks one of them, or refuses its successor.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    FUNCTIONS.into_iter().try_for_each(|name| {
        let builtin = registry.udf(name)?;
        registry.register_udf(Arc::new(ScalarUDF::from(Bounded { builtin }))).map(|_| ())
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    builtin: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Bounded {
    as_builtin! { name aliases signature coerce_types return_type return_field_from_args simplify documentation }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [of, length, ..] = &args.args[..] {
            self.check(of, length, args.number_rows)?;
        }
        self.builtin.inner().invoke_with_args(args)
    }
}

impl Bounded {
    /// # Errors
    /// If a result would be too long.
    fn check(&self, of: &ColumnarValue, length: &ColumnarValue, rows: usize) -> Result<()> {
        let is_scalar = [of, length].iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { rows };
        let lengths = cast(&length.to_array(rows)?, &DataType::Int64)?;
        let lengths = lengths.as_primitive::<Int64Type>();
        let each = match self.name() {
            "repeat" => Some(cast(&of.to_array(rows)?, &DataType::Utf8)?),
            _ => None,
        };
        for row in (0..rows).filter(|row| lengths.is_valid(*row)) {
            let each = each.as_ref().map_or(1, |texts| texts.as_string::<i32>().value_length(row));
            if i128::from(lengths.value(row)) * i128::from(each) > LENGTH_MAX as i128 {
                return exec_err!("`{}` would give more than {LENGTH_MAX} characters or elements", self.name());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::util::display::array_value_to_string;
    use datafusion::prelude::SessionContext;

    async fn shown(expression: &str) -> String {
        let mut state = SessionContext::new().state();
        super::register(&mut state).unwrap();
        let sql = format!("SELECT {expression} FROM (VALUES ('ab', 3)) AS t(s, n)");
        let computed = async { SessionContext::new_with_state(state).sql(&sql).await?.collect().await };
        match computed.await {
            Ok(batches) => array_value_to_string(batches[0].column(0), 0).unwrap(),
            Err(error) => error.strip_backtrace(),
        }
    }

    #[tokio::test]
    async fn no_result_is_longer_than_memory() {
        for expression in [
            "repeat(s, n * 2000000)",
            "repeat('x', 2000000000)",
            "lpad(s, n * 10000000)",
            "rpad('x', 2000000000, s)",
            "array_repeat(n, n * 1000000000000)",
            "list_repeat(s, 1000000000000)",
            "array_resize([n], n * 1000000000000, 0)",
        ] {
            let shown = shown(expression).await;
            assert!(shown.contains("more than 10000000 characters"), "{expression}: {shown}");
        }
    }

    #[tokio::test]
    async fn shorter_ones_are_as_they_were() {
        assert_eq!(shown("repeat(s, n) || lpad(s, n, '-') || rpad(s, 4, '.')").await, "ababab-abab..");
        assert_eq!(shown("array_repeat(s, -1)").await, "[]");
        assert_eq!(shown("array_resize([1], n, 0)").await, "[1, 0, 0]");
        assert_eq!(shown("repeat(NULL, n)").await, "");
    }
}
