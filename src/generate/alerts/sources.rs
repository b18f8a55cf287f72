//! Alerts about sources. No projection owns them.

use super::Scope::Source;
use super::Severity::{Page, Ticket};
use super::{Alert, Section};
use crate::telemetry::{
    SOURCE_FIRST_SEQUENCE, SOURCE_HEARTBEAT, SOURCE_LAST_SEQUENCE, SOURCE_PARKED_EVENTS, SOURCE_POSITION, SOURCE_STATE,
};

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "ReadsideSourceHalted",
        scope: Source,
        severity: Page,
        hold: "1m",
        expression: |watched| format!("{SOURCE_STATE}{} == 1", watched.with("state=\"halted\"")),
        summary: "Source {{ $labels.source }} has halted",
        description: "Nothing is read of {{ $labels.source }} until a person has mended what stopped it. Readers have the rows of before, and their age.",
        section: Section {
            means: "The source cannot be read on without losing, or mistaking, events: messages expired before they were read, the stream is another one, an event is of an unknown type, or no more can be parked.",
            shows: "Dashboard, *Intake*: the state `halted`, the lag of all that reads it growing.",
            steps: &[
                "`readside source status NAME` has the message, and what helps.",
                "Messages that expired: restore them if you can, else `readside source accept-gap NAME --reason WHY`; answers say `incomplete` from then on.",
                "The stream was created anew, or set back: restore it, or `readside source reset NAME --reason WHY`, which builds all that reads it again.",
                "An unknown event, or one that cannot be upcast: correct the declaration, then `readside reload`.",
                "Too much is parked: correct what it does not fit, then `readside reload`; or raise `parked.max_events` in the root file, then `readside reload`, and go on with ReadsideSourceEventsParked.",
            ],
            ends: "The alert ends when `readside source list` says `catching_up` or `live`.",
        },
    },
    Alert {
        name: "ReadsideSourceSilent",
        scope: Source,
        severity: Page,
        hold: "1m",
        expression: |watched| {
            let (all, stopped) = (watched.all(), watched.with("state=~\"halted|paused\""));
            let disconnected = watched.with("state=\"disconnected\"");
            format!(
                "(\n  time() - {SOURCE_HEARTBEAT}{all} > 60\n  or on (job, instance, source)\n  {SOURCE_STATE}{disconnected} == 1\n)\n\
                 unless on (job, instance, source) {SOURCE_STATE}{stopped} == 1"
            )
        },
        summary: "Source {{ $labels.source }} is not heard of any more",
        description: "The server of {{ $labels.source }} gives no sign of life. Reading goes on by itself once it does.",
        section: Section {
            means: "NATS, the stream, or the way there is gone, or the daemon may not read it any more. Nobody knows what is published meanwhile, so the lag grows.",
            shows: "Dashboard, *Intake*: the state `disconnected`, the age of the last word growing.",
            steps: &[
                "`readside source status NAME` has what the server, or the connection, says.",
                "Is NATS up, and reached from here? `curl -s localhost:8080/readyz` has the same message.",
                "Refused: the user of the `nats` section has lost a permission, or its credentials have expired.",
                "The stream is gone: restore it. Do not make an empty one of its name, which would halt the source.",
            ],
            ends: "The alert ends when the server answers; nothing else is to do.",
        },
    },
    Alert {
        name: "ReadsideIntakeStalled",
        scope: Source,
        severity: Page,
        hold: "5m",
        expression: |watched| {
            let (all, stopped) = (watched.all(), watched.with("state=~\"halted|paused|disconnected\""));
            format!(
                "{SOURCE_LAST_SEQUENCE}{all} - {SOURCE_POSITION}{all} > 0\n  and changes({SOURCE_POSITION}{all}[10m]) == 0\n  \
                 unless on (job, instance, source) {SOURCE_STATE}{stopped} == 1"
            )
        },
        summary: "{{ $value }} messages of {{ $labels.source }} wait, and none was read for ten minutes",
        description: "{{ $labels.source }} is reached and has more messages, but its position does not move.",
        section: Section {
            means: "Messages are there, the source says that it is live, and nothing is read: the daemon is stuck, or starved of processor or memory.",
            shows: "Dashboard, *Intake*: a lag, and no messages a second. *State and memory*: commits that take long, resident memory at its limit.",
            steps: &[
                "`readside source status NAME` and the log: is it read with one consumer after the other (`reading with a new consumer`)? Then the log has why.",
                "Has the container no processor left, or does it swap? Give it more.",
                "Restart the daemon: it goes on from its last checkpoint, and nothing is lost or counted twice. Keep the log of before, and report it.",
            ],
            ends: "The alert ends when the position moves.",
        },
    },
    Alert {
        name: "ReadsideSourceEventsParked",
        scope: Source,
        severity: Ticket,
        hold: "5m",
        expression: |watched| format!("sum without (event_type) ({SOURCE_PARKED_EVENTS}{}) > 0", watched.all()),
        summary: "{{ $value }} events of {{ $labels.source }} are parked",
        description: "No projection has them. Answers that may lack them say `incomplete`.",
        section: Section {
            means: "Events do not fit what the source declares: a field is missing or of another type, the type is not declared, an upcaster fails. They are kept whole until the declaration is mended.",
            shows: "Dashboard, *Errors*: `source_parked_events` by event type, `event_processing_failures_total` by reason.",
            steps: &[
                "`readside parked list --source NAME` has the reasons and the places of the faults; `readside parked show SOURCE SEQUENCE` a message whole.",
                "The declaration is wrong: correct it, then `readside parked replay`. Where that is refused, `readside reload` reads the source again beside; what `readside projection list` says is `shadowing` then waits for `readside projection promote NAME --reason WHY`.",
                "The publisher is wrong: have it mended. What nothing will mend: `readside parked discard SOURCE SEQUENCE --reason WHY`, or all that is parked for one reason: `readside parked discard SOURCE --parked-for REASON --reason WHY`.",
            ],
            ends: "The alert ends when none is parked.",
        },
    },
    Alert {
        name: "ReadsideRetentionOvertakes",
        scope: Source,
        severity: Page,
        hold: "5m",
        expression: |watched| {
            let all = watched.all();
            format!(
                "predict_linear({SOURCE_FIRST_SEQUENCE}{all}[15m], 3600) > predict_linear({SOURCE_POSITION}{all}[15m], 3600)\n  \
                 and {SOURCE_LAST_SEQUENCE}{all} - {SOURCE_POSITION}{all} > 0"
            )
        },
        summary: "The stream of {{ $labels.source }} will drop messages within the hour that were not read",
        description: "At the pace of the last 15 minutes the retention of the stream overtakes the position of {{ $labels.source }} within an hour. What it drops is lost to every projection, and halts the source.",
        section: Section {
            means: "The stream lets go of old messages (`max_age`, `max_bytes`, `max_msgs`) faster than they are read.",
            shows: "Dashboard, *Intake*: the messages between the position and the first one of the stream become fewer.",
            steps: &[
                "Give the stream more room before anything else: raise its limits at the NATS server.",
                "`readside source list`: is the source `paused`, `halted` or `disconnected`? That section says what lets it go on; `readside source resume NAME` where a person has paused it.",
                "It reads, but too slowly: `readside projection pause NAME --reason WHY` stops what takes most.",
            ],
            ends: "The alert ends when the position is ahead of what the stream drops.",
        },
    },
];
