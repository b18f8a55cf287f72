//! Freshness: the statement that goes with every answer (DESIGN: P5).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cut::{Cut, SourceName};
use super::parked_note::ParkedNote;

/// A source that says it is reachable but has not been heard of for this long is taken for disconnected: whatever
/// should have noticed is itself dead or stuck.
const SILENT_AFTER_US: i64 = 30_000_000;

/// A relation that is behind the live cut for longer than this is catching up (or paused, or failed), although its
/// source is live. A search index, which commits less often than tables, stays below it.
const BEHIND_AFTER_S: f64 = 2.0;

/// What a source is doing. Ordered from best to worst, so that the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Everything stored has been applied, and something arrived lately.
    Live,
    /// Everything stored has been applied, and nothing has arrived for a while.
    Idle,
    /// Applying what was stored before.
    CatchingUp,
    /// Not reachable; retried.
    Disconnected,
    /// Stopped by an error that a person has to mend.
    Halted,
}

impl SourceState {
    pub fn label(self) -> &'static str {
        match self {
            SourceState::Live => "live",
            SourceState::Idle => "idle",
            SourceState::CatchingUp => "catching_up",
            SourceState::Disconnected => "disconnected",
            SourceState::Halted => "halted",
        }
    }
}

/// What the runner knows of one source at one commit. Published with the snapshot, read when an answer is made.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceProgress {
    /// Where to resume: the last sequence whose message was applied.
    pub applied: u64,
    /// The last sequence known to hold nothing more for this source: at least `applied`.
    pub covered: u64,
    /// The stream's last sequence when it was last heard of.
    pub last_sequence: u64,
    /// Publish time of the last applied message, microseconds since the epoch.
    pub applied_published_at_us: Option<i64>,
    /// When everything stored had last been applied, microseconds since the epoch.
    pub caught_up_at_us: Option<i64>,
    /// When the server was last heard of, microseconds since the epoch. Refreshed while idle too; none for an input
    /// that has no server.
    pub heard_at_us: Option<i64>,
    pub watermark_us: Option<i64>,
    /// Admitted events that came after the watermark had passed their time.
    pub late_events: u64,
    /// Events that were dropped because of that, where the source says so.
    pub late_events_dropped: u64,
    pub state: SourceState,
    /// What stopped or disconnected it.
    pub message: Option<String>,
    /// Parked events by event type; the empty name for those of no declared type.
    pub parked: BTreeMap<String, u64>,
    /// The newest of them, and of those that a projection of this source could not take.
    pub parked_events: Arc<[ParkedNote]>,
}

/// Which sources, and which of their event types, an answer reads. An empty set of types means all.
pub type Reads = BTreeMap<SourceName, Vec<String>>;

/// What an answer was computed from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Basis {
    pub cut: Cut,
    /// When `cut` was last the live cut, microseconds since the epoch: what was stored later may be missing.
    pub live_at_us: i64,
    pub reads: Reads,
    /// Events that the relations themselves could not take, by source and event type.
    pub parked: BTreeMap<SourceName, BTreeMap<String, u64>>,
}

/// The freshness of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// The worst of the sources.
    pub state: SourceState,
    pub lag_events: u64,
    /// The greatest of the sources; null while one of them has not applied anything yet, so that nobody knows.
    pub lag_seconds: Option<f64>,
    /// RFC 3339: when the answer was made.
    pub as_of: String,
    /// Whether an event that could belong to the answer is parked.
    pub incomplete: bool,
    pub caught_up_to_requested_position: bool,
    pub positions: BTreeMap<SourceName, u64>,
    pub revision: u64,
    pub sources: BTreeMap<SourceName, SourceFreshness>,
}

