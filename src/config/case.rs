//! Cases beside the projections: which events are given, and what follows from them. What an event means, and whether the
//! outcome is right, is found out elsewhere.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::DateTime;
use saphyr_parser::ScalarStyle;

use super::code::Code;
use super::diagnostic::{Diagnostic, Mark, Report};
use super::reader::{Mapping, NodeReader};
use super::substitute::Values;
use super::yaml::{Data, Entry, Scalar, Yaml, parse};

/// Files of this ending hold cases and no declarations.
pub const CASES_ENDING: &str = ".test.yaml";

const KEYS: &[&str] = &["case", "clock", "given", "then"];
const EVENT_KEYS: &[&str] = &["source", "subject", "headers", "data", "data_base64", "text", "published_at"];
const THEN_KEYS: &[&str] = &["rows", "parked", "search", "queries", "freshness"];

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// Now, and when events were published that do not say it; microseconds since the epoch. Without it nobody knows when they were.
    pub clock_us: Option<i64>,
    /// In the order in which they are written.
    pub given: Vec<GivenEvent>,
    pub then: Then,
    /// The line of its name, from 1.
    pub line: usize,
    /// The lines of its outcome, from 1; none where it shares a line with something else.
    pub then_lines: Option<Range<usize>>,
}

/// An event as a line of a file would hold it.
#[derive(Debug, Clone)]
pub struct GivenEvent {
    pub source: String,
    /// `{"subject", "headers", "data", "data_base64", "published_at"}`, as far as they are written.
    pub message: String,
    /// `data` as it is written, or the text that stands for it: the line of a source whose lines are payloads.
    pub data: String,
    /// A member that only messages have, if it has one.
    pub of_message: Option<String>,
    /// From 1.
    pub line: usize,
}

/// What is there in the end.
#[derive(Debug, Clone, Default)]
pub struct Then {
    /// All rows of a table or search index; of each the columns that it names, as JSON.
    pub rows: BTreeMap<String, Vec<ExpectedRow>>,
    /// All parked events; of each the members that it names. None if nothing is said of them.
    pub parked: Option<Vec<ExpectedRow>>,
    pub search: BTreeMap<String, Vec<ExpectedHits>>,
    /// What declared queries answer.
    pub queries: BTreeMap<String, Vec<ExpectedAnswer>>,
    /// Of the freshness that an answer from a relation has, the members that matter.
    pub freshness: BTreeMap<String, ExpectedRow>,
}

/// Values of columns, as JSON.
pub type ExpectedRow = BTreeMap<String, String>;

/// What a search finds.
#[derive(Debug, Clone)]
pub struct ExpectedHits {
    pub sought: Sought,
    /// The hits, in no particular order.
    pub hits: Vec<ExpectedRow>,
}

/// What a declared query answers.
#[derive(Debug, Clone)]
pub struct ExpectedAnswer {
    /// The values of its parameters, as texts. One that is not given has its default.
    pub params: BTreeMap<String, String>,
    /// All rows; in their order, if the query is sorted.
    pub rows: Vec<ExpectedRow>,
}

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// In the query language.
    Query(String),
    /// What somebody types.
    Text(String),
}

impl Sought {
    pub fn text(&self) -> &str {
        match self {
            Sought::Query(text) | Sought::Text(text) => text,
        }
    }
}

/// Reads the cases of a file.
///
/// # Errors
/// All problems of it.
pub fn cases(path: &str, text: &str) -> Result<Vec<Case>, Vec<Diagnostic>> {
    let report = Report::default();
    // A `$` in an event is a `$`.
    let file = parse(path, text.to_owned(), &Values::NONE, &report);
    let reader = NodeReader { file: &file, report: &report };
    if file.documents.is_empty() && file.complete {
        reader.error(
            Code::NothingDeclared,
            Mark::START,
            "this file is empty",
            "begin with `case: WHAT HOLDS`, or remove the file",
        );
    }
    let cases: Vec<Case> = file.documents.iter().filter_map(|document| case(reader, document)).collect();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for Case { name, line, .. } in &cases {
        if let Some(first) = named.insert(name, *line) {
            let mark = Mark { line: *line, column: 1, length: 1 };
            reader.error(
                Code::Repeated,
                mark,
                format!("two cases are named `{name}`"),
                format!("the other is in line {first}"),
            );
        }
    }
    match report.has_errors() {
        true => Err(report.into_sorted(&[path])),
        false => Ok(cases),
    }
}

