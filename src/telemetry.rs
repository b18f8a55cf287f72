//! Every metric: its name, its unit, what it means, and how it is recorded. No other file names one, and none is
//! exported before something can set it.
//!
//! Counters and histograms are recorded as things happen. Gauges about projections and sources are computed from the
//! published snapshot when they are scraped: so lag keeps growing when the source is dead, and what is gone leaves no
//! stale line behind. Labels are names from the configuration, never a key, an id or a subject.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::event::Reason;
use crate::progress::{Freshness, Phase};
use crate::read_model::ReadView;

mod beside;
mod gauges;

use gauges::Gauges;

/// How often histograms are condensed. Without it they would grow until the next scrape.
const UPKEEP: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(Buckets),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// Half a millisecond to 10 seconds.
    Short,
    /// A second to a day.
    Long,
}

#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub description: &'static str,
}

const SHORT: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const LONG: [f64; 10] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

macro_rules! metrics_table {
    ($($constant:ident = $name:literal, $kind:expr, $description:literal;)*) => {
        $(const $constant: &str = $name;)*
        /// The table.
        pub const METRICS: &[Metric] = &[$(Metric { name: $name, kind: $kind, description: $description }),*];
    };
}

use MetricKind::{Counter, Gauge, Histogram};

metrics_table! {
    PROJECTION_LAG_SECONDS = "projection_lag_seconds", Gauge,
        "Seconds for which something may be missing from a projection; 0 when caught up. Absent while nobody knows.";
    PROJECTION_LAG_EVENTS = "projection_lag_events", Gauge,
        "Messages that are stored and not yet in a projection.";
    PROJECTION_LAST_PROCESSED_POSITION = "projection_last_processed_position", Gauge,
        "Stream sequence up to which a projection is complete.";
    PROJECTION_STATE = "projection_state", Gauge, "1 for the state that a projection is in.";
    PROJECTION_ROWS = "projection_rows", Gauge, "Live rows or documents.";
    PROJECTION_ROWS_IN_ERROR = "projection_rows_in_error", Gauge,
        "Rows, groups and partitions of a projection that cannot be computed; while there is one it serves its last rows.";
    PROJECTION_STATE_BYTES = "projection_state_bytes", Gauge, "Bytes of state in memory, approximately.";
    PROJECTION_STATE_LIMIT_BYTES = "projection_state_limit_bytes", Gauge,
        "Bytes of state beyond which a projection fails.";
    PROJECTION_OPERATOR_STATE_ROWS = "projection_operator_state_rows", Gauge,
        "Groups and rows that an operator of a projection keeps.";
    PROJECTION_OPERATOR_STATE_BYTES = "projection_operator_state_bytes", Gauge,
        "Bytes of state that an operator of a projection keeps, approximately.";
    PROJECTION_ERROR = "projection_error_total", Counter, "Events that a projection could not take, by event type.";
    PROJECTION_REBUILD_DURATION = "projection_rebuild_duration_seconds", Histogram(Buckets::Long),
        "Duration of builds of a projection, from the first event to the live cut; what waits there to be promoted does not count.";
    PROJECTION_BUILD_REMAINING = "projection_build_remaining_sequences", Gauge, "Sequences that a build of a projection has yet to read; absent while nothing is built.";
    BUILD_STATE = "readside_build_state", Gauge, "1 for the state of what is built of a projection: `building`, `waiting`, `stalled`, `shadowing`, `rolled-back` or `failed`; absent while there is nothing.";
    BUILD_POSITION = "readside_build_position", Gauge, "Stream sequence up to which a build has read a source.";
    BUILD_TARGET = "readside_build_target_position", Gauge, "Stream sequence up to which a build has to read a source, as far as known.";
    BUILD_RATE = "readside_build_sequences_per_second", Gauge, "Sequences that a build takes in a second, on average since it began.";
    BUILD_REMAINING = "readside_build_remaining_seconds", Gauge, "Seconds that a build takes yet at that rate.";
    SHADOW_SINCE = "readside_shadow_since_timestamp_seconds", Gauge, "Since when what was built waits to be promoted, seconds since the epoch.";
    SHADOW_DIFFERENCES = "readside_shadow_differing_rows", Gauge, "Keys whose rows differ from those that serve, when what was built was last compared: `only-before`, `only-now` or `otherwise`.";
    KEPT_GENERATIONS = "readside_kept_generations", Gauge, "Generations that were replaced and are kept; absent while there is none.";
    KEPT_STATE = "readside_kept_state", Gauge, "1 for the state of a kept generation: `catching-up`, `ready` or `failed`.";
    KEPT_LAG = "readside_kept_lag_events", Gauge, "Sequences between a kept generation and the live cut.";
    KEPT_STATE_BYTES = "readside_kept_state_bytes", Gauge, "Bytes of a kept generation's state in memory, approximately.";
    KEPT_DISK_BYTES = "readside_kept_disk_bytes", Gauge, "Bytes of a kept generation in the last checkpoint, with what it has together with what serves.";
    KEPT_UNTIL = "readside_kept_until_timestamp_seconds", Gauge, "Until when a generation is kept, seconds since the epoch.";
    QUERY_LATENCY = "query_latency_seconds", Histogram(Buckets::Short),
        "Duration of requests, waiting for a turn or for a position included.";
    QUERY_RESULT_STALE = "query_result_stale_total", Counter,
        "Answers given while a source that they read was catching up, disconnected or halted.";
    QUERY_REFUSED = "query_refused_total", Counter, "Requests that got an error instead of an answer, by reason.";
    QUERY_RUNNING = "query_running", Gauge, "Queries that are running.";
    QUERY_QUEUED = "query_queued", Gauge, "Queries that wait for their turn.";
    QUERY_WAITING = "query_waiting", Gauge, "Requests that wait for a position.";
    CONNECTIONS = "http_connections", Gauge, "Connections that are open, by listener.";
    CONNECTIONS_ENDED = "http_connections_ended_total", Counter,
        "Connections that were ended because of a limit, by listener and reason: `timeout`; `evicted`, for another one while it waited; `unserved`, told that all are busy; `refused`, without an answer.";
    ANSWER_BYTES = "http_answer_bytes", Gauge, "Bytes of answers that are rendered and not yet taken.";
    EVENT_PROCESSING_FAILURES = "event_processing_failures_total", Counter,
        "Events that could not be admitted and were parked, by reason.";
    SOURCE_WATERMARK = "source_watermark_timestamp_seconds", Gauge, "Watermark of a source, seconds since the epoch.";
    SOURCE_LAST_SEQUENCE = "source_last_sequence", Gauge, "Last sequence of a source's stream when last heard of.";
    SOURCE_HEARTBEAT = "source_heartbeat_timestamp_seconds", Gauge,
        "When a source was last heard of, seconds since the epoch.";
    SOURCE_STATE = "source_state", Gauge, "1 for the state that a source is in.";
    SOURCE_LATE_EVENTS = "source_late_events", Gauge, "Admitted events that came after the watermark had passed their time.";
    SOURCE_LATE_EVENTS_DROPPED = "source_late_events_dropped", Gauge, "Events that were dropped because they came late.";
    SOURCE_IGNORED_EVENTS = "source_ignored_events_total", Counter, "Events of types that are not declared, left out under `unknown_events: ignore`, as often as they are read.";
    SOURCE_UNDECLARED_FIELDS = "source_undeclared_fields_total", Counter, "Members of payloads that no declared field reads, as often as they are read.";
    SOURCE_LOST_MESSAGES = "source_lost_messages", Gauge, "Messages that vanished from a stream before they were read.";
    SOURCE_PARKED_EVENTS = "source_parked_events", Gauge, "Events that are parked, by event type.";
    PARKED_REPLAYED = "parked_events_replayed_total", Counter, "Parked events that were admitted without a rebuild, once what failed was mended.";
    PARKED_DISCARDED = "parked_events_discarded_total", Counter, "Parked events that a person has given up.";
    PARKED_NOTICES = "parked_notices_total", Counter, "Newly parked events by what became of their notice: `sent` to NATS; `summarised`, because there were too many; `dropped`, because it could not be sent.";
    TORN_BATCHES = "source_torn_batches_total", Counter, "Atomic batches of NATS that were published in parts, because they have more messages than `commit.max_events`.";
    CONSISTENCY_CHECKS = "consistency_checks_total", Counter, "Verifications of a projection against its batch result, by what came of them.";
    CONSISTENCY_CHECK_FAILURES = "consistency_check_failures_total", Counter, "Verifications that found rows which are not what the batch gives.";
    CONSISTENCY_CHECKED_ROWS = "consistency_checked_rows_total", Counter, "Rows of a projection that were found to be what the batch gives.";
    CONSISTENCY_CHECK_DURATION = "consistency_check_duration_seconds", Histogram(Buckets::Long), "Duration of verifications.";
    COMMIT_DURATION = "commit_duration_seconds", Histogram(Buckets::Short), "Duration of commits.";
    CHECKPOINT_DURATION = "checkpoint_duration_seconds", Histogram(Buckets::Short), "Duration of checkpoints.";
    CHECKPOINT_FAILURES = "checkpoint_failures_total", Counter, "Attempts to make a checkpoint that failed.";
}

