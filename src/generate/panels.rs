//! What the dashboard shows, row by row. `$projection` and `$job` are its variables.

use super::rules::missed;
use crate::telemetry::*;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub title: &'static str,
    pub panels: Vec<Panel>,
}

#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub title: &'static str,
    pub description: &'static str,
    /// As Grafana calls it.
    pub unit: &'static str,
    pub queries: Vec<Query>,
}

#[derive(Debug, Clone)]
pub(super) struct Query {
    pub legend: &'static str,
    pub expression: String,
}

const JOB: &str = "{job=\"$job\"}";
const OWN: &str = "{job=\"$job\",projection=~\"$projection\"}";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row { title: "Freshness", panels: freshness() },
        Row { title: "Intake", panels: intake() },
        Row { title: "Errors", panels: errors() },
        Row { title: "Queries", panels: queries() },
        Row { title: "State and memory", panels: state() },
        Row { title: "Builds", panels: builds() },
    ]
}

fn panel(title: &'static str, unit: &'static str, description: &'static str, queries: Vec<Query>) -> Panel {
    Panel { title, description, unit, queries }
}

fn query(legend: &'static str, expression: String) -> Query {
    Query { legend, expression }
}

/// A quantile of a histogram, by a label.
fn quantile(share: f64, metric: &str, labels: &str, by: &str) -> String {
    let rate = format!("rate({metric}_bucket{labels}[$__rate_interval])");
    format!("histogram_quantile({share}, sum by ({by}, le) ({rate}))")
}

fn freshness() -> Vec<Panel> {
    vec![
        panel(
            "Lag",
            "s",
            "For how long something may be missing from a projection. It grows while a source is dead.",
            vec![
                query("{{projection}} of {{source}}", format!("{PROJECTION_LAG_SECONDS}{OWN}")),
                query("SLO of {{projection}}", format!("{SLO_LAG}{OWN}")),
            ],
        ),
        panel(
            "Within the SLO",
            "percentunit",
            "The share of the last hour in which the lag was within `freshness.slo`, and the objective.",
            vec![
                query(
                    "{{projection}}",
                    format!("1 - increase({SLO_MISSED}{OWN}[1h]) / increase({SLO_OBSERVED}{OWN}[1h])"),
                ),
                query("objective of {{projection}}", format!("{SLO_OBJECTIVE}{OWN}")),
            ],
        ),
        panel(
            "How fast the error budget burns",
            "none",
            "The share above the SLO by what the objective allows: at 1 the budget lasts exactly as long as its period. Recorded by the rules.",
            vec![query("{{projection}}", format!("{}{OWN} / (1 - {SLO_OBJECTIVE}{OWN})", missed("1h")))],
        ),
        panel(
            "From publication to visibility",
            "s",
            "How long messages take from the stream to the answers that have them.",
            vec![
                query("{{projection}} p50", quantile(0.5, VISIBLE_AFTER, OWN, "projection")),
                query("{{projection}} p99", quantile(0.99, VISIBLE_AFTER, OWN, "projection")),
            ],
        ),
        panel(
            "Daemons that answer",
            "none",
            "1 where Prometheus reaches the daemon. At 0 nothing is known of it, and its lines end in all other panels.",
            vec![query("{{instance}}", format!("up{JOB}"))],
        ),
    ]
}

fn intake() -> Vec<Panel> {
    vec![
        panel(
            "Messages read a second",
            "cps",
            "How fast the position of a source moves.",
            vec![query("{{source}}", format!("clamp_min(deriv({SOURCE_POSITION}{JOB}[2m]), 0)"))],
        ),
        panel(
            "Messages that wait",
            "none",
            "Stored, and not read yet.",
            vec![query("{{source}}", format!("{SOURCE_LAST_SEQUENCE}{JOB} - {SOURCE_POSITION}{JOB}"))],
        ),
        panel(
            "State of the sources",
            "none",
            "1 for the state that a source is in.",
            vec![query("{{source}} {{state}}", format!("{SOURCE_STATE}{JOB} == 1"))],
        ),
        panel(
            "Since the last word",
            "s",
            "The age of the last word of a source. It is heard of every second.",
            vec![query("{{source}}", format!("time() - {SOURCE_HEARTBEAT}{JOB}"))],
        ),
        panel(
            "Age of the watermark",
            "s",
            "How far event time is behind.",
            vec![query("{{source}}", format!("time() - {SOURCE_WATERMARK}{JOB}"))],
        ),
        panel(
            "Until retention overtakes",
            "none",
            "Messages between the first one that the stream still has and the position: at 0 it drops what was not read.",
            vec![query("{{source}}", format!("{SOURCE_POSITION}{JOB} - {SOURCE_FIRST_SEQUENCE}{JOB} + 1"))],
        ),
    ]
}

