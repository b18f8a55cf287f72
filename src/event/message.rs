//! A stored message as a source read it: facts only, nothing decoded.

use bytes::Bytes;
use serde_json::value::RawValue;

/// One message of a stream, identified by `(stream, seq)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Stream sequence; the line number, from 1, in a file source.
    pub seq: u64,
    pub subject: String,
    pub headers: Headers,
    pub payload: Bytes,
    /// Microseconds since the epoch, UTC: when the stream stored it.
    pub published_at_us: i64,
    /// Why what was stored could not be read as a message: it is parked, whatever else is known of it. The payload is what was
    /// stored then.
    pub unreadable: Option<String>,
}

/// Headers in the order they were written; names compare without case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(pub Vec<(String, String)>);

/// That a message was stored in an atomic batch of NATS (ADR-50 of NATS): one after the other with the rest of it, all or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InBatch<'a> {
    pub id: &'a str,
    /// Whether it is the last one.
    pub ends: bool,
}

/// A payload, by what can be made of it.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// JSON, as it was written.
    Json(&'a RawValue),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl Headers {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What JetStream stores in the place of messages that it has deleted says why, in this header.
const MARKER: &str = "Nats-Marker-Reason";
const MARKER_REASONS: [&str; 3] = ["MaxAge", "Purge", "Remove"];

/// Whether a header comes from a publisher, and not from the server.
fn is_a_publishers(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !name.starts_with("nats-")
        || ["nats-msg-id", "nats-expected-", "nats-batch-"].iter().any(|own| name.starts_with(own))
}

const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

impl Message {
    /// The atomic batch that it was stored in, if it was.
    pub fn in_batch(&self) -> Option<InBatch<'_>> {
        let ends = || self.headers.get(BATCH_COMMIT).is_some();
        self.headers.get(BATCH_ID).map(|id| InBatch { id, ends: ends() })
    }

    /// The sequence of the first one of its atomic batch, where some of that are right `before` it.
    pub fn batch_began(&self, before: &[Message]) -> Option<u64> {
        let InBatch { id, .. } = self.in_batch()?;
        let is_of_it = |one: &&Message| one.in_batch().is_some_and(|batch| !batch.ends && batch.id == id);
        before.iter().rev().take_while(is_of_it).last().map(|first| first.seq)
    }

    /// Whether JetStream itself stored it in the place of deleted ones. A publisher may use the header as well, but a marker has
    /// no payload, and no header that a publisher gives.
    pub fn is_deletion_marker(&self) -> bool {
        let is_marked = || self.headers.get(MARKER).is_some_and(|reason| MARKER_REASONS.contains(&reason));
        self.payload.is_empty() && is_marked() && !self.headers.0.iter().any(|(name, _)| is_a_publishers(name))
    }

    /// The payload in the form in which a person reads it.
    pub fn body(&self) -> Body<'_> {
        match (serde_json::from_slice(&self.payload), std::str::from_utf8(&self.payload)) {
            (Ok(json), _) => Body::Json(json),
            (Err(_), Ok(text)) => Body::Text(text),
            (Err(_), Err(_)) => Body::Bytes(&self.payload),
        }
    }

    /// Bytes that this message holds in memory, for limits.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.payload.len() + self.subject.len() + headers + 64
    }
}
