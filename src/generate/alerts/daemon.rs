//! Alerts about the daemon as a whole.

use super::Scope::Daemon;
use super::Severity::{Page, Ticket};
use super::{Alert, Section};
use crate::telemetry::{
    CHECKPOINT_FAILURES, CHECKPOINT_TIMESTAMP, MEMORY_LIMIT, QUERY_REFUSED, RESIDENT_MEMORY, STATE_BYTES,
    STATE_LIMIT_BYTES,
};

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "ReadsideAway",
        scope: Daemon,
        severity: Page,
        hold: "2m",
        expression: |watched| format!("up{0} == 0\nor\nabsent(up{0})", watched.all()),
        summary: "Prometheus does not reach Readside",
        description: "No daemon answers at {{ $labels.instance }}: nothing is known of it, and it may serve nobody.",
        section: Section {
            means: "The daemon is not there, its metrics listener is not reached, or Prometheus does not scrape it under the job's name any more.",
            shows: "Dashboard, *Freshness*: `up` is 0 under “Daemons that answer”, and the lines of all other panels end. Prometheus, *Status → Targets*, has the error.",
            steps: &[
                "Does the process run? Its last log lines, and its exit code, say why it has ended.",
                "`epochs/… cannot be written`: the disk is full or read-only. Make room; it starts then.",
                "Exit code 3: another daemon took over the data directory, and this one has ended by itself, as it should. Find out who started the other one. Stop that one and start this one again; or keep it, and have Prometheus scrape it in the place of this one.",
                "Killed for memory: see ReadsideMemoryNearLimit.",
                "It runs and answers at its HTTP port: correct `metrics.listen`, or the scrape.",
            ],
            ends: "The alert ends with the next scrape. A start goes on from the last checkpoint, and nothing is lost.",
        },
    },
    Alert {
        name: "ReadsideCheckpointOld",
        scope: Daemon,
        severity: Page,
        hold: "1m",
        expression: |watched| {
            // A checkpoint of a large state may take some intervals.
            let seconds = (watched.checkpoint_interval.as_secs() * 5).max(300);
            format!("time() - {CHECKPOINT_TIMESTAMP}{} > {seconds}", watched.all())
        },
        summary: "There is no checkpoint of the last {{ $value | humanizeDuration }}",
        description: "A restart of {{ $labels.instance }} would have to read again all that came since, if its streams have it still.",
        section: Section {
            means: "Checkpoints do not become durable. Intake and reads go on; what is missing would be read again after a restart, and what somebody decides, as by `readside reload`, is not answered.",
            shows: "Dashboard, *State and memory*: the age of the last checkpoint grows, its duration too.",
            steps: &[
                "`curl -s localhost:8080/readyz` has the failure as a warning, the log each attempt.",
                "No room, or read-only: make room at `data_dir`. Do not restart the daemon before.",
                "No failures, but it takes long: the disk is slow, or the state has grown by much at once.",
            ],
            ends: "The alert ends with the next checkpoint: the log says `checkpoints can be written again`.",
        },
    },
    Alert {
        name: "ReadsideCheckpointFails",
        scope: Daemon,
        severity: Ticket,
        hold: "2m",
        expression: |watched| format!("increase({CHECKPOINT_FAILURES}{}[10m]) > 0", watched.all()),
        summary: "Checkpoints of {{ $labels.instance }} fail",
        description: "{{ $value | humanize }} attempts have failed in ten minutes. They are tried again.",
        section: Section {
            means: "Writing a checkpoint fails now and again, or always; in the latter case ReadsideCheckpointOld follows.",
            shows: "Dashboard, *State and memory*: `checkpoint_failures_total`.",
            steps: &[
                "The log (`checkpoint failed; it will be tried again`) has the message, with the object that could not be written.",
                "Is there room, are there inodes, and may the daemon write at `data_dir`?",
            ],
            ends: "The alert ends ten minutes after the last failure.",
        },
    },
    Alert {
        name: "ReadsideMemoryNearLimit",
        scope: Daemon,
        severity: Page,
        hold: "10m",
        expression: |watched| format!("{RESIDENT_MEMORY}{0} / {MEMORY_LIMIT}{0} > 0.9", watched.all()),
        summary: "{{ $labels.instance }} has {{ $value | humanizePercentage }} of the memory that it may have",
        description: "Beyond its limit the system kills it. It goes on from its last checkpoint then, and meets the same state again.",
        section: Section {
            means: "State, queries and builds together take nearly what the container may have.",
            shows: "Dashboard, *State and memory*: resident memory against its limit, and which projection has the most state.",
            steps: &[
                "`readside projection list` has what each keeps. What was replaced and is kept takes memory too: `readside projection retire NAME` lets it go.",
                "`readside projection abort NAME` ends a build, `readside projection pause NAME --reason WHY` frees the state of a projection; its rows are served as they were.",
                "`readside_state_bytes` shows at once what that has freed. The process may keep the memory for what comes next, so that the alert goes on. Restart the daemon then: it goes on from its last checkpoint, with what is left.",
                "Raise the container's limit, or lower `limits.memory`, `limits.concurrency` and the `state_limit` of what may fail first.",
            ],
            ends: "The alert ends below 90 %.",
        },
    },
    Alert {
        name: "ReadsideStateNearLimit",
        scope: Daemon,
        severity: Ticket,
        hold: "10m",
        expression: |watched| format!("{STATE_BYTES}{0} / {STATE_LIMIT_BYTES}{0} > 0.85", watched.all()),
        summary: "State of {{ $labels.instance }} takes {{ $value | humanizePercentage }} of `limits.state`",
        description: "From `limits.state` on nothing more is built. What serves goes on.",
        section: Section {
            means: "The projections together, with what is kept for a rollback, take nearly what `limits.state` allows. A changed projection takes as much again while it is built and waits.",
            shows: "Dashboard, *State and memory*: state against its limit, and which projection has the most.",
            steps: &[
                "`readside projection list` has what each keeps. What was replaced and is kept counts too: `readside projection retire NAME` lets it go.",
                "`readside projection pause NAME --reason WHY` frees the state of a projection; its rows are served as they were.",
                "Raise `limits.state`, where the container has the memory for three times as much, and `readside reload`; what was refused is built then.",
            ],
            ends: "The alert ends below 85 %.",
        },
    },
    Alert {
        name: "ReadsideQueriesRefused",
        scope: Daemon,
        severity: Ticket,
        hold: "10m",
        expression: |watched| {
            let reasons = "reason=~\"overloaded|out-of-memory|timeout|unavailable|query-failed|internal\"";
            let refused = format!("rate({QUERY_REFUSED}{}[5m])", watched.with(reasons));
            format!("sum by (job, instance, endpoint, reason) ({refused}) > 0.05")
        },
        summary: "Readers get no answers from {{ $labels.endpoint }}: {{ $labels.reason }}",
        description: "{{ $value | humanize }} requests a second are refused for a reason that is not the reader's.",
        section: Section {
            means: "`overloaded`: more queries at once than `limits.concurrency` and its queue take. `out-of-memory`, `timeout`: a query takes more than `limits.memory` or `limits.timeout`. `unavailable`: the relation has no rows to serve. `query-failed`, `internal`: see the log.",
            shows: "Dashboard, *Queries*: refusals by reason, queries that run and wait, latencies.",
            steps: &[
                "`unavailable`: `readside projection list` says what is built or has failed.",
                "`overloaded`: which endpoint is slow? A filter without an index reads the table; add `indexes` to the projection, or raise `limits.concurrency`.",
                "`timeout`, `out-of-memory`: `readside query SQL` with the reader's SQL shows it; narrow it, or make a projection of it.",
            ],
            ends: "The alert ends when readers are answered.",
        },
    },
];
