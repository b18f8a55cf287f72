//! Parameters of a statement: bytes of a client as values of their types.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, TimeUnit};
use arrow::util::display::FormatOptions;
use datafusion::common::ScalarValue;
use datafusion::common::utils::SingleRowListArrayBuilder;
use pgwire::api::Type;

use super::types::{EPOCH_DAYS, EPOCH_US, arrow_type};
use crate::query::QueryError;

/// Of a `numeric`, on either side of its point.
const DIGITS_MAX: usize = 38;
/// What a cast may not do in silence.
const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// A parameter's value. `of` is what the client says or the statement needs.
///
/// # Errors
/// If the bytes are not of that type.
pub(super) fn value(place: usize, of: &Type, bytes: Option<&[u8]>, is_binary: bool) -> Result<ScalarValue, QueryError> {
    let named = |detail: String| QueryError::invalid(format!("the parameter ${}: {detail}", place + 1));
    let Some(data_type) = arrow_type(of) else {
        return Err(
            named(format!("values of the type {of} are not taken")).hint("cast it in the statement: `$1::text`")
        );
    };
    let Some(bytes) = bytes else { return ScalarValue::try_from(&data_type).map_err(|error| named(error.to_string())) };
    let value = if is_binary { binary(of, &data_type, bytes) } else { text(of, &data_type, bytes) };
    value.map_err(named)
}

fn text(of: &Type, data_type: &DataType, bytes: &[u8]) -> Result<ScalarValue, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_owned())?;
    match data_type {
        DataType::Utf8 => Ok(ScalarValue::from(text)),
        DataType::Decimal128(..) => decimal(text),
        DataType::Binary => bytea(text).map(|bytes| ScalarValue::Binary(Some(bytes))),
        DataType::List(item) => {
            let elements = elements(text)?;
            let strings: ArrayRef = Arc::new(StringArray::from(elements));
            list(cast_with_options(&strings, item.data_type(), &STRICT), item)
        }
        // As PostgreSQL reads them: `  7 `, `yes`, and a day with the zone that it is one of, which says nothing.
        _ => {
            let trimmed = text.trim();
            let read = if *data_type == DataType::Date32 { without_zone(trimmed) } else { trimmed };
            let strings: ArrayRef = Arc::new(StringArray::from(vec![read]));
            let one = cast_with_options(&strings, data_type, &STRICT);
            one.and_then(|one| ScalarValue::try_from_array(&one, 0).map_err(Into::into))
                .map_err(|_| format!("`{text}` is no {of}"))
        }
    }
}

/// `2024-02-29 +01`
fn without_zone(text: &str) -> &str {
    match text.rsplit_once(' ') {
        Some((day, zone)) if is_zone(zone) => day,
        _ => text,
    }
}

fn is_zone(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or_default();
    text == "Z" || (digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b':'))
}

fn list(items: Result<ArrayRef, arrow::error::ArrowError>, item: &Field) -> Result<ScalarValue, String> {
    let items = items.map_err(|error| error.to_string())?;
    debug_assert_eq!(items.data_type(), item.data_type());
    Ok(SingleRowListArrayBuilder::new(items).build_list_scalar())
}

