//! `timezone(zone, t)`, which `t AT TIME ZONE zone` is, as in PostgreSQL: the time of an instant on the clocks of a zone, and the
//! instant of a time on them.
//!
//! DataFusion takes both for a cast, which leaves an instant what it is, and gives nanoseconds.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use datafusion::execution::FunctionRegistry;

use super::own::{self, Function, is_text, of_type};

static TIMEZONE: Function = Function {
    name: "timezone",
    usage: "`t AT TIME ZONE 'Europe/Vienna'`",
    takes: |types| match types {
        [zone, time] if is_text(zone) => {
            let zone = match time {
                DataType::Timestamp(_, zone) => zone.clone(),
                of if is_text(of) || matches!(of, DataType::Date32) => None,
                _ => return None,
            };
            Some(vec![DataType::Utf8, DataType::Timestamp(TimeUnit::Microsecond, zone)])
        }
        _ => None,
    },
    gives: |fields| {
        let zone = match fields.get(1).map(|field| field.data_type()) {
            Some(DataType::Timestamp(_, Some(_))) => None,
            Some(_) => Some(Arc::from("UTC")),
            None => return plan_err!("`timezone` takes a zone and a time"),
        };
        of_type(DataType::Timestamp(TimeUnit::Microsecond, zone))
    },
    compute: |call| {
        let times = call.arguments[1].as_primitive::<TimestampMicrosecondType>();
        let is_instant = matches!(call.arguments[1].data_type(), DataType::Timestamp(_, Some(_)));
        let mut known: Option<(String, Tz)> = None;
        let moved = (0..call.rows).map(|row| match (call.text(0).is_valid(row), times.is_valid(row)) {
            (true, true) => {
                let name = call.text(0).value(row);
                let zone = zone_of(name, &mut known)?;
                let moved =
                    if is_instant { on_clocks(times.value(row), zone) } else { instant(times.value(row), zone) };
                moved.map(Some).ok_or_else(|| exec_datafusion_err!("the time is out of range"))
            }
            _ => Ok(None),
        });
        let moved = moved.collect::<Result<TimestampMicrosecondArray>>()?;
        Ok(Arc::new(moved.with_data_type(call.gives.clone())))
    },
};

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, [&TIMEZONE])
}

fn zone_of(name: &str, known: &mut Option<(String, Tz)>) -> Result<Tz> {
    if let Some((_, zone)) = known.as_ref().filter(|(known, _)| known == name) {
        return Ok(*zone);
    }
    // Numbers are offsets to the west in POSIX and in PostgreSQL, and to the east in ISO 8601.
    let zone = if name.starts_with(['+', '-']) { None } else { Tz::from_str(name).ok() };
    let zone =
        zone.ok_or_else(|| exec_datafusion_err!("`{name}` is no time zone: write one as in `'Europe/Vienna'`"))?;
    *known = Some((name.to_owned(), zone));
    Ok(zone)
}

fn on_clocks(time_us: i64, zone: Tz) -> Option<i64> {
    let time = DateTime::from_timestamp_micros(time_us)?.naive_utc();
    Some(zone.from_utc_datetime(&time).naive_local().and_utc().timestamp_micros())
}

/// A time that clocks show twice is the later one, and one that they pass over is as if they did not, as in PostgreSQL.
fn instant(time_us: i64, zone: Tz) -> Option<i64> {
    let local = DateTime::from_timestamp_micros(time_us)?.naive_utc();
    let found = match zone.from_local_datetime(&local) {
        LocalResult::Single(time) => time.with_timezone(&Utc),
        LocalResult::Ambiguous(_, later) => later.with_timezone(&Utc),
        LocalResult::None => passed_over(local, zone)?,
    };
    Some(found.timestamp_micros())
}

fn passed_over(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let before = local.checked_sub_signed(TimeDelta::days(1))?;
    let offset = zone.offset_from_local_datetime(&before).latest()?.fix().local_minus_utc();
    Some(local.checked_sub_signed(TimeDelta::seconds(i64::from(offset)))?.and_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What PostgreSQL 15 gives.
    #[test]
    fn the_hours_of_a_change_are_those_of_postgresql() {
        let us =
            |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc().timestamp_micros();
        let vienna = Tz::from_str("Europe/Vienna").unwrap();
        for (local, expected) in [
            ("2024-07-01 12:00", "2024-07-01 10:00"),
            ("2024-03-31 02:30", "2024-03-31 01:30"),
            ("2024-10-27 02:30", "2024-10-27 01:30"),
        ] {
            assert_eq!(instant(us(local), vienna).unwrap(), us(expected), "{local}");
        }
        assert_eq!(on_clocks(us("2024-07-01 12:00"), vienna).unwrap(), us("2024-07-01 14:00"));
    }
}
