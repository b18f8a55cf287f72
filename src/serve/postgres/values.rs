//! Values as PostgreSQL writes them, as texts and in binary.
//!
//! They look as with `DateStyle` ISO, `IntervalStyle` postgres, `bytea_output` hex and the time zone UTC. What PostgreSQL has no type
//! for is JSON, as in every other answer.

use std::io::Write as _;

use arrow::array::{Array, ArrayRef, AsArray, GenericListArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Field, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use pgwire::api::Type;

use super::types::{EPOCH_DAYS, EPOCH_US, postgres_type};
use crate::serve::json::JsonValues;

const SECOND_US: i64 = 1_000_000;

/// The values of a column. NULL is none of them.
pub(super) struct Values {
    array: ArrayRef,
    form: Form,
}

/// Arrays of types that are written alike are made one type first.
enum Form {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// As texts: each digit counts, however many there are.
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    Timestamp {
        has_zone: bool,
    },
    Interval,
    Json(Box<JsonValues>),
    /// A number without a sign.
    Oid,
    /// Such numbers, or plain ones, with blanks between them.
    Vector {
        element: Type,
    },
    List {
        element: Type,
        items: Box<Values>,
    },
}

impl Values {
    /// # Errors
    /// If a value is beyond what its type of PostgreSQL has.
    pub(super) fn new(field: &Field, array: &ArrayRef) -> Result<Self, ArrowError> {
        let of = postgres_type(field);
        let as_is = |form| Ok(Self { array: array.clone(), form });
        let cast_to = |to: &DataType, form| Ok(Self { array: cast(array, to)?, form });
        match of {
            Type::BOOL => as_is(Form::Bool),
            Type::INT2 => cast_to(&DataType::Int16, Form::Int2),
            Type::INT4 => cast_to(&DataType::Int32, Form::Int4),
            Type::INT8 => cast_to(&DataType::Int64, Form::Int8),
            Type::FLOAT4 => cast_to(&DataType::Float32, Form::Float4),
            Type::FLOAT8 => as_is(Form::Float8),
            Type::NUMERIC => cast_to(&DataType::Utf8, Form::Numeric),
            Type::TEXT => cast_to(&DataType::Utf8, Form::Text),
            Type::BYTEA => cast_to(&DataType::Binary, Form::Bytea),
            Type::DATE => cast_to(&DataType::Date32, Form::Date),
            Type::TIME => cast_to(&DataType::Time64(TimeUnit::Microsecond), Form::Time),
            Type::TIMESTAMP => {
                cast_to(&DataType::Timestamp(TimeUnit::Microsecond, None), Form::Timestamp { has_zone: false })
            }
            Type::TIMESTAMPTZ => {
                // The instant stays what it is, whatever the zone is called.
                let zoned = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
                Ok(Self { array: zoned, form: Form::Timestamp { has_zone: true } })
            }
            Type::INTERVAL => cast_to(&DataType::Interval(IntervalUnit::MonthDayNano), Form::Interval),
            Type::OID => cast_to(&DataType::Int64, Form::Oid),
            Type::INT2_VECTOR => as_is(Form::Vector { element: Type::INT2 }),
            Type::OID_VECTOR => as_is(Form::Vector { element: Type::OID }),
            Type::JSON => {
                let values = JsonValues::new(field, array)?;
                as_is(Form::Json(Box::new(values)))
            }
            _ => {
                let (DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) =
                    field.data_type()
                else {
                    return Err(ArrowError::NotYetImplemented(format!("{} as {of}", field.data_type())));
                };
                let list = cast(array, &DataType::List(item.clone()))?;
                let items = Values::new(item, list.as_list::<i32>().values())?;
                Ok(Self { array: list, form: Form::List { element: postgres_type(item), items: Box::new(items) } })
            }
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    /// Appends a value that is not NULL as a text.
    ///
    /// # Errors
    /// If it cannot be written, such as a time beyond the calendar.
    pub(super) fn text(&self, out: &mut Vec<u8>, row: usize) -> Result<(), ArrowError> {
        let array = &self.array;
        // Writing to a vector does not fail.
        let _ = match &self.form {
            Form::Bool => out.write_all(if array.as_boolean().value(row) { b"t" } else { b"f" }),
            Form::Int2 => write!(out, "{}", array.as_primitive::<Int16Type>().value(row)),
            Form::Int4 => write!(out, "{}", array.as_primitive::<Int32Type>().value(row)),
            Form::Int8 => write!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
            Form::Float4 => {
                let value = array.as_primitive::<Float32Type>().value(row);
                out.write_all(float_text(&format!("{value:e}"), 6).as_bytes())
            }
            Form::Float8 => {
                let value = array.as_primitive::<Float64Type>().value(row);
                out.write_all(float_text(&format!("{value:e}"), 15).as_bytes())
            }
            Form::Numeric | Form::Text => out.write_all(array.as_string::<i32>().value(row).as_bytes()),
            Form::Bytea => {
                out.extend_from_slice(b"\\x");
                array.as_binary::<i32>().value(row).iter().try_for_each(|byte| write!(out, "{byte:02x}"))
            }
            Form::Date => {
                let days = array.as_primitive::<Date32Type>().value(row);
                let at = instant(i64::from(days).saturating_mul(86_400 * SECOND_US))?;
                let (year, era) = year(&at);
                write!(out, "{year:04}-{:02}-{:02}{era}", at.month(), at.day())
            }
            Form::Time => {
                let at = instant(array.as_primitive::<Time64MicrosecondType>().value(row))?;
                out.write_all(clock(&at).as_bytes())
            }
            Form::Timestamp { has_zone } => {
                let at = instant(array.as_primitive::<TimestampMicrosecondType>().value(row))?;
                let (year, era) = year(&at);
                let zone = if *has_zone { "+00" } else { "" };
                write!(out, "{year:04}-{:02}-{:02} {}{zone}{era}", at.month(), at.day(), clock(&at))
            }
            Form::Interval => {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                out.write_all(interval_text(value).as_bytes())
            }
            Form::Json(values) => return values.write(out, row),
            Form::Oid => write!(out, "{}", oid(array.as_primitive::<Int64Type>().value(row))?),
            Form::Vector { .. } => {
                let numbers = array.as_list::<i32>().value(row);
                let numbers: Vec<String> =
                    numbers.as_primitive::<Int64Type>().values().iter().map(i64::to_string).collect();
                out.write_all(numbers.join(" ").as_bytes())
            }
            Form::List { items, .. } => return list_text(out, &range(array.as_list(), row), items),
        };
        Ok(())
    }

    /// Appends a value that is not NULL as PostgreSQL sends it in binary.
    pub(super) fn binary(&self, out: &mut Vec<u8>, row: usize) -> Result<(), ArrowError> {
        let array = &self.array;
        match &self.form {
            Form::Bool => out.push(u8::from(array.as_boolean().value(row))),
            Form::Int2 => out.extend_from_slice(&array.as_primitive::<Int16Type>().value(row).to_be_bytes()),
            Form::Int4 => out.extend_from_slice(&array.as_primitive::<Int32Type>().value(row).to_be_bytes()),
            Form::Int8 => out.extend_from_slice(&array.as_primitive::<Int64Type>().value(row).to_be_bytes()),
            Form::Float4 => out.extend_from_slice(&array.as_primitive::<Float32Type>().value(row).to_be_bytes()),
            Form::Float8 => out.extend_from_slice(&array.as_primitive::<Float64Type>().value(row).to_be_bytes()),
            Form::Numeric => numeric_binary(out, array.as_string::<i32>().value(row)),
            Form::Text => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
            Form::Bytea => out.extend_from_slice(array.as_binary::<i32>().value(row)),
            Form::Date => {
                let days = array.as_primitive::<Date32Type>().value(row).checked_sub(EPOCH_DAYS);
                out.extend_from_slice(&days.ok_or_else(beyond)?.to_be_bytes());
            }
            Form::Time => {
                out.extend_from_slice(&array.as_primitive::<Time64MicrosecondType>().value(row).to_be_bytes())
            }
            Form::Timestamp { .. } => {
                let at = array.as_primitive::<TimestampMicrosecondType>().value(row).checked_sub(EPOCH_US);
                out.extend_from_slice(&at.ok_or_else(beyond)?.to_be_bytes());
            }
            Form::Interval => {
                let IntervalMonthDayNano { months, days, nanoseconds } =
                    array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                out.extend_from_slice(&(nanoseconds / 1_000).to_be_bytes());
                out.extend_from_slice(&days.to_be_bytes());
                out.extend_from_slice(&months.to_be_bytes());
            }
            Form::Json(values) => values.write(out, row)?,
            Form::Oid => {
                let number = oid(array.as_primitive::<Int64Type>().value(row))?;
                out.extend_from_slice(&number.to_be_bytes());
            }
            Form::Vector { element } => {
                let numbers = array.as_list::<i32>().value(row);
                let numbers = numbers.as_primitive::<Int64Type>().values();
                // One dimension without NULL, of elements that are numbered from 0 on.
                for word in [1, 0, element.oid() as i32, numbers.len() as i32, 0] {
                    out.extend_from_slice(&word.to_be_bytes());
                }
                for number in numbers {
                    if *element == Type::OID {
                        out.extend_from_slice(&4_i32.to_be_bytes());
                        out.extend_from_slice(&oid(*number)?.to_be_bytes());
                    } else {
                        let number = i16::try_from(*number).map_err(|_| beyond())?;
                        out.extend_from_slice(&2_i32.to_be_bytes());
                        out.extend_from_slice(&number.to_be_bytes());
                    }
                }
            }
            Form::List { element, items } => {
                let range = range(array.as_list(), row);
                let (length, has_null) = (range.len() as i32, range.clone().any(|item| items.is_null(item)));
                out.extend_from_slice(&i32::from(length > 0).to_be_bytes());
                out.extend_from_slice(&i32::from(has_null).to_be_bytes());
                out.extend_from_slice(&element.oid().to_be_bytes());
                if length > 0 {
                    out.extend_from_slice(&length.to_be_bytes());
                    // The first element's number.
                    out.extend_from_slice(&1_i32.to_be_bytes());
                }
                for item in range {
                    items.sized(out, item, true)?;
                }
            }
        }
        Ok(())
    }

    /// Appends a value behind its length, which is -1 for NULL.
    pub(super) fn sized(&self, out: &mut Vec<u8>, row: usize, is_binary: bool) -> Result<(), ArrowError> {
        if self.is_null(row) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        let begin = out.len();
        out.extend_from_slice(&[0; 4]);
        if is_binary {
            self.binary(out, row)?;
        } else {
            self.text(out, row)?;
        }
        let length = i32::try_from(out.len() - begin - 4).map_err(|_| beyond())?;
        out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

fn range(list: &GenericListArray<i32>, row: usize) -> std::ops::Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn beyond() -> ArrowError {
    ArrowError::InvalidArgumentError("a value is beyond what PostgreSQL has for its type".to_owned())
}

fn oid(number: i64) -> Result<u32, ArrowError> {
    u32::try_from(number).map_err(|_| beyond())
}

/// Microseconds since 1970.
fn instant(us: i64) -> Result<NaiveDateTime, ArrowError> {
    DateTime::from_timestamp_micros(us).map(|at| at.naive_utc()).ok_or_else(beyond)
}

/// There is no year 0.
fn year(at: &NaiveDateTime) -> (i32, &'static str) {
    if at.year() > 0 { (at.year(), "") } else { (1 - at.year(), " BC") }
}

fn clock(at: &NaiveDateTime) -> String {
    let text = format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second());
    match at.nanosecond() / 1_000 {
        0 => text,
        us => format!("{text}.{us:06}").trim_end_matches('0').to_owned(),
    }
}

/// The shortest digits that give the same float, laid out as PostgreSQL does: with an exponent below -4 and from `digits_max` on.
/// `scientific` is as Rust writes it, `-1.5e300`.
fn float_text(scientific: &str, digits_max: i32) -> String {
    let plain = match scientific {
        "NaN" => return "NaN".to_owned(),
        "inf" => return "Infinity".to_owned(),
        "-inf" => return "-Infinity".to_owned(),
        plain => plain,
    };
    let Some((mantissa, exponent)) = plain.split_once('e') else { return plain.to_owned() };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    if exponent < -4 || exponent >= digits_max {
        let sign_of_exponent = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{sign_of_exponent}{:02}", exponent.abs());
    }
    let digits = mantissa.replace('.', "");
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    match digits.len() {
        length if length > whole => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        length => format!("{sign}{digits}{}", "0".repeat(whole - length)),
    }
}

/// A decimal's text as `numeric`: groups of four digits, the place of the first, sign, and digits behind the point.
fn numeric_binary(out: &mut Vec<u8>, text: &str) {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = "0".repeat((4 - whole.len() % 4) % 4) + whole + fraction + &"0".repeat((4 - fraction.len() % 4) % 4);
    let value = |group: &[u8]| group.iter().fold(0_i16, |value, digit| value * 10 + i16::from(digit - b'0'));
    let groups: Vec<i16> = padded.as_bytes().chunks(4).map(value).collect();
    let mut weight = whole.len().div_ceil(4) as i16 - 1;
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    weight = if first == groups.len() { 0 } else { weight - first as i16 };
    let groups = &groups[first..last];
    out.extend_from_slice(&(groups.len() as i16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&(if is_negative { 0x4000_i16 } else { 0 }).to_be_bytes());
    out.extend_from_slice(&(fraction.len() as i16).to_be_bytes());
    groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
}

fn interval_text(value: IntervalMonthDayNano) -> String {
    let IntervalMonthDayNano { months, days, nanoseconds } = value;
    let (mut parts, mut is_before) = (Vec::new(), false);
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count == 0 {
            continue;
        }
        let sign = if is_before && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        parts.push(format!("{sign}{count} {unit}{plural}"));
        is_before = count < 0;
    }
    let us = nanoseconds / 1_000;
    if us != 0 || parts.is_empty() {
        let sign = if us < 0 {
            "-"
        } else if is_before {
            "+"
        } else {
            ""
        };
        let (seconds, rest) = (us.unsigned_abs() / 1_000_000, us.unsigned_abs() % 1_000_000);
        let mut text = format!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if rest > 0 {
            text += format!(".{rest:06}").trim_end_matches('0');
        }
        parts.push(text);
    }
    parts.join(" ")
}

fn list_text(out: &mut Vec<u8>, range: &std::ops::Range<usize>, items: &Values) -> Result<(), ArrowError> {
    out.push(b'{');
    for item in range.clone() {
        if item > range.start {
            out.push(b',');
        }
        if items.is_null(item) {
            out.extend_from_slice(b"NULL");
            continue;
        }
        let mut text = Vec::new();
        items.text(&mut text, item)?;
        let is_plain = |byte: &u8| !matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') && !byte.is_ascii_whitespace();
        if !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && text.iter().all(is_plain) {
            out.extend_from_slice(&text);
            continue;
        }
        out.push(b'"');
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
    out.push(b'}');
    Ok(())
}
