//! Freshness: the statement that goes with every answer (DESIGN: P5).

use std::collections::BTreeMap;

use serde::Serialize;

use super::cut::{Cut, SourceName};
use super::losses::{Loss, Losses};
use super::phase::Phase;
use super::position::Position;
use super::source_progress::{SourceProgress, seconds};
use super::source_state::SourceState;

/// A relation that is behind the live cut for longer than this is catching up (or paused, or failed), although its
/// source is live. A search index, which commits less often than tables, stays below it.
const BEHIND_AFTER_S: f64 = 2.0;

/// Which sources, and which of their event types, an answer reads. An empty set of types means all.
pub type Reads = BTreeMap<SourceName, Vec<String>>;

/// What an answer was computed from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Basis {
    pub cut: Cut,
    /// When `cut` was last the live cut, microseconds since the epoch: what was stored later may be missing. 0 if that is not
    /// known.
    pub live_at_us: i64,
    /// What the relations are doing: the worst of several.
    pub phase: Phase,
    /// Why that is not serving.
    pub reason: Option<String>,
    pub reads: Reads,
    /// Events that the relations themselves could not take, by source and event type.
    pub parked: BTreeMap<SourceName, BTreeMap<String, u64>>,
    /// Messages that had vanished when the relations were built, although the source may have read them.
    pub lost: BTreeMap<SourceName, Losses>,
    /// The first sequence that counts in the relations, of sources of which not all do.
    pub since: BTreeMap<SourceName, Position>,
}

/// The freshness of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// The worst of the sources, and of what the relations are doing.
    pub state: AnswerState,
    /// What the relations that were read are doing, the worst of them: the rows of one that has failed, or is built again,
    /// stay as they were.
    pub phase: Phase,
    /// Why that is not serving.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub lag_events: u64,
    /// The greatest of the sources; null while one of them has not applied anything yet, so that it is not known.
    pub lag_seconds: Option<f64>,
    /// RFC 3339: when the answer was made.
    pub as_of: String,
    /// Whether an event that could belong to the answer is parked, or vanished before it was read.
    pub incomplete: bool,
    pub caught_up_to_requested_position: bool,
    pub positions: BTreeMap<SourceName, Position>,
    pub revision: u64,
    pub sources: BTreeMap<SourceName, SourceFreshness>,
}

/// How far an answer can be trusted, from best to worst. Rows that stay as they were are worse than any source's state: the
/// source may be live and the answer old all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum AnswerState {
    /// The relations take every commit; this is the worst of their sources.
    Source(SourceState),
    /// The worst that the relations are doing.
    Relation(Phase),
}

impl AnswerState {
    fn of(sources: SourceState, relations: Phase) -> Self {
        match relations {
            Phase::Serving => AnswerState::Source(sources),
            phase => AnswerState::Relation(phase),
        }
    }

    /// As it is written everywhere.
    pub fn label(self) -> &'static str {
        match self {
            AnswerState::Source(state) => state.label(),
            AnswerState::Relation(phase) => phase.label(),
        }
    }
}

/// One source's part of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFreshness {
    pub position: Position,
    /// RFC 3339, if any event had a time.
    pub watermark: Option<String>,
    pub lag_events: u64,
    pub lag_seconds: Option<f64>,
    pub state: SourceState,
    /// Parked events by type, of the types that the answer reads and of unknown ones.
    pub parked: BTreeMap<String, u64>,
    /// The first sequence that the stream still had when it was first opened, or that counts in the answer if that is later; nothing
    /// if all do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Position>,
    /// Messages that vanished before they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostMessages>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Messages that vanished before they were read: expired, purged, deleted, or replaced by newer ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostMessages {
    pub messages: u64,
    /// The sequences in which they were, in ascending order; of many ranges neighbours are one.
    pub ranges: Vec<Loss>,
}

impl LostMessages {
    /// None where nothing is lost.
    pub fn of(losses: &Losses) -> Option<Self> {
        (!losses.is_empty()).then(|| Self { messages: losses.messages(), ranges: losses.ranges().to_vec() })
    }
}

