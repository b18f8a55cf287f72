//! Schemas, messages and pictures of rows for the tests of this room.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::*;

/// Fields written `name: type, name@/pointer: type`; types as in declarations, and `epoch_ms` for that timestamp.
pub(super) fn fields(text: &str) -> Vec<Field> {
    split(text).iter().map(|field| self::field(field)).collect()
}

fn field(text: &str) -> Field {
    let (name, field_type) = text.split_once(": ").unwrap();
    let (name, from) = match name.split_once('@') {
        Some((name, from)) => (name, Some(from.to_owned())),
        None => (name, None),
    };
    Field { name: name.trim().to_owned(), field_type: parse(field_type), from }
}

fn parse(text: &str) -> FieldType {
    let (text, required) = match text.trim().strip_suffix('!') {
        Some(text) => (text, true),
        None => (text.trim(), false),
    };
    let (outer, inner) = match text.split_once(['<', '(']) {
        Some((outer, rest)) => (outer, &rest[..rest.len() - 1]),
        None => (text, ""),
    };
    let data_type = match outer {
        "string" => DataType::String,
        "bool" => DataType::Bool,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "date" => DataType::Date,
        "timestamp" => DataType::Timestamp(TimestampFormat::Rfc3339),
        "epoch_ms" => DataType::Timestamp(TimestampFormat::EpochMs),
        "json" => DataType::Json,
        "decimal" => {
            let (precision, scale) = inner.split_once(',').unwrap();
            DataType::Decimal { precision: precision.parse().unwrap(), scale: scale.parse().unwrap() }
        }
        "list" => DataType::List(Box::new(parse(inner))),
        "map" => DataType::Map(Box::new(parse(inner.strip_prefix("string,").unwrap()))),
        "struct" => DataType::Struct(fields(inner)),
        other => panic!("no type {other}"),
    };
    FieldType { data_type, required }
}

/// Splits at commas outside brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (index, letter) in text.char_indices() {
        match letter {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// A type from its versions' fields, oldest first from version 1, and its steps: `(from, [(column, SQL)])`.
pub(super) fn event_type(name: &str, versions: &[&str], steps: &[(u32, &[(&str, &str)])]) -> EventType {
    let versions: BTreeMap<u32, VersionSchema> =
        (1..).zip(versions).map(|(version, text)| (version, VersionSchema { fields: fields(text) })).collect();
    let set = |set: &[(&str, &str)]| set.iter().map(|(name, sql)| ((*name).into(), (*sql).into())).collect();
    EventType {
        name: name.into(),
        table: name.to_lowercase(),
        current: versions.len() as u32,
        versions,
        steps: steps.iter().map(|(from, columns)| (*from, UpcastStep { to: from + 1, set: set(columns) })).collect(),
    }
}

/// Type and version from the headers `type` and `version`, the id from `id`, the key from the second token of the
/// subject, the time from `/at`; everything unknown is parked.
pub(super) fn schema(types: Vec<EventType>) -> SourceSchema {
    let header = |name: &str| Locators(vec![Locator::Header(name.into())]);
    SourceSchema {
        source: "orders".into(),
        envelope: EnvelopeSpec {
            event_type: header("type"),
            version: header("version"),
            id: header("id"),
            key: Locators(vec![Locator::Subject(2)]),
            time: Locators(vec![Locator::Body("/at".into())]),
            data: String::new(),
        },
        naming: Naming::AsWritten,
        lateness_us: 10,
        late_events: LateEvents::Correct,
        max_ahead_us: 3_600_000_000,
        unreadable_time: UnreadableTime::Park,
        unknown_events: UnknownEvents::Park,
        newer_version: NewerVersion::Park,
        types,
    }
}

/// A message published at `seq` microseconds, with headers written `name=value name=value`.
pub(super) fn message(seq: u64, headers: &str, payload: impl Into<Vec<u8>>) -> Message {
    let headers = headers.split_whitespace().map(|header| header.split_once('=').unwrap());
    Message {
        seq,
        subject: format!("orders.k{seq}"),
        headers: Headers(headers.map(|(name, value)| (name.into(), value.into())).collect()),
        payload: payload.into().into(),
        published_at_us: seq as i64,
        unreadable: None,
    }
}

/// One line a row: `column=value column=value`, with `-` for NULL.
pub(super) fn rows(batch: &RecordBatch) -> String {
    let options = FormatOptions::default().with_null("-");
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for (index, field) in batch.schema().fields().iter().enumerate() {
            let value = ArrayFormatter::try_new(batch.column(index), &options).unwrap().value(row).to_string();
            let space = if index == 0 { "" } else { " " };
            write!(text, "{space}{}={value}", field.name()).unwrap();
        }
        text.push('\n');
    }
    text
}