/// The event type of a metric label: a declared name, or `other`.
pub fn event_type_label(declared: Option<&str>) -> String {
    declared.filter(|name| !name.is_empty()).unwrap_or("other").to_owned()
}

/// Installs the recorder for the process and describes every metric. Called again, it returns the same handle.
///
/// # Errors
/// Where another recorder is installed already, or the exporter refuses the buckets of a histogram.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = builder()?.install_recorder()?;
    describe();
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Condenses histograms for as long as it is polled.
pub async fn upkeep(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Histogram(buckets) = metric.kind {
            let bounds = match buckets {
                Buckets::Short => SHORT.as_slice(),
                Buckets::Long => LONG.as_slice(),
            };
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    Ok(builder)
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            Counter => metrics::describe_counter!(metric.name, metric.description),
            Histogram(_) => metrics::describe_histogram!(metric.name, metrics::Unit::Seconds, metric.description),
            Gauge => metrics::describe_gauge!(metric.name, metric.description),
        }
    }
    // One without labels exists from the start, so that its first increase is seen as one.
    counter!(CHECKPOINT_FAILURES).absolute(0);
}

pub fn observe_query(endpoint: &'static str, duration: Duration) {
    histogram!(QUERY_LATENCY, "endpoint" => endpoint).record(duration);
}

