//! A source document: where its events come from and what they look like, into a [`SourceSchema`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::checked::{LineFormat, Source, SourceKind};
use super::code::Code;
use super::envelope::envelope;
use super::fields::{FieldOwner, fields, named_types};
use super::history::chain;
use super::named_types::NamedTypes;
use super::names::{self, is_identifier, is_reserved, is_reserved_schema, snake_case};
use super::paths::resolve;
use super::reader::{Mapping, NodeReader};
use super::sensitive::sensitive;
use super::subject::{is_subject, overlap};
use super::yaml::{Entry, Yaml};
use crate::event::{EventType, LateEvents, Naming, NewerVersion, SourceSchema, UnknownEvents, UnreadableTime};

const KEYS: &[&str] = &[
    "source",
    "jetstream",
    "file",
    "envelope",
    "naming",
    "event_time",
    "unknown_events",
    "newer_version",
    "types",
    "events",
];

/// Reads a source document. Its `folder` is the one that relative paths begin at.
pub(super) fn source(reader: NodeReader<'_>, yaml: &Yaml, document: usize, folder: &str) -> Option<Source> {
    let map = reader.map(yaml, "the source", KEYS, &["deduplicate"])?;
    let name = name(&map);
    let input = input(&map, folder);
    let envelope = envelope(&map);
    let naming = map.choice("naming", &[("as_written", Naming::AsWritten), ("camelCase", Naming::CamelCase)]);
    let unknown = [("park", UnknownEvents::Park), ("ignore", UnknownEvents::Ignore), ("halt", UnknownEvents::Halt)];
    let newer = [("park", NewerVersion::Park), ("read_as_latest", NewerVersion::ReadAsLatest)];
    let unknown_events = map.choice("unknown_events", &unknown);
    let newer_version = map.choice("newer_version", &newer);
    let EventTime { lateness, late, max_ahead, unreadable } = event_time(&map);
    let types = named_types(reader, map.get("types"));
    types.check_all();
    let events = map.need("events", "declare the event types: `events: {OrderPlaced: {fields: {order_id: string!}}}`");
    let declared = events.and_then(|events| event_types(reader, events, &types));
    let (types, sensitive) = declared.unzip();
    let schema = SourceSchema {
        source: name?,
        envelope: envelope?,
        naming: naming.unwrap_or_default(),
        lateness_us: i64::try_from(lateness.as_micros()).unwrap_or(i64::MAX),
        late_events: late,
        max_ahead_us: i64::try_from(max_ahead.as_micros()).unwrap_or(i64::MAX),
        unreadable_time: unreadable,
        unknown_events: unknown_events.unwrap_or_default(),
        newer_version: newer_version.unwrap_or_default(),
        types: types?,
    };
    Some(Source { schema, sensitive: sensitive?, input: input?, node: reader.node(document), text: None })
}

/// The `event_time` section: how far times may run behind or ahead, and what becomes of those that do, or are unreadable.
struct EventTime {
    lateness: Duration,
    late: LateEvents,
    max_ahead: Duration,
    unreadable: UnreadableTime,
}

/// A clock that is wrong by more than a time zone's slip is no clock.
const MAX_AHEAD: Duration = Duration::from_secs(3600);

fn event_time(map: &Mapping<'_>) -> EventTime {
    let Some(time) = map.map("event_time", &["lateness", "late", "max_ahead", "unreadable"], &[]) else {
        let (late, unreadable) = (LateEvents::default(), UnreadableTime::default());
        return EventTime { lateness: Duration::ZERO, late, max_ahead: MAX_AHEAD, unreadable };
    };
    let late = time.choice("late", &[("correct", LateEvents::Correct), ("drop", LateEvents::Drop)]);
    if late == Some(LateEvents::Drop) && time.get("lateness").is_none() {
        let hint = "say how far behind events may be: `lateness: 1h`";
        time.error_at_key(
            Code::NotTogether,
            "late",
            "`late: drop` without `lateness` would drop every event that is out of order",
            hint,
        );
    }
    let choices = [("park", UnreadableTime::Park), ("use_publish_time", UnreadableTime::UsePublishTime)];
    EventTime {
        lateness: time.duration("lateness").unwrap_or_default(),
        late: late.unwrap_or_default(),
        max_ahead: time.duration("max_ahead").unwrap_or(MAX_AHEAD),
        unreadable: time.choice("unreadable", &choices).unwrap_or_default(),
    }
}