/// One source's part of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFreshness {
    pub position: u64,
    /// RFC 3339, if any event had a time.
    pub watermark: Option<String>,
    pub lag_events: u64,
    pub lag_seconds: Option<f64>,
    pub state: SourceState,
    /// Parked events by type, of the types that the answer reads and of unknown ones.
    pub parked: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Freshness {
    /// The freshness of an answer, made at `now_us`, to a reader who asked for the `requested` positions.
    ///
    /// A position requested of a source that the answer does not read is reached: nothing in it could change.
    pub fn of(
        basis: &Basis,
        sources: &BTreeMap<SourceName, SourceProgress>,
        requested: &BTreeMap<SourceName, u64>,
        now_us: i64,
    ) -> Self {
        let of_source = |(name, types): (&SourceName, &Vec<String>)| {
            let position = basis.cut.position(name);
            let mut freshness = match sources.get(name) {
                Some(progress) => progress.freshness(position, basis.live_at_us, types, now_us),
                None => SourceFreshness::unknown(position),
            };
            for (event_type, count) in basis.parked.get(name).into_iter().flatten() {
                *freshness.parked.entry(event_type.clone()).or_default() += count;
            }
            (name.clone(), freshness)
        };
        let sources: BTreeMap<SourceName, SourceFreshness> = basis.reads.iter().map(of_source).collect();
        let lags: Option<Vec<f64>> = sources.values().map(|source| source.lag_seconds).collect();
        Freshness {
            state: sources.values().map(|source| source.state).max().unwrap_or(SourceState::Live),
            lag_events: sources.values().map(|source| source.lag_events).sum(),
            lag_seconds: lags.map(|lags| lags.into_iter().fold(0.0, f64::max)),
            as_of: rfc3339(now_us),
            incomplete: sources.values().any(|source| !source.parked.is_empty()),
            caught_up_to_requested_position: basis.reaches(requested),
            positions: sources.iter().map(|(name, source)| (name.clone(), source.position)).collect(),
            revision: basis.cut.revision,
            sources,
        }
    }

    /// Whether something that is stored is known or feared to be missing: the answer is worth a warning.
    pub fn is_stale(&self) -> bool {
        self.state > SourceState::Idle
    }
}

impl Basis {
    /// Whether the answer contains what was stored at each requested position.
    pub fn reaches(&self, requested: &BTreeMap<SourceName, u64>) -> bool {
        requested.iter().all(|(name, position)| !self.reads.contains_key(name) || self.cut.position(name) >= *position)
    }
}

impl SourceFreshness {
    /// Of a source that nothing has been heard of since the start.
    fn unknown(position: u64) -> Self {
        SourceFreshness {
            position,
            watermark: None,
            lag_events: 0,
            lag_seconds: None,
            state: SourceState::Disconnected,
            parked: BTreeMap::new(),
            message: Some("nothing has been heard of this source yet".to_owned()),
        }
    }
}

impl SourceProgress {
    /// Messages stored but not yet covered.
    pub fn lag_events(&self) -> u64 {
        self.last_sequence.saturating_sub(self.covered)
    }

    /// The state as a reader should see it at `now_us`: a source that has fallen silent is not live, whoever says so.
    pub fn state_at(&self, now_us: i64) -> SourceState {
        let silent = self.heard_at_us.is_some_and(|heard| now_us.saturating_sub(heard) > SILENT_AFTER_US);
        if silent { self.state.max(SourceState::Disconnected) } else { self.state }
    }

    /// Seconds for which something may be missing: 0 when caught up with a source that is reachable, else the time
    /// since which it is not known that everything stored had been applied. It keeps growing when the source is dead.
    /// None while nothing was ever applied.
    pub fn lag_seconds(&self, now_us: i64) -> Option<f64> {
        let caught_up = self.lag_events() == 0;
        if caught_up && self.state_at(now_us) < SourceState::Disconnected {
            return Some(0.0);
        }
        // Messages are applied in the order they were published, so nothing older than the last one is missing; and
        // when all that the server had spoken of is applied, nothing older than its last word is.
        let last_word = if caught_up { self.heard_at_us } else { None };
        let complete_until =
            [self.caught_up_at_us, self.applied_published_at_us, last_word].into_iter().flatten().max();
        complete_until.map(|until| seconds(until, now_us))
    }

    /// Of an answer that was computed at `position`, which was live at `live_at_us`.
    fn freshness(&self, position: u64, live_at_us: i64, types: &[String], now_us: i64) -> SourceFreshness {
        let counts = |name: &String| types.is_empty() || name.is_empty() || types.contains(name);
        let behind_live = position < self.covered;
        let lag_seconds = match self.lag_seconds(now_us) {
            Some(lag) if behind_live => Some(lag.max(seconds(live_at_us, now_us))),
            lag => lag,
        };
        let state = match self.state_at(now_us) {
            SourceState::Live | SourceState::Idle if behind_live && lag_seconds > Some(BEHIND_AFTER_S) => {
                SourceState::CatchingUp
            }
            state => state,
        };
        SourceFreshness {
            position,
            watermark: self.watermark_us.map(rfc3339),
            lag_events: self.last_sequence.saturating_sub(position.min(self.covered)),
            lag_seconds,
            state,
            parked: self.parked.iter().filter(|(name, _)| counts(name)).map(|(n, c)| (n.clone(), *c)).collect(),
            message: self.message.clone(),
        }
    }
}

