//! From a message's publication to the answers that have it: a histogram that takes many messages at once.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use super::gauges::{head, labelled};
use super::{Buckets, VISIBLE_AFTER};

const BUCKETS: Buckets = Buckets::Delay;

/// How long messages took: how many in each bucket, and their sum.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delays {
    /// One for each bound, and one for what is beyond the last.
    counts: Vec<u64>,
    seconds: f64,
}

static VISIBLE: Mutex<BTreeMap<String, Delays>> = Mutex::new(BTreeMap::new());

impl Delays {
    /// Of messages that were published at these times and are visible at `now_us`, all in microseconds since the epoch. What was
    /// published later than now, by another clock, took no time.
    pub fn of(published_at_us: &[i64], now_us: i64) -> Self {
        let bounds = BUCKETS.bounds();
        let mut delays = Self { counts: vec![0; bounds.len() + 1], seconds: 0.0 };
        for published in published_at_us {
            let seconds = now_us.saturating_sub(*published).max(0) as f64 / 1e6;
            delays.counts[bounds.partition_point(|bound| *bound < seconds)] += 1;
            delays.seconds += seconds;
        }
        delays
    }

    fn add(&mut self, more: &Delays) {
        self.counts.resize(self.counts.len().max(more.counts.len()), 0);
        self.counts.iter_mut().zip(&more.counts).for_each(|(count, more)| *count += more);
        self.seconds += more.seconds;
    }
}

/// Records messages that have become visible in a projection.
pub fn observe_visible(projection: &str, delays: &Delays) {
    let mut visible = VISIBLE.lock().unwrap_or_else(PoisonError::into_inner);
    match visible.get_mut(projection) {
        Some(known) => known.add(delays),
        None => drop(visible.insert(projection.to_owned(), delays.clone())),
    }
}

/// The histogram in the Prometheus text format.
pub fn render_visible() -> String {
    let visible = VISIBLE.lock().unwrap_or_else(PoisonError::into_inner);
    if visible.is_empty() {
        return String::new();
    }
    let mut text = head(VISIBLE_AFTER, "histogram");
    for (projection, delays) in visible.iter() {
        render(&mut text, projection, delays);
    }
    text.push('\n');
    text
}

fn render(text: &mut String, projection: &str, delays: &Delays) {
    let own = ("projection", projection);
    let bounds = BUCKETS.bounds().iter().map(f64::to_string).chain(["+Inf".to_owned()]);
    let mut through = 0;
    // Writing to a string cannot fail.
    for (bound, count) in bounds.zip(&delays.counts) {
        through += count;
        let _ = writeln!(text, "{VISIBLE_AFTER}_bucket{{{}}} {through}", labelled(&[own, ("le", &bound)]));
    }
    let own = labelled(&[own]);
    let _ = writeln!(text, "{VISIBLE_AFTER}_sum{{{own}}} {}", delays.seconds);
    let _ = writeln!(text, "{VISIBLE_AFTER}_count{{{own}}} {through}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_messages_are_counted_at_once() {
        let now = 10_000_000_000;
        // On a bound, between two, from a clock that is ahead, and beyond the last.
        let mut delays = Delays::of(&[now - 5_000, now - 700_000, now + 9], now);
        delays.add(&Delays::of(&[now - 7_200_000_000], now));
        let mut text = String::new();
        render(&mut text, "totals", &delays);
        let has = |line: &str| assert!(text.contains(line), "{text}");
        has("_bucket{projection=\"totals\",le=\"0.005\"} 2\n");
        has("_bucket{projection=\"totals\",le=\"0.5\"} 2\n");
        has("_bucket{projection=\"totals\",le=\"1\"} 3\n");
        has("_bucket{projection=\"totals\",le=\"3600\"} 3\n");
        has("_bucket{projection=\"totals\",le=\"+Inf\"} 4\n");
        has("_sum{projection=\"totals\"} 7200.705\n");
        has("_count{projection=\"totals\"} 4\n");
    }
}
