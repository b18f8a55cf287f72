//! From a message on the wire, or as the stream stores it, to the message that the other rooms know.
//!
//! The client library ends the connection over a header that it cannot read, and nats-server stores any. Such a message is
//! read from the stream's API, where its header comes in base64.

use std::str::FromStr;

use async_nats::header::{HeaderName, HeaderValue};
use async_nats::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;

use super::api::StoredMessage;
use super::reply::Delivery;
use crate::event::{Headers, Message};

/// The message, or none if it is only the marker of a deletion.
pub(super) fn message(wire: async_nats::Message, delivery: &Delivery) -> Option<Message> {
    let headers = match &wire.headers {
        None => Headers::default(),
        Some(map) => headers(map),
    };
    let message = Message {
        seq: delivery.stream_sequence,
        subject: wire.subject.into_string(),
        headers,
        payload: wire.payload,
        published_at_us: delivery.published_at_us,
        unreadable: None,
    };
    (!message.is_deletion_marker()).then_some(message)
}

/// Why an answer of the API is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoredError {
    #[error("message {0} comes with a time that is not RFC 3339")]
    Time(u64),
    #[error("message {0} comes in what is not base64")]
    Base64(u64),
}

/// A message as the API gives it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) message: Message,
    /// Why the client library would not have delivered it.
    pub(super) undeliverable: Option<HeaderError>,
}

/// The message as the client library would have delivered it. Of one that it cannot deliver, whatever can be read: a name with
/// any characters, and a value that is not UTF-8 as Latin-1, which publishers mean by it.
///
/// # Errors
/// If the answer is not of the form that the API has.
pub(super) fn stored(stored: StoredMessage) -> Result<Stored, StoredError> {
    let StoredMessage { seq, subject, hdrs, data, time } = stored;
    let decode = |text: Option<String>| STANDARD.decode(text.unwrap_or_default()).map_err(|_| StoredError::Base64(seq));
    let time = DateTime::parse_from_rfc3339(&time).map_err(|_| StoredError::Time(seq))?;
    let header = decode(hdrs)?;
    let (headers, undeliverable) = match parse_headers(&header) {
        Ok(map) => (headers(&map), None),
        Err(error) => (lenient(&header), Some(error)),
    };
    let unreadable = match &undeliverable {
        Some(error @ HeaderError::Version) => Some(format!("the header cannot be read: {error}")),
        _ => None,
    };
    let payload = decode(data)?.into();
    let message = Message { seq, subject, headers, payload, published_at_us: time.timestamp_micros(), unreadable };
    Ok(Stored { message, undeliverable })
}

/// What can be read of a header that the client library does not take. A line without a colon gives nothing that could
/// be named.
fn lenient(bytes: &[u8]) -> Headers {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().trim().to_owned(),
    };
    let lines = bytes.split(|byte| *byte == b'\n').skip(1);
    let pairs = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((text(&line[..colon]), text(&line[colon + 1..])))
    });
    let mut pairs: Vec<(String, String)> = pairs.collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    Headers(pairs)
}

/// What the client library does not take in a header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("it is not UTF-8")]
    Utf8,
    #[error("it does not begin with `NATS/1.0`")]
    Version,
    #[error("its first line has `{0}` where only a status may be")]
    Status(String),
    #[error("its line {0} has no colon")]
    Colon(usize),
    #[error("its line {0} has a name with characters that no name may have")]
    Name(usize),
    #[error("its line {0} has a value with characters that no value may have")]
    Value(usize),
}

