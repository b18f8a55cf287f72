//! Parameters of free SQL as JSON, typed by their JSON form alone.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use serde_json::{Map, Number, Value};

use crate::query::{Params, QueryError};

/// An object for `$name`, an array for `$1` and so on, or null for none.
#[derive(Debug)]
pub(crate) enum JsonParams {
    Named(Map<String, Value>),
    Positional(Vec<Value>),
}

/// Why a JSON value is no parameter.
#[derive(Debug, thiserror::Error)]
enum ParameterError {
    #[error("{0} is out of range")]
    Range(Number),
    #[error("an array mixes {0} and {1}")]
    Mixed(DataType, DataType),
    #[error("an object cannot be a parameter")]
    Object,
    /// DataFusion has no NULL of this type.
    #[error("an array of {0} cannot have null in it")]
    Null(DataType),
}

impl JsonParams {
    /// # Errors
    /// Where it is neither an object nor an array nor null.
    pub(crate) fn new(params: Value) -> Result<Self, QueryError> {
        match params {
            Value::Null => Ok(JsonParams::Positional(Vec::new())),
            Value::Object(map) => Ok(JsonParams::Named(map)),
            Value::Array(list) => Ok(JsonParams::Positional(list)),
            _ => Err(QueryError::invalid("params has to be an object ($name) or an array ($1)")),
        }
    }

    /// # Errors
    /// Where a value is out of range, an object, or an array of several types.
    pub(crate) fn typed(&self) -> Result<Params, QueryError> {
        let wrong =
            |name: &str, error: ParameterError| QueryError::invalid(format!("the parameter `${name}`: {error}"));
        match self {
            JsonParams::Positional(list) => {
                let value =
                    |(number, value): (usize, &Value)| typed(value).map_err(|error| wrong(&number.to_string(), error));
                Ok(Params::Positional((1..).zip(list).map(value).collect::<Result<_, _>>()?))
            }
            JsonParams::Named(map) => {
                let value = |(name, value): (&String, &Value)| {
                    Ok((name.clone(), typed(value).map_err(|error| wrong(name, error))?))
                };
                Ok(Params::Named(map.iter().map(value).collect::<Result<HashMap<_, _>, QueryError>>()?))
            }
        }
    }
}

fn typed(value: &Value) -> Result<ScalarValue, ParameterError> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), ..) => ScalarValue::Int64(Some(value)),
            (_, Some(value), _) => ScalarValue::UInt64(Some(value)),
            (_, _, Some(value)) => ScalarValue::Float64(Some(value)),
            _ => return Err(ParameterError::Range(number.clone())),
        },
        Value::Array(items) => {
            let items = items.iter().map(typed).collect::<Result<Vec<_>, _>>()?;
            let data_type = items.iter().map(ScalarValue::data_type).find(|one| *one != DataType::Null);
            let data_type = data_type.unwrap_or(DataType::Utf8);
            let cast = |item: ScalarValue| match item.data_type() {
                DataType::Null => {
                    ScalarValue::try_from(&data_type).map_err(|_| ParameterError::Null(data_type.clone()))
                }
                own if own == data_type => Ok(item),
                own => Err(ParameterError::Mixed(data_type.clone(), own)),
            };
            let items = items.into_iter().map(cast).collect::<Result<Vec<_>, _>>()?;
            ScalarValue::List(ScalarValue::new_list_nullable(&items, &data_type))
        }
        Value::Object(_) => return Err(ParameterError::Object),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_parameter_is_named() {
        let wrong = |params: Value| JsonParams::new(params).unwrap().typed().unwrap_err().detail;
        assert_eq!(wrong(json!([1, {}])), "the parameter `$2`: an object cannot be a parameter");
        assert_eq!(wrong(json!({"ids": [null, 1, "a"]})), "the parameter `$ids`: an array mixes Int64 and Utf8");
    }
}
