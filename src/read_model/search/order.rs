//! Values in forms that compare as the values do: 64-bit integers and byte strings.
//!
//! Keys and sort columns are kept in these forms on disk, so they must never change without a new
//! `FORMAT` in `index`. NULL comes first in keys; -0.0 and NaN are canonical.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;

/// Longest key: a Tantivy term has 65,535 bytes with its type and field, and is cut without a word beyond that.
const KEY_BYTES_MAX: usize = 65_000;

/// Greatest precision of a decimal whose unscaled value fits 64 bits.
const DECIMAL_DIGITS_MAX: u8 = 18;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("a key of {0} bytes is too long to be indexed: keep keys below {KEY_BYTES_MAX} bytes")]
    TooLong(usize),
    #[error("a value of type {0} cannot be part of a key: use a scalar type")]
    Unsupported(DataType),
    #[error("a key in the index does not fit the key's columns: rebuild the projection, which makes the index anew")]
    Malformed,
}

/// The bytes of a key: equal exactly when the keys are, and in the order of the keys.
///
/// # Errors
/// If a value is of a type that no key has, or the key is longer than Tantivy takes.
pub fn encode_key(values: &[ScalarValue]) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::with_capacity(values.len() * 10);
    for value in values {
        if value.is_null() {
            bytes.push(0);
            continue;
        }
        bytes.push(1);
        if let Some(integer) = ordered_integer(value) {
            bytes.extend((integer ^ i64::MIN).to_be_bytes());
        } else if let ScalarValue::Decimal128(Some(unscaled), ..) = value {
            bytes.extend(ordered_wide(*unscaled));
        } else if let Some(text) = text(value) {
            // A zero byte is escaped, so that the terminator comes before any continuation.
            for byte in text.bytes() {
                bytes.push(byte);
                bytes.extend((byte == 0).then_some(0xFF));
            }
            bytes.extend([0, 0]);
        } else {
            return Err(KeyError::Unsupported(value.data_type()));
        }
    }
    if bytes.len() > KEY_BYTES_MAX { Err(KeyError::TooLong(bytes.len())) } else { Ok(bytes) }
}

/// The values that [`encode_key`] was given, of these types.
///
/// # Errors
/// If the bytes are not of a key of these types.
pub fn decode_key(bytes: &[u8], types: &[DataType]) -> Result<Vec<ScalarValue>, KeyError> {
    let mut rest = bytes;
    let values = types.iter().map(|data_type| decode_value(&mut rest, data_type)).collect::<Option<Vec<_>>>();
    match values {
        Some(values) if rest.is_empty() => Ok(values),
        _ => Err(KeyError::Malformed),
    }
}

/// Whether values of this type can be part of a key.
pub(super) fn is_key_type(data_type: &DataType) -> bool {
    is_integer_type(data_type) || is_text_type(data_type) || matches!(data_type, DataType::Decimal128(..))
}

pub(super) fn is_text_type(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// What a sort column of a type holds. Both are exact: no value goes through a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SortForm {
    /// Integers, booleans, floats, dates, timestamps, and decimals of at most 18 digits.
    Integer,
    /// Strings, and wider decimals.
    Bytes,
}

impl SortForm {
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Decimal128(precision, _) if *precision <= DECIMAL_DIGITS_MAX => Some(Self::Integer),
            DataType::Decimal128(..) => Some(Self::Bytes),
            other if is_integer_type(other) => Some(Self::Integer),
            other if is_text_type(other) => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// A value that is not NULL as a sort column of [`SortForm::Integer`] holds it.
pub(super) fn sort_integer(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Decimal128(Some(unscaled), ..) => i64::try_from(*unscaled).ok(),
        other => ordered_integer(other),
    }
}