/// Reads a header as the client library does.
fn parse_headers(bytes: &[u8]) -> Result<HeaderMap, HeaderError> {
    let mut map = HeaderMap::new();
    if bytes.is_empty() {
        return Ok(map);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| HeaderError::Utf8)?;
    let mut lines = text.lines().enumerate().peekable();
    let version = lines.next().map_or("", |(_, line)| line);
    let status = version.strip_prefix("NATS/1.0").ok_or(HeaderError::Version)?.trim();
    let status = status.split_once(' ').map_or(status, |(status, _)| status.trim());
    if !status.is_empty() && status.parse::<StatusCode>().is_err() {
        return Err(HeaderError::Status(status.to_owned()));
    }
    while let Some((index, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or(HeaderError::Colon(index + 1))?;
        let name = HeaderName::from_str(name).map_err(|_| HeaderError::Name(index + 1))?;
        let mut value = value.trim_start().to_owned();
        while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        let value = HeaderValue::from_str(value.trim_end()).map_err(|_| HeaderError::Value(index + 1))?;
        map.append(name, value);
    }
    Ok(map)
}

/// The driver keeps headers in a hash map, so their written order is lost: they are sorted by name, to be the same on
/// every run. Values of one name keep their order.
fn headers(map: &HeaderMap) -> Headers {
    let each = map.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| (AsRef::<str>::as_ref(name).to_owned(), value.as_str().to_owned()))
    });
    let mut pairs: Vec<(String, String)> = each.collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    Headers(pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pairs(headers: &Headers) -> Vec<(&str, &str)> {
        headers.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn headers_come_in_a_stable_order() {
        let mut map = HeaderMap::new();
        map.append("Zone", "eu");
        map.append("Event-Type", "OrderPlaced");
        map.append("Zone", "us");
        assert_eq!(pairs(&headers(&map)), [("Event-Type", "OrderPlaced"), ("Zone", "eu"), ("Zone", "us")]);
    }

    #[test]
    fn a_stored_header_is_read_as_the_library_reads_it() {
        let read = |text: &str| headers(&parse_headers(text.as_bytes()).unwrap());
        assert_eq!(pairs(&read("")), []);
        assert_eq!(pairs(&read("NATS/1.0\r\n\r\n")), []);
        assert_eq!(
            pairs(&read("NATS/1.0\r\nB:  two \r\nA: one\r\nB: three\r\n\r\n")),
            [("A", "one"), ("B", "two"), ("B", "three")]
        );
        assert_eq!(pairs(&read("NATS/1.0 503 No Responders\r\nA: 1\r\n\r\n")), [("A", "1")]);
        assert_eq!(pairs(&read("NATS/1.0\r\nA: 1\r\n  2\r\n\r\n")), [("A", "1  2")]);
    }

    #[test]
    fn what_the_library_cannot_take_is_read_as_far_as_it_can_be() {
        let read = |header: &[u8]| {
            let stored = stored(StoredMessage {
                seq: 7,
                subject: "a".to_owned(),
                hdrs: Some(STANDARD.encode(header)),
                data: None,
                time: "2026-01-01T00:00:00.000001999Z".to_owned(),
            });
            let Stored { message, undeliverable } = stored.unwrap();
            assert!(undeliverable.is_some());
            (pairs(&message.headers).iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>(), message.unreadable)
        };
        assert_eq!(
            read(b"NATS/1.0\r\nX: M\xfcller\r\nA: 1\r\n\r\n"),
            (vec!["A=1".to_owned(), "X=M\u{fc}ller".to_owned()], None)
        );
        assert_eq!(read(b"NATS/1.0\r\nBad Name: x\r\nnocolon\r\n\r\n"), (vec!["Bad Name=x".to_owned()], None));
        let (_, unreadable) = read(b"HELLO\r\nA: 1\r\n\r\n");
        assert_eq!(unreadable.unwrap(), "the header cannot be read: it does not begin with `NATS/1.0`");
    }

    #[test]
    fn what_the_library_cannot_take_is_named() {
        let error = |bytes: &[u8]| parse_headers(bytes).unwrap_err();
        assert_eq!(error(b"NATS/1.0\r\nX: M\xfcller\r\n\r\n"), HeaderError::Utf8);
        assert_eq!(error(b"HELLO\r\nA: 1\r\n\r\n"), HeaderError::Version);
        assert_eq!(error(b"NATS/1.0 soon\r\nA: 1\r\n\r\n"), HeaderError::Status("soon".to_owned()));
        assert_eq!(error(b"NATS/1.0\r\nA: 1\r\nnocolon\r\n\r\n"), HeaderError::Colon(3));
        for name in ["Bad Name", "Bad\tName", "N\u{fc}r", "Bad\u{1}"] {
            assert_eq!(error(format!("NATS/1.0\r\n{name}: x\r\n\r\n").as_bytes()), HeaderError::Name(2), "{name}");
        }
    }
}