fn name(map: &Mapping<'_>) -> Option<String> {
    let (name, mark) = (map.text("source")?, map.get("source")?.mark);
    if !names::check(map.reader, mark, "source", name) {
        return None;
    }
    if is_reserved(name) || is_reserved_schema(name) {
        let hint = format!("a source is a schema in SQL: choose another name, such as `{name}_events`");
        map.reader.error(Code::BadName, mark, format!("`{name}` is reserved in SQL"), hint);
        return None;
    }
    Some(name.to_owned())
}

fn input(map: &Mapping<'_>, folder: &str) -> Option<SourceKind> {
    let stream = map.map("jetstream", &["stream", "filter_subjects"], &[]).and_then(|map| jetstream(&map));
    let file = map.map("file", &["path", "follow", "lines"], &[]).and_then(|map| file(&map, folder));
    match (map.get("jetstream"), map.get("file")) {
        (Some(_), None) => stream,
        (None, Some(_)) => file,
        (Some(_), Some(_)) => {
            map.error_at_key(
                Code::NotTogether,
                "file",
                "a source reads either `jetstream` or `file`, not both",
                "make two sources of it",
            );
            None
        }
        (None, None) => {
            let hint = "add `jetstream: {stream: ORDERS}` or `file: {path: events.ndjson}`";
            map.error(Code::MissingKey, "the source does not say what it reads", hint);
            None
        }
    }
}

fn file(map: &Mapping<'_>, folder: &str) -> Option<SourceKind> {
    map.need("path", "name the file: `file: {path: events.ndjson}`");
    let follow = map.flag("follow").unwrap_or(false);
    let lines = map.choice("lines", &LineFormat::ALL).unwrap_or_default();
    let written = map.text("path")?.to_owned();
    Some(SourceKind::File { path: PathBuf::from(resolve(folder, &written)), written, follow, lines })
}

fn jetstream(map: &Mapping<'_>) -> Option<SourceKind> {
    map.need("stream", "name the stream: `jetstream: {stream: ORDERS}`");
    let stream = map.text("stream").filter(|stream| {
        let fine = !stream.contains(|c: char| c.is_whitespace() || matches!(c, '.' | '*' | '>' | '/' | '\\'));
        if !fine && let Some(yaml) = map.get("stream") {
            let hint = "names of streams have no spaces, dots, `*` or `>`; subjects go to `filter_subjects`";
            map.reader.error(Code::BadName, yaml.mark, format!("`{stream}` cannot name a stream"), hint);
        }
        fine
    });
    let mut filter_subjects: Vec<String> = Vec::new();
    for (subject, yaml) in map.texts("filter_subjects") {
        if !is_subject(subject) {
            let hint = "a subject is tokens between dots; `*` stands for one token, `>` for all that follow";
            map.reader.error(Code::BadSubject, yaml.mark, format!("`{subject}` is not a subject"), hint);
            continue;
        }
        // The server would refuse it, and say so only once the daemon runs.
        if let Some(other) = filter_subjects.iter().find(|other| overlap(other, subject)) {
            let hint = "narrow one of them, or leave one out: the server takes no filters that share a subject";
            map.reader.error(Code::BadSubject, yaml.mark, format!("`{subject}` overlaps with `{other}`"), hint);
        }
        filter_subjects.push(subject.to_owned());
    }
    Some(SourceKind::JetStream { stream: stream?.to_owned(), filter_subjects })
}

