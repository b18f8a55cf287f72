//! Which type of PostgreSQL a column has, and which Arrow type a parameter.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use pgwire::api::Type;

use crate::event::JSON_MARK;

/// `numeric` and others have a modifier; this many is added to it.
const MODIFIER_HEADER: i32 = 4;

/// Days and microseconds from 1970 to 2000, where PostgreSQL begins to count.
pub(super) const EPOCH_DAYS: i32 = 10_957;
pub(super) const EPOCH_US: i64 = 946_684_800_000_000;

/// What a column of the catalog has that its type here does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marked {
    /// The number of something.
    Oid,
    /// A list of numbers that begins at 0.
    Int2Vector,
    /// The same of numbers of something.
    OidVector,
}

/// In a column's metadata, one of [`Marked`].
const MARK: &str = "readside.postgres";

const MARKS: [(&str, Marked, Type); 3] = [
    ("oid", Marked::Oid, Type::OID),
    ("int2vector", Marked::Int2Vector, Type::INT2_VECTOR),
    ("oidvector", Marked::OidVector, Type::OID_VECTOR),
];

/// A column with its mark.
pub(super) fn marked(field: &Field, mark: Marked) -> Field {
    let mut metadata = field.metadata().clone();
    let name = MARKS.iter().find(|(_, of, _)| *of == mark).map(|(name, ..)| *name);
    metadata.extend(name.map(|name| (MARK.to_owned(), name.to_owned())));
    field.clone().with_metadata(metadata)
}

/// The type that a column is described with. What PostgreSQL has no type for (structs, maps, lists of them) is `json`.
pub(super) fn postgres_type(field: &Field) -> Type {
    if let Some(name) = field.metadata().get(MARK)
        && let Some((_, _, of)) = MARKS.iter().find(|(mark, ..)| mark == name)
    {
        return of.clone();
    }
    match field.data_type() {
        DataType::Utf8 if field.metadata().contains_key(JSON_MARK) => Type::JSON,
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Type::INT2,
        DataType::UInt16 | DataType::Int32 => Type::INT4,
        DataType::UInt32 | DataType::Int64 => Type::INT8,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Type::TEXT,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Dictionary(_, values) => postgres_type(&Field::new("values", values.as_ref().clone(), true)),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            array_of(&postgres_type(item)).unwrap_or(Type::JSON)
        }
        _ => Type::JSON,
    }
}

/// The array's type; none for elements that are arrays or `json` themselves.
pub(super) fn array_of(element: &Type) -> Option<Type> {
    Some(match *element {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::TEXT => Type::TEXT_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        _ => return None,
    })
}

/// The bytes that each value of a type takes; -1 where that depends on the value.
pub(super) fn size(of: &Type) -> i16 {
    match *of {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::OID | Type::FLOAT4 | Type::DATE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL | Type::UUID => 16,
        Type::NAME => 64,
        _ => -1,
    }
}

/// Precision and scale of a `numeric`; -1 for none.
pub(super) fn modifier(of: &DataType) -> i32 {
    match of {
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            (i32::from(*precision) << 16 | i32::from(*scale)) + MODIFIER_HEADER
        }
        _ => -1,
    }
}

/// The Arrow type of a parameter that the client says to be of this type; none of one that is not taken.
pub(super) fn arrow_type(of: &Type) -> Option<DataType> {
    let list = |item| Some(DataType::List(Field::new_list_field(item, true).into()));
    match *of {
        Type::BOOL => Some(DataType::Boolean),
        Type::INT2 => Some(DataType::Int16),
        Type::INT4 => Some(DataType::Int32),
        Type::INT8 | Type::OID => Some(DataType::Int64),
        Type::FLOAT4 => Some(DataType::Float32),
        Type::FLOAT8 => Some(DataType::Float64),
        // Of its own digits; the planner compares decimals of all scales.
        Type::NUMERIC => Some(DataType::Decimal128(38, 0)),
        Type::TEXT
        | Type::VARCHAR
        | Type::BPCHAR
        | Type::NAME
        | Type::CHAR
        | Type::UNKNOWN
        | Type::JSON
        | Type::JSONB
        | Type::UUID => Some(DataType::Utf8),
        Type::BYTEA => Some(DataType::Binary),
        Type::DATE => Some(DataType::Date32),
        Type::TIME => Some(DataType::Time64(TimeUnit::Microsecond)),
        Type::TIMESTAMP => Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
        Type::TIMESTAMPTZ => Some(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        Type::INTERVAL => Some(DataType::Interval(IntervalUnit::MonthDayNano)),
        Type::BOOL_ARRAY => list(DataType::Boolean),
        Type::INT2_ARRAY => list(DataType::Int16),
        Type::INT4_ARRAY => list(DataType::Int32),
        Type::INT8_ARRAY => list(DataType::Int64),
        Type::FLOAT4_ARRAY => list(DataType::Float32),
        Type::FLOAT8_ARRAY => list(DataType::Float64),
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::BPCHAR_ARRAY | Type::UUID_ARRAY => list(DataType::Utf8),
        Type::DATE_ARRAY => list(DataType::Date32),
        Type::TIMESTAMP_ARRAY => list(DataType::Timestamp(TimeUnit::Microsecond, None)),
        Type::TIMESTAMPTZ_ARRAY => list(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        _ => None,
    }
}
