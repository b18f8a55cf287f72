//! The values of columns as JSON Schema: as answers have them, and as they are written in a URL. What it says of answers is what `json/`
//! writes, and of URLs what `query/values.rs` reads.

use arrow::datatypes::{DataType, Field};
use serde_json::{Map, Value, json};

use crate::event::JSON_MARK;

/// Floats that JSON has no numbers for.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The values of a column in an answer.
pub(super) fn answered(field: &Field) -> Value {
    if field.metadata().contains_key(JSON_MARK) {
        return json!({"description": "Any JSON"});
    }
    let schema = of_type(field.data_type());
    if field.is_nullable() { or_null(schema) } else { schema }
}

/// An object with a member for each of these columns.
pub(super) fn object<'a>(fields: impl Iterator<Item = &'a Field> + Clone) -> Value {
    let names: Vec<&str> = fields.clone().map(|field| field.name().as_str()).collect();
    let properties: Map<String, Value> = fields.map(|field| (field.name().clone(), answered(field))).collect();
    json!({"type": "object", "required": names, "properties": properties})
}

fn of_type(data_type: &DataType) -> Value {
    let integer = |format: &str| json!({"type": "integer", "format": format});
    match data_type {
        DataType::Null => json!({"type": "null"}),
        DataType::Boolean => json!({"type": "boolean"}),
        DataType::Int8 => integer("int8"),
        DataType::Int16 => integer("int16"),
        DataType::Int32 => integer("int32"),
        DataType::Int64 => integer("int64"),
        DataType::UInt8 => integer("uint8"),
        DataType::UInt16 => integer("uint16"),
        DataType::UInt32 => integer("uint32"),
        DataType::UInt64 => integer("uint64"),
        DataType::Float32 => float(json!({"type": "number", "format": "float"})),
        DataType::Float64 => float(json!({"type": "number", "format": "double"})),
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if *scale > 0 => {
            json!({"type": "string", "pattern": format!(r"^-?[0-9]+\.[0-9]{{{scale}}}$")})
        }
        DataType::Decimal128(..) | DataType::Decimal256(..) => json!({"type": "string", "pattern": "^-?[0-9]+$"}),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            json!({"type": "string", "contentEncoding": "base64"})
        }
        DataType::Date32 => json!({"type": "string", "format": "date"}),
        DataType::Timestamp(_, Some(_)) => json!({"type": "string", "format": "date-time"}),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            json!({"type": "array", "items": answered(item)})
        }
        DataType::Struct(fields) => object(fields.iter().map(|field| &**field)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry) if entry.len() == 2 => {
                json!({"type": "object", "additionalProperties": answered(&entry[1])})
            }
            _ => json!({"type": "object"}),
        },
        DataType::Dictionary(_, value) => of_type(value),
        // What a function of JSON gives: any of its kinds.
        DataType::Union(..) => json!({}),
        // Texts, and what is written as one.
        _ => json!({"type": "string"}),
    }
}

fn float(number: Value) -> Value {
    json!({"anyOf": [number, {"type": "string", "enum": NO_NUMBERS}]})
}

fn or_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        kinds.push(json!({"type": "null"}));
    } else if let Some(kind) = schema.get_mut("type").filter(|kind| kind.as_str() != Some("null")) {
        *kind = json!([kind.take(), "null"]);
    }
    schema
}

