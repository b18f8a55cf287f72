//! Dates and instants from their text. No clock.

use chrono::{DateTime, NaiveDate};

/// Microseconds since the epoch of an RFC 3339 time, which always has an offset. Digits below a microsecond are cut
/// off, towards the past.
pub(super) fn rfc3339_us(text: &str) -> Option<i64> {
    plain_rfc3339_us(text).or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros()))
}

/// Days since the epoch of a date written `YYYY-MM-DD`.
pub(super) fn date_days(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 {
        return None;
    }
    days(bytes)
}

/// The common form `YYYY-MM-DDThh:mm:ss[.fraction]Z`, which needs no general parser.
fn plain_rfc3339_us(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let [clock @ .., b'Z'] = bytes.get(10..)? else { return None };
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2, fraction @ ..] = clock else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let seconds = i64::from(days(&bytes[..10])?) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds * 1_000_000 + micros)
}

/// Days since the epoch of ten bytes `YYYY-MM-DD`.
fn days(bytes: &[u8]) -> Option<i32> {
    let [year @ .., b'-', m1, m2, b'-', d1, d2] = bytes else { return None };
    let (month, day) = (number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(number(year)?).ok()?, month.try_into().ok()?, day.try_into().ok()?)?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn instants_are_normalised_to_utc() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T01:00:00.5+01:00", Some(500_000)),
            ("1969-12-31T23:59:59.999999Z", Some(-1)),
            ("2024-02-29T12:00:00.123456789Z", Some(1_709_208_000_123_456)),
            ("2023-02-29T12:00:00Z", None),
            ("2024-01-01T24:00:00Z", None),
            ("2024-01-01T12:00:00", None),
            ("2024-01-01", None),
            ("2024-01-01T12:00:00.Z", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(rfc3339_us(text), expected, "{text}");
        }
    }

    #[test]
    fn the_short_way_agrees_with_the_general_parser() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..5_000 {
            let time = DateTime::from_timestamp_micros(random.i64(-10_i64.pow(16)..10_i64.pow(17))).unwrap();
            let text = time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            assert_eq!(plain_rfc3339_us(&text), Some(time.timestamp_micros()), "{text}");
        }
    }

    #[test]
    fn dates_have_one_form() {
        let cases = [
            ("1970-01-02", Some(1)),
            ("1969-12-31", Some(-1)),
            ("2024-2-29", None),
            ("2023-02-29", None),
            ("20240229", None),
            ("2024-02-29Z", None),
        ];
        for (text, expected) in cases {
            assert_eq!(date_days(text), expected, "{text}");
        }
    }
}
