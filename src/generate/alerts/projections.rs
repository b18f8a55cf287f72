//! Alerts about projections. Their owners are told.

use super::Scope::{Projection, Promised};
use super::Severity::{Page, Ticket};
use super::{Alert, Section, Watched};
use crate::generate::rules::missed;
use crate::telemetry::{
    BUILD_STATE, DRIFTED_KEYS, PROJECTION_PARKED_EVENTS, PROJECTION_ROWS_IN_ERROR, PROJECTION_STATE,
    PROJECTION_STATE_BYTES, PROJECTION_STATE_LIMIT_BYTES, SHADOW_SINCE, SLO_OBJECTIVE,
};

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "ReadsideFreshnessBudgetBurnsFast",
        scope: Promised,
        severity: Page,
        hold: "2m",
        expression: |watched| burns(watched, &[("5m", "1h", 14.4), ("30m", "6h", 6.0)]),
        summary: "{{ $labels.projection }} is older than its SLO allows, and soon has been so for too long",
        description: "In the last minutes the lag of {{ $labels.projection }} was above `freshness.slo` for {{ $value | humanizePercentage }} of the time. At this pace what `freshness.objective` allows in 30 days is used up within days.",
        section: Section {
            means: "Readers of the projection miss events for longer than was promised, and not for a moment only: the share of the time above `freshness.slo` is many times what `freshness.objective` allows, over a short and a long window.",
            shows: "Dashboard, *Freshness*: `projection_lag_seconds` above the line of the SLO, `readside_slo_missed_seconds_total` growing. *Intake* says whether the source, or the projection, is behind.",
            steps: &[
                "`readside source list`: is a source of it `disconnected`, `halted` or `paused`? Then go on with the section of that.",
                "`readside projection status NAME`: is it `failed`, `paused`, or built again? Then go on with the section of that.",
                "Both live, and lag all the same: it takes less than comes. `readside projection status NAME` says which operator is large; *State and memory* whether the daemon lacks memory, *Queries* whether readers take the processor.",
                "`readside projection pause NAME --reason WHY` stops another projection that takes too much, so that this one catches up. All projections of a source follow it together: the one whose operators keep most (*State and memory*) is the first to look at.",
            ],
            ends: "The alert ends when the lag is back below `freshness.slo` and the short window has passed. An SLO that cannot be kept is corrected in the projection's file (`freshness: {slo: …}`) and taken with `readside reload`.",
        },
    },
    Alert {
        name: "ReadsideFreshnessBudgetBurnsSlowly",
        scope: Promised,
        severity: Ticket,
        hold: "15m",
        expression: |watched| burns(watched, &[("2h", "1d", 3.0), ("6h", "3d", 1.0)]),
        summary: "{{ $labels.projection }} misses its SLO more often than its objective allows",
        description: "In the last hours the lag of {{ $labels.projection }} was above `freshness.slo` for {{ $value | humanizePercentage }} of the time, more than `freshness.objective` allows.",
        section: Section {
            means: "The projection is late now and again, in sum more often than was promised. Nothing is broken at this moment.",
            shows: "Dashboard, *Freshness*: the compliance of the last hours below the objective, and at which times the lag rises.",
            steps: &[
                "Compare the times at which the lag rises with *Intake* (bursts of events), *Builds* (a build reads history beside) and *Queries* (a heavy query).",
                "`readside history` says what was deployed, rebuilt or paused at those times.",
                "Where bursts are the cause, `readside projection status NAME` says which operator takes the time; `readside validate NAME` says what it keeps.",
            ],
            ends: "The alert ends once the longer window has fewer misses. Give the daemon more, make the projection cheaper, or promise less.",
        },
    },
    Alert {
        name: "ReadsideProjectionFailed",
        scope: Projection,
        severity: Page,
        hold: "1m",
        expression: |watched| {
            let (state, in_error) = (watched.with("state=\"failed\""), watched.all());
            format!(
                "{PROJECTION_STATE}{state} == 1\n  unless on (job, instance, projection) {PROJECTION_ROWS_IN_ERROR}{in_error} > 0"
            )
        },
        summary: "{{ $labels.projection }} has stopped and serves its last rows",
        description: "Generation {{ $labels.generation }} of {{ $labels.projection }} takes no events any more. Its rows stay as they were, and every answer from them says `failed`.",
        section: Section {
            means: "The projection has stopped: its state is beyond `state_limit`, too many of its events are parked, two rows have one key, or it could not be built again. All that reads it has stopped too.",
            shows: "Dashboard, *Errors*: the state `failed`. `curl -s localhost:8080/readyz` and the log have the reason.",
            steps: &[
                "`readside projection status NAME` has the reason in `error`.",
                "State beyond its limit: raise `state_limit` in the projection's file, or keep less, then `readside reload`; it is built again.",
                "Two rows of one key: the key is not one. Correct it, or the SQL, then `readside reload`.",
                "Too much is parked: see ReadsideProjectionEventsParked.",
                "`readside projection rebuild NAME --reason WHY` begins again where the cause is gone.",
            ],
            ends: "The alert ends when a generation serves: `readside projection list` says `serving`.",
        },
    },
    Alert {
        name: "ReadsideProjectionInError",
        scope: Projection,
        severity: Page,
        hold: "1m",
        expression: |watched| format!("{PROJECTION_ROWS_IN_ERROR}{} > 0", watched.all()),
        summary: "{{ $labels.projection }} has rows that cannot be computed and serves its last right ones",
        description: "{{ $value }} rows, groups or partitions of {{ $labels.projection }} cannot be computed. It takes every event, but readers see its rows as they were before.",
        section: Section {
            means: "Something that no single event causes cannot be computed, such as a division by a sum that has become zero. The projection serves its last right rows until an event or another definition corrects it.",
            shows: "Dashboard, *Errors*: `projection_rows_in_error`. *Freshness*: its lag grows.",
            steps: &[
                "`readside projection status NAME` names the operator, the row and what is wrong with it (`rowErrors`).",
                "Correct the SQL, as with `nullif` around a divisor or `try_cast`, try it with `readside try`, then `readside reload`.",
                "Where the events are wrong, publish what corrects them: the error goes with the row that has it.",
            ],
            ends: "The alert ends when `projection_rows_in_error` is 0; its rows are complete at once.",
        },
    },
    Alert {
        name: "ReadsideProjectionEventsParked",
        scope: Projection,
        severity: Ticket,
        hold: "5m",
        expression: |watched| format!("{PROJECTION_PARKED_EVENTS}{} > 0", watched.all()),
        summary: "{{ $value }} events are missing from {{ $labels.projection }}",
        description: "{{ $labels.projection }} alone could not take {{ $value }} events, which are parked. Its answers say `incomplete`.",
        section: Section {
            means: "An expression of the projection fails for these events, as a cast of a text that is no number. They are kept whole and counted; other projections have them.",
            shows: "Dashboard, *Errors*: `readside_projection_parked_events`, and `projection_error_total` by event type.",
            steps: &[
                "`readside parked list --projection NAME` has the events and the reason.",
                "`readside parked show SOURCE SEQUENCE` has one of them whole.",
                "Correct the SQL (`try_cast`, `coalesce`, a WHERE), try it with `readside try`, then `readside reload`: what was parked is read again. What `readside projection list` says is `shadowing` then waits for `readside projection promote NAME --reason WHY`.",
                "Where nothing will mend them: `readside parked discard SOURCE SEQUENCE --reason WHY`.",
            ],
            ends: "The alert ends when none is parked; answers are complete then.",
        },
    },
    Alert {
        name: "ReadsideBuildStuck",
        scope: Projection,
        severity: Ticket,
        hold: "10m",
        expression: |watched| format!("{BUILD_STATE}{} == 1", watched.with("state=~\"stalled|failed\"")),
        summary: "The build of {{ $labels.projection }} is {{ $labels.state }}",
        description: "Generation {{ $labels.generation }} of {{ $labels.projection }} is {{ $labels.state }}. What serves goes on, as it was declared before.",
        section: Section {
            means: "What is built of a changed projection reads nothing any more, or has ended without a result. Readers have the rows of the generation before.",
            shows: "Dashboard, *Builds*: the progress does not grow, the state is `stalled` or `failed`.",
            steps: &[
                "`readside projection status NAME` has the reason in `build.message`.",
                "`stalled`: its source gives it nothing. `build.message` has what the server says, such as that a permission is missing; `readside source list` whether the source has stopped for all.",
                "`failed` because history has expired: `readside projection rebuild NAME --from-timestamp TIME` builds it of what is left. It lacks what came before, so it waits for `readside projection promote NAME --reason WHY`.",
                "`failed` for another reason: correct the declaration, then `readside reload`.",
                "`readside projection abort NAME` ends it, and what serves goes on.",
            ],
            ends: "The alert ends when the build is done, or gone.",
        },
    },
    Alert {
        name: "ReadsideBuildWaits",
        scope: Projection,
        severity: Ticket,
        hold: "10m",
        expression: |watched| format!("time() - {SHADOW_SINCE}{} > 86400", watched.all()),
        summary: "What was built of {{ $labels.projection }} has waited for a day to be promoted",
        description: "Generation {{ $labels.generation }} of {{ $labels.projection }} has been ready for {{ $value | humanizeDuration }}. It takes memory, and readers have what was declared before.",
        section: Section {
            means: "A changed projection was built and is compared with what serves; a person has to say that it may serve.",
            shows: "Dashboard, *Builds*: the state `shadowing`, and how many rows differ.",
            steps: &[
                "`readside projection status NAME` has the comparison.",
                "`readside projection promote NAME --reason WHY` lets it serve; with `--verify` only if it equals the batch.",
                "`readside projection abort NAME` gives it up.",
            ],
            ends: "The alert ends with that decision.",
        },
    },
    Alert {
        name: "ReadsideRowsDrifted",
        scope: Projection,
        severity: Page,
        hold: "0s",
        expression: |watched| format!("{DRIFTED_KEYS}{} > 0", watched.all()),
        summary: "{{ $value }} rows of {{ $labels.projection }} are not what its SQL gives",
        description: "A verification recomputed {{ $labels.projection }} in batch and found {{ $value }} keys whose rows differ.",
        section: Section {
            means: "The rows are not what the projection's SQL gives over its events. That is a fault of Readside, or of the disk.",
            shows: "Dashboard, *Errors*: `readside_drifted_keys`. The log, and `curl -s localhost:8080/readyz`, say which keys.",
            steps: &[
                "`readside projection verify NAME` compares once more and prints the keys. Keep its answer and the log, and report them.",
                "`readside projection rebuild NAME --reason WHY` builds it from the first event, from nothing that is there.",
                "`readside projection status NAME` has the comparison with what serves; then `readside projection promote NAME`.",
            ],
            ends: "The alert ends when a verification finds them equal, or what was built again serves.",
        },
    },
    Alert {
        name: "ReadsideProjectionStateNearLimit",
        scope: Projection,
        severity: Ticket,
        hold: "15m",
        expression: |watched| {
            format!("{PROJECTION_STATE_BYTES}{0} / {PROJECTION_STATE_LIMIT_BYTES}{0} > 0.85", watched.all())
        },
        summary: "The state of {{ $labels.projection }} is at {{ $value | humanizePercentage }} of its limit",
        description: "Beyond `state_limit` {{ $labels.projection }} fails and serves its last rows.",
        section: Section {
            means: "The projection keeps nearly as much in memory as it may. At the limit it stops, alone.",
            shows: "Dashboard, *State and memory*: `projection_state_bytes` against `projection_state_limit_bytes`, and the operators that keep most.",
            steps: &[
                "`readside projection status NAME` says which operator keeps how much, and what that grows with; `readside validate NAME` what would close it.",
                "Raise `state_limit`, where there is memory; or keep less, as by `event_time: {late: drop}` and windows; then `readside reload`.",
            ],
            ends: "The alert ends below 85 % of the limit.",
        },
    },
];

/// Where the share of the time above the SLO is so many times what the objective leaves, over a short and a long window. Of an
/// objective so low that more than all of the time would be needed, nearly all of it is enough.
fn burns(watched: &Watched, windows: &[(&str, &str, f64)]) -> String {
    let labels = watched.all();
    let pair = |(short, long, factor): &(&str, &str, f64)| {
        let above = |window: &str| {
            let missed = missed(window);
            format!("{missed}{labels} > clamp_max({factor} * (1 - {SLO_OBJECTIVE}{labels}), 0.95)")
        };
        format!("(\n  {}\n  and\n  {}\n)", above(short), above(long))
    };
    windows.iter().map(pair).collect::<Vec<_>>().join("\nor\n")
}