impl Freshness {
    /// The freshness of an answer, made at `now_us`, to a reader who asked for the `requested` positions.
    ///
    /// A position requested of a source that the answer does not read is reached: nothing in it could change.
    pub fn of(
        basis: &Basis,
        sources: &BTreeMap<SourceName, SourceProgress>,
        requested: &BTreeMap<SourceName, Position>,
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
            // What the source itself has lost, a relation lacks as well; it may lack more.
            let built_without = basis.lost.get(name).and_then(LostMessages::of);
            let messages = |lost: &Option<LostMessages>| lost.as_ref().map_or(0, |lost| lost.messages);
            if messages(&built_without) > messages(&freshness.lost) {
                freshness.lost = built_without;
            }
            freshness.since = freshness.since.max(basis.since.get(name).copied());
            (name.clone(), freshness)
        };
        let sources: BTreeMap<SourceName, SourceFreshness> = basis.reads.iter().map(of_source).collect();
        let lags: Option<Vec<f64>> = sources.values().map(|source| source.lag_seconds).collect();
        Freshness {
            state: AnswerState::of(
                sources.values().map(|source| source.state).max().unwrap_or(SourceState::Live),
                basis.phase,
            ),
            phase: basis.phase,
            reason: basis.reason.clone(),
            lag_events: sources.values().map(|source| source.lag_events).sum(),
            lag_seconds: lags.map(|lags| lags.into_iter().fold(0.0, f64::max)),
            as_of: rfc3339(now_us),
            incomplete: sources.values().any(|source| !source.parked.is_empty() || source.lost.is_some()),
            caught_up_to_requested_position: basis.reaches(requested),
            positions: sources.iter().map(|(name, source)| (name.clone(), source.position)).collect(),
            revision: basis.cut.revision,
            sources,
        }
    }

    /// Whether something that is stored is known or feared to be missing: the answer is worth a warning.
    pub fn is_stale(&self) -> bool {
        self.state > AnswerState::Source(SourceState::Idle)
    }
}

impl Basis {
    /// Whether the answer contains what was stored at each requested position.
    pub fn reaches(&self, requested: &BTreeMap<SourceName, Position>) -> bool {
        requested.iter().all(|(name, position)| !self.reads.contains_key(name) || self.cut.position(name) >= *position)
    }
}

impl SourceFreshness {
    /// Of a source that nothing has been heard of since the start.
    fn unknown(position: Position) -> Self {
        SourceFreshness {
            position,
            watermark: None,
            lag_events: 0,
            lag_seconds: None,
            state: SourceState::Disconnected,
            parked: BTreeMap::new(),
            since: None,
            lost: None,
            message: Some("nothing has been heard of this source yet".to_owned()),
        }
    }
}

impl SourceProgress {
    /// Of an answer that was computed at `position`, which was live at `live_at_us`.
    fn freshness(&self, position: Position, live_at_us: i64, types: &[String], now_us: i64) -> SourceFreshness {
        let counts = |name: &String| types.is_empty() || name.is_empty() || types.contains(name);
        let behind_live = position < self.covered();
        let lag_seconds = match self.lag_seconds(now_us) {
            // Of rows that a checkpoint has kept it may not be known when they were the live ones.
            Some(_) if behind_live && live_at_us == 0 => None,
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
            watermark: self.watermark_us().map(rfc3339),
            lag_events: self.last_sequence().since(position.min(self.covered())),
            lag_seconds,
            state,
            parked: self.parked().iter().filter(|(name, _)| counts(name)).map(|(n, c)| (n.clone(), *c)).collect(),
            since: self.since(),
            lost: LostMessages::of(self.losses()),
            message: self.message().map(str::to_owned),
        }
    }
}

/// RFC 3339 in UTC with microseconds.
pub fn rfc3339(time_us: i64) -> String {
    chrono::DateTime::from_timestamp_micros(time_us)
        .map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
        .unwrap_or_else(|| format!("{time_us}us"))
}

#[cfg(test)]
mod tests {
    use super::super::source_progress::{Applied, Reached};
    use super::*;

    const NOW: i64 = 1_000_000_000;

