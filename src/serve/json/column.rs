//! The columns of an answer, with their types as sources declare them.

use arrow::datatypes::{DataType, Schema};
use serde::Serialize;

/// `{"name": "total", "type": "decimal(18,2)"}`.
#[derive(Debug, Serialize)]
pub(crate) struct ColumnJson {
    name: String,
    #[serde(rename = "type")]
    data_type: String,
}

impl ColumnJson {
    pub(crate) fn all(schema: &Schema) -> Vec<Self> {
        let fields = schema.fields().iter();
        fields.map(|field| ColumnJson { name: field.name().clone(), data_type: type_name(field.data_type()) }).collect()
    }
}

/// The type as sources declare it, where it has a name there.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float32 => "float32".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::List(item) => format!("list<{}>", type_name(item.data_type())),
        other => other.to_string(),
    }
}
