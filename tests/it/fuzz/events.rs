//! Envelopes and payloads: each message is admitted, parked, dropped or ignored, whatever it holds, and the messages beside it
//! do not notice.

use std::sync::Arc;

use readside::config::{Files, load};
use readside::event::{Decoded, Decoder, Headers, Message};
use readside::progress::Watermark;

use super::fuzz;

const SOURCE: &str = r#"
sources: []
projections: []
---
source: events
file: {path: events.ndjson}
envelope:
  type: [{at: header:ce-type, match: '^(?<type>\w+)(\.v(?<version>\d+))?$'}, header:Type, body:/type]
  version: [{at: header:ce-type, match: '\.v(?<version>\d+)$'}, header:Version, body:/version, const:1]
  id: [header:ce-id, body:/id]
  key: [header:ce-subject, body:/key, subject:2]
  time: [header:ce-time, body:/time, {at: body:/at, format: '%d.%m.%Y %H:%M:%S', zone: Europe/Berlin}, {at: header:Date, format: rfc1123}]
event_time: {lateness: 10s}
types: {Line: {sku: string!, quantity: int32, tags: "map<string,json>"}}
events:
  Placed:
    version: 2
    fields:
      customer: string!
      total: "decimal(18,2)!"
      weight: float64
      flags: int32
      paid: bool
      day: date
      seen: timestamp
      sent: {type: timestamp, format: epoch_ms}
      note: json
      city: {type: string, from: /address/city}
      lines: list<Line>
    history:
      1: {fields: {total: none, cents: int64!}, to_next: {set: {total: "cents / 100.0"}}}
  Named: {fields: {name: string, count: int64}}
"#;

const WORDS: &[&str] = &[
    "ce-type: Placed.v2\n",
    "ce-type",
    "ce-id: ",
    "ce-subject: ",
    "ce-time: ",
    "Type: Named\n",
    "Version: 1\n",
    "Date: ",
    "Nats-Marker-Reason: MaxAge\n",
    "%20",
    "%C0%A0",
    "%ff",
    "\"",
    "\\u0000",
    "\\ud800",
    "\\ud83d\\ude00",
    "null",
    "true",
    "false",
    "1e400",
    "-0",
    "0.1",
    "1e-7",
    "99999999999999999999",
    "9223372036854775807",
    "-9223372036854775808",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"type\":\"Placed\"",
    "\"version\":2",
    "\"version\":",
    "\"id\":",
    "\"key\":",
    "\"time\":",
    "\"at\":",
    "\"total\":",
    "\"cents\":",
    "\"lines\":[{\"sku\":\"a\"}]",
    "\"tags\":{\"a\":1}",
    "\"address\":{\"city\":\"x\"}",
    "\"note\":",
    "\"day\":",
    "\"2026-02-29\"",
    "\"9999-12-31T23:59:59.999999Z\"",
    "\"0000-01-01\"",
    "253402300799999",
    "-62135596800000",
    "25.10.2026 02:30:00",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "\u{feff}",
    "\u{1f600}",
];

fn decoder() -> Decoder {
    let files = Files { list: &|_| Ok(Vec::new()), read: &|_| Ok(SOURCE.to_owned()) };
    let config = load("readside.yaml", &files, &|_| None).expect("the configuration").config;
    Decoder::new(Arc::new(config.sources[0].schema.clone())).expect("the steps")
}

fn message(seq: u64, headers: Vec<(String, String)>, payload: &[u8]) -> Message {
    Message {
        seq,
        subject: "orders.k".to_owned(),
        headers: Headers(headers),
        payload: payload.to_vec().into(),
        published_at_us: 1_700_000_000_000_000 + seq as i64,
        unreadable: None,
    }
}

fn decode(decoder: &Decoder, messages: &[Message]) -> Decoded {
    decoder.decode(messages, &mut Watermark::new(10_000_000, None)).expect("a batch that is not too large")
}

/// What became of a message.
fn fate(decoded: &Decoded, seq: u64) -> String {
    let sequences = decoded.batch.metadata.column(0);
    let sequences: &arrow::array::Int64Array = sequences.as_any().downcast_ref().expect("sequences");
    let rejected = decoded.rejected.iter().find(|rejected| rejected.message.seq == seq);
    match (sequences.values().contains(&(seq as i64)), rejected) {
        (true, None) => "admitted".to_owned(),
        (false, Some(rejected)) => format!("{}: {}", rejected.reason.label(), rejected.detail),
        (false, None) if decoded.ignored == 1 => "ignored".to_owned(),
        other => panic!("message {seq} has another fate: {other:?}"),
    }
}

/// Decodes a message alone and between others, which are admitted.
fn check(decoder: &Decoder, odd: Message) {
    let fine = |seq| message(seq, vec![("Type".to_owned(), "Named".to_owned())], br#"{"name":"a","count":1}"#);
    let alone = decode(decoder, std::slice::from_ref(&odd));
    assert_eq!(alone.batch.len() + alone.rejected.len() + alone.ignored as usize, 1);
    let seq = odd.seq;
    let among = decode(decoder, &[fine(1), odd, fine(3)]);
    assert_eq!(among.batch.len() + among.rejected.len() + among.ignored as usize, 3);
    assert_eq!((fate(&among, 1), fate(&among, 3)), ("admitted".to_owned(), "admitted".to_owned()));
    assert_eq!(fate(&among, seq), fate(&alone, seq));
    if alone.batch.len() == 1 {
        // Whatever was admitted can be shown.
        for rows in alone.batch.types.iter().map(|rows| &rows.fields).chain([&alone.batch.metadata]) {
            arrow::util::pretty::pretty_format_batches(std::slice::from_ref(rows)).expect("rows that can be shown");
        }
    }
}

#[test]
fn payloads() {
    let decoder = decoder();
    fuzz("payload", WORDS, |input| check(&decoder, message(2, Vec::new(), input)));
}

#[test]
fn envelopes() {
    let decoder = decoder();
    // Lines of headers, then, after an empty one, the body.
    fuzz("envelope", WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        check(&decoder, message(2, head.lines().filter_map(pair).collect(), body.as_bytes()));
    });
}