pub fn count_stale(endpoint: &'static str) {
    counter!(QUERY_RESULT_STALE, "endpoint" => endpoint).increment(1);
}

pub fn count_refused(endpoint: &'static str, reason: &'static str) {
    counter!(QUERY_REFUSED, "endpoint" => endpoint, "reason" => reason).increment(1);
}

pub fn set_connections(listener: &'static str, open: usize) {
    gauge!(CONNECTIONS, "listener" => listener).set(open as f64);
}

/// Counts a connection that was ended because of a limit.
pub fn count_connection(listener: &'static str, reason: &'static str) {
    counter!(CONNECTIONS_ENDED, "listener" => listener, "reason" => reason).increment(1);
}

/// `event_type` as the event's source declares it; none for one that is not declared.
pub fn count_projection_errors(projection: &str, event_type: Option<&str>, events: u64) {
    let labels = [("projection", projection.to_owned()), ("event_type", event_type_label(event_type))];
    counter!(PROJECTION_ERROR, &labels).increment(events);
}

pub fn count_event_failures(source: &str, reason: Reason, events: u64) {
    counter!(EVENT_PROCESSING_FAILURES, "source" => source.to_owned(), "reason" => reason.label()).increment(events);
}

/// Counts what was read of a source and left out: events of undeclared types, and members of payloads without a field.
pub fn count_left_out(source: &str, ignored_events: u64, undeclared_fields: u64) {
    counter!(SOURCE_IGNORED_EVENTS, "source" => source.to_owned()).increment(ignored_events);
    counter!(SOURCE_UNDECLARED_FIELDS, "source" => source.to_owned()).increment(undeclared_fields);
}