/// The paths of sensitive fields, by event type.
type Sensitive = BTreeMap<String, Vec<Vec<String>>>;

fn event_types(reader: NodeReader<'_>, yaml: &Yaml, types: &NamedTypes<'_>) -> Option<(Vec<EventType>, Sensitive)> {
    let entries = reader.entries(yaml, "`events`")?;
    if entries.is_empty() {
        reader.error(
            Code::NothingDeclared,
            yaml.head(),
            "`events` declares no event type",
            "add one: `OrderPlaced: {fields: {order_id: string!}}`",
        );
    }
    let mut tables: Vec<(String, &str)> = Vec::new();
    let (mut found, mut sensitive) = (Vec::new(), Sensitive::new());
    let mut fine = !entries.is_empty();
    for entry in entries {
        match event_type(reader, entry, types, &mut tables) {
            Some((event_type, paths)) => {
                if !paths.is_empty() {
                    sensitive.insert(event_type.name.clone(), paths);
                }
                found.push(event_type);
            }
            None => fine = false,
        }
    }
    fine.then_some((found, sensitive))
}

fn event_type<'a>(
    reader: NodeReader<'a>,
    entry: &'a Entry,
    types: &NamedTypes<'_>,
    tables: &mut Vec<(String, &'a str)>,
) -> Option<(EventType, Vec<Vec<String>>)> {
    let name = entry.name.as_str();
    let (known, later) = (["version", "fields", "sensitive", "history", "table"], ["become", "split"]);
    let no_fields = || {
        let hint = "declare them: `fields: {order_id: string!}`, or `fields: {}` if it has none";
        reader.error(Code::MissingKey, entry.mark, format!("event `{name}` has no `fields`"), hint);
    };
    if entry.value.is_null() {
        no_fields();
        return None;
    }
    let map = reader.map(&entry.value, &format!("event `{name}`"), &known, &later)?;
    let table = table(&map, entry, tables);
    let current = match map.get("version") {
        Some(yaml) => reader.integer(yaml, "`version`", 1..=u64::from(u32::MAX - 1)).map(|version| version as u32),
        None => Some(1),
    };
    let fields = match map.get("fields") {
        Some(yaml) => fields(reader, yaml, FieldOwner::Column, types),
        None if later.iter().any(|key| map.get(key).is_some()) => None,
        None => {
            no_fields();
            None
        }
    };
    let (current, fields) = (current?, fields?);
    let sensitive = sensitive(&map, name, &fields);
    let (versions, steps) = chain(&map, name, current, fields, types)?;
    Some((EventType { name: name.to_owned(), table: table?, current, versions, steps }, sensitive))
}

/// The SQL table of an event type: stated, or from its name.
fn table<'a>(map: &Mapping<'a>, entry: &'a Entry, tables: &mut Vec<(String, &'a str)>) -> Option<String> {
    let stated = match map.get("table") {
        Some(yaml) => Some((map.reader.text(yaml, "`table`")?, yaml.mark)),
        None => None,
    };
    let (table, mark) = stated.map_or((snake_case(&entry.name), entry.mark), |(table, mark)| (table.to_owned(), mark));
    let hint = format!("choose another with `table:` in `{}`", entry.name);
    let problem = if !is_identifier(&table) {
        format!("`{table}` cannot name a table in SQL")
    } else if table.starts_with('_') {
        format!("table `{table}` begins with `_`, as only metadata does")
    } else if table == "events" {
        "table `events` is the one of all event types".to_owned()
    } else if is_reserved(&table) {
        format!("table `{table}` is a reserved word in SQL")
    } else if let Some((_, other)) = tables.iter().find(|(taken, _)| *taken == table) {
        format!("events `{other}` and `{}` would share the table `{table}`", entry.name)
    } else {
        tables.push((table.clone(), &entry.name));
        return Some(table);
    };
    map.reader.error(Code::BadName, mark, problem, hint);
    None
}