fn case(reader: NodeReader<'_>, yaml: &Yaml) -> Option<Case> {
    let map = reader.map(yaml, "the case", KEYS, &[])?;
    map.need("case", "say in words what holds: `case: a cancelled order brings nothing`");
    let name = map.text("case");
    let clock_us = match map.get("clock") {
        Some(_) => time(&map, "clock").map(Some),
        None => Some(None),
    };
    let events = match &map.need("given", "write `given: []` for no events")?.data {
        Data::List(events) => events.as_slice(),
        _ => {
            map.error_at_key(
                Code::WrongKind,
                "given",
                "`given` must be a list of events",
                "begin each with `- source: NAME`",
            );
            return None;
        }
    };
    let given = events.iter().map(|event| given(reader, event)).collect::<Vec<_>>();
    let hint = "write `then: {rows: {NAME: []}}`, and `readside test --accept` fills it in";
    let then = then(reader, map.need("then", hint)?);
    Some(Case {
        name: name?.to_owned(),
        clock_us: clock_us?,
        given: given.into_iter().collect::<Option<_>>()?,
        then: then?,
        line: map.get("case")?.mark.line,
        then_lines: yaml.entry("then").and_then(|entry| lines_of(&reader.file.text, entry)),
    })
}

fn given(reader: NodeReader<'_>, yaml: &Yaml) -> Option<GivenEvent> {
    let map = reader.map(yaml, "the event", EVENT_KEYS, &[])?;
    map.need("source", "name the source that it comes from")?;
    let source = map.text("source")?.to_owned();
    let bodies: Vec<&str> =
        ["data", "data_base64", "text"].into_iter().filter(|key| yaml.entry(key).is_some()).collect();
    if let [_, second, ..] = bodies[..] {
        map.error_at_key(
            Code::NotTogether,
            second,
            "an event has one payload",
            "keep one of `data`, `data_base64` and `text`",
        );
        return None;
    }
    if yaml.entry("published_at").is_some() {
        time(&map, "published_at")?;
    }
    let mut members = Vec::new();
    let of_message = entries(yaml).find(|entry| !["source", "data", "text"].contains(&entry.name.as_str()));
    let of_message = of_message.map(|entry| entry.name.clone());
    for entry in entries(yaml).filter(|entry| entry.name != "source" && entry.name != "text") {
        members.push(format!("{}:{}", quoted(&entry.name), json(&entry.value)));
    }
    let mut data = map.get("data").map(json).unwrap_or_default();
    match map.get("text").map(|yaml| &yaml.data) {
        Some(Data::Scalar(text)) => {
            members.push(format!("\"data_base64\":{}", quoted(&base64(&text.text))));
            data.clone_from(&text.text);
        }
        Some(_) => {
            map.error_at_key(
                Code::WrongKind,
                "text",
                "`text` must be text, not a mapping or a list",
                "write what is JSON as `data`",
            );
            return None;
        }
        None => {}
    }
    let message = format!("{{{}}}", members.join(","));
    Some(GivenEvent { source, message, data, of_message, line: yaml.head().line })
}

fn then(reader: NodeReader<'_>, yaml: &Yaml) -> Option<Then> {
    let map = reader.map(yaml, "`then`", THEN_KEYS, &[])?;
    let mut then = Then::default();
    if let Some(rows) = map.get("rows") {
        for Entry { name, value, .. } in reader.entries(rows, "`rows`")? {
            then.rows.insert(name.clone(), expected(reader, value, &format!("the rows of `{name}`"))?);
        }
    }
    if let Some(parked) = map.get("parked") {
        then.parked = Some(expected(reader, parked, "`parked`")?);
    }
    if let Some(search) = map.get("search") {
        for Entry { name, value, .. } in reader.entries(search, "`search`")? {
            let Data::List(searches) = &value.data else {
                reader.error(
                    Code::WrongKind,
                    value.head(),
                    "searches must be a list",
                    "write `- {query: WORDS, hits: []}`",
                );
                return None;
            };
            let hits = searches.iter().map(|one| {
                let map = reader.map(one, "a search", &["query", "text", "hits"], &[])?;
                let sought = match (map.get("query"), map.get("text")) {
                    (Some(_), Some(_)) => {
                        let hint = "`query` is in the query language, `text` what somebody types: remove one";
                        map.error_at_key(Code::NotTogether, "text", "a search has one of `query` and `text`", hint);
                        return None;
                    }
                    (None, Some(_)) => Sought::Text(map.text("text")?.to_owned()),
                    _ => {
                        map.need("query", "write the words that are searched for, or `text`: what somebody types")?;
                        Sought::Query(map.text("query")?.to_owned())
                    }
                };
                let hits = map.need("hits", "write `hits: []`, and `readside test --accept` fills it in")?;
                Some(ExpectedHits { sought, hits: expected(reader, hits, "`hits`")? })
            });
            then.search.insert(name.clone(), hits.collect::<Option<_>>()?);
        }
    }
    if let Some(queries) = map.get("queries") {
        for Entry { name, value, .. } in reader.entries(queries, "`queries`")? {
            let Data::List(answers) = &value.data else {
                reader.error(
                    Code::WrongKind,
                    value.head(),
                    "queries must be a list",
                    "write `- {params: {}, rows: []}`",
                );
                return None;
            };
            let answers = answers.iter().map(|one| answer(reader, one)).collect::<Option<_>>();
            then.queries.insert(name.clone(), answers?);
        }
    }
    if let Some(freshness) = map.get("freshness") {
        for Entry { name, value, .. } in reader.entries(freshness, "`freshness`")? {
            let members = reader.entries(value, &format!("the freshness of `{name}`"))?;
            let members = members.iter().map(|member| (member.name.clone(), json(&member.value)));
            then.freshness.insert(name.clone(), members.collect());
        }
    }
    Some(then)
}

