//! Values as text: strictly read to a column's type, and written so that reading them gives the same value again.
//!
//! Used for keys, filters, named parameters and page tokens. Nothing here rounds, truncates or guesses. How an answer is
//! rendered is decided by its protocol.

use arrow::datatypes::{DataType, Decimal128Type, DecimalType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat};
use datafusion::common::ScalarValue;

/// Days from 0001-01-01 to 1970-01-01 in chrono's count.
const EPOCH_DAY: i32 = 719_163;

/// Why a text is not a value of a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("`{0}` is neither true nor false")]
    Boolean(String),
    #[error("`{text}` is not a whole number in the range of {data_type}")]
    Integer { text: String, data_type: DataType },
    #[error("`{0}` is not a number")]
    Number(String),
    #[error("`{0}` is out of range")]
    Range(String),
    #[error("`{0}` is not a decimal number")]
    Decimal(String),
    #[error("`{text}` has more than {scale} decimal places")]
    Scale { text: String, scale: i8 },
    #[error("`{text}` has more than {precision} digits")]
    Precision { text: String, precision: u8 },
    #[error("`{0}` is not a date such as 2026-01-31")]
    Date(String),
    #[error("`{0}` is not an RFC 3339 timestamp such as 2026-01-31T09:30:00Z")]
    Instant(String),
    #[error("`{0}` is not a timestamp such as 2026-01-31T09:30:00")]
    LocalTime(String),
    #[error("`{0}` has more digits than the column keeps")]
    Fraction(String),
    #[error("values of type {0} cannot be compared with text")]
    Type(DataType),
}

/// Whether values of this type can be read from text, and hence be filtered and sorted by.
pub(super) fn is_scalar(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(
        data_type,
        Utf8 | LargeUtf8
            | Utf8View
            | Boolean
            | Int8
            | Int16
            | Int32
            | Int64
            | UInt8
            | UInt16
            | UInt32
            | UInt64
            | Float32
            | Float64
            | Decimal128(..)
            | Date32
            | Timestamp(..)
    )
}

/// Reads a value of this type.
///
/// # Errors
/// Where the text is not exactly one value of it, and for types whose values have no text.
pub fn parse_value(text: &str, data_type: &DataType) -> Result<ScalarValue, ValueError> {
    macro_rules! number {
        ($variant:ident) => {
            // `parse` accepts a leading plus sign, which a URL would have turned into a space.
            text.parse()
                .map(|value| ScalarValue::$variant(Some(value)))
                .map_err(|_| ValueError::Integer { text: text.to_owned(), data_type: data_type.clone() })
        };
    }
    match data_type {
        DataType::Utf8 => Ok(ScalarValue::Utf8(Some(text.to_owned()))),
        DataType::LargeUtf8 => Ok(ScalarValue::LargeUtf8(Some(text.to_owned()))),
        DataType::Utf8View => Ok(ScalarValue::Utf8View(Some(text.to_owned()))),
        DataType::Boolean => match text {
            "true" => Ok(ScalarValue::Boolean(Some(true))),
            "false" => Ok(ScalarValue::Boolean(Some(false))),
            _ => Err(ValueError::Boolean(text.to_owned())),
        },
        DataType::Int8 => number!(Int8),
        DataType::Int16 => number!(Int16),
        DataType::Int32 => number!(Int32),
        DataType::Int64 => number!(Int64),
        DataType::UInt8 => number!(UInt8),
        DataType::UInt16 => number!(UInt16),
        DataType::UInt32 => number!(UInt32),
        DataType::UInt64 => number!(UInt64),
        DataType::Float32 => Ok(ScalarValue::Float32(Some(narrow(float(text)?, text)?))),
        DataType::Float64 => Ok(ScalarValue::Float64(Some(float(text)?))),
        DataType::Decimal128(precision, scale) => {
            Ok(ScalarValue::Decimal128(Some(decimal(text, *precision, *scale)?), *precision, *scale))
        }
        DataType::Date32 => {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
            let day = day.ok_or_else(|| ValueError::Date(text.to_owned()))?;
            Ok(ScalarValue::Date32(Some(chrono::Datelike::num_days_from_ce(&day) - EPOCH_DAY)))
        }
        DataType::Timestamp(unit, zone) => {
            let value = Some(timestamp(text, unit, zone.is_some())?);
            Ok(match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(value, zone.clone()),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(value, zone.clone()),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone.clone()),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone.clone()),
            })
        }
        other => Err(ValueError::Type(other.clone())),
    }
}

