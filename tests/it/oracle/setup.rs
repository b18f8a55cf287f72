//! A case made ready: its configuration loaded and compiled, its log as messages.

use std::collections::BTreeMap;

use readside::config::{Files, load};
use readside::event::{Headers, Message};
use readside::plan::{Program, program};

use super::case::{Case, Entry, Event, configuration};

/// The messages of each source, in stream order.
pub(super) type Messages = BTreeMap<String, Vec<Message>>;

/// Compiles the case's configuration, or says why it is refused.
pub(super) fn compile(case: &Case) -> Result<Program, String> {
    let text = configuration(case);
    let files = Files { list: &|_| Ok(Vec::new()), read: &|_| Ok(text.clone()) };
    let loaded = load("readside.yaml", &files, &|_| None).map_err(|found| found[0].to_string())?;
    program(&loaded.config).map_err(|problems| problems[0].message.clone())
}

/// All messages of the log. The n-th message of a source has the sequence n and was stored at second n.
pub(super) fn messages(case: &Case) -> Messages {
    let mut messages: Messages = case.sources().into_iter().map(|source| (source.to_owned(), Vec::new())).collect();
    for entry in &case.log {
        if let Entry::Event(event) = entry
            && let Some(messages) = messages.get_mut(&event.source)
        {
            let seq = messages.len() as u64 + 1;
            messages.push(message(event, seq));
        }
    }
    messages
}

fn message(event: &Event, seq: u64) -> Message {
    let mut headers = vec![("type".to_owned(), event.event_type.clone())];
    headers.extend(event.key.iter().map(|key| ("key".to_owned(), key.clone())));
    headers.extend(event.at_seconds.map(|at| ("at".to_owned(), (at * 1000).to_string())));
    Message {
        seq,
        subject: format!("{}.{}", event.source, event.event_type),
        headers: Headers(headers),
        payload: event.payload.clone().into(),
        published_at_us: seq as i64 * 1_000_000,
        unreadable: None,
    }
}
