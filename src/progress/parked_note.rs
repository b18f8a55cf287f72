//! The description of a parked event in the status of its source.

use serde::Serialize;

/// One parked event without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedNote {
    pub sequence: u64,
    pub subject: String,
    /// The declared type, if it got that far.
    pub event_type: Option<String>,
    /// The projection that alone could not take it; none if no projection has it.
    pub projection: Option<String>,
    /// Why, in a word: `missing_field`.
    pub reason: &'static str,
    /// JSON pointer of the culprit in the message's body.
    pub pointer: Option<String>,
    pub detail: String,
    /// RFC 3339.
    pub published_at: String,
}
