//! `events stream`: stored events as NDJSON, in the form that a file source reads.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::Error;
use crate::cli::print;
use crate::config;
use crate::event::{Headers, Message};
use crate::progress::rfc3339;
use crate::source::{BatchLimits, Input, JetStreamOptions, JetStreamSource, Source, Start};

#[derive(Debug, Args)]
pub struct StreamArgs {
    /// Name of the stream
    pub stream: String,
    /// First sequence to print
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// Only subjects that match; may be repeated
    #[arg(long = "filter", value_name = "SUBJECT")]
    pub filter_subjects: Vec<String>,
    /// End after this many events
    #[arg(long)]
    pub limit: Option<u64>,
    /// Go on as events are stored, instead of ending at the last one
    #[arg(long, short)]
    pub follow: bool,
}

/// Prints until the end of the stream as it was at the start, or forever if it is followed.
///
/// # Errors
/// If the stream cannot be read or the output cannot be written.
pub async fn stream(args: &StreamArgs, nats: &config::Nats, output: &mut dyn Write) -> Result<(), Error> {
    let options = JetStreamOptions {
        name: "events stream".to_owned(),
        nats: nats.clone(),
        stream: args.stream.clone(),
        filter_subjects: args.filter_subjects.clone(),
        limits: BatchLimits::default(),
    };
    // The caller sees what is left of the stream.
    let start = Start { after: args.from.saturating_sub(1), ..Start::default() };
    let mut source = JetStreamSource::open(options, start);
    match print(&mut source, args, output).await {
        // The reader of a pipe has seen enough.
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

async fn print(source: &mut dyn Source, args: &StreamArgs, output: &mut dyn Write) -> Result<(), Error> {
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut end = None;
    while left > 0 {
        let covered = match source.next().await {
            Input::Opened { last_sequence, .. } => {
                let end = *end.get_or_insert(last_sequence);
                // Nothing is stored from the first sequence on.
                if end < args.from { end } else { 0 }
            }
            Input::Fetched { messages, covered, .. } => {
                let wanted = messages.iter().take(usize::try_from(left).unwrap_or(usize::MAX));
                for message in wanted.take_while(|message| args.follow || end.is_none_or(|end| message.seq <= end)) {
                    write_line(message, output)?;
                    left -= 1;
                }
                output.flush()?;
                covered
            }
            Input::Heartbeat { covered, .. } => covered,
            // What the stream no longer has cannot be printed.
            Input::Known { .. } | Input::Lost { .. } | Input::Ends { .. } | Input::Retains { .. } => continue,
            Input::Disconnected { message } if args.follow => {
                print::error_line(message);
                0
            }
            Input::Disconnected { message } | Input::Halted { message, .. } => return Err(Error::Source(message)),
            Input::End => return Ok(()),
        };
        if !args.follow && end.is_some_and(|end| covered >= end) {
            return Ok(());
        }
    }
    Ok(())
}

fn write_line(message: &Message, output: &mut dyn Write) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        seq: u64,
        published_at: String,
        subject: &'a str,
        headers: Object<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data_base64: Option<String>,
    }
    let data = body(&message.payload).map_err(io::Error::from)?;
    // What is read back is exactly what was stored.
    let is_exact = data.as_ref().is_some_and(|data| data.get().as_bytes() == message.payload);
    let data_base64 = (!is_exact).then(|| STANDARD.encode(&message.payload));
    let line = Line {
        seq: message.seq,
        published_at: rfc3339(message.published_at_us),
        subject: &message.subject,
        headers: Object(&message.headers),
        data,
        data_base64,
    };
    serde_json::to_writer(&mut *output, &line).map_err(io::Error::from)?;
    output.write_all(b"\n")?;
    Ok(())
}

/// A body for people to read, on one line: JSON as it is written, any other text as a JSON string; nothing of what is no text.
fn body(payload: &[u8]) -> serde_json::Result<Option<Box<RawValue>>> {
    let Some(text) = std::str::from_utf8(payload).ok().filter(|text| !text.is_empty()) else { return Ok(None) };
    // A line break in JSON is always white space, never part of a string.
    let line = match text.contains(['\n', '\r']) {
        true => Cow::Owned(text.replace(['\n', '\r'], " ")),
        false => Cow::Borrowed(text),
    };
    match serde_json::from_str::<&RawValue>(&line) {
        Ok(json) => Ok(Some(json.to_owned())),
        Err(_) => to_raw_value(text).map(Some),
    }
}

/// Headers as an object; a name that occurs several times gets a list.
struct Object<'a>(&'a Headers);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = &self.0.0;
        let mut map = serializer.serialize_map(None)?;
        for (place, (name, value)) in pairs.iter().enumerate() {
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                continue;
            }
            let values: Vec<&String> =
                pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect();
            match values.len() {
                1 => map.serialize_entry(name, value)?,
                _ => map.serialize_entry(name, &values)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use expect_test::{Expect, expect};

    use super::*;

    fn check(headers: &[(&str, &str)], payload: impl AsRef<[u8]>, expect: Expect) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let message = Message {
            seq: 7,
            subject: "orders.1".to_owned(),
            headers: Headers(headers.collect()),
            payload: Bytes::copy_from_slice(payload.as_ref()),
            published_at_us: 1_000_000,
            unreadable: None,
        };
        let mut output = Vec::new();
        write_line(&message, &mut output).unwrap();
        expect.assert_eq(&String::from_utf8(output).unwrap());
    }

    #[test]
    fn json_stays_as_it_is_written_on_one_line() {
        check(
            &[("A", "1"), ("B", "2"), ("A", "3")],
            "{\"x\":\n  1.00}",
            expect![[r#"
                {"seq":7,"published_at":"1970-01-01T00:00:01.000000Z","subject":"orders.1","headers":{"A":["1","3"],"B":"2"},"data":{"x":   1.00},"data_base64":"eyJ4IjoKICAxLjAwfQ=="}
            "#]],
        );
    }

    #[test]
    fn what_is_no_text_is_there_as_bytes_alone() {
        check(
            &[],
            b"\x1f\x8b\xff",
            expect![[r#"
            {"seq":7,"published_at":"1970-01-01T00:00:01.000000Z","subject":"orders.1","headers":{},"data_base64":"H4v/"}
        "#]],
        );
        check(
            &[],
            "",
            expect![[r#"
            {"seq":7,"published_at":"1970-01-01T00:00:01.000000Z","subject":"orders.1","headers":{},"data_base64":""}
        "#]],
        );
        check(
            &[],
            r#"{"x":1}"#,
            expect![[r#"
            {"seq":7,"published_at":"1970-01-01T00:00:01.000000Z","subject":"orders.1","headers":{},"data":{"x":1}}
        "#]],
        );
    }

    #[test]
    fn anything_else_becomes_a_string() {
        check(
            &[],
            "two\nlines",
            expect![[r#"
                {"seq":7,"published_at":"1970-01-01T00:00:01.000000Z","subject":"orders.1","headers":{},"data":"two\nlines","data_base64":"dHdvCmxpbmVz"}
            "#]],
        );
    }
}
