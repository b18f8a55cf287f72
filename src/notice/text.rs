//! What a notice says, as JSON: where to look and why. Nothing of a payload, so neither its values nor the detail, which shows some.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lifecycle::Parked;
use crate::progress::{SourceName, rfc3339};

/// A longer pointer is left out. The names in it are the event's own.
const POINTER_MAX: usize = 1024;

/// One parked event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    source: &'a str,
    sequence: u64,
    /// The declared type, if it got that far.
    #[serde(rename = "type")]
    event_type: Option<&'a str>,
    /// The projection that alone could not take it; none if no projection has it.
    projection: Option<&'a str>,
    /// In a word: `missing_field`.
    reason: &'static str,
    /// JSON pointer of the culprit in the body.
    pointer: Option<&'a str>,
    /// RFC 3339; none of a line of a file that does not say it.
    published_at: Option<String>,
    /// The path at the daemon's `http.listen` that has all of it.
    see: String,
}

/// Events that have no notice of their own.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    /// How many, of all sources.
    more: u64,
    sources: &'a BTreeMap<SourceName, u64>,
    see: &'static str,
}

pub(super) fn about(parked: &Parked) -> Vec<u8> {
    let (rejected, message) = (&parked.rejected, &parked.rejected.message);
    json(&Notice {
        source: &parked.source,
        sequence: message.seq,
        event_type: rejected.event_type.as_deref(),
        projection: parked.generation.as_ref().map(|generation| &*generation.projection),
        reason: rejected.reason.label(),
        pointer: rejected.pointer.as_deref().filter(|pointer| pointer.len() <= POINTER_MAX),
        published_at: (message.published_at_us != 0).then(|| rfc3339(message.published_at_us)),
        see: format!("/v1/parked/{}/{}", parked.source, message.seq),
    })
}

pub(super) fn about_more(sources: &BTreeMap<SourceName, u64>) -> Vec<u8> {
    json(&Summary { more: sources.values().sum(), sources, see: "/v1/parked" })
}

fn json(notice: &impl Serialize) -> Vec<u8> {
    // Texts and numbers always make JSON.
    serde_json::to_vec(notice).unwrap_or_default()
}