/// Writes a value so that [`parse_value`] with its type gives it again; none for NULL.
pub(super) fn format(value: &ScalarValue) -> Option<String> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => text.clone(),
        ScalarValue::Float32(value) => value.map(|value| format_float(value.into())),
        ScalarValue::Float64(value) => value.map(format_float),
        ScalarValue::Decimal128(value, precision, scale) => {
            value.map(|value| Decimal128Type::format_decimal(value, *precision, *scale))
        }
        ScalarValue::Date32(value) => value.map(format_date),
        ScalarValue::TimestampSecond(value, zone) => format_timestamp(*value, TimeUnit::Second, zone.is_some()),
        ScalarValue::TimestampMillisecond(value, zone) => {
            format_timestamp(*value, TimeUnit::Millisecond, zone.is_some())
        }
        ScalarValue::TimestampMicrosecond(value, zone) => {
            format_timestamp(*value, TimeUnit::Microsecond, zone.is_some())
        }
        ScalarValue::TimestampNanosecond(value, zone) => format_timestamp(*value, TimeUnit::Nanosecond, zone.is_some()),
        value if value.is_null() => None,
        value => Some(value.to_string()),
    }
}

/// `YYYY-MM-DD`.
pub fn format_date(days: i32) -> String {
    match days.checked_add(EPOCH_DAY).and_then(NaiveDate::from_num_days_from_ce_opt) {
        Some(day) => day.format("%Y-%m-%d").to_string(),
        None => format!("{days}d"),
    }
}

/// RFC 3339 with the digits of its unit, in UTC; without the `Z` where the type has no time zone.
pub fn format_timestamp(value: Option<i64>, unit: TimeUnit, zoned: bool) -> Option<String> {
    let value = value?;
    let (time, digits) = match unit {
        TimeUnit::Second => (DateTime::from_timestamp(value, 0), SecondsFormat::Secs),
        TimeUnit::Millisecond => (DateTime::from_timestamp_millis(value), SecondsFormat::Millis),
        TimeUnit::Microsecond => (DateTime::from_timestamp_micros(value), SecondsFormat::Micros),
        TimeUnit::Nanosecond => (Some(DateTime::from_timestamp_nanos(value)), SecondsFormat::Nanos),
    };
    let Some(time) = time else { return Some(format!("{value}{unit}")) };
    let text = time.to_rfc3339_opts(digits, true);
    Some(if zoned { text } else { text.trim_end_matches('Z').to_owned() })
}

fn format_float(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        value => value.to_string(),
    }
}

/// The nearest float of four bytes.
fn narrow(value: f64, text: &str) -> Result<f32, ValueError> {
    let narrow = value as f32;
    if value.is_finite() && narrow.is_infinite() { Err(ValueError::Range(text.to_owned())) } else { Ok(narrow) }
}

fn float(text: &str) -> Result<f64, ValueError> {
    let error = || ValueError::Number(text.to_owned());
    match text {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(f64::INFINITY),
        "-Infinity" => return Ok(f64::NEG_INFINITY),
        _ if !text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => return Err(error()),
        _ => {}
    }
    let value: f64 = text.parse().map_err(|_| error())?;
    // -0.0 and 0.0 are one value in every read model.
    if value.is_finite() { Ok(value + 0.0) } else { Err(ValueError::Range(text.to_owned())) }
}

fn decimal(text: &str, precision: u8, scale: i8) -> Result<i128, ValueError> {
    let error = || ValueError::Decimal(text.to_owned());
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || (digits.contains('.') && fraction.is_empty()) {
        return Err(error());
    }
    let places = usize::try_from(scale).map_err(|_| error())?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > places {
        return Err(ValueError::Scale { text: text.to_owned(), scale });
    }
    let all = format!("{whole}{fraction:0<places$}");
    let all = all.trim_start_matches('0');
    if all.len() > precision.into() {
        return Err(ValueError::Precision { text: text.to_owned(), precision });
    }
    let value: i128 = if all.is_empty() { 0 } else { all.parse().map_err(|_| error())? };
    Ok(if negative { -value } else { value })
}

