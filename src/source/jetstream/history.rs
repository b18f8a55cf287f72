//! Whether a stream is still the one that was read before, and still whole. Pure.

use super::api::{StreamConfig, StreamFacts};
use crate::source::{Gap, StreamIdentity};

/// Where reading goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ResumePoint {
    /// Nothing up to here will come (again).
    pub(super) covered: u64,
    /// The first sequence that the stream had when it was first opened.
    pub(super) began: u64,
    /// Messages that went before they were read, by the stream's own rules.
    pub(super) lost: Option<Gap>,
}

/// What is known of a stream from reading it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) identity: Option<StreamIdentity>,
    /// The last covered sequence.
    pub(super) after: u64,
    /// The last message that was read; 0 if none was.
    pub(super) last_read: u64,
    pub(super) proof: Proof,
    /// Whether what has vanished since is lost, and no fault.
    pub(super) accepts_gap: bool,
}

/// What the stream holds now where samples were taken when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// None of the samples is left to compare, or none was taken.
    Nothing,
    /// The newest sample that is left is the same message.
    Same,
    /// Another message is at this sequence.
    Other(u64),
}

/// Why a stream cannot be read on. A person has to mend it; of messages that have gone, whoever reads says how.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StreamFault {
    #[error(
        "stream `{stream}` has {retention} retention, which {keeps}; let a stream with limits retention source from it and \
         read that one"
    )]
    Retention { stream: String, retention: String, keeps: &'static str },
    #[error(
        "stream `{stream}` was created anew at {created}, the checkpoint belongs to the one of {known}; restore that one, \
         or have this one read from its beginning (`readside source reset`)"
    )]
    CreatedAnew { stream: String, created: String, known: String },
    #[error("the checkpoint of stream `{stream}` belongs to a source of another kind; name the source differently")]
    OtherKind { stream: String },
    #[error(
        "stream `{stream}` ends at {last}, but {read} was already read: it was set back; restore its later messages, or \
         have what is there read from its beginning (`readside source reset`)"
    )]
    Rewound { stream: String, read: u64, last: u64 },
    #[error(
        "message {sequence} of stream `{stream}` is not the one that was read there: the stream was set back, and published \
         to again; restore the messages that were read, or have what is there read from its beginning (`readside source reset`)"
    )]
    Overtaken { stream: String, sequence: u64 },
    #[error("messages {gap} of stream `{stream}` expired or were purged before they were read")]
    Expired { stream: String, gap: Gap },
    #[error(
        "messages {gap} of stream `{stream}` expired or were purged, and it takes the whole history to begin at its beginning"
    )]
    HistoryGone { stream: String, gap: Gap },
}

impl StreamFault {
    /// Whether messages have gone, and nothing else is wrong.
    pub(super) fn is_gap(&self) -> bool {
        matches!(self, StreamFault::Expired { .. } | StreamFault::HistoryGone { .. })
    }
}

/// Compares a stream with what is known of it.
///
/// # Errors
/// If it is not the stream that was read, or reading cannot go on without a loss that nothing explains.
pub(super) fn resume(stream: &str, known: &Known, facts: &StreamFacts) -> Result<ResumePoint, StreamFault> {
    let identity = known.identity.as_ref();
    still_readable(stream, identity, facts)?;
    let stream = stream.to_owned();
    let has_read = known.after > 0 || known.last_read > 0;
    let created = created(identity);
    let is_recreated = created.is_some_and(|created| created != facts.created);
    // A stream that was restored keeps its messages and their times, whatever it says of its own.
    if is_recreated && has_read && known.proof != Proof::Same {
        let known = created.unwrap_or_default().to_owned();
        return Err(StreamFault::CreatedAnew { stream, created: facts.created.clone(), known });
    }
    if let Proof::Other(sequence) = known.proof {
        return Err(StreamFault::Overtaken { stream, sequence });
    }
    let (first, last) = (facts.state.first_seq.max(1), facts.state.last_seq);
    let read = known.after.max(known.last_read);
    if identity.is_some() && last < read {
        return Err(StreamFault::Rewound { stream, read, last });
    }
    let Some(began) = identity.filter(|_| has_read || !is_recreated).map(began) else {
        // Nothing was read yet, so history begins where it begins, or where the caller wants it to.
        return Ok(ResumePoint { covered: known.after.max(first - 1), began: first, lost: None });
    };
    let covered = known.after.max(began - 1);
    if first <= covered.saturating_add(1) {
        return Ok(ResumePoint { covered, began, lost: None });
    }
    let gap = Gap { first: covered + 1, last: first - 1 };
    if is_mutable(&facts.config) || known.accepts_gap {
        return Ok(ResumePoint { covered: gap.last, began, lost: Some(gap) });
    }
    Err(match known.after {
        0 => StreamFault::HistoryGone { stream, gap },
        _ => StreamFault::Expired { stream, gap },
    })
}

