//! The table of metrics: the name of each, its kind, and what it means.

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
    /// Five milliseconds to an hour.
    Delay,
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
const DELAY: [f64; 15] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];
const LONG: [f64; 10] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0];

macro_rules! metrics_table {
    ($($constant:ident = $name:literal, $kind:expr, $description:literal;)*) => {
        $(pub(crate) const $constant: &str = $name;)*
        /// The table.
        pub const METRICS: &[Metric] = &[$(Metric { name: $name, kind: $kind, description: $description }),*];
    };
}

use MetricKind::{Counter, Gauge, Histogram};

impl Buckets {
    /// Their upper bounds, in seconds.
    pub fn bounds(self) -> &'static [f64] {
        match self {
            Buckets::Short => &SHORT,
            Buckets::Delay => &DELAY,
            Buckets::Long => &LONG,
        }
    }
}

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
    PROJECTION_PARKED_EVENTS = "readside_projection_parked_events", Gauge, "Events that are parked because this projection alone could not take them.";
    PROJECTION_INFO = "readside_projection_info", Gauge, "1, with the kind and the owner of a projection.";
    SLO_LAG = "readside_slo_lag_seconds", Gauge, "The lag that `freshness.slo` allows a projection.";
    SLO_OBJECTIVE = "readside_slo_objective_ratio", Gauge, "In which share of the time `freshness.objective` has it kept.";
    SLO_OBSERVED = "readside_slo_observed_seconds_total", Counter, "Time in which the lag of a projection with `freshness.slo` was compared with that, once a second.";
    SLO_MISSED = "readside_slo_missed_seconds_total", Counter, "Time of that in which the lag was larger, or not known.";
    VISIBLE_AFTER = "readside_publish_to_visible_seconds", Histogram(Buckets::Delay), "From the time at which a stream stored a message to the answer that has it, of each message of the sources that a projection reads, while it serves.";
    STATE_BYTES = "readside_state_bytes", Gauge, "Bytes of state in memory of all projections together, with what is kept for a rollback, approximately. What several share counts for each.";
    STATE_LIMIT_BYTES = "readside_state_limit_bytes", Gauge, "Bytes of state from which on nothing more is built, as `limits.state` says; absent where it does not.";
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
    BUILD_PROGRESS = "readside_build_progress_ratio", Gauge, "Which share of its sources' sequences a build has read, from 0 to 1; it stays at 1 while what was built waits.";
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
    DENIED = "readside_requests_denied_total", Counter, "Requests that were refused for who sent them: `no-token`, `unknown-token`, `bad-token` (a JSON Web Token that is not taken), `not-allowed` for what administrators alone may do, or `denied` for what a policy asks a claim for, and what policies keep for administrators.";
    LIMITED = "readside_requests_limited_total", Counter,
        "Requests that got a 429 because their principal asks too much, by reason: `rate`, more in a second than `limits.per_principal.requests_per_second`; `concurrent`, more at once than `limits.per_principal.concurrent`.";
    QUERY_RUNNING = "query_running", Gauge, "Queries that are running.";
    QUERY_QUEUED = "query_queued", Gauge, "Queries that wait for their turn.";
    QUERY_WAITING = "query_waiting", Gauge, "Requests that wait for a position.";
    RESULT_CACHE_HITS = "readside_result_cache_hits_total", Counter, "Questions that were answered from what was kept, or with the answer of an equal one that was being computed.";
    RESULT_CACHE_MISSES = "readside_result_cache_misses_total", Counter, "Questions that were computed, because no answer was kept. What has another answer each time is no such question.";
    RESULT_CACHE_BYTES = "readside_result_cache_bytes", Gauge, "Bytes of the answers that are kept, and of statements that were parsed.";
    CONNECTIONS = "http_connections", Gauge, "Connections that are open, by listener.";
    CONNECTIONS_ENDED = "http_connections_ended_total", Counter,
        "Connections that were ended because of a limit, by listener and reason: `timeout`; `evicted`, for another one while it waited; `unserved`, told that all are busy; `refused`, without an answer; `no-tls`, which did not speak it as the listener does, or showed a certificate of nobody whom it trusts.";
    ANSWER_BYTES = "http_answer_bytes", Gauge, "Bytes of answers that are rendered and not yet taken.";
    EVENT_PROCESSING_FAILURES = "event_processing_failures_total", Counter,
        "Events that could not be admitted and were parked, by reason.";
    SOURCE_WATERMARK = "source_watermark_timestamp_seconds", Gauge, "Watermark of a source, seconds since the epoch.";
    SOURCE_LAST_SEQUENCE = "source_last_sequence", Gauge, "Last sequence of a source's stream when last heard of.";
    SOURCE_POSITION = "readside_source_position", Gauge, "Stream sequence up to which a source is read.";
    SOURCE_FIRST_SEQUENCE = "readside_source_first_sequence", Gauge, "First sequence that a source's stream still has, when last heard of; absent for a file.";
    SOURCE_SINCE = "readside_source_since_sequence", Gauge, "First sequence that counts of a source: where its history began when it was first opened.";
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
    DRIFTED_KEYS = "readside_drifted_keys", Gauge, "Keys of a projection whose rows were found not to be what the batch gives, until they are found equal or the projection is built again.";
    CONSISTENCY_CHECKED_ROWS = "consistency_checked_rows_total", Counter, "Rows of a projection that were found to be what the batch gives.";
    CONSISTENCY_CHECK_DURATION = "consistency_check_duration_seconds", Histogram(Buckets::Long), "Duration of verifications.";
    COMMIT_DURATION = "commit_duration_seconds", Histogram(Buckets::Short), "Duration of commits.";
    CHECKPOINT_DURATION = "checkpoint_duration_seconds", Histogram(Buckets::Short), "Duration of checkpoints.";
    CHECKPOINT_FAILURES = "checkpoint_failures_total", Counter, "Attempts to make a checkpoint that failed.";
    CHECKPOINT_TIMESTAMP = "readside_checkpoint_timestamp_seconds", Gauge, "Up to when a checkpoint has everything that was done, seconds since the epoch: a restart repeats what came since.";
    OTLP_ITEMS = "readside_otlp_items_total", Counter, "Spans, values of metrics and lines of the log that were exported over OTLP, by what became of them: `sent`; `failed`, not taken by the collector; `dropped`, because too many were waiting. Absent without an exporter.";
    BUILD_INFO = "readside_build_info", Gauge, "1, with the version of Readside and the revision that it was built from.";
    START_TIME = "readside_process_start_time_seconds", Gauge, "When the daemon was started, seconds since the epoch.";
    RESIDENT_MEMORY = "readside_process_resident_memory_bytes", Gauge, "Resident memory of the daemon.";
    MEMORY_LIMIT = "readside_process_memory_limit_bytes", Gauge, "Memory that the container, or the system's service, allows the daemon; absent where there is no limit.";
}
