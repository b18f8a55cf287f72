//! A case from messages that are there: what is given, as a case writes it. What follows from it is found out by running it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_yaml::{Mapping, Value};

use crate::config::{Case, LineFormat, SourceKind, cases};
use crate::event::{Message, Node};
use crate::progress::rfc3339;

/// Deeper payloads are written as texts.
const DEPTH: usize = 40;

/// Why messages cannot be the events of a case.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("message {sequence} of `{source_name}` cannot be read, so no case can give it: {why}")]
    Unreadable { source_name: String, sequence: u64, why: String },
    #[error("the lines of `{source_name}` are CloudEvents, which are not captured; write the case by hand")]
    CloudEvents { source_name: String },
    #[error("the case cannot be written: {0}")]
    Write(#[from] serde_yaml::Error),
}

/// The text of a case without its outcome: these messages of the source are given. Each comes back exactly as it was.
///
/// # Errors
/// A message cannot be given, or YAML cannot hold it.
pub fn captured(
    name: &str,
    source_name: &str,
    input: &SourceKind,
    messages: &[Message],
) -> Result<String, CaptureError> {
    let lines = match input {
        SourceKind::File { lines, .. } => *lines,
        SourceKind::JetStream { .. } => LineFormat::Message,
    };
    if lines == LineFormat::CloudEvents {
        return Err(CaptureError::CloudEvents { source_name: source_name.to_owned() });
    }
    let mut given = Vec::new();
    for message in messages {
        if let Some(why) = message.unreadable.clone() {
            let source_name = source_name.to_owned();
            return Err(CaptureError::Unreadable { source_name, sequence: message.seq, why });
        }
        given.push(event(source_name, message)?);
    }
    let mut case = Mapping::new();
    case.insert("case".into(), name.into());
    case.insert("given".into(), Value::Sequence(given));
    Ok(serde_yaml::to_string(&case)?)
}

fn event(source_name: &str, message: &Message) -> Result<Value, serde_yaml::Error> {
    let mut event = Mapping::new();
    let mut set = |key: &str, value: Value| drop(event.insert(key.into(), value));
    set("source", source_name.into());
    if !message.subject.is_empty() {
        set("subject", message.subject.as_str().into());
    }
    if !message.headers.0.is_empty() {
        set("headers", headers(message));
    }
    if message.published_at_us != 0 {
        set("published_at", rfc3339(message.published_at_us).into());
    }
    match std::str::from_utf8(&message.payload) {
        Ok("") => {}
        Ok(text) => match data(source_name, text)? {
            Some(data) => set("data", data),
            // With every digit and blank, which YAML would write otherwise.
            None => set("text", text.into()),
        },
        Err(_) => set("data_base64", STANDARD.encode(&message.payload).into()),
    }
    Ok(Value::Mapping(event))
}

/// Headers in their order; a name that occurs several times has a list.
fn headers(message: &Message) -> Value {
    let mut headers = Mapping::new();
    for (name, value) in &message.headers.0 {
        match headers.get_mut(name.as_str()) {
            None => drop(headers.insert(name.as_str().into(), value.as_str().into())),
            Some(Value::Sequence(values)) => values.push(value.as_str().into()),
            Some(first) => *first = Value::Sequence(vec![first.clone(), value.as_str().into()]),
        }
    }
    Value::Mapping(headers)
}

/// A payload as YAML, if it is read back from there as it is.
fn data(source_name: &str, text: &str) -> Result<Option<Value>, serde_yaml::Error> {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else { return Ok(None) };
    let value = serde_yaml::to_value(value)?;
    let mut event = Mapping::new();
    event.insert("source".into(), source_name.into());
    event.insert("data".into(), value.clone());
    let mut case = Mapping::new();
    case.insert("case".into(), "read back".into());
    case.insert("given".into(), Value::Sequence(vec![Value::Mapping(event)]));
    case.insert("then".into(), Value::Mapping(Mapping::new()));
    let read = cases("read back", &serde_yaml::to_string(&case)?).unwrap_or_default();
    let back = read.first().and_then(|case: &Case| case.given.first()).map(|event| event.data.as_str());
    let is_same = back.is_some_and(|back| match (Node::read(text, DEPTH), Node::read(back, DEPTH)) {
        (Ok(one), Ok(other)) => !one.has_opaque() && sorted(one) == sorted(other),
        _ => false,
    });
    Ok(is_same.then_some(value))
}

/// Members in the order of their names, which means nothing.
fn sorted(node: Node<'_>) -> Node<'_> {
    match node {
        Node::List(items) => Node::List(items.into_iter().map(sorted).collect()),
        Node::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Node::Object(members)
        }
        other => other,
    }
}
