//! A stored message as a source read it: facts only, nothing decoded.

use bytes::Bytes;

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
}

/// Headers in the order they were written; names compare without case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Message {
    /// Bytes that this message holds in memory, for limits.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.payload.len() + self.subject.len() + headers + 64
    }
}