/// A value that is not NULL as a sort column of [`SortForm::Bytes`] holds it.
pub(super) fn sort_bytes(value: &ScalarValue) -> Option<Vec<u8>> {
    match value {
        ScalarValue::Decimal128(Some(unscaled), ..) => Some(ordered_wide(*unscaled).to_vec()),
        other => text(other).map(|text| text.as_bytes().to_vec()),
    }
}

fn is_integer_type(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64)
        || matches!(data_type, Float32 | Float64 | Date32 | Date64 | Timestamp(..))
}

/// Any value of at most 64 bits as an integer that compares as it does.
fn ordered_integer(value: &ScalarValue) -> Option<i64> {
    Some(match value {
        ScalarValue::Boolean(Some(v)) => i64::from(*v),
        ScalarValue::Int8(Some(v)) => i64::from(*v),
        ScalarValue::Int16(Some(v)) => i64::from(*v),
        ScalarValue::Int32(Some(v)) | ScalarValue::Date32(Some(v)) => i64::from(*v),
        ScalarValue::Int64(Some(v)) | ScalarValue::Date64(Some(v)) => *v,
        ScalarValue::UInt8(Some(v)) => i64::from(*v),
        ScalarValue::UInt16(Some(v)) => i64::from(*v),
        ScalarValue::UInt32(Some(v)) => i64::from(*v),
        ScalarValue::UInt64(Some(v)) => (*v as i64) ^ i64::MIN,
        ScalarValue::Float32(Some(v)) => ordered_float(f64::from(*v)),
        ScalarValue::Float64(Some(v)) => ordered_float(*v),
        ScalarValue::TimestampSecond(Some(v), _)
        | ScalarValue::TimestampMillisecond(Some(v), _)
        | ScalarValue::TimestampMicrosecond(Some(v), _)
        | ScalarValue::TimestampNanosecond(Some(v), _) => *v,
        _ => return None,
    })
}

/// The total order of floats, with NaN greatest.
fn ordered_float(value: f64) -> i64 {
    let canonical = if value.is_nan() { f64::NAN.abs() } else { value + 0.0 };
    flip(canonical.to_bits() as i64)
}

/// Turns the bits of a negative float around, whose magnitude grows downwards. Its own inverse.
fn flip(bits: i64) -> i64 {
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

fn ordered_wide(unscaled: i128) -> [u8; 16] {
    (unscaled ^ i128::MIN).to_be_bytes()
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.as_deref(),
        _ => None,
    }
}

fn decode_value(rest: &mut &[u8], data_type: &DataType) -> Option<ScalarValue> {
    let (present, after) = rest.split_first()?;
    *rest = after;
    if *present == 0 {
        return ScalarValue::try_from(data_type).ok();
    }
    match data_type {
        DataType::Decimal128(precision, scale) => {
            let (wide, after) = rest.split_first_chunk::<16>()?;
            *rest = after;
            Some(ScalarValue::Decimal128(Some(i128::from_be_bytes(*wide) ^ i128::MIN), *precision, *scale))
        }
        DataType::Utf8 => Some(ScalarValue::Utf8(Some(decode_text(rest)?))),
        DataType::LargeUtf8 => Some(ScalarValue::LargeUtf8(Some(decode_text(rest)?))),
        DataType::Utf8View => Some(ScalarValue::Utf8View(Some(decode_text(rest)?))),
        other => {
            let (integer, after) = rest.split_first_chunk::<8>()?;
            *rest = after;
            from_ordered_integer(i64::from_be_bytes(*integer) ^ i64::MIN, other)
        }
    }
}

fn decode_text(rest: &mut &[u8]) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        if *byte != 0 {
            text.push(*byte);
            continue;
        }
        let (escape, after) = rest.split_first()?;
        *rest = after;
        if *escape == 0 {
            return String::from_utf8(text).ok();
        }
        text.push(0);
    }
}