/// `12.50` with its own digits.
fn decimal(text: &str) -> Result<ScalarValue, String> {
    let trimmed = text.trim();
    let (is_negative, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
    let is_number = !(whole.is_empty() && fraction.is_empty()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || digits.len() > DIGITS_MAX {
        return Err(format!("`{text}` is no numeric of at most {DIGITS_MAX} digits"));
    }
    let value: i128 =
        if digits.is_empty() { 0 } else { digits.parse().map_err(|_| format!("`{text}` is no numeric"))? };
    let value = if is_negative { -value } else { value };
    Ok(ScalarValue::Decimal128(Some(value), DIGITS_MAX as u8, fraction.len() as i8))
}

/// `\x00ff`
fn bytea(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.strip_prefix("\\x").ok_or_else(|| "write bytes as `\\x00ff`".to_owned())?;
    let digits: Vec<u8> = digits.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    if digits.len() + 2 != text.len() || digits.len() % 2 == 1 {
        return Err("write bytes as `\\x00ff`".to_owned());
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The elements of `{1,NULL,"a b"}`, an array of one dimension.
fn elements(text: &str) -> Result<Vec<Option<String>>, String> {
    let wrong = || format!("`{text}` is no array of one dimension: write `{{1,2}}`");
    let inner = text.trim().strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).ok_or_else(wrong)?;
    let mut elements = Vec::new();
    let mut rest = inner.chars().peekable();
    while rest.peek().is_some() {
        while rest.next_if(|next| next.is_whitespace()).is_some() {}
        let mut element = String::new();
        let is_quoted = rest.next_if_eq(&'"').is_some();
        loop {
            match rest.next() {
                Some('"') if is_quoted => break,
                Some('\\') => element.push(rest.next().ok_or_else(wrong)?),
                Some(',') if !is_quoted => {
                    elements.push(unquoted(&element).ok_or_else(wrong)?);
                    element.clear();
                    break;
                }
                Some('{' | '}' | '"') if !is_quoted => return Err(wrong()),
                Some(next) => element.push(next),
                None if is_quoted => return Err(wrong()),
                None => {
                    elements.push(unquoted(&element).ok_or_else(wrong)?);
                    return Ok(elements);
                }
            }
        }
        if is_quoted {
            elements.push(Some(element));
            while rest.next_if(|next| next.is_whitespace()).is_some() {}
            match rest.next() {
                None => return Ok(elements),
                Some(',') if rest.peek().is_some() => {}
                Some(_) => return Err(wrong()),
            }
        } else if rest.peek().is_none() {
            // A comma with nothing behind it.
            return Err(wrong());
        }
    }
    Ok(elements)
}

/// None of no text at all; NULL for itself.
fn unquoted(element: &str) -> Option<Option<String>> {
    let element = element.trim_end();
    (!element.is_empty()).then(|| (!element.eq_ignore_ascii_case("null")).then(|| element.to_owned()))
}

fn binary(of: &Type, data_type: &DataType, bytes: &[u8]) -> Result<ScalarValue, String> {
    let wrong = || format!("{} bytes are no {of}", bytes.len());
    fn number<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
        bytes.try_into().ok()
    }
    let value = match data_type {
        DataType::Boolean => number::<1>(bytes).map(|[value]| ScalarValue::from(value != 0)),
        DataType::Int16 => number(bytes).map(|bytes| ScalarValue::from(i16::from_be_bytes(bytes))),
        DataType::Int32 => number(bytes).map(|bytes| ScalarValue::from(i32::from_be_bytes(bytes))),
        // An `oid` has four bytes and no sign.
        DataType::Int64 if *of == Type::OID => {
            number(bytes).map(|bytes| ScalarValue::from(i64::from(u32::from_be_bytes(bytes))))
        }
        DataType::Int64 => number(bytes).map(|bytes| ScalarValue::from(i64::from_be_bytes(bytes))),
        DataType::Float32 => number(bytes).map(|bytes| ScalarValue::from(f32::from_be_bytes(bytes))),
        DataType::Float64 => number(bytes).map(|bytes| ScalarValue::from(f64::from_be_bytes(bytes))),
        DataType::Decimal128(..) => return decimal(&numeric(bytes).ok_or_else(wrong)?),
        DataType::Utf8 if *of == Type::UUID => number::<16>(bytes).map(|bytes| ScalarValue::from(uuid(&bytes))),
        DataType::Utf8 => {
            // The first byte of `jsonb` is its version.
            let text = if *of == Type::JSONB { bytes.get(1..).unwrap_or_default() } else { bytes };
            return self::text(of, data_type, text);
        }
        DataType::Binary => Some(ScalarValue::Binary(Some(bytes.to_vec()))),
        DataType::Date32 => number(bytes)
            .and_then(|bytes| i32::from_be_bytes(bytes).checked_add(EPOCH_DAYS))
            .map(|days| ScalarValue::Date32(Some(days))),
        DataType::Time64(_) => {
            number(bytes).map(|bytes| ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(bytes))))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => number(bytes)
            .and_then(|bytes| i64::from_be_bytes(bytes).checked_add(EPOCH_US))
            .map(|us| ScalarValue::TimestampMicrosecond(Some(us), zone.clone())),
        DataType::Interval(_) => number::<16>(bytes).and_then(|bytes| {
            let us = i64::from_be_bytes(number(&bytes[..8])?);
            let (days, months) =
                (i32::from_be_bytes(number(&bytes[8..12])?), i32::from_be_bytes(number(&bytes[12..])?));
            let nanoseconds = us.checked_mul(1_000)?;
            Some(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months, days, nanoseconds })))
        }),
        DataType::List(item) => return array(item, bytes).ok_or_else(wrong)?,
        _ => None,
    };
    value.ok_or_else(wrong)
}