fn seconds(from_us: i64, to_us: i64) -> f64 {
    to_us.saturating_sub(from_us).max(0) as f64 / 1e6
}

/// RFC 3339 in UTC with microseconds.
pub fn rfc3339(time_us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(time_us)
        .map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
        .unwrap_or_else(|| format!("{time_us}us"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn caught_up() -> SourceProgress {
        SourceProgress {
            applied: 90,
            covered: 100,
            last_sequence: 100,
            applied_published_at_us: Some(NOW - 500_000_000),
            caught_up_at_us: Some(NOW - 400_000_000),
            heard_at_us: Some(NOW - 1_000_000),
            watermark_us: None,
            late_events: 0,
            late_events_dropped: 0,
            state: SourceState::Live,
            message: None,
            parked: BTreeMap::new(),
            parked_events: Arc::default(),
        }
    }

    fn freshness(progress: SourceProgress, position: u64, live_at_us: i64, types: &[&str]) -> Freshness {
        let name: SourceName = "orders".into();
        let cut = Cut { positions: BTreeMap::from([(name.clone(), position)]), revision: 0 };
        let reads = Reads::from([(name.clone(), types.iter().map(|name| name.to_string()).collect())]);
        Freshness::of(
            &Basis { cut, live_at_us, reads, parked: BTreeMap::new() },
            &BTreeMap::from([(name, progress)]),
            &BTreeMap::new(),
            NOW,
        )
    }

    fn lag(progress: SourceProgress) -> Option<f64> {
        progress.lag_seconds(NOW)
    }

    #[test]
    fn lag_is_0_when_caught_up_however_long_nothing_came() {
        assert_eq!(lag(caught_up()), Some(0.0));
    }

    #[test]
    fn lag_grows_from_the_last_word_of_a_dead_source() {
        assert_eq!(lag(SourceProgress { state: SourceState::Disconnected, ..caught_up() }), Some(1.0));
        let silent = SourceProgress { heard_at_us: Some(NOW - 60_000_000), ..caught_up() };
        assert_eq!(silent.state_at(NOW), SourceState::Disconnected);
        assert_eq!(lag(silent), Some(60.0));
    }

    #[test]
    fn lag_while_catching_up_is_the_age_of_the_oldest_message_that_may_be_missing() {
        let behind = SourceProgress { last_sequence: 101, state: SourceState::CatchingUp, ..caught_up() };
        assert_eq!(lag(behind.clone()), Some(400.0));
        let nothing_yet = SourceProgress { applied_published_at_us: None, caught_up_at_us: None, ..behind };
        assert_eq!(lag(nothing_yet), None);
    }

    #[test]
    fn a_relation_that_stays_behind_says_so_though_its_source_is_live() {
        let paused = freshness(caught_up(), 70, NOW - 7_000_000, &[]);
        assert_eq!((paused.state, paused.lag_events, paused.lag_seconds), (SourceState::CatchingUp, 30, Some(7.0)));
        let live = freshness(caught_up(), 100, NOW - 7_000_000, &[]);
        assert_eq!((live.state, live.lag_events, live.lag_seconds), (SourceState::Live, 0, Some(0.0)));
    }

    #[test]
    fn only_parked_events_that_could_belong_to_the_answer_make_it_incomplete() {
        let parked = |name: &str| SourceProgress { parked: BTreeMap::from([(name.to_owned(), 1)]), ..caught_up() };
        assert!(!freshness(parked("Shipped"), 100, NOW, &["Placed"]).incomplete);
        assert!(freshness(parked("Placed"), 100, NOW, &["Placed"]).incomplete);
        assert!(freshness(parked("Shipped"), 100, NOW, &[]).incomplete);
        assert!(freshness(parked(""), 100, NOW, &["Placed"]).incomplete);
    }

    #[test]
    fn a_source_that_is_read_but_unknown_is_not_passed_over() {
        let basis = Basis { reads: Reads::from([("orders".into(), vec![])]), ..Basis::default() };
        let freshness = Freshness::of(&basis, &BTreeMap::new(), &BTreeMap::new(), NOW);
        assert_eq!((freshness.state, freshness.lag_seconds), (SourceState::Disconnected, None));
    }

    #[test]
    fn a_position_counts_only_for_sources_that_are_read() {
        let basis = Basis { reads: Reads::from([("orders".into(), vec![])]), ..Basis::default() };
        assert!(basis.reaches(&BTreeMap::from([("payments".into(), 5)])));
        assert!(!basis.reaches(&BTreeMap::from([("orders".into(), 5)])));
    }
}