fn created(identity: Option<&StreamIdentity>) -> Option<&str> {
    match identity {
        Some(StreamIdentity::JetStream { created, .. }) => Some(created),
        _ => None,
    }
}

/// Where history began. Of a checkpoint that does not say so, all of it is asked for.
fn began(identity: &StreamIdentity) -> u64 {
    match identity {
        StreamIdentity::JetStream { began: Some(began), .. } => (*began).max(1),
        _ => 1,
    }
}

/// What must hold at any time: a stream of a kind that keeps messages for everybody.
///
/// # Errors
/// If messages are deleted once they are read, or the checkpoint is of another kind of source.
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
        Some(StreamIdentity::File { .. } | StreamIdentity::Memory) => Err(StreamFault::OtherKind { stream }),
        _ => Ok(()),
    }
}

/// Whether messages vanish by the stream's own rules, wherever they are: what is lost of it is counted, and no fault.
pub(super) fn is_mutable(config: &StreamConfig) -> bool {
    config.max_msgs_per_subject > 0 || config.allow_msg_ttl || config.allow_rollup_hdrs
}

/// Whether deleted messages may have been of the subjects that a source reads, of a stream from which it leaves out others.
/// `has_newer` says that messages which it does read were stored since.
pub(super) fn may_be_read(config: &StreamConfig, has_newer: bool) -> bool {
    match is_mutable(config) && !config.allow_msg_ttl {
        // Limits and roll-ups delete what something newer of the same subject replaces.
        true => has_newer,
        // A message's own end, or somebody's hand, leaves nothing.
        false => true,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::api::{ConsumerLimits, StreamState};
    use super::*;

    const CREATED: &str = "2026-01-01T00:00:00Z";

    fn facts(first: u64, last: u64) -> StreamFacts {
        StreamFacts {
            created: CREATED.to_owned(),
            config: StreamConfig {
                retention: "limits".to_owned(),
                max_msgs_per_subject: -1,
                allow_msg_ttl: false,
                allow_rollup_hdrs: false,
                mirror: None,
                consumer_limits: ConsumerLimits::default(),
            },
            state: StreamState { first_seq: first, last_seq: last, ..StreamState::default() },
        }
    }

    fn mutable(first: u64, last: u64) -> StreamFacts {
        let mut facts = facts(first, last);
        facts.config.max_msgs_per_subject = 1;
        facts
    }

    fn recreated(first: u64, last: u64) -> StreamFacts {
        StreamFacts { created: "2026-02-02T00:00:00Z".to_owned(), ..facts(first, last) }
    }

    /// A stream that was read up to `after`, and began at `began`.
    fn read(after: u64, began: u64) -> Known {
        let identity = Some(StreamIdentity::JetStream { created: CREATED.to_owned(), began: Some(began) });
        Known { after, identity, last_read: after, proof: Proof::Nothing, accepts_gap: false }
    }

    /// The same stream, to be read from its beginning for a build.
    fn from_the_start(known: Known) -> Known {
        Known { after: 0, ..known }
    }

    fn unknown(after: u64) -> Known {
        Known { after, identity: None, last_read: 0, proof: Proof::Nothing, accepts_gap: false }
    }

    fn check(known: Known, facts: &StreamFacts, expect: Expect) {
        expect.assert_eq(&match resume("ORDERS", &known, facts) {
            Ok(ResumePoint { covered, began, lost: None }) => format!("after {covered}, began at {began}"),
            Ok(ResumePoint { covered, began, lost: Some(gap) }) => {
                format!("after {covered}, began at {began}, lost {gap}")
            }
            Err(fault) => fault.to_string(),
        });
    }

    #[test]
    fn an_unchanged_stream_is_resumed_where_it_was_left() {
        check(read(20, 1), &facts(1, 30), expect!["after 20, began at 1"]);
        check(read(20, 1), &facts(15, 30), expect!["after 20, began at 1"]);
        check(read(30, 1), &facts(31, 30), expect!["after 30, began at 1"]);
        check(from_the_start(read(20, 1)), &facts(1, 30), expect!["after 0, began at 1"]);
    }

    #[test]
    fn history_begins_where_the_stream_began_when_it_was_first_opened() {
        check(unknown(0), &facts(0, 0), expect!["after 0, began at 1"]);
        check(unknown(0), &facts(11, 30), expect!["after 10, began at 11"]);
        check(unknown(0), &mutable(11, 30), expect!["after 10, began at 11"]);
        check(unknown(4), &facts(11, 30), expect!["after 10, began at 11"]);
        check(from_the_start(read(20, 11)), &facts(11, 30), expect!["after 10, began at 11"]);
    }

    #[test]
    fn what_expired_before_it_was_read_halts() {
        check(
            read(20, 1),
            &facts(31, 40),
            expect!["messages 21 to 30 of stream `ORDERS` expired or were purged before they were read"],
        );
        check(
            read(0, 1),
            &facts(31, 40),
            expect![
                "messages 1 to 30 of stream `ORDERS` expired or were purged, and it takes the whole history to begin at its beginning"
            ],
        );
    }

    #[test]
    fn what_expired_since_it_was_read_cannot_be_built_from() {
        check(
            from_the_start(read(40, 1)),
            &facts(31, 40),
            expect![
                "messages 1 to 30 of stream `ORDERS` expired or were purged, and it takes the whole history to begin at its beginning"
            ],
        );
        check(
            from_the_start(read(40, 11)),
            &facts(31, 40),
            expect![
                "messages 11 to 30 of stream `ORDERS` expired or were purged, and it takes the whole history to begin at its beginning"
            ],
        );
        // A checkpoint of an older build does not say where history began.
        let mut old = from_the_start(read(40, 1));
        old.identity = Some(StreamIdentity::JetStream { created: CREATED.to_owned(), began: None });
        check(old.clone(), &facts(1, 40), expect!["after 0, began at 1"]);
        check(
            old,
            &facts(31, 40),
            expect![
                "messages 1 to 30 of stream `ORDERS` expired or were purged, and it takes the whole history to begin at its beginning"
            ],
        );
    }

    #[test]
    fn what_goes_by_the_streams_own_rules_is_counted() {
        check(read(20, 1), &mutable(31, 40), expect!["after 30, began at 1, lost 21 to 30"]);
        check(from_the_start(read(40, 1)), &mutable(31, 40), expect!["after 30, began at 1, lost 1 to 30"]);
        let mut rolled_up = facts(31, 40);
        rolled_up.config.allow_rollup_hdrs = true;
        check(read(20, 1), &rolled_up, expect!["after 30, began at 1, lost 21 to 30"]);
        let mut ending = facts(31, 40);
        ending.config.allow_msg_ttl = true;
        check(read(20, 1), &ending, expect!["after 30, began at 1, lost 21 to 30"]);
    }

    #[test]
    fn a_stream_that_was_set_back_halts() {
        check(
            read(20, 1),
            &facts(1, 10),
            expect![
                "stream `ORDERS` ends at 10, but 20 was already read: it was set back; restore its later messages, or have what is there read from its beginning (`readside source reset`)"
            ],
        );
        check(
            from_the_start(read(20, 1)),
            &facts(1, 10),
            expect![
                "stream `ORDERS` ends at 10, but 20 was already read: it was set back; restore its later messages, or have what is there read from its beginning (`readside source reset`)"
            ],
        );
        let overtaken = Known { proof: Proof::Other(20), ..read(20, 1) };
        check(
            overtaken,
            &facts(1, 30),
            expect![
                "message 20 of stream `ORDERS` is not the one that was read there: the stream was set back, and published to again; restore the messages that were read, or have what is there read from its beginning (`readside source reset`)"
            ],
        );
    }

    #[test]
    fn a_stream_that_was_created_anew_is_known_by_its_messages() {
        for known in [read(20, 1), Known { proof: Proof::Other(20), ..read(20, 1) }, from_the_start(read(20, 1))] {
            let created_anew = expect![
                "stream `ORDERS` was created anew at 2026-02-02T00:00:00Z, the checkpoint belongs to the one of 2026-01-01T00:00:00Z; restore that one, or have this one read from its beginning (`readside source reset`)"
            ];
            check(known, &recreated(1, 30), created_anew);
        }
        check(Known { proof: Proof::Same, ..read(20, 1) }, &recreated(1, 30), expect!["after 20, began at 1"]);
        // Nothing of the first one was read.
        check(read(0, 5), &recreated(3, 30), expect!["after 2, began at 3"]);
    }

    #[test]
    fn a_queue_is_refused() {
        let mut queue = facts(1, 30);
        queue.config.retention = "workqueue".to_owned();
        check(
            unknown(0),
            &queue,
            expect![
                "stream `ORDERS` has workqueue retention, which deletes what is read; let a stream with limits retention source from it and read that one"
            ],
        );
    }

    #[test]
    fn what_is_deleted_may_be_of_what_is_read_unless_the_streams_rules_say_otherwise() {
        assert!(may_be_read(&mutable(1, 2).config, true));
        assert!(!may_be_read(&mutable(1, 2).config, false));
        assert!(may_be_read(&facts(1, 2).config, false));
        let mut ending = mutable(1, 2).config;
        ending.allow_msg_ttl = true;
        assert!(may_be_read(&ending, false));
    }
}
