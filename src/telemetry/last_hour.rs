//! How fresh each projection was over the last hour, minute by minute: bounded, and lost with the process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

const MINUTE_US: i64 = 60_000_000;
/// The running minute, and those of the hour before it.
const MINUTES_MAX: usize = 61;

/// What was seen of a projection at once, and for how long that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// None while nobody knows it.
    pub(super) lag_seconds: Option<f64>,
    /// Whether it was not within its SLO; none without one.
    pub(super) is_missed: Option<bool>,
    pub(super) elapsed: Duration,
}

/// What was seen within a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Minute {
    /// When it began, microseconds since the epoch.
    pub at_us: i64,
    /// Time in which the projection was looked at.
    pub observed: Duration,
    /// Time of that in which its lag was not known.
    pub unknown: Duration,
    /// Time in which it was not within its SLO; none without one.
    pub missed: Option<Duration>,
    /// The greatest lag that was known.
    pub lag_seconds_max: Option<f64>,
}

/// What was seen within the hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastHour {
    /// Time in which the projection was looked at: less than an hour where the daemon was started since.
    pub observed_seconds: f64,
    /// Time of that in which its lag was not known.
    pub unknown_seconds: f64,
    /// Time in which it was not within its SLO; none without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_seconds: Option<f64>,
    /// The greatest lag that was known.
    pub lag_seconds_max: Option<f64>,
}

static SEEN: Mutex<BTreeMap<String, VecDeque<Minute>>> = Mutex::new(BTreeMap::new());

pub(super) fn remember(projection: &str, look: Look, now_us: i64) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(minutes) = seen.get_mut(projection) {
        add(minutes, look, now_us);
    } else {
        add(seen.entry(projection.to_owned()).or_default(), look, now_us);
    }
}

/// Forgets projections that are declared no more.
pub(super) fn forget_others(is_declared: impl Fn(&str) -> bool) {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_declared(name));
}

/// The minutes of the last hour in which the projection was looked at, the oldest first.
pub fn minutes(projection: &str, now_us: i64) -> Vec<Minute> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.get(projection).map(|minutes| within_the_hour(minutes, now_us).copied().collect()).unwrap_or_default()
}

/// The last hour as a whole; none of a projection that was not looked at in it.
pub fn last_hour(projection: &str, now_us: i64) -> Option<LastHour> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    sum(within_the_hour(seen.get(projection)?, now_us))
}

fn add(minutes: &mut VecDeque<Minute>, look: Look, now_us: i64) {
    let at_us = now_us - now_us.rem_euclid(MINUTE_US);
    // A clock that was set back goes on in the minute that is there.
    if minutes.back().is_none_or(|last| last.at_us < at_us) {
        minutes.push_back(Minute { at_us, ..Minute::default() });
        if minutes.len() > MINUTES_MAX {
            minutes.pop_front();
        }
    }
    let Some(minute) = minutes.back_mut() else { return };
    minute.observed += look.elapsed;
    match look.lag_seconds {
        None => minute.unknown += look.elapsed,
        Some(lag) => minute.lag_seconds_max = Some(minute.lag_seconds_max.map_or(lag, |most| most.max(lag))),
    }
    if let Some(is_missed) = look.is_missed {
        *minute.missed.get_or_insert_default() += if is_missed { look.elapsed } else { Duration::ZERO };
    }
}

fn within_the_hour(minutes: &VecDeque<Minute>, now_us: i64) -> impl Iterator<Item = &Minute> {
    minutes.iter().filter(move |minute| minute.at_us > now_us - MINUTES_MAX as i64 * MINUTE_US)
}

fn sum<'a>(minutes: impl Iterator<Item = &'a Minute>) -> Option<LastHour> {
    minutes.fold(None, |sum, minute| {
        let sum = sum.unwrap_or_default();
        let missed = minute.missed.map(|missed| missed.as_secs_f64());
        let greater = |one: Option<f64>, other: Option<f64>| one.into_iter().chain(other).reduce(f64::max);
        Some(LastHour {
            observed_seconds: sum.observed_seconds + minute.observed.as_secs_f64(),
            unknown_seconds: sum.unknown_seconds + minute.unknown.as_secs_f64(),
            missed_seconds: sum.missed_seconds.into_iter().chain(missed).reduce(|one, other| one + other),
            lag_seconds_max: greater(sum.lag_seconds_max, minute.lag_seconds_max),
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn look(lag_seconds: Option<f64>, is_missed: bool) -> Look {
        Look { lag_seconds, is_missed: Some(is_missed), elapsed: Duration::from_secs(1) }
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut minutes = VecDeque::new();
        for second in 0..7_200 {
            add(&mut minutes, look(Some(f64::from(second)), second < 5_000), i64::from(second) * 1_000_000);
        }
        assert_eq!(minutes.len(), MINUTES_MAX);
        let now_us = 7_199_000_000;
        let hour = sum(within_the_hour(&minutes, now_us)).unwrap();
        assert!((3_600.0..=3_660.0).contains(&hour.observed_seconds), "{hour:?}");
        assert_eq!(hour.lag_seconds_max, Some(7_199.0));
        assert_eq!(hour.missed_seconds, Some(5_000.0 - (7_200.0 - hour.observed_seconds)));
        assert_eq!(sum(within_the_hour(&minutes, now_us + 7_200_000_000)), None);
    }

    #[test]
    fn a_lag_that_nobody_knows_is_none() {
        let mut minutes = VecDeque::new();
        add(&mut minutes, look(None, true), 0);
        add(&mut minutes, look(Some(0.5), false), 1_000_000);
        let seen = Minute {
            at_us: 0,
            observed: Duration::from_secs(2),
            unknown: Duration::from_secs(1),
            missed: Some(Duration::from_secs(1)),
            lag_seconds_max: Some(0.5),
        };
        assert_eq!(minutes, [seen]);
        // Without a promise there is nothing to be missed.
        add(&mut minutes, Look { is_missed: None, ..look(Some(1.0), false) }, 60_000_000);
        assert_eq!(minutes[1].missed, None);
    }
}