fn timestamp(text: &str, unit: &TimeUnit, zoned: bool) -> Result<i64, ValueError> {
    let time = if zoned {
        let parsed = DateTime::parse_from_rfc3339(text).map(|time| time.naive_utc());
        parsed.map_err(|_| ValueError::Instant(text.to_owned()))?
    } else {
        let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
        parsed.map_err(|_| ValueError::LocalTime(text.to_owned()))?
    };
    let (per_second, nanoseconds) = match unit {
        TimeUnit::Second => (1, 1_000_000_000),
        TimeUnit::Millisecond => (1_000, 1_000_000),
        TimeUnit::Microsecond => (1_000_000, 1_000),
        TimeUnit::Nanosecond => (1_000_000_000, 1),
    };
    let fraction = i64::from(time.and_utc().timestamp_subsec_nanos());
    if fraction % nanoseconds != 0 {
        return Err(ValueError::Fraction(text.to_owned()));
    }
    let value = time.and_utc().timestamp().checked_mul(per_second);
    let value = value.and_then(|value| value.checked_add(fraction / nanoseconds));
    value.ok_or_else(|| ValueError::Range(text.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_reads_as_the_same_value() {
        let utc = Some("UTC".into());
        let values = [
            ScalarValue::Utf8(Some("'; DROP TABLE orders --".to_owned())),
            ScalarValue::Int64(Some(i64::MIN)),
            ScalarValue::UInt64(Some(u64::MAX)),
            ScalarValue::Float64(Some(0.1 + 0.2)),
            ScalarValue::Float64(Some(5e-324)),
            ScalarValue::Float64(Some(f64::NEG_INFINITY)),
            ScalarValue::Float64(Some(f64::NAN)),
            ScalarValue::Decimal128(Some(-5), 18, 2),
            ScalarValue::Decimal128(Some(10_i128.pow(37)), 38, 4),
            ScalarValue::Boolean(Some(false)),
            ScalarValue::Date32(Some(-1)),
            ScalarValue::Date32(Some(20_484)),
            ScalarValue::TimestampMicrosecond(Some(-1), utc.clone()),
            ScalarValue::TimestampMicrosecond(Some(1_769_852_345_000_001), utc),
            ScalarValue::TimestampNanosecond(Some(1_769_852_345_000_000_001), None),
        ];
        for value in values {
            let text = format(&value).unwrap();
            assert_eq!(parse_value(&text, &value.data_type()).unwrap(), value, "{text}");
        }
        assert_eq!(format(&ScalarValue::Int64(None)), None);
    }

    #[test]
    fn reading_is_strict() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let money = DataType::Decimal128(5, 2);
        let wrong = [
            ("1.0", DataType::Int64),
            ("2147483648", DataType::Int32),
            ("", DataType::Int64),
            ("1e3", money.clone()),
            ("1.005", money.clone()),
            ("1234.5", money.clone()),
            (".5", money.clone()),
            ("5.", money),
            ("yes", DataType::Boolean),
            ("TRUE", DataType::Boolean),
            ("inf", DataType::Float64),
            ("1e999", DataType::Float64),
            ("3.5e38", DataType::Float32),
            ("2026-02-30", DataType::Date32),
            ("2026-2-3", DataType::Date32),
            ("2026-01-31", utc.clone()),
            ("2026-01-31T09:30:00", utc.clone()),
            ("2026-01-31T09:30:00.0000001Z", utc.clone()),
        ];
        for (text, data_type) in wrong {
            assert!(parse_value(text, &data_type).is_err(), "{text} as {data_type}");
        }
        let summer = parse_value("2026-07-01T02:00:00+02:00", &utc).unwrap();
        assert_eq!(format(&summer).unwrap(), "2026-07-01T00:00:00.000000Z");
    }
}