fn answer(reader: NodeReader<'_>, yaml: &Yaml) -> Option<ExpectedAnswer> {
    let map = reader.map(yaml, "a query", &["params", "rows"], &[])?;
    let mut params = BTreeMap::new();
    if let Some(given) = map.get("params") {
        for Entry { name, value, .. } in reader.entries(given, "`params`")? {
            match &value.data {
                Data::Scalar(Scalar { text, .. }) if !value.is_null() => params.insert(name.clone(), text.clone()),
                _ => {
                    let message = format!("the parameter `{name}` must be one value");
                    reader.error(Code::WrongKind, value.head(), message, "write it as in an address: `least: 10`");
                    return None;
                }
            };
        }
    }
    let rows = map.need("rows", "write `rows: []`, and `readside test --accept` fills it in")?;
    Some(ExpectedAnswer { params, rows: expected(reader, rows, "`rows`")? })
}

fn expected(reader: NodeReader<'_>, yaml: &Yaml, what: &str) -> Option<Vec<ExpectedRow>> {
    let Data::List(rows) = &yaml.data else {
        reader.error(
            Code::WrongKind,
            yaml.head(),
            format!("{what} must be a list"),
            "write a row a line, as in `- {id: a, total: 1}`",
        );
        return None;
    };
    let row = |row: &Yaml| {
        let entries = reader.entries(row, "a row")?;
        Some(entries.iter().map(|entry| (entry.name.clone(), json(&entry.value))).collect())
    };
    rows.iter().map(row).collect()
}

fn time(map: &Mapping<'_>, key: &str) -> Option<i64> {
    let text = map.text(key)?;
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
    if time.is_none() {
        map.error_at_key(
            Code::NotATime,
            key,
            format!("`{key}` must be a time, not `{text}`"),
            "write it as `2026-12-31T23:59:59Z`",
        );
    }
    time
}

fn entries(yaml: &Yaml) -> impl Iterator<Item = &Entry> {
    match &yaml.data {
        Data::Mapping(entries) => entries.iter(),
        _ => [].iter(),
    }
}

/// A node as JSON. What is not quoted and is a number, as JSON has them, keeps its digits.
fn json(yaml: &Yaml) -> String {
    match &yaml.data {
        _ if yaml.is_null() => "null".to_owned(),
        Data::Scalar(Scalar { text, style: ScalarStyle::Plain, .. }) if is_literal(text) => text.clone(),
        Data::Scalar(Scalar { text, .. }) => quoted(text),
        Data::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Data::Mapping(entries) => {
            let members = entries.iter().map(|entry| format!("{}:{}", quoted(&entry.name), json(&entry.value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

fn is_literal(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(serde_json::Value::Number(_) | serde_json::Value::Bool(_)))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The lines of a key at the margin, with all that stands below it.
fn lines_of(text: &str, entry: &Entry) -> Option<Range<usize>> {
    if entry.mark.column != 1 {
        return None;
    }
    let is_own = |line: &str| line.starts_with([' ', '\t']) && !line.trim().is_empty();
    let at_margin = |line: &str| !line.is_empty() && !line.starts_with([' ', '\t', '#']);
    let mut end = entry.mark.line + 1;
    for (index, line) in text.lines().enumerate().skip(entry.mark.line) {
        if line.starts_with(['}', ']']) {
            return None;
        }
        if at_margin(line) {
            break;
        }
        if is_own(line) {
            end = index + 2;
        }
    }
    Some(entry.mark.line..end)
}

#[cfg(test)]
mod tests;