fn from_ordered_integer(value: i64, data_type: &DataType) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Boolean => ScalarValue::Boolean(Some(value != 0)),
        DataType::Int8 => ScalarValue::Int8(Some(value.try_into().ok()?)),
        DataType::Int16 => ScalarValue::Int16(Some(value.try_into().ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(value.try_into().ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(value)),
        DataType::UInt8 => ScalarValue::UInt8(Some(value.try_into().ok()?)),
        DataType::UInt16 => ScalarValue::UInt16(Some(value.try_into().ok()?)),
        DataType::UInt32 => ScalarValue::UInt32(Some(value.try_into().ok()?)),
        DataType::UInt64 => ScalarValue::UInt64(Some((value ^ i64::MIN) as u64)),
        DataType::Float32 => ScalarValue::Float32(Some(f64::from_bits(flip(value) as u64) as f32)),
        DataType::Float64 => ScalarValue::Float64(Some(f64::from_bits(flip(value) as u64))),
        DataType::Date32 => ScalarValue::Date32(Some(value.try_into().ok()?)),
        DataType::Date64 => ScalarValue::Date64(Some(value)),
        DataType::Timestamp(TimeUnit::Second, zone) => ScalarValue::TimestampSecond(Some(value), zone.clone()),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            ScalarValue::TimestampMillisecond(Some(value), zone.clone())
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            ScalarValue::TimestampMicrosecond(Some(value), zone.clone())
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => ScalarValue::TimestampNanosecond(Some(value), zone.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// In ascending order.
    fn check(values: Vec<ScalarValue>) {
        let data_type = values[0].data_type();
        let keys: Vec<Vec<u8>> = values.iter().map(|value| encode_key(std::slice::from_ref(value)).unwrap()).collect();
        for (key, value) in keys.iter().zip(&values) {
            assert_eq!(&decode_key(key, std::slice::from_ref(&data_type)).unwrap(), std::slice::from_ref(value));
        }
        assert!(keys.is_sorted_by(|left, right| left < right), "{values:?}");
    }

    #[test]
    fn keys_compare_as_their_values_and_come_back() {
        check([None, Some(i64::MIN), Some(-1), Some(0), Some(i64::MAX)].map(ScalarValue::Int64).into());
        check([None, Some(0), Some(1), Some(u64::MAX)].map(ScalarValue::UInt64).into());
        check([f64::NEG_INFINITY, -1.5, -0.5, 0.0, 0.5, f64::INFINITY].map(|v| ScalarValue::Float64(Some(v))).into());
        check([i128::MIN, -1, 0, 1, i128::MAX].map(|v| ScalarValue::Decimal128(Some(v), 38, 2)).into());
        check(["", "\0", "\0a", "a", "a\0", "a\0b", "aa", "é"].map(|v| ScalarValue::Utf8(Some(v.into()))).into());
        check([Some(false), Some(true)].map(ScalarValue::Boolean).into());
        check([-1, 7].map(|v| ScalarValue::TimestampMicrosecond(Some(v), Some("UTC".into()))).into());
    }

    #[test]
    fn the_parts_of_a_key_do_not_run_together() {
        let key = |a: &str, b: &str| encode_key(&[ScalarValue::from(a), ScalarValue::from(b)]).unwrap();
        assert!(key("a", "bc") != key("ab", "c") && key("a", "") < key("a", "b") && key("a", "z") < key("ab", ""));
        assert_eq!(encode_key(&[ScalarValue::from("x".repeat(70_000))]), Err(KeyError::TooLong(70_003)));
        assert_eq!(decode_key(&key("a", "b"), &[DataType::Utf8]), Err(KeyError::Malformed));
    }

    #[test]
    fn minus_zero_and_zero_are_one_key() {
        let key = |value: f64| encode_key(&[ScalarValue::from(value)]).unwrap();
        assert_eq!(key(-0.0), key(0.0));
        assert_eq!(key(f64::NAN), key(-f64::NAN));
        assert!(key(f64::INFINITY) < key(f64::NAN));
    }
}
