//! What was inferred, as the text of a source file.

use std::collections::BTreeSet;

use serde_yaml::{Error, Value};

use super::column::{Column, Kind, Typed};
use super::event_type::{EventType, Past};
use super::facts::{Facts, TYPE_PATTERN, VERSION_PATTERN, Version, count};
use super::names::{free, table, type_name};
use super::page::{Page, literal, remarks};
use super::sample::Place;
use super::{Draft, Origin};
use crate::config::LineFormat;
use crate::event::{Naming, TimestampFormat};

/// Named struct types.
#[derive(Default)]
struct Structs {
    list: Vec<NamedStruct>,
}

struct NamedStruct {
    name: String,
    columns: Vec<Column>,
    /// The type of each column, as it is written.
    types: Vec<String>,
}

/// The source file.
///
/// # Errors
/// YAML cannot hold a name.
pub(super) fn written(draft: &Draft<'_>) -> Result<String, Error> {
    let mut structs = Structs::default();
    let mut events = Page::default();
    let mut tables = BTreeSet::new();
    events.nested("events", "", |page| {
        draft.types.iter().try_for_each(|one| event_type(page, one, &mut tables, &mut structs))
    })?;
    let mut page = Page::default();
    head(&mut page, draft);
    page.entry("source", draft.name)?;
    input(&mut page, draft.origin)?;
    envelope(&mut page, draft.facts)?;
    if draft.naming == Naming::CamelCase {
        page.commented("naming", "camelCase", "column order_id reads the member orderId")?;
    }
    if !structs.list.is_empty() {
        page.nested("types", "", |page| {
            for NamedStruct { name, columns, types } in &structs.list {
                page.nested(name, "", |page| {
                    columns.iter().zip(types).try_for_each(|(column, text)| field(page, column, text))
                })?;
            }
            Ok(())
        })?;
    }
    Ok(page.text + &events.text)
}

fn head(page: &mut Page, draft: &Draft<'_>) {
    let what = match draft.origin {
        Origin::Stream { stream, .. } => format!("the stream {stream}"),
        Origin::File { path, .. } => format!("the file {path}"),
    };
    let (first, last) = draft.sequences;
    let of = format!("{} of {what}, with sequences {first} to {last}", count(draft.events, "event"));
    page.comment(&remarks(
        &[],
        Some(&format!("Inferred from {of}. It is a beginning: read it, and change what is not so.")),
    ));
    for doubt in &draft.doubts {
        page.comment(&remarks(&[], Some(&format!("- {doubt}"))));
    }
}

fn input(page: &mut Page, origin: &Origin) -> Result<(), Error> {
    match origin {
        Origin::Stream { stream, filter_subjects } => page.nested("jetstream", "", |page| {
            page.entry("stream", literal(stream))?;
            if !filter_subjects.is_empty() {
                let subjects: Vec<String> = filter_subjects.iter().map(|subject| literal(subject)).collect();
                page.entry("filter_subjects", subjects)?;
            }
            Ok(())
        }),
        Origin::File { path, lines } => page.nested("file", "", |page| {
            page.entry("path", literal(path))?;
            if *lines != LineFormat::Auto {
                page.entry("lines", lines.name())?;
            }
            Ok(())
        }),
    }
}

fn envelope(page: &mut Page, facts: &Facts) -> Result<(), Error> {
    let whole = |place: &Place| Value::from(literal(&place.written()));
    let matched = |place: &Place, pattern: &str| pair(("at", whole(place)), ("match", pattern.into()));
    page.nested("envelope", "", |page| {
        let mut types: Vec<Value> = Vec::new();
        for place in &facts.types {
            match facts.version {
                Version::InType { every: true } => types.push(matched(place, TYPE_PATTERN)),
                Version::InType { every: false } => types.extend([matched(place, TYPE_PATTERN), whole(place)]),
                _ => types.push(whole(place)),
            }
        }
        types.extend(facts.other_type.iter().map(|name| Value::from(format!("const:{name}"))));
        page.entry("type", one_or_all(types))?;
        match &facts.version {
            Version::Nowhere => {}
            Version::At(place) => page.commented("version", whole(place), "1 where there is none")?,
            Version::Within(place) => page.entry("version", matched(place, VERSION_PATTERN))?,
            // The pattern of the type gives it.
            Version::InType { every: true } => {}
            Version::InType { every: false } => {
                let places = facts.types.iter().map(|place| matched(place, TYPE_PATTERN));
                page.entry("version", one_or_all(places.chain([Value::from("const:1")]).collect()))?;
            }
        }
        if let Some(id) = &facts.id {
            page.entry("id", whole(id))?;
        }
        if let Some(key) = &facts.key {
            page.entry("key", whole(key))?;
        }
        let times = facts.times.iter().map(|(place, format)| match format {
            Some(format) => pair(("at", whole(place)), ("format", format.name().into())),
            None => whole(place),
        });
        let times: Vec<Value> = times.collect();
        if !times.is_empty() {
            page.entry("time", one_or_all(times))?;
        }
        if let Some(pointer) = &facts.data {
            page.entry("data", literal(&format!("body:{pointer}")))?;
        }
        Ok(())
    })
}