/// An array in binary: dimensions, whether it has NULL, the type of its elements, their number, the number of the first, the elements.
fn array(item: &Field, bytes: &[u8]) -> Option<Result<ScalarValue, String>> {
    let mut rest = bytes;
    let mut next = || {
        let (number, behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        Some(i32::from_be_bytes(*number))
    };
    let (dimensions, _, element) = (next()?, next()?, Type::from_oid(next()? as u32)?);
    let count = match dimensions {
        0 => 0,
        1 => {
            let count = next()?;
            next()?;
            count
        }
        _ => return None,
    };
    let element_type = arrow_type(&element)?;
    let mut values = Vec::new();
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = i32::from_be_bytes(*length);
        rest = behind;
        if length < 0 {
            values.push(ScalarValue::try_from(&element_type).ok()?);
            continue;
        }
        let (value, behind) = rest.split_at_checked(length as usize)?;
        rest = behind;
        match binary(&element, &element_type, value) {
            Ok(value) => values.push(value),
            Err(error) => return Some(Err(error)),
        }
    }
    if values.is_empty() {
        return Some(list(Ok(arrow::array::new_empty_array(item.data_type())), item));
    }
    let values = ScalarValue::iter_to_array(values).ok()?;
    Some(list(cast_with_options(&values, item.data_type(), &STRICT), item))
}

/// The text of a `numeric` in binary; none of what is no number.
fn numeric(bytes: &[u8]) -> Option<String> {
    let words: Vec<i16> =
        bytes.chunks(2).map(|pair| pair.try_into().ok().map(i16::from_be_bytes)).collect::<Option<_>>()?;
    let [count, weight, sign, scale, groups @ ..] = words.as_slice() else { return None };
    let (weight, scale) = (i32::from(*weight), usize::try_from(*scale).ok()?);
    if groups.len() != usize::try_from(*count).ok()? || !matches!(sign, 0 | 0x4000) {
        return None;
    }
    // Beyond what is taken, and no reason to write as many zeros.
    if !(-10..10).contains(&weight) || scale > DIGITS_MAX {
        return Some("out of range".to_owned());
    }
    let group = |place: i32| {
        let index = usize::try_from(weight - place).ok();
        index.and_then(|index| groups.get(index)).copied().unwrap_or_default()
    };
    let whole: String = (0..=weight.max(0)).rev().map(|place| format!("{:04}", group(place))).collect();
    let fraction: String = (0..scale.div_ceil(4) as i32).map(|place| format!("{:04}", group(-1 - place))).collect();
    let sign = if *sign == 0 { "" } else { "-" };
    Some(format!("{sign}{whole}.{}", &fraction[..scale.min(fraction.len())]))
}

fn uuid(bytes: &[u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