fn errors() -> Vec<Panel> {
    vec![
        panel(
            "State of the projections",
            "none",
            "1 for the state that a projection is in.",
            vec![query("{{projection}} {{state}}", format!("{PROJECTION_STATE}{OWN} == 1"))],
        ),
        panel(
            "Parked events",
            "none",
            "Of a source, which no projection has; and of one projection alone.",
            vec![
                query("{{source}} {{event_type}}", format!("{SOURCE_PARKED_EVENTS}{JOB}")),
                query("{{projection}} alone", format!("{PROJECTION_PARKED_EVENTS}{OWN}")),
            ],
        ),
        panel(
            "Events parked a second",
            "cps",
            "By the reason for which they do not fit their declaration, and of projections by event type.",
            vec![
                query("{{source}} {{reason}}", format!("rate({EVENT_PROCESSING_FAILURES}{JOB}[$__rate_interval])")),
                query("{{projection}} {{event_type}}", format!("rate({PROJECTION_ERROR}{OWN}[$__rate_interval])")),
            ],
        ),
        panel(
            "Rows in error",
            "none",
            "Rows that cannot be computed: the projection serves its last right ones.",
            vec![query("{{projection}}", format!("{PROJECTION_ROWS_IN_ERROR}{OWN}"))],
        ),
        panel(
            "Drift",
            "none",
            "Keys whose rows a verification found not to be what the batch gives.",
            vec![query("{{projection}}", format!("{DRIFTED_KEYS}{OWN}"))],
        ),
        panel(
            "Late and lost",
            "none",
            "Events that came after the watermark, that were dropped for it, and messages that vanished before they were read.",
            vec![
                query("{{source}} late", format!("{SOURCE_LATE_EVENTS}{JOB}")),
                query("{{source}} dropped", format!("{SOURCE_LATE_EVENTS_DROPPED}{JOB}")),
                query("{{source}} lost", format!("{SOURCE_LOST_MESSAGES}{JOB}")),
            ],
        ),
    ]
}

fn queries() -> Vec<Panel> {
    vec![
        panel(
            "Requests a second",
            "reqps",
            "By endpoint.",
            vec![query(
                "{{endpoint}}",
                format!("sum by (endpoint) (rate({QUERY_LATENCY}_count{JOB}[$__rate_interval]))"),
            )],
        ),
        panel(
            "Latency",
            "s",
            "Waiting for a turn, or for a position, included.",
            vec![
                query("{{endpoint}} p50", quantile(0.5, QUERY_LATENCY, JOB, "endpoint")),
                query("{{endpoint}} p99", quantile(0.99, QUERY_LATENCY, JOB, "endpoint")),
            ],
        ),
        panel(
            "Refused a second",
            "reqps",
            "Requests that got an error, by reason.",
            vec![query(
                "{{endpoint}} {{reason}}",
                format!("sum by (endpoint, reason) (rate({QUERY_REFUSED}{JOB}[$__rate_interval]))"),
            )],
        ),
        panel(
            "Running and waiting",
            "none",
            "Queries that run, that wait for their turn, and requests that wait for a position.",
            vec![
                query("running", format!("{QUERY_RUNNING}{JOB}")),
                query("queued", format!("{QUERY_QUEUED}{JOB}")),
                query("waiting", format!("{QUERY_WAITING}{JOB}")),
            ],
        ),
        panel(
            "Connections",
            "none",
            "Open connections by listener.",
            vec![query("{{listener}}", format!("{CONNECTIONS}{JOB}"))],
        ),
        panel(
            "Stale answers a second",
            "reqps",
            "Answers given while a source that they read was catching up, disconnected or halted.",
            vec![query("{{endpoint}}", format!("rate({QUERY_RESULT_STALE}{JOB}[$__rate_interval])"))],
        ),
        panel(
            "Questions answered from what is kept",
            "reqps",
            "Of those that may be kept, a second: answered with an answer that was there, or computed.",
            vec![
                query("kept", format!("rate({RESULT_CACHE_HITS}{JOB}[$__rate_interval])")),
                query("computed", format!("rate({RESULT_CACHE_MISSES}{JOB}[$__rate_interval])")),
            ],
        ),
    ]
}