/// Counts parked events that were admitted without a rebuild.
pub fn count_replayed(source: &str, events: u64) {
    counter!(PARKED_REPLAYED, "source" => source.to_owned()).increment(events);
}

/// Counts parked events that were given up.
pub fn count_discarded(source: &str, events: u64) {
    counter!(PARKED_DISCARDED, "source" => source.to_owned()).increment(events);
}

/// Counts an event that was parked, by what became of its notice: `sent`, `summarised` or `dropped`.
pub fn count_notice(source: &str, result: &'static str) {
    counter!(PARKED_NOTICES, "source" => source.to_owned(), "result" => result).increment(1);
}

/// Counts atomic batches that were shown in parts.
pub fn count_torn_batches(batches: u64) {
    counter!(TORN_BATCHES).increment(batches);
}

/// Records a verification: `equal`, `different` or `not-verifiable`.
pub fn observe_check(projection: &str, result: &'static str, duration: Duration) {
    let labelled = projection.to_owned();
    counter!(CONSISTENCY_CHECKS, "projection" => labelled.clone(), "result" => result).increment(1);
    counter!(CONSISTENCY_CHECK_FAILURES, "projection" => labelled.clone()).increment(u64::from(result == "different"));
    histogram!(CONSISTENCY_CHECK_DURATION, "projection" => labelled).record(duration);
}

/// Counts rows that a verification has found to be right.
pub fn count_checked_rows(projection: &str, rows: u64) {
    counter!(CONSISTENCY_CHECKED_ROWS, "projection" => projection.to_owned()).increment(rows);
}

pub fn observe_rebuild(projection: &str, duration: Duration) {
    histogram!(PROJECTION_REBUILD_DURATION, "projection" => projection.to_owned()).record(duration);
}

pub fn observe_commit(duration: Duration) {
    histogram!(COMMIT_DURATION).record(duration);
}

pub fn observe_checkpoint(duration: Duration) {
    histogram!(CHECKPOINT_DURATION).record(duration);
}

pub fn count_checkpoint_failure() {
    counter!(CHECKPOINT_FAILURES).increment(1);
}

/// The gauges of a snapshot in the Prometheus text format.
pub fn render_snapshot(view: &ReadView, now_us: i64) -> String {
    let mut page = Gauges::default();
    projections(&mut page, view, now_us);
    beside::builds(&mut page, view);
    beside::kept(&mut page, view);
    sources(&mut page, view, now_us);
    page.render()
}

/// The gauges of admission in the Prometheus text format.
pub fn render_queries(running: usize, queued: usize, waiting: usize) -> String {
    let mut page = Gauges::default();
    page.set(QUERY_RUNNING, &[], running as f64);
    page.set(QUERY_QUEUED, &[], queued as f64);
    page.set(QUERY_WAITING, &[], waiting as f64);
    page.render()
}

/// The gauge of answers' memory in the Prometheus text format.
pub fn render_answers(bytes: usize) -> String {
    let mut page = Gauges::default();
    page.set(ANSWER_BYTES, &[], bytes as f64);
    page.render()
}