/// A value of this type in a URL; none of types whose values cannot be written there.
pub(super) fn asked(data_type: &DataType) -> Option<Value> {
    let integer = |format: &str, min: i128, max: i128| {
        // Numbers of JSON have no bounds of their own; those of 128 bits are not among serde_json's.
        let (min, max) = (i64::try_from(min).unwrap_or(i64::MIN), u64::try_from(max).unwrap_or(u64::MAX));
        json!({"type": "integer", "format": format, "minimum": min, "maximum": max})
    };
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => json!({"type": "string"}),
        DataType::Boolean => json!({"type": "boolean"}),
        DataType::Int8 => integer("int8", i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => integer("int16", i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => integer("int32", i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => integer("int64", i64::MIN.into(), i64::MAX.into()),
        DataType::UInt8 => integer("uint8", 0, u8::MAX.into()),
        DataType::UInt16 => integer("uint16", 0, u16::MAX.into()),
        DataType::UInt32 => integer("uint32", 0, u32::MAX.into()),
        DataType::UInt64 => integer("uint64", 0, u64::MAX.into()),
        DataType::Float32 => float(json!({
            "type": "number", "format": "float", "minimum": f64::from(f32::MIN), "maximum": f64::from(f32::MAX),
        })),
        DataType::Float64 => {
            float(json!({"type": "number", "format": "double", "minimum": f64::MIN, "maximum": f64::MAX}))
        }
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            let whole = i16::from(*precision) - i16::from(*scale);
            let whole = if whole > 0 { format!("[0-9]{{1,{whole}}}") } else { "0".to_owned() };
            let places = if *scale > 0 { format!(r"(\.[0-9]{{1,{scale}}})?") } else { String::new() };
            json!({"type": "string", "pattern": format!("^-?{whole}{places}$")})
        }
        DataType::Date32 => json!({"type": "string", "format": "date"}),
        DataType::Timestamp(_, Some(_)) => json!({"type": "string", "format": "date-time"}),
        DataType::Timestamp(_, None) => {
            json!({"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$"})
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::datatypes::{Fields, TimeUnit};

    use super::*;

    #[test]
    fn answers_are_described_as_they_are_written() {
        let of = |data_type: DataType, nullable| answered(&Field::new("a", data_type, nullable));
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(of(DataType::Int64, true), json!({"type": ["integer", "null"], "format": "int64"}));
        assert_eq!(
            of(DataType::Decimal128(18, 2), false),
            json!({"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"})
        );
        assert_eq!(
            of(DataType::Float32, true),
            json!({"anyOf": [{"type": "number", "format": "float"}, {"type": "string", "enum": NO_NUMBERS}, {"type": "null"}]})
        );
        assert_eq!(of(utc, false), json!({"type": "string", "format": "date-time"}));
        assert_eq!(of(DataType::Binary, false), json!({"type": "string", "contentEncoding": "base64"}));
        assert_eq!(of(DataType::Null, true), json!({"type": "null"}));
        let marked = Field::new("a", DataType::Utf8, true)
            .with_metadata(HashMap::from([(JSON_MARK.to_owned(), "true".to_owned())]));
        assert_eq!(answered(&marked), json!({"description": "Any JSON"}));
        let entry =
            Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int32, true)]);
        let entries = Field::new("entries", DataType::Struct(entry), false);
        assert_eq!(
            of(DataType::Map(Arc::new(entries), false), false),
            json!({"type": "object", "additionalProperties": {"type": ["integer", "null"], "format": "int32"}})
        );
        let item =
            Field::new("item", DataType::Struct(Fields::from(vec![Field::new("sku", DataType::Utf8, false)])), true);
        assert_eq!(
            of(DataType::List(Arc::new(item)), false),
            json!({"type": "array", "items": {"type": ["object", "null"], "required": ["sku"], "properties": {"sku": {"type": "string"}}}})
        );
    }

    #[test]
    fn values_in_a_url_have_the_range_of_their_type() {
        let integer = json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX});
        assert_eq!(asked(&DataType::Int64), Some(integer));
        let decimal = json!({"type": "string", "pattern": r"^-?[0-9]{1,16}(\.[0-9]{1,2})?$"});
        assert_eq!(asked(&DataType::Decimal128(18, 2)), Some(decimal));
        assert_eq!(
            asked(&DataType::Decimal128(2, 2)),
            Some(json!({"type": "string", "pattern": r"^-?0(\.[0-9]{1,2})?$"}))
        );
        assert_eq!(asked(&DataType::Binary), None);
    }
}