    fn reached(applied: Option<u64>, covered: u64, last_sequence: u64) -> Reached {
        let message = |sequence: u64| Applied { position: sequence.into(), published_at_us: NOW - 500_000_000 };
        Reached { applied: applied.map(message), covered: covered.into(), last_sequence: last_sequence.into() }
    }

    fn caught_up() -> SourceProgress {
        let mut progress = SourceProgress::new();
        progress.fetched(reached(Some(90), 100, 100), NOW - 1_000_000);
        progress
    }

    fn with_parked(name: &str) -> SourceProgress {
        let mut progress = caught_up();
        progress.parked_are(BTreeMap::from([(name.to_owned(), 1)]));
        progress
    }

    fn freshness(progress: SourceProgress, position: u64, live_at_us: i64, types: &[&str]) -> Freshness {
        let name: SourceName = "orders".into();
        let cut = Cut { positions: BTreeMap::from([(name.clone(), position.into())]), revision: 0 };
        let reads = Reads::from([(name.clone(), types.iter().map(|name| name.to_string()).collect())]);
        Freshness::of(
            &Basis { cut, live_at_us, reads, ..Basis::default() },
            &BTreeMap::from([(name, progress)]),
            &BTreeMap::new(),
            NOW,
        )
    }

    #[test]
    fn a_relation_that_stays_behind_says_so_though_its_source_is_live() {
        let paused = freshness(caught_up(), 70, NOW - 7_000_000, &[]);
        let catching_up = AnswerState::Source(SourceState::CatchingUp);
        assert_eq!((paused.state, paused.lag_events, paused.lag_seconds), (catching_up, 30, Some(7.0)));
        assert_eq!(freshness(caught_up(), 70, 0, &[]).lag_seconds, None);
        let live = freshness(caught_up(), 100, NOW - 7_000_000, &[]);
        let is_live = AnswerState::Source(SourceState::Live);
        assert_eq!((live.state, live.lag_events, live.lag_seconds), (is_live, 0, Some(0.0)));
    }

    #[test]
    fn only_parked_events_that_could_belong_to_the_answer_make_it_incomplete() {
        assert!(!freshness(with_parked("Shipped"), 100, NOW, &["Placed"]).incomplete);
        assert!(freshness(with_parked("Placed"), 100, NOW, &["Placed"]).incomplete);
        assert!(freshness(with_parked("Shipped"), 100, NOW, &[]).incomplete);
        assert!(freshness(with_parked(""), 100, NOW, &["Placed"]).incomplete);
    }

    #[test]
    fn rows_that_stay_as_they_were_say_so_although_the_source_is_live() {
        let progress = BTreeMap::from([("orders".into(), caught_up())]);
        let of = |phase| {
            let basis = Basis { phase, reads: Reads::from([("orders".into(), vec![])]), ..Basis::default() };
            Freshness::of(&basis, &progress, &BTreeMap::new(), NOW)
        };
        assert!(Phase::ALL.iter().all(|&phase| of(phase).phase == phase));
        assert!(of(Phase::Failed).is_stale() && of(Phase::Rebuilding).is_stale());
        assert_eq!(
            Phase::ALL.map(|phase| of(phase).state.label()),
            ["live", "paused", "building", "rebuilding", "failed"]
        );
    }

    #[test]
    fn a_source_that_is_read_but_unknown_is_not_passed_over() {
        let basis = Basis { reads: Reads::from([("orders".into(), vec![])]), ..Basis::default() };
        let freshness = Freshness::of(&basis, &BTreeMap::new(), &BTreeMap::new(), NOW);
        assert_eq!((freshness.state, freshness.lag_seconds), (AnswerState::Source(SourceState::Disconnected), None));
    }

    #[test]
    fn a_position_counts_only_for_sources_that_are_read() {
        let basis = Basis { reads: Reads::from([("orders".into(), vec![])]), ..Basis::default() };
        assert!(basis.reaches(&BTreeMap::from([("payments".into(), 5.into())])));
        assert!(!basis.reaches(&BTreeMap::from([("orders".into(), 5.into())])));
    }
}
