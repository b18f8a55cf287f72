//! The event time of an envelope, from its text. No clock.

use chrono::format::{Parsed, StrftimeItems, parse};
use chrono::{DateTime, TimeZone as _};

use super::instant;
use super::json::Fault;
use super::number;
use super::rejected::Reason;
use super::schema::{TimeFormat, TimeZone};
use super::types::TimestampFormat;

/// Numbers of milliseconds below this lie before March 1973. Without a declared format they are taken for another unit.
const LEAST_MILLISECONDS: i128 = 100_000_000_000;

/// Microseconds since the epoch.
///
/// # Errors
/// The text is not a time of this format, or lies beyond what a timestamp holds. Without a format it is RFC 3339 with an
/// offset or a number of milliseconds.
pub(super) fn event_time_us(text: &str, format: Option<&TimeFormat>) -> Result<i64, Box<Fault>> {
    match format {
        None => assumed(text),
        Some(TimeFormat::Named(format)) => named(text, *format),
        Some(TimeFormat::Pattern { pattern, zone }) => patterned(text, pattern, zone.as_ref())
            .ok_or_else(|| unreadable(format!("the event time `{}` is not written as `{pattern}`", excerpt(text)))),
    }
}

fn assumed(text: &str) -> Result<i64, Box<Fault>> {
    if let Some(time) = instant::rfc3339_us(text) {
        return Ok(time);
    }
    let Ok(milliseconds) = number::scaled(text, 0) else {
        let message = format!(
            "the event time `{}` is neither RFC 3339 with an offset nor a number of milliseconds",
            excerpt(text)
        );
        return Err(unreadable(format!("{message}; declare how it is written: `time: {{at: …, format: …}}`")));
    };
    if milliseconds.abs() < LEAST_MILLISECONDS {
        return Err(unreadable(format!(
            "the event time `{}` is no plausible number of milliseconds; declare its unit: `time: {{at: …, format: epoch_s}}`",
            excerpt(text)
        )));
    }
    named(text, TimestampFormat::EpochMs)
}

fn named(text: &str, format: TimestampFormat) -> Result<i64, Box<Fault>> {
    let wrong = || unreadable(format!("the event time `{}` is not {}", excerpt(text), format.name()));
    match format.scale() {
        Some(scale) => {
            // Digits below a microsecond are cut off, towards the past.
            let finer = number::scaled(text, scale + 3).map_err(|_| wrong())?;
            i64::try_from(finer.div_euclid(1_000)).map_err(|_| out_of_range(text))
        }
        None if format == TimestampFormat::Rfc1123 => {
            Ok(DateTime::parse_from_rfc2822(text).map_err(|_| wrong())?.timestamp_micros())
        }
        None => instant::rfc3339_us(text).ok_or_else(wrong),
    }
}

/// None also where the zone's clock shows a time twice or never.
fn patterned(text: &str, pattern: &str, zone: Option<&TimeZone>) -> Option<i64> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, StrftimeItems::new(pattern)).ok()?;
    if let Ok(time) = parsed.to_datetime() {
        return Some(time.timestamp_micros());
    }
    let local =
        parsed.to_naive_datetime_with_offset(0).ok().or_else(|| parsed.to_naive_date().ok()?.and_hms_opt(0, 0, 0))?;
    Some(zone?.zone.from_local_datetime(&local).single()?.timestamp_micros())
}

/// An event time that its event cannot have had when it was published.
pub(super) fn too_far_ahead(time_us: i64, published_us: i64, max_ahead_us: i64) -> Box<Fault> {
    let seconds = (i128::from(time_us) - i128::from(published_us)) / 1_000_000;
    let detail = format!(
        "the event time is {seconds} s beyond the publish time, and `event_time.max_ahead` is {} s; is it written in another unit?",
        max_ahead_us / 1_000_000
    );
    fault(Reason::OutOfRange, detail)
}

fn out_of_range(text: &str) -> Box<Fault> {
    fault(Reason::OutOfRange, format!("the event time `{}` is beyond what a timestamp holds", excerpt(text)))
}

fn unreadable(detail: String) -> Box<Fault> {
    fault(Reason::WrongType, detail)
}

fn fault(reason: Reason, detail: String) -> Box<Fault> {
    Box::new(Fault { reason, pointer: None, detail })
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_read_as_declared_or_not_at_all() {
        let pattern = |pattern: &str, zone: Option<&str>| {
            Some(TimeFormat::Pattern {
                pattern: pattern.to_owned(),
                zone: zone.map(|name| TimeZone::named(name).unwrap()),
            })
        };
        let named = |format| Some(TimeFormat::Named(format));
        let second = 1_767_225_600_i64;
        let cases = [
            ("2026-01-01T00:00:00Z", None, Some(0)),
            ("2026-01-01T01:00:00+01:00", None, Some(0)),
            ("1767225600000", None, Some(0)),
            ("2026-01-01T00:00:00", None, None),
            ("2026-01-01", None, None),
            ("2026-01-01T01:00:00+0100", None, None),
            ("1767225600", None, None),
            ("yesterday", None, None),
            ("", None, None),
            ("true", None, None),
            ("1e400", None, None),
            ("1767225600", named(TimestampFormat::EpochS), Some(0)),
            ("1767225600.25", named(TimestampFormat::EpochS), Some(250_000)),
            ("12", named(TimestampFormat::EpochMs), Some(12_000 - second * 1_000_000)),
            ("1767225600000000", named(TimestampFormat::EpochUs), Some(0)),
            ("1767225600000001999", named(TimestampFormat::EpochNs), Some(1)),
            ("-1", named(TimestampFormat::EpochNs), Some(-1 - second * 1_000_000)),
            ("9999999999999", named(TimestampFormat::EpochS), None),
            ("Thu, 01 Jan 2026 00:00:00 GMT", named(TimestampFormat::Rfc1123), Some(0)),
            ("1 Jan 2026 01:00:00 +0100", named(TimestampFormat::Rfc1123), Some(0)),
            ("2026-01-01", named(TimestampFormat::Rfc1123), None),
            ("01.01.2026 01:00 +0100", pattern("%d.%m.%Y %H:%M %z", None), Some(0)),
            ("01.01.2026 00:00", pattern("%d.%m.%Y %H:%M", Some("UTC")), Some(0)),
            ("01.01.2026 01:00", pattern("%d.%m.%Y %H:%M", Some("Europe/Berlin")), Some(0)),
            ("01.01.2026 01:00", pattern("%d.%m.%Y %H:%M", Some("+01:00")), Some(0)),
            ("01.01.2026", pattern("%d.%m.%Y", Some("UTC")), Some(0)),
            ("01.01.2026", pattern("%d.%m.%Y", None), None),
            // The clock went from 2 to 3, and shows an hour twice in autumn.
            ("29.03.2026 02:30", pattern("%d.%m.%Y %H:%M", Some("Europe/Berlin")), None),
            ("25.10.2026 02:30", pattern("%d.%m.%Y %H:%M", Some("Europe/Berlin")), None),
        ];
        for (text, format, expected) in cases {
            let found = event_time_us(text, format.as_ref()).ok().map(|time| time - second * 1_000_000);
            assert_eq!(found, expected, "{text} as {format:?}");
        }
    }
}
