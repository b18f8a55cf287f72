//! Arrow's types and fields in a specification: the name of each type, then its parameters.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit, UnionMode};

use super::Specification;

/// Name, type, nullability and metadata.
pub(super) fn field(specification: Specification, field: &Field) -> Specification {
    let mut metadata: Vec<_> = field.metadata().iter().collect();
    metadata.sort();
    let named = specification.text(field.name()).flag(field.is_nullable());
    data_type(named, field.data_type())
        .list(metadata.into_iter(), |specification, (key, value)| specification.text(key).text(value))
}

pub(super) fn data_type(specification: Specification, of: &DataType) -> Specification {
    let named = specification.text(name(of));
    match of {
        DataType::Timestamp(unit, zone) => {
            named.text(time_unit(*unit)).option(zone.as_deref(), |specification, zone| specification.text(zone))
        }
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Duration(unit) => named.text(time_unit(*unit)),
        DataType::Interval(unit) => named.text(match unit {
            IntervalUnit::YearMonth => "year_month",
            IntervalUnit::DayTime => "day_time",
            IntervalUnit::MonthDayNano => "month_day_nano",
        }),
        DataType::FixedSizeBinary(size) => named.number(*size),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => named.number(*precision).number(*scale),
        DataType::List(item) | DataType::ListView(item) | DataType::LargeList(item) | DataType::LargeListView(item) => {
            field(named, item)
        }
        DataType::FixedSizeList(item, size) => field(named.number(*size), item),
        DataType::Struct(fields) => named.list(fields.iter(), |specification, of| field(specification, of)),
        DataType::Union(fields, mode) => {
            let fields: Vec<_> = fields.iter().collect();
            named
                .flag(*mode == UnionMode::Dense)
                .list(fields.into_iter(), |specification, (id, of)| field(specification.number(id), of))
        }
        DataType::Dictionary(key, value) => data_type(data_type(named, key), value),
        DataType::Map(entries, sorted) => field(named.flag(*sorted), entries),
        DataType::RunEndEncoded(ends, values) => field(field(named, ends), values),
        _ => named,
    }
}

/// Without a wildcard, so that a new type of Arrow's has to be given a name here.
fn name(of: &DataType) -> &'static str {
    match of {
        DataType::Null => "null",
        DataType::Boolean => "boolean",
        DataType::Int8 => "int8",
        DataType::Int16 => "int16",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::UInt8 => "uint8",
        DataType::UInt16 => "uint16",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Float16 => "float16",
        DataType::Float32 => "float32",
        DataType::Float64 => "float64",
        DataType::Timestamp(_, _) => "timestamp",
        DataType::Date32 => "date32",
        DataType::Date64 => "date64",
        DataType::Time32(_) => "time32",
        DataType::Time64(_) => "time64",
        DataType::Duration(_) => "duration",
        DataType::Interval(_) => "interval",
        DataType::Binary => "binary",
        DataType::FixedSizeBinary(_) => "fixed_size_binary",
        DataType::LargeBinary => "large_binary",
        DataType::BinaryView => "binary_view",
        DataType::Utf8 => "utf8",
        DataType::LargeUtf8 => "large_utf8",
        DataType::Utf8View => "utf8_view",
        DataType::List(_) => "list",
        DataType::ListView(_) => "list_view",
        DataType::FixedSizeList(_, _) => "fixed_size_list",
        DataType::LargeList(_) => "large_list",
        DataType::LargeListView(_) => "large_list_view",
        DataType::Struct(_) => "struct",
        DataType::Union(_, _) => "union",
        DataType::Dictionary(_, _) => "dictionary",
        DataType::Decimal32(_, _) => "decimal32",
        DataType::Decimal64(_, _) => "decimal64",
        DataType::Decimal128(_, _) => "decimal128",
        DataType::Decimal256(_, _) => "decimal256",
        DataType::Map(_, _) => "map",
        DataType::RunEndEncoded(_, _) => "run_end_encoded",
    }
}

fn time_unit(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