fn projections(page: &mut Gauges, view: &ReadView, now_us: i64) {
    for (name, status) in view.projections() {
        let generation = status.generation.to_string();
        let own = [("projection", name.as_str()), ("generation", generation.as_str())];
        for state in Phase::ALL {
            let is_in_it = if state == status.state { 1.0 } else { 0.0 };
            page.set(PROJECTION_STATE, &[own[0], own[1], ("state", state.label())], is_in_it);
        }
        page.set(PROJECTION_ROWS, &own, status.rows as f64);
        page.set(PROJECTION_ROWS_IN_ERROR, &own, status.rows_in_error as f64);
        page.set(PROJECTION_STATE_BYTES, &own, status.state_bytes as f64);
        if !status.operators.is_empty() {
            page.set(PROJECTION_STATE_LIMIT_BYTES, &own, status.state_limit as f64);
        }
        for operator in status.operators.iter().filter(|operator| operator.grows_with.is_some()) {
            let labels = [own[0], own[1], ("operator", &*format!("{} {}", operator.index, operator.name))];
            page.set(PROJECTION_OPERATOR_STATE_ROWS, &labels, operator.rows as f64);
            page.set(PROJECTION_OPERATOR_STATE_BYTES, &labels, operator.bytes as f64);
        }
        if let Some(build) = &status.build {
            let left: u64 = build.sources.values().map(|source| source.target.since(source.position)).sum();
            page.set(PROJECTION_BUILD_REMAINING, &[own[0]], left as f64);
        }
        let Ok(relation) = view.open(name) else {
            for (source, position) in &status.positions {
                let labels = [own[0], ("source", source), own[1]];
                page.set(PROJECTION_LAST_PROCESSED_POSITION, &labels, position.sequence() as f64);
            }
            continue;
        };
        let freshness = Freshness::of(&relation.basis(), view.sources(), &Default::default(), now_us);
        for (source, freshness) in &freshness.sources {
            let labels = [own[0], ("source", &**source), own[1]];
            page.set(PROJECTION_LAG_EVENTS, &labels, freshness.lag_events as f64);
            page.set(PROJECTION_LAST_PROCESSED_POSITION, &labels, freshness.position.sequence() as f64);
            if let Some(lag) = freshness.lag_seconds {
                page.set(PROJECTION_LAG_SECONDS, &labels, lag);
            }
        }
    }
}

fn sources(page: &mut Gauges, view: &ReadView, now_us: i64) {
    use crate::progress::SourceState::*;
    for (name, progress) in view.sources() {
        let own = ("source", &**name);
        for state in [Live, Idle, CatchingUp, Disconnected, Paused, Halted] {
            let is_in_it = if state == progress.state_at(now_us) { 1.0 } else { 0.0 };
            page.set(SOURCE_STATE, &[own, ("state", state.label())], is_in_it);
        }
        page.set(SOURCE_LAST_SEQUENCE, &[own], progress.last_sequence().sequence() as f64);
        if let Some(watermark) = progress.watermark_us() {
            page.set(SOURCE_WATERMARK, &[own], watermark as f64 / 1e6);
        }
        if let Some(heard) = progress.heard_at_us() {
            page.set(SOURCE_HEARTBEAT, &[own], heard as f64 / 1e6);
        }
        page.set(SOURCE_LATE_EVENTS, &[own], progress.late_events() as f64);
        page.set(SOURCE_LOST_MESSAGES, &[own], progress.losses().messages() as f64);
        page.set(SOURCE_LATE_EVENTS_DROPPED, &[own], progress.late_events_dropped() as f64);
        for (event_type, events) in progress.parked() {
            let event_type = event_type_label(Some(event_type));
            page.set(SOURCE_PARKED_EVENTS, &[own, ("event_type", &event_type)], *events as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_their_unit() {
        let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            match metric.kind {
                Counter => assert!(metric.name.ends_with("_total"), "{}", metric.name),
                Histogram(_) => assert!(metric.name.ends_with("_seconds"), "{}", metric.name),
                Gauge => assert!(!metric.name.ends_with("_total"), "{}", metric.name),
            }
        }
    }
}
