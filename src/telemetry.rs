//! Every metric, and how it is recorded. No other room names one, and none is exported before something can set it. Spans (`spans`), the
//! log (`logging`), and what takes all three to a collector (`otlp`) are here as well.
//!
//! Counters and histograms are recorded as things happen. Gauges about projections and sources are computed from the
//! published snapshot when they are scraped: so lag keeps growing when the source is dead, and what is gone leaves no
//! stale line behind. Labels are names from the configuration, never a key, an id or a subject.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::event::Reason;
use crate::lifecycle::GenerationId;
use crate::progress::{Freshness, Phase};
use crate::read_model::ReadView;

mod beside;
mod gauges;
mod last_hour;
mod logging;
mod names;
mod otlp;
mod process;
mod slo;
mod spans;
mod visible;

use MetricKind::{Counter, Gauge, Histogram};
use gauges::Gauges;

pub(crate) use names::*;
pub use names::{Buckets, METRICS, Metric, MetricKind};

pub use last_hour::{LastHour, Minute, last_hour, minutes};
pub use logging::start_logging;
pub use otlp::{Exports, OtlpError, push_metrics};
pub use process::{memory_limit, render_process};
pub use slo::{measure_freshness, render_slo};
pub use spans::{CommitSpan, RequestSpan};
pub use visible::{Delays, observe_visible, render_visible};

/// How often histograms are condensed. Without it they would grow until the next scrape.
const UPKEEP: Duration = Duration::from_secs(5);

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
    process::started();
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
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets.bounds())?;
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
    for reason in ["no-token", "unknown-token", "bad-token", "not-allowed", "denied"] {
        counter!(DENIED, "reason" => reason).absolute(0);
    }
    for reason in ["rate", "concurrent"] {
        counter!(LIMITED, "reason" => reason).absolute(0);
    }
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

pub fn count_denied(reason: &'static str) {
    counter!(DENIED, "reason" => reason).increment(1);
}

pub fn count_limited(reason: &'static str) {
    counter!(LIMITED, "reason" => reason).increment(1);
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
    spans::ended("verify", Some(projection), duration, Some(result));
}

/// Counts rows that a verification has found to be right.
pub fn count_checked_rows(projection: &str, rows: u64) {
    counter!(CONSISTENCY_CHECKED_ROWS, "projection" => projection.to_owned()).increment(rows);
}

pub fn observe_rebuild(projection: &str, duration: Duration) {
    histogram!(PROJECTION_REBUILD_DURATION, "projection" => projection.to_owned()).record(duration);
    spans::ended("build", Some(projection), duration, None);
}

pub fn observe_commit(duration: Duration) {
    histogram!(COMMIT_DURATION).record(duration);
}

pub fn observe_checkpoint(duration: Duration) {
    histogram!(CHECKPOINT_DURATION).record(duration);
    spans::ended("checkpoint", None, duration, None);
}

/// Up to `at_us`, microseconds since the epoch, everything is in a checkpoint.
pub fn set_checkpoint(at_us: i64) {
    gauge!(CHECKPOINT_TIMESTAMP).set(at_us as f64 / 1e6);
}

/// So many keys of a projection are known to differ.
pub fn set_drift(projection: &str, keys: u64) {
    gauge!(DRIFTED_KEYS, "projection" => projection.to_owned()).set(keys as f64);
}

pub fn count_checkpoint_failure() {
    counter!(CHECKPOINT_FAILURES).increment(1);
}

/// What `limits.state` allows, if anybody has said so.
static STATE_LIMIT: AtomicU64 = AtomicU64::new(0);

/// From now on state may take so many bytes, all together.
pub fn set_state_limit(bytes: Option<u64>) {
    STATE_LIMIT.store(bytes.unwrap_or(0), Ordering::Relaxed);
}

/// Counts spans, values of metrics or lines of the log by what became of them: `sent`, `failed` or `dropped`.
fn count_otlp(signal: &'static str, result: &'static str, items: u64) {
    counter!(OTLP_ITEMS, "signal" => signal, "result" => result).increment(items);
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

/// What is kept of answers, in the Prometheus text format.
pub fn render_results(hits: u64, misses: u64, bytes: u64) -> String {
    let (mut counters, mut page) = (Gauges::default(), Gauges::default());
    counters.set(RESULT_CACHE_HITS, &[], hits as f64);
    counters.set(RESULT_CACHE_MISSES, &[], misses as f64);
    page.set(RESULT_CACHE_BYTES, &[], bytes as f64);
    counters.render_as("counter") + &page.render()
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
        let owner = status.owner.as_deref().unwrap_or_default();
        page.set(PROJECTION_INFO, &[own[0], ("kind", status.kind), ("owner", owner)], 1.0);
        if let Some(slo) = &status.slo {
            page.set(SLO_LAG, &own[..1], slo.lag.as_secs_f64());
            page.set(SLO_OBJECTIVE, &own[..1], slo.objective);
        }
        let is_own = |id: &GenerationId| *id.projection == **name && id.number == status.generation;
        let parked = view.parked().into_iter().flat_map(|parked| parked.iter());
        let parked = parked.filter(|parked| parked.generation.as_ref().is_some_and(is_own));
        page.set(PROJECTION_PARKED_EVENTS, &own[..1], parked.count() as f64);
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
    page.set(STATE_BYTES, &[], view.state_bytes() as f64);
    let limit = STATE_LIMIT.load(Ordering::Relaxed);
    if limit > 0 {
        page.set(STATE_LIMIT_BYTES, &[], limit as f64);
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
        page.set(SOURCE_POSITION, &[own], progress.covered().sequence() as f64);
        page.set(SOURCE_SINCE, &[own], progress.began().sequence() as f64);
        if let Some(first) = progress.first_sequence() {
            page.set(SOURCE_FIRST_SEQUENCE, &[own], first.sequence() as f64);
        }
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
