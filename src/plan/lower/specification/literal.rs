//! Constants in a specification: their type, then their value.

use arrow::array::{Array, ArrayRef};
use datafusion::common::ScalarValue;
use datafusion::common::cast::{
    as_fixed_size_list_array, as_large_list_array, as_list_array, as_map_array, as_struct_array,
};

use crate::config::Code;
use crate::identity::Specification;
use crate::plan::Refusal;

/// Adds a constant.
///
/// # Errors
/// Refuses types of which SQL has no constants, so that none is ever taken for another.
pub(super) fn literal(specification: Specification, value: &ScalarValue) -> Result<Specification, Refusal> {
    let typed = specification.data_type(&value.data_type());
    if value.is_null() {
        return Ok(typed.absent());
    }
    Ok(match value {
        ScalarValue::Null => typed.absent(),
        ScalarValue::Boolean(Some(value)) => typed.flag(*value),
        ScalarValue::Float16(Some(value)) => typed.number(value.to_bits()),
        ScalarValue::Float32(Some(value)) => typed.number(value.to_bits()),
        ScalarValue::Float64(Some(value)) => typed.number(value.to_bits()),
        ScalarValue::Decimal32(Some(value), _, _) => typed.number(*value),
        ScalarValue::Decimal64(Some(value), _, _) => typed.number(*value),
        ScalarValue::Decimal128(Some(value), _, _) => typed.number(*value),
        ScalarValue::Decimal256(Some(value), _, _) => typed.bytes(&value.to_le_bytes()),
        ScalarValue::Int8(Some(value)) => typed.number(*value),
        ScalarValue::Int16(Some(value)) => typed.number(*value),
        ScalarValue::UInt8(Some(value)) => typed.number(*value),
        ScalarValue::UInt16(Some(value)) => typed.number(*value),
        ScalarValue::UInt32(Some(value)) => typed.number(*value),
        ScalarValue::UInt64(Some(value)) => typed.number(*value),
        ScalarValue::Int32(Some(value))
        | ScalarValue::Date32(Some(value))
        | ScalarValue::Time32Second(Some(value))
        | ScalarValue::Time32Millisecond(Some(value))
        | ScalarValue::IntervalYearMonth(Some(value)) => typed.number(*value),
        ScalarValue::Int64(Some(value))
        | ScalarValue::Date64(Some(value))
        | ScalarValue::Time64Microsecond(Some(value))
        | ScalarValue::Time64Nanosecond(Some(value))
        | ScalarValue::TimestampSecond(Some(value), _)
        | ScalarValue::TimestampMillisecond(Some(value), _)
        | ScalarValue::TimestampMicrosecond(Some(value), _)
        | ScalarValue::TimestampNanosecond(Some(value), _)
        | ScalarValue::DurationSecond(Some(value))
        | ScalarValue::DurationMillisecond(Some(value))
        | ScalarValue::DurationMicrosecond(Some(value))
        | ScalarValue::DurationNanosecond(Some(value)) => typed.number(*value),
        ScalarValue::IntervalDayTime(Some(value)) => typed.number(value.days).number(value.milliseconds),
        ScalarValue::IntervalMonthDayNano(Some(value)) => {
            typed.number(value.months).number(value.days).number(value.nanoseconds)
        }
        ScalarValue::Utf8(Some(value)) | ScalarValue::Utf8View(Some(value)) | ScalarValue::LargeUtf8(Some(value)) => {
            typed.text(value)
        }
        ScalarValue::Binary(Some(value))
        | ScalarValue::BinaryView(Some(value))
        | ScalarValue::LargeBinary(Some(value))
        | ScalarValue::FixedSizeBinary(_, Some(value)) => typed.bytes(value),
        ScalarValue::Dictionary(_, value) => literal(typed, value)?,
        nested => elements(typed, nested)?,
    })
}

/// Adds the elements of a list, the fields of a struct, or the entries of a map.
fn elements(specification: Specification, value: &ScalarValue) -> Result<Specification, Refusal> {
    let array = value.to_array()?;
    let parts: Vec<ArrayRef> = match value {
        ScalarValue::List(_) => vec![as_list_array(&array)?.value(0)],
        ScalarValue::LargeList(_) => vec![as_large_list_array(&array)?.value(0)],
        ScalarValue::FixedSizeList(_) => vec![as_fixed_size_list_array(&array)?.value(0)],
        ScalarValue::Struct(_) => as_struct_array(&array)?.columns().to_vec(),
        ScalarValue::Map(_) => as_map_array(&array)?.value(0).columns().to_vec(),
        _ => {
            let data_type = value.data_type();
            return Err(Refusal::new(Code::NotKept, format!("a constant of type {data_type} cannot be kept"))
                .hint("cast it to a plain type"));
        }
    };
    specification.try_list(parts.iter(), |specification, part| {
        specification.try_list(0..part.len(), |specification, index| {
            literal(specification, &ScalarValue::try_from_array(part, index)?)
        })
    })
}