fn state() -> Vec<Panel> {
    vec![
        panel(
            "Resident memory",
            "bytes",
            "Of the daemon, what it may have, the state of all projections in it, from where on `limits.state` lets nothing more be built, and the answers that are kept.",
            vec![
                query("resident", format!("{RESIDENT_MEMORY}{JOB}")),
                query("limit", format!("{MEMORY_LIMIT}{JOB}")),
                query("state", format!("{STATE_BYTES}{JOB}")),
                query("limit of state", format!("{STATE_LIMIT_BYTES}{JOB}")),
                query("kept answers", format!("{RESULT_CACHE_BYTES}{JOB}")),
            ],
        ),
        panel(
            "State of the projections against their limits",
            "percentunit",
            "Beyond 100 % a projection fails.",
            vec![query(
                "{{projection}}",
                format!("{PROJECTION_STATE_BYTES}{OWN} / {PROJECTION_STATE_LIMIT_BYTES}{OWN}"),
            )],
        ),
        panel(
            "Operators that keep most",
            "bytes",
            "The ten largest.",
            vec![query("{{projection}} {{operator}}", format!("topk(10, {PROJECTION_OPERATOR_STATE_BYTES}{OWN})"))],
        ),
        panel(
            "Rows",
            "none",
            "Live rows or documents.",
            vec![query("{{projection}}", format!("{PROJECTION_ROWS}{OWN}"))],
        ),
        panel(
            "Checkpoints",
            "s",
            "The age of what the last one has, and how long they take.",
            vec![
                query("age", format!("time() - {CHECKPOINT_TIMESTAMP}{JOB}")),
                query("p99 of their duration", quantile(0.99, CHECKPOINT_DURATION, JOB, "job")),
            ],
        ),
        panel(
            "Commits and failed checkpoints",
            "s",
            "How long commits take; and attempts to make a checkpoint that failed in the last ten minutes.",
            vec![
                query("p99 of commits", quantile(0.99, COMMIT_DURATION, JOB, "job")),
                query("failed checkpoints", format!("increase({CHECKPOINT_FAILURES}{JOB}[10m])")),
            ],
        ),
    ]
}

fn builds() -> Vec<Panel> {
    vec![
        panel(
            "Progress",
            "percentunit",
            "Which share of its sources a build has read; 1 while what was built waits.",
            vec![query("{{projection}} {{generation}}", format!("{BUILD_PROGRESS}{OWN}"))],
        ),
        panel(
            "Time that remains",
            "s",
            "At the rate until now.",
            vec![query("{{projection}} {{generation}}", format!("{BUILD_REMAINING}{OWN}"))],
        ),
        panel(
            "State of the builds",
            "none",
            "1 for the state that a build is in.",
            vec![query("{{projection}} {{generation}} {{state}}", format!("{BUILD_STATE}{OWN} == 1"))],
        ),
        panel(
            "Rows that differ",
            "none",
            "Of what was built and waits, compared with what serves.",
            vec![query("{{projection}} {{difference}}", format!("{SHADOW_DIFFERENCES}{OWN}"))],
        ),
        panel(
            "Kept for a rollback",
            "bytes",
            "The state of generations that were replaced.",
            vec![query("{{projection}} {{generation}}", format!("{KEPT_STATE_BYTES}{OWN}"))],
        ),
    ]
}
