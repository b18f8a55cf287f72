//! What one line of a file means.
//!
//! A message is `{"subject": …, "headers": {…}, "data": …, "published_at": …}`, all optional. Its payload is the text of
//! `data` as it is written, or the bytes of `data_base64`. An object that has another member is a plain event, and a payload as
//! a whole, and so is what is no object: decoding judges it. A line that is meant as a message and is none says what is wrong,
//! and gets parked.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::DateTime;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::cloud_event;
use crate::config::LineFormat;
use crate::event::{Headers, Message};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(default)]
    subject: String,
    #[serde(default, deserialize_with = "headers")]
    headers: Headers,
    /// Present and `null` is a payload, too.
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    /// The payload's bytes where `data` cannot show them exactly. It counts instead of `data`.
    data_base64: Option<String>,
    published_at: Option<String>,
    /// Where `events stream` found it; another file has numbers of its own.
    #[serde(default, rename = "seq")]
    _seq: IgnoredAny,
}

/// The message of a line; none for a blank one. A line without `published_at` was published at the epoch: the file's own
/// times change as it grows, and a restart must read the same.
pub(super) fn read(seq: u64, text: &Bytes, lines: LineFormat) -> Option<Message> {
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
        unreadable: None,
    };
    match lines {
        LineFormat::Payload => return Some(message),
        LineFormat::CloudEvents => {
            if let Err(wrong) = cloud_event::fill(&mut message, &whole) {
                message.unreadable = Some(format!("the line is no CloudEvent: {wrong}"));
            }
            return Some(message);
        }
        LineFormat::Auto | LineFormat::Message => {}
    }
    if let Err(wrong) = fill(&mut message, &whole)
        && (lines == LineFormat::Message || has_members_of_messages_only(&whole))
    {
        message.unreadable = Some(format!("the line is no message: {wrong}"));
    }
    // Without data there is nothing to decode but the line itself, unless it is known to be a message.
    if lines == LineFormat::Message && message.unreadable.is_none() && message.payload.as_ptr() == whole.as_ptr() {
        message.payload = Bytes::new();
    }
    Some(message)
}

/// Why a line that is meant as a message is none.
#[derive(Debug, thiserror::Error)]
enum LineError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("`published_at` is `{0}`, which is not RFC 3339 with an offset")]
    PublishedAt(String),
    #[error("`data_base64` is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

/// Takes the facts of a message from its line.
fn fill(message: &mut Message, whole: &Bytes) -> Result<(), LineError> {
    let line = serde_json::from_slice::<Line<'_>>(whole)?;
    if let Some(text) = &line.published_at {
        let time = DateTime::parse_from_rfc3339(text);
        let time = time.map_err(|_| LineError::PublishedAt(text.to_string()))?;
        message.published_at_us = time.timestamp_micros();
    }
    if let Some(text) = &line.data_base64 {
        let bytes = STANDARD.decode(text.as_bytes())?;
        message.payload = bytes.into();
    } else if let Some(data) = line.data {
        message.payload = whole.slice_ref(data.get().as_bytes());
    }
    message.subject = line.subject;
    message.headers = line.headers;
    Ok(())
}

const MEMBERS: [&str; 6] = ["subject", "headers", "data", "data_base64", "published_at", "seq"];

/// Whether a line is an object with members, and with none that a message does not have.
fn has_members_of_messages_only(whole: &[u8]) -> bool {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
            let mut members = 0;
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                if !MEMBERS.contains(&name.as_str()) {
                    return Err(A::Error::custom("a member that no message has"));
                }
                members += 1;
            }
            Ok(members)
        }
    }
    let mut json = serde_json::Deserializer::from_slice(whole);
    json.deserialize_map(Members).is_ok_and(|members| members > 0) && json.end().is_ok()
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
            while let Some(name) = map.next_key::<String>()? {
                let wrong = |_| A::Error::custom(format!("header `{name}` is neither a string nor a list of strings"));
                match map.next_value::<Value>().map_err(wrong)? {
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
        read(7, &Bytes::copy_from_slice(text.as_bytes()), LineFormat::Auto).unwrap()
    }

    #[test]
    fn a_line_is_a_message() {
        let text = r#"{"subject":"a.b","headers":{"Z":"1","A":["2","3"]},"published_at":"1970-01-01T00:00:01Z","data":{"x": 1.0}}"#;
        let Message { seq, subject, headers, payload, published_at_us, unreadable } = message(text);
        assert_eq!(unreadable, None);
        assert_eq!((seq, subject.as_str(), published_at_us), (7, "a.b", 1_000_000));
        assert_eq!(payload, r#"{"x": 1.0}"#);
        let expected = [("Z", "1"), ("A", "2"), ("A", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers.0, expected);
    }

    #[test]
    fn bytes_that_are_no_json_come_as_base64() {
        let text = r#"{"seq":3,"subject":"a","data":"for people","data_base64":"bm90IGpzb27/"}"#;
        assert_eq!(message(text).payload, b"not json\xff".as_slice());
        assert_eq!(message(r#"{"data_base64":""}"#).payload.len(), 0);
        assert!(message(r#"{"data_base64":"?"}"#).unreadable.unwrap().contains("not base64"));
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
            r#"{"device":"b","v":2,"data":{"v":99}}"#,
            r#"{"data":"raw","device":"d"}"#,
            r#"{"specversion":"1.0","type":"T","data":{},"subject":7}"#,
            "{}",
            "[1, 2]",
        ] {
            let message = message(&format!(" {text}\r"));
            assert_eq!((message.subject.as_str(), message.payload), ("", Bytes::from(text)));
            assert_eq!(message.unreadable, None, "{text}");
        }
    }

    #[test]
    fn what_is_meant_as_a_message_and_is_none_says_what_is_wrong() {
        let cases = [
            (r#"{"subject":1,"data":{}}"#, "invalid type: integer `1`, expected a string"),
            (r#"{"data":{},"published_at":"yesterday"}"#, "`published_at` is `yesterday`"),
            (r#"{"headers":{"T":"a","V":1},"data":{}}"#, "header `V` is neither a string"),
            (r#"{"headers":{"V":null},"data":{}}"#, "header `V` is neither a string"),
            (r#"{"headers":[],"data":{}}"#, "an object of strings or lists of strings"),
            (r#"{"subject":"a","subject":"b"}"#, "duplicate field `subject`"),
        ];
        for (text, expected) in cases {
            let message = message(text);
            assert_eq!(message.payload, text);
            let wrong = message.unreadable.unwrap();
            assert!(wrong.contains(expected), "{text}: {wrong}");
        }
    }

    #[test]
    fn a_declared_line_is_nothing_else() {
        let read = |text: &'static str, lines| read(1, &Bytes::from_static(text.as_bytes()), lines).unwrap();
        for text in [r#"{"order_id":"1"}"#, "not json", "{}1"] {
            assert!(read(text, LineFormat::Message).unreadable.is_some(), "{text}");
        }
        let empty = read(r#"{"subject":"a"}"#, LineFormat::Message);
        assert_eq!((empty.subject.as_str(), empty.payload.len(), empty.unreadable), ("a", 0, None));
        let plain = read(r#"{"subject":"a","data":{}}"#, LineFormat::Payload);
        assert_eq!((plain.subject.as_str(), plain.payload), ("", Bytes::from_static(br#"{"subject":"a","data":{}}"#)));
    }

    #[test]
    fn a_blank_line_is_no_message() {
        assert_eq!(read(1, &Bytes::from_static(b" \r"), LineFormat::Auto), None);
    }
}
