//! A line that is a CloudEvent in structured mode (CloudEvents 1.0, JSON event format): its attributes become the headers that
//! the NATS binding gives them in binary mode, `ce-type` and so on, and its data the payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use crate::event::{Headers, Message};

const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];
/// What a header's value is encoded for, beside everything that is not printable ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
    #[serde(flatten)]
    attributes: BTreeMap<String, Value>,
}

/// Why a line is no CloudEvent.
#[derive(Debug, thiserror::Error)]
pub(super) enum CloudEventError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it has no attribute `{0}`")]
    Missing(&'static str),
    #[error("`specversion` is `{0}`; 1.0 is read")]
    Version(String),
    #[error("attribute `{0}` is neither a string nor a number nor a truth value")]
    Attribute(String),
    #[error("it has both `data` and `data_base64`")]
    TwoPayloads,
    #[error("`data_base64` is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

/// Takes the facts of a message from a CloudEvent's line.
pub(super) fn fill(message: &mut Message, whole: &Bytes) -> Result<(), CloudEventError> {
    let event = serde_json::from_slice::<Event<'_>>(whole)?;
    let mut headers = Vec::with_capacity(event.attributes.len());
    for (name, value) in event.attributes {
        let text = match value {
            // Null is an attribute that is not set.
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Array(_) | Value::Object(_) => return Err(CloudEventError::Attribute(name)),
        };
        headers.push((format!("ce-{name}"), utf8_percent_encode(&text, ENCODED).to_string()));
    }
    let headers = Headers(headers);
    for name in REQUIRED {
        headers.get(&format!("ce-{name}")).filter(|value| !value.is_empty()).ok_or(CloudEventError::Missing(name))?;
    }
    if let Some(version) = headers.get("ce-specversion").filter(|version| *version != "1.0") {
        return Err(CloudEventError::Version(version.to_owned()));
    }
    message.payload = match (event.data, event.data_base64) {
        (Some(_), Some(_)) => return Err(CloudEventError::TwoPayloads),
        (Some(data), None) => whole.slice_ref(data.get().as_bytes()),
        (None, Some(text)) => STANDARD.decode(text)?.into(),
        (None, None) => Bytes::new(),
    };
    message.headers = headers;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::LineFormat;
    use crate::source::file::line;

    fn read(text: &'static str) -> Message {
        line::read(1, &Bytes::from_static(text.as_bytes()), LineFormat::CloudEvents).unwrap()
    }

    #[test]
    fn attributes_are_headers_and_data_is_the_payload() {
        let message = read(
            r#"{"specversion":"1.0","id":"é 1%","source":"/a","type":"T","n":7,"ok":true,"no":null,"data":{"x": 1.0}}"#,
        );
        let headers: Vec<String> = message.headers.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            headers,
            ["ce-id=%C3%A9%201%25", "ce-n=7", "ce-ok=true", "ce-source=/a", "ce-specversion=1.0", "ce-type=T"]
        );
        assert_eq!((message.payload, message.unreadable), (Bytes::from_static(br#"{"x": 1.0}"#), None));
    }

    #[test]
    fn data_may_be_base64_or_missing() {
        let of = r#"{"specversion":"1.0","id":"1","source":"/a","type":"T","data_base64":"AP8="}"#;
        assert_eq!(read(of).payload, [0_u8, 255].as_slice());
        assert!(read(r#"{"specversion":"1.0","id":"1","source":"/a","type":"T"}"#).payload.is_empty());
    }

    #[test]
    fn anything_else_says_what_is_wrong_and_is_kept_whole() {
        let cases = [
            ("not json", "expected"),
            ("[1]", "invalid type"),
            (r#"{"id":"1","source":"/a","specversion":"1.0"}"#, "no attribute `type`"),
            (r#"{"id":null,"source":"/a","specversion":"1.0","type":"T"}"#, "no attribute `id`"),
            (r#"{"id":"1","source":"","specversion":"1.0","type":"T"}"#, "no attribute `source`"),
            (r#"{"id":"1","source":"/a","specversion":"0.3","type":"T"}"#, "`specversion` is `0.3`"),
            (r#"{"id":"1","source":"/a","specversion":"1.0","type":"T","x":{}}"#, "attribute `x` is neither"),
            (r#"{"id":"1","source":"/a","specversion":"1.0","type":"T","data":1,"data_base64":""}"#, "both"),
            (r#"{"id":"1","source":"/a","specversion":"1.0","type":"T","data_base64":"?"}"#, "not base64"),
            (r#"{"subject":"a","headers":{},"data":{}}"#, "neither a string"),
        ];
        for (text, expected) in cases {
            let message = read(text);
            assert_eq!(message.payload, text);
            let wrong = message.unreadable.unwrap();
            assert!(wrong.starts_with("the line is no CloudEvent: ") && wrong.contains(expected), "{text}: {wrong}");
        }
    }
}
