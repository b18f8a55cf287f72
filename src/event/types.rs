//! The types that a field of an event may have, and the Arrow types that they become.
//!
//! The textual form (`decimal(18,2)!`, `list<Line>`) is read by the `config` room; here it is only data.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Fields, TimeUnit};

/// The key of Arrow field metadata that marks a string column as JSON text.
pub use crate::sql::JSON_MARK;

/// A declared data type, without the question whether it may be absent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataType {
    String,
    Bool,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal {
        precision: u8,
        scale: i8,
    },
    /// Days; written `YYYY-MM-DD`.
    Date,
    /// An instant in UTC with microseconds.
    Timestamp(TimestampFormat),
    /// Any JSON value, kept as its text.
    Json,
    List(Box<FieldType>),
    /// Keys are strings.
    Map(Box<FieldType>),
    Struct(Vec<Field>),
}

/// How a timestamp is written in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampFormat {
    #[default]
    Rfc3339,
    /// As in HTTP and mail: `Thu, 01 Jan 2026 00:00:00 GMT`.
    Rfc1123,
    EpochS,
    EpochMs,
    EpochUs,
    EpochNs,
}

impl TimestampFormat {
    pub const ALL: [(&'static str, TimestampFormat); 6] = [
        ("rfc3339", TimestampFormat::Rfc3339),
        ("rfc1123", TimestampFormat::Rfc1123),
        ("epoch_s", TimestampFormat::EpochS),
        ("epoch_ms", TimestampFormat::EpochMs),
        ("epoch_us", TimestampFormat::EpochUs),
        ("epoch_ns", TimestampFormat::EpochNs),
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            TimestampFormat::Rfc3339 => "rfc3339",
            TimestampFormat::Rfc1123 => "rfc1123",
            TimestampFormat::EpochS => "epoch_s",
            TimestampFormat::EpochMs => "epoch_ms",
            TimestampFormat::EpochUs => "epoch_us",
            TimestampFormat::EpochNs => "epoch_ns",
        }
    }

    /// Powers of ten from its unit to the microsecond; none if it is not a number.
    pub(super) fn scale(self) -> Option<i64> {
        match self {
            TimestampFormat::Rfc3339 | TimestampFormat::Rfc1123 => None,
            TimestampFormat::EpochS => Some(6),
            TimestampFormat::EpochMs => Some(3),
            TimestampFormat::EpochUs => Some(0),
            TimestampFormat::EpochNs => Some(-3),
        }
    }
}

/// A data type and whether a value is required (`!`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldType {
    pub data_type: DataType,
    pub required: bool,
}

/// A named field of an event version or of a struct type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// The column's name, as SQL sees it.
    pub name: String,
    pub field_type: FieldType,
    /// JSON pointer below the payload's root, where it is not the name itself.
    pub from: Option<String>,
}

impl DataType {
    pub fn to_arrow(&self) -> ArrowType {
        match self {
            DataType::String | DataType::Json => ArrowType::Utf8,
            DataType::Bool => ArrowType::Boolean,
            DataType::Int32 => ArrowType::Int32,
            DataType::Int64 => ArrowType::Int64,
            DataType::Float32 => ArrowType::Float32,
            DataType::Float64 => ArrowType::Float64,
            DataType::Decimal { precision, scale } => ArrowType::Decimal128(*precision, *scale),
            DataType::Date => ArrowType::Date32,
            DataType::Timestamp(_) => timestamp(),
            DataType::List(item) => ArrowType::List(Arc::new(item.to_arrow("item"))),
            DataType::Map(value) => {
                let key = ArrowField::new("key", ArrowType::Utf8, false);
                let entries = ArrowType::Struct(Fields::from(vec![key, value.to_arrow("value")]));
                ArrowType::Map(Arc::new(ArrowField::new("entries", entries, false)), false)
            }
            DataType::Struct(fields) => ArrowType::Struct(fields.iter().map(Field::to_arrow).collect()),
        }
    }
}

impl FieldType {
    /// The Arrow field of this type under `name`. JSON text is marked in its metadata (see [`JSON_MARK`]).
    pub fn to_arrow(&self, name: &str) -> ArrowField {
        let field = ArrowField::new(name, self.data_type.to_arrow(), !self.required);
        if self.data_type == DataType::Json {
            return field.with_metadata(HashMap::from([(JSON_MARK.to_owned(), "true".to_owned())]));
        }
        field
    }
}

impl Field {
    pub fn to_arrow(&self) -> ArrowField {
        self.field_type.to_arrow(&self.name)
    }
}

/// Microseconds in UTC: the type of every timestamp column.
pub fn timestamp() -> ArrowType {
    ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