fn pair(one: (&str, Value), other: (&str, Value)) -> Value {
    Value::Mapping([one, other].into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn one_or_all(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Sequence(values) }
}

fn event_type(
    page: &mut Page,
    one: &EventType,
    tables: &mut BTreeSet<String>,
    structs: &mut Structs,
) -> Result<(), Error> {
    let of_version = |(version, events): (&u32, &u64)| format!("{events} of version {version}");
    let events: u64 = one.seen.values().sum();
    let mut seen = count(usize::try_from(events).unwrap_or(usize::MAX), "event");
    if one.seen.len() > 1 {
        seen += &format!(": {}", one.seen.iter().map(of_version).collect::<Vec<_>>().join(", "));
    }
    page.nested(&one.name, &seen, |page| {
        if let Some(table) = table(&one.name, tables) {
            page.entry("table", table)?;
        }
        if one.current != 1 {
            page.entry("version", one.current)?;
        }
        fields(page, "fields", &one.columns, &[], structs)?;
        if one.history.is_empty() {
            return Ok(());
        }
        page.nested("history", "", |page| {
            one.history.iter().try_for_each(|(version, past)| past_version(page, one, *version, past, structs))
        })
    })
}

fn past_version(
    page: &mut Page,
    one: &EventType,
    version: u32,
    past: &Past,
    structs: &mut Structs,
) -> Result<(), Error> {
    let comment = if one.seen.contains_key(&version) { "" } else { "not seen: taken to be as the next one" };
    if past.own.is_empty() && past.lacks.is_empty() {
        return page.commented(&version.to_string(), serde_yaml::Mapping::new(), comment);
    }
    page.nested(&version.to_string(), comment, |page| {
        fields(page, "fields", &past.own, &past.lacks, structs)?;
        if past.set.is_empty() {
            return Ok(());
        }
        page.nested("to_next", "", |page| {
            page.nested("set", "", |page| {
                past.set.iter().try_for_each(|(next, here)| page.commented(next, here, "a guess: look at both"))
            })
        })
    })
}

fn fields(
    page: &mut Page,
    key: &str,
    columns: &[Column],
    lacks: &[String],
    structs: &mut Structs,
) -> Result<(), Error> {
    if columns.is_empty() && lacks.is_empty() {
        return page.entry(key, serde_yaml::Mapping::new());
    }
    page.nested(key, "", |page| {
        for column in columns {
            let text = structs.text(&column.name, &column.value, false);
            field(page, column, &text)?;
        }
        lacks.iter().try_for_each(|name| page.entry(name, "none"))
    })
}

/// A field in its short form, or in the long one if it has more than a type.
fn field(page: &mut Page, column: &Column, text: &str) -> Result<(), Error> {
    let comment = remarks(&column.values, column.doubt.as_deref());
    let format = match column.value.kind {
        Kind::Timestamp(format) if format != TimestampFormat::Rfc3339 => Some(format.name()),
        _ => None,
    };
    if column.from.is_none() && format.is_none() {
        return page.commented(&column.name, text, &comment);
    }
    page.nested(&column.name, &comment, |page| {
        page.entry("type", text)?;
        if let Some(from) = &column.from {
            page.entry("from", literal(from))?;
        }
        format.map_or(Ok(()), |format| page.entry("format", format))
    })
}

impl Structs {
    /// A type as it is written; its structs get names after the column.
    fn text(&mut self, column: &str, value: &Typed, is_item: bool) -> String {
        let text = match &value.kind {
            Kind::Text => "string".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int64 => "int64".to_owned(),
            Kind::Float64 => "float64".to_owned(),
            Kind::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Kind::Date => "date".to_owned(),
            Kind::Timestamp(_) => "timestamp".to_owned(),
            Kind::Json => "json".to_owned(),
            Kind::List(item) => format!("list<{}>", self.text(column, item, true)),
            Kind::Map(values) => format!("map<string,{}>", self.text(column, values, true)),
            Kind::Struct(columns) => self.name(column, columns, is_item),
        };
        if value.required { text + "!" } else { text }
    }

    fn name(&mut self, column: &str, columns: &[Column], is_item: bool) -> String {
        let types: Vec<String> = columns.iter().map(|one| self.text(&one.name, &one.value, false)).collect();
        let is_same = |kept: &&NamedStruct| {
            let both = kept.columns.iter().zip(columns);
            kept.types == types
                && both.into_iter().all(|(one, other)| one.name == other.name && one.value == other.value)
        };
        if let Some(kept) = self.list.iter().find(is_same) {
            return kept.name.clone();
        }
        let is_free = |name: &String| self.list.iter().all(|taken| taken.name != *name);
        let name = free(&type_name(column, is_item), is_free);
        self.list.push(NamedStruct { name: name.clone(), columns: columns.to_vec(), types });
        name
    }
}
