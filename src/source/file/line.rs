//! What one line of a file means.
//!
//! A line is `{"subject": …, "headers": {…}, "data": …, "published_at": …}`, all optional. The payload is the text of `data`
//! as it is written. Whatever is not such an object is handed on whole as the payload, so that decoding judges it:
//! a plain event is read as it is, and a broken line gets parked instead of lost.

use std::fmt;

use bytes::Bytes;
use chrono::DateTime;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::event::{Headers, Message};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    subject: String,
    #[serde(default, deserialize_with = "headers")]
    headers: Headers,
    /// Present and `null` is a payload, too.
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    published_at: Option<String>,
}

/// The message of a line; none for a blank one. A line without `published_at` was published at the epoch: the file's own
/// times change as it grows, and a restart must read the same.
pub(super) fn read(seq: u64, text: &Bytes) -> Option<Message> {
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return None;
    }
    let whole = text.slice_ref(trimmed);
    let mut message = Message {
        seq,
        subject: String::new(),
        headers: Headers::default(),
        payload: whole.clone(),
        published_at_us: 0,
    };
    let Ok(line) = serde_json::from_slice::<Line<'_>>(&whole) else { return Some(message) };
    if let Some(time) = line.published_at {
        let Ok(time) = DateTime::parse_from_rfc3339(&time) else { return Some(message) };
        message.published_at_us = time.timestamp_micros();
    }
    if let Some(data) = line.data {
        message.payload = whole.slice_ref(data.get().as_bytes());
    }
    message.subject = line.subject;
    message.headers = line.headers;
    Some(message)
}

/// Whether a line that has no end yet can be taken for whole.
pub(super) fn is_complete(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// An object of strings or lists of strings, in the order in which it is written.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
    struct Pairs;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        One(String),
        Many(Vec<String>),
    }
    impl<'de> Visitor<'de> for Pairs {
        type Value = Headers;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings or lists of strings")
        }

        fn visit_unit<E: Error>(self) -> Result<Headers, E> {
            Ok(Headers::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
            let mut pairs = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                match value {
                    Value::One(value) => pairs.push((name, value)),
                    Value::Many(values) => pairs.extend(values.into_iter().map(|value| (name.clone(), value))),
                }
            }
            Ok(Headers(pairs))
        }
    }
    deserializer.deserialize_any(Pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn message(text: &str) -> Message {
        read(7, &Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_line_is_a_message() {
        let text = r#"{"subject":"a.b","headers":{"Z":"1","A":["2","3"]},"published_at":"1970-01-01T00:00:01Z","data":{"x": 1.0}}"#;
        let Message { seq, subject, headers, payload, published_at_us } = message(text);
        assert_eq!((seq, subject.as_str(), published_at_us), (7, "a.b", 1_000_000));
        assert_eq!(payload, r#"{"x": 1.0}"#);
        let expected = [("Z", "1"), ("A", "2"), ("A", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers.0, expected);
    }

    #[test]
    fn null_is_a_payload() {
        assert_eq!(message(r#"{"subject":"a","data":null}"#).payload, "null");
    }

    #[test]
    fn anything_else_is_handed_on_whole() {
        for text in [
            r#"{"order_id":"1"}"#,
            "not json",
            r#"{"subject":"a","data":{"x":1}"#,
            r#"{"subject":1,"data":{}}"#,
            r#"{"data":{},"published_at":"yesterday"}"#,
            "[1, 2]",
        ] {
            let message = message(&format!(" {text}\r"));
            assert_eq!((message.subject.as_str(), message.payload), ("", Bytes::from(text)));
        }
    }

    #[test]
    fn a_blank_line_is_no_message() {
        assert_eq!(read(1, &Bytes::from_static(b" \r")), None);
    }
}
