//! The columns of an answer, with their types as sources declare them.

use arrow::datatypes::{DataType, Field, Schema};
use serde::Serialize;

use crate::event::JSON_MARK;

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
        fields.map(|field| ColumnJson { name: field.name().clone(), data_type: field_type(field) }).collect()
    }
}

/// The type as sources declare it, where it has a name there; else as Arrow calls it.
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
        DataType::Dictionary(_, values) => type_name(values),
        // Of the kinds of JSON's values: what a part of JSON is, nobody knows before.
        DataType::Union(..) => "json".to_owned(),
        DataType::List(item) => format!("list<{}>", field_type(item)),
        DataType::Struct(fields) => {
            let members = fields.iter().map(|field| format!("{}: {}", field.name(), field_type(field)));
            format!("struct<{}>", members.collect::<Vec<_>>().join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry) if entry.len() == 2 => {
                format!("map<{},{}>", field_type(&entry[0]), field_type(&entry[1]))
            }
            _ => data_type.to_string(),
        },
        other => other.to_string(),
    }
}

/// Whether there is always a value is not said: where rows come from more than one place, nobody knows.
fn field_type(field: &Field) -> String {
    if field.metadata().contains_key(JSON_MARK) { "json".to_owned() } else { type_name(field.data_type()) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::datatypes::Fields;
    use datafusion_functions_json::JSON_UNION_DATA_TYPE;

    use super::*;

    #[test]
    fn types_have_the_names_that_sources_give_them() {
        let json = Field::new("extra", DataType::Utf8, true)
            .with_metadata(HashMap::from([(JSON_MARK.to_owned(), "true".to_owned())]));
        let address = Fields::from(vec![Field::new("street", DataType::Utf8, true), json.clone()]);
        let entry = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Decimal128(18, 2), true),
        ]);
        let entries = Arc::new(Field::new("entries", DataType::Struct(entry), false));
        let fields = [
            json,
            Field::new("part", JSON_UNION_DATA_TYPE.clone(), true),
            Field::new("lines", DataType::new_list(DataType::Struct(address), true), true),
            Field::new("totals", DataType::Map(entries, false), true),
            Field::new("small", DataType::Int16, true),
        ];
        let expected =
            ["json", "json", "list<struct<street: string, extra: json>>", "map<string,decimal(18,2)>", "Int16"];
        assert_eq!(fields.each_ref().map(field_type), expected);
    }
}
