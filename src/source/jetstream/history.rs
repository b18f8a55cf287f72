//! Whether a stream is still the one that was read before, and still whole. Pure.

use super::api::{StreamConfig, StreamFacts};
use crate::source::{Gap, Start, StreamIdentity};

/// Where reading goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResumePoint {
    /// Nothing up to here will come (again).
    pub(super) covered: u64,
    pub(super) gap: Option<Gap>,
}

/// Why a stream cannot be read on. A person has to mend it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StreamFault {
    #[error(
        "stream `{stream}` has {retention} retention, which {keeps}; let a stream with limits retention source from it and \
         read that one"
    )]
    Retention { stream: String, retention: String, keeps: &'static str },
    #[error(
        "stream `{stream}` was created anew at {created}, the checkpoint belongs to the one of {known}; restore that one, \
         or start with an empty data_dir, which reads this one from its beginning"
    )]
    CreatedAnew { stream: String, created: String, known: String },
    #[error(
        "the checkpoint of stream `{stream}` belongs to a source of another kind; name the source differently, or start \
         with an empty data_dir"
    )]
    OtherKind { stream: String },
    #[error(
        "stream `{stream}` ends at {last}, but {read} was already read: it was set back; restore its later messages, or \
         start with an empty data_dir, which reads what is there from its beginning"
    )]
    Rewound { stream: String, read: u64, last: u64 },
    #[error(
        "messages {gap} of stream `{stream}` expired or were purged before they were read; start with an empty data_dir, \
         which builds everything from what is left"
    )]
    Expired { stream: String, gap: Gap },
}

/// Compares a stream with what the checkpoint knows.
///
/// # Errors
/// If reading cannot go on where the checkpoint ends.
pub(super) fn resume(stream: &str, start: &Start, facts: &StreamFacts) -> Result<ResumePoint, StreamFault> {
    still_readable(stream, start.identity.as_ref(), facts)?;
    let (first, last) = (facts.state.first_seq, facts.state.last_seq);
    if start.identity.is_some() && last < start.after {
        return Err(StreamFault::Rewound { stream: stream.to_owned(), read: start.after, last });
    }
    if first <= start.after.saturating_add(1) {
        return Ok(ResumePoint { covered: start.after, gap: None });
    }
    let gap = Gap { first: start.after + 1, last: first - 1 };
    // A source that has read nothing yet misses nothing: history begins where it begins. Where newer messages replace
    // older ones, their loss is what the stream is declared for.
    if start.after == 0 || is_mutable(&facts.config) {
        return Ok(ResumePoint { covered: gap.last, gap: None });
    }
    if start.accept_gap {
        return Ok(ResumePoint { covered: gap.last, gap: Some(gap) });
    }
    Err(StreamFault::Expired { stream: stream.to_owned(), gap })
}

/// What must hold at any time: the same stream, of a kind that keeps messages for everybody.
///
/// # Errors
/// If it is another stream, or one whose messages are deleted once they are read.
pub(super) fn still_readable(
    stream: &str,
    identity: Option<&StreamIdentity>,
    facts: &StreamFacts,
) -> Result<(), StreamFault> {
    let stream = stream.to_owned();
    let keeps = match facts.config.retention.as_str() {
        "workqueue" => Some("deletes what is read"),
        "interest" => Some("keeps only what current consumers have yet to read"),
        _ => None,
    };
    if let Some(keeps) = keeps {
        return Err(StreamFault::Retention { stream, retention: facts.config.retention.clone(), keeps });
    }
    match identity {
        Some(StreamIdentity::JetStream { created: known }) if *known != facts.created => {
            Err(StreamFault::CreatedAnew { stream, created: facts.created.clone(), known: known.clone() })
        }
        Some(StreamIdentity::File { .. } | StreamIdentity::Memory) => Err(StreamFault::OtherKind { stream }),
        _ => Ok(()),
    }
}

/// Whether messages vanish from within by the stream's own rules, so that a hole in it proves nothing.
pub(super) fn is_mutable(config: &StreamConfig) -> bool {
    config.max_msgs_per_subject > 0 || config.allow_msg_ttl
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::api::{ConsumerLimits, StreamState};
    use super::*;

    fn facts(first: u64, last: u64) -> StreamFacts {
        StreamFacts {
            created: "2026-01-01T00:00:00Z".to_owned(),
            config: StreamConfig {
                retention: "limits".to_owned(),
                max_msgs_per_subject: -1,
                allow_msg_ttl: false,
                consumer_limits: ConsumerLimits::default(),
            },
            state: StreamState { first_seq: first, last_seq: last },
        }
    }

    fn start(after: u64) -> Start {
        let identity = Some(StreamIdentity::JetStream { created: "2026-01-01T00:00:00Z".to_owned() });
        Start { after, identity, accept_gap: false }
    }

    fn check(start: &Start, facts: &StreamFacts, expect: Expect) {
        expect.assert_eq(&match resume("ORDERS", start, facts) {
            Ok(ResumePoint { covered, gap: None }) => format!("from {covered}"),
            Ok(ResumePoint { covered, gap: Some(gap) }) => format!("from {covered} without {gap}"),
            Err(fault) => fault.to_string(),
        });
    }

    #[test]
    fn an_unchanged_stream_is_resumed_where_it_was_left() {
        check(&start(20), &facts(1, 30), expect!["from 20"]);
        check(&start(30), &facts(31, 30), expect!["from 30"]);
        check(&Start::default(), &facts(0, 0), expect!["from 0"]);
    }

    #[test]
    fn a_source_that_has_read_nothing_begins_where_history_begins() {
        check(&Start::default(), &facts(11, 30), expect!["from 10"]);
    }

    #[test]
    fn lost_history_halts() {
        check(
            &start(20),
            &facts(31, 40),
            expect![
                "messages 21 to 30 of stream `ORDERS` expired or were purged before they were read; start with an empty data_dir, which builds everything from what is left"
            ],
        );
        let accepting = Start { accept_gap: true, ..start(20) };
        check(&accepting, &facts(31, 40), expect!["from 30 without 21 to 30"]);
        let mut latest_only = facts(31, 40);
        latest_only.config.max_msgs_per_subject = 1;
        check(&start(20), &latest_only, expect!["from 30"]);
    }

    #[test]
    fn another_stream_of_the_same_name_halts() {
        check(
            &start(20),
            &facts(1, 10),
            expect![
                "stream `ORDERS` ends at 10, but 20 was already read: it was set back; restore its later messages, or start with an empty data_dir, which reads what is there from its beginning"
            ],
        );
        let recreated = StreamFacts { created: "2026-02-02T00:00:00Z".to_owned(), ..facts(1, 30) };
        check(
            &start(20),
            &recreated,
            expect![
                "stream `ORDERS` was created anew at 2026-02-02T00:00:00Z, the checkpoint belongs to the one of 2026-01-01T00:00:00Z; restore that one, or start with an empty data_dir, which reads this one from its beginning"
            ],
        );
    }

    #[test]
    fn a_queue_is_refused() {
        let mut queue = facts(1, 30);
        queue.config.retention = "workqueue".to_owned();
        check(
            &Start::default(),
            &queue,
            expect![
                "stream `ORDERS` has workqueue retention, which deletes what is read; let a stream with limits retention source from it and read that one"
            ],
        );
    }
}
