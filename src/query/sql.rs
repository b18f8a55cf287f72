//! Free SQL: a query with parameters, all rows at once, within the limits.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ParamValues;
use futures::TryStreamExt;
use serde::Serialize;
use serde_json::Value;

use super::{JsonRows, Kind, Limits, Parsed, QueryError, Session, Sessions, values};

/// Values for `$name`, or for `$1` and so on.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Params {
    #[default]
    None,
    Named(serde_json::Map<String, Value>),
    Positional(Vec<Value>),
}

/// A query, parsed.
#[derive(Debug)]
pub struct SqlRequest {
    pub parsed: Parsed,
    pub params: Params,
}

/// Its rows.
#[derive(Debug)]
pub struct SqlAnswer {
    pub columns: Vec<SqlColumn>,
    pub rows: JsonRows,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SqlColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
}

impl Params {
    fn values(&self) -> Result<ParamValues, QueryError> {
        let wrong = |name: &str, error: String| QueryError::invalid(format!("the parameter `${name}`: {error}"));
        match self {
            Params::None => Ok(ParamValues::List(Vec::new())),
            Params::Positional(list) => {
                let value = |(place, value): (usize, &Value)| {
                    values::from_json(value).map_err(|error| wrong(&(place + 1).to_string(), error))
                };
                Ok(list.iter().enumerate().map(value).collect::<Result<Vec<_>, _>>()?.into())
            }
            Params::Named(map) => {
                let value = |(name, value): (&String, &Value)| {
                    Ok((name.clone(), values::from_json(value).map_err(|error| wrong(name, error))?))
                };
                Ok(map.iter().map(value).collect::<Result<HashMap<_, _>, QueryError>>()?.into())
            }
        }
    }
}

/// Runs the query to its end. More rows than one answer may have are an error, never a silent cut.
pub(super) async fn run(
    sessions: &Sessions,
    session: &Session,
    request: &SqlRequest,
    limits: &Limits,
) -> Result<SqlAnswer, QueryError> {
    let planned = session.plan(sessions, &request.parsed, request.params.values()?).await?;
    let mut stream = session.execute(&planned.plan).await?;
    let columns = columns(&stream.schema());
    let mut rows = JsonRows::new(limits.max_bytes);
    // Each batch is rendered and let go, so that the answer is held once.
    while let Some(batch) = stream.try_next().await.map_err(QueryError::running)? {
        if rows.rows() + batch.num_rows() > limits.max_rows {
            return Err(QueryError::new(Kind::TooLarge, format!("the answer has more than {} rows", limits.max_rows))
                .hint("add LIMIT, or aggregate"));
        }
        rows.write(&batch)?;
    }
    Ok(SqlAnswer { columns, rows })
}

pub(super) fn columns(schema: &Schema) -> Vec<SqlColumn> {
    let column = |field: &arrow::datatypes::FieldRef| SqlColumn {
        name: field.name().clone(),
        data_type: type_name(field.data_type()),
    };
    schema.fields().iter().map(column).collect()
}

/// The type as sources declare it, where it has a name there.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::List(item) => format!("list<{}>", type_name(item.data_type())),
        other => other.to_string(),
    }
}
