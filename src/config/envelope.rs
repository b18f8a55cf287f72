//! Where each fact about an event lives: `header:NAME | subject:N | body:/pointer | stream | const:VALUE | {at, match}`.

use chrono::format::{Item, StrftimeItems};
use regex::Regex;

use super::code::Code;
use super::fields::pointer;
use super::reader::{Mapping, NodeReader};
use super::suggest::did_you_mean;
use super::yaml::{Data, Yaml};
use crate::event::{EnvelopeSpec, Locator, Locators, TimeFormat, TimeZone, TimestampFormat};

const FACTS: &[&str] = &["type", "version", "id", "key", "time", "data"];
const FORMS: &str = "header:NAME, subject:N, body:/pointer, stream or const:VALUE";
/// The stream itself knows neither type nor version.
const FORMS_OF_TYPE: &str = "header:NAME, subject:N, body:/pointer or const:VALUE";

/// Reads a source's `envelope`.
pub(super) fn envelope(source: &Mapping<'_>) -> Option<EnvelopeSpec> {
    let hint = "say at least where the event type is: `envelope: {type: header:Event-Type}`";
    source.need("envelope", hint)?;
    let map = source.map("envelope", FACTS, &["preset"])?;
    let mut event_type = locators(&map, "type");
    let mut version = locators(&map, "version");
    // One pattern may give both.
    if map.get("type").is_none() {
        event_type = version.as_ref().map(|found| with_group(found, "type"));
        if event_type.as_ref().is_some_and(|found| found.0.is_empty()) && map.get("preset").is_none() {
            map.error(
                Code::MissingKey,
                "`envelope` has no `type`",
                format!("say where the event type is: {FORMS_OF_TYPE}"),
            );
            event_type = None;
        }
    } else if map.get("version").is_none() {
        version = event_type.as_ref().map(|found| with_group(found, "version"));
    }
    let (id, key, time) = (locators(&map, "id"), locators(&map, "key"), locators(&map, "time"));
    let data = data(&map);
    Some(EnvelopeSpec { event_type: event_type?, version: version?, id: id?, key: key?, time: time?, data: data? })
}

/// The patterns that have a group of this name.
fn with_group(locators: &Locators, group: &str) -> Locators {
    let has = |locator: &&Locator| matches!(locator, Locator::Match { pattern, .. } if has_group(pattern, group));
    Locators(locators.0.iter().filter(has).cloned().collect())
}

fn has_group(pattern: &Regex, group: &str) -> bool {
    pattern.capture_names().flatten().any(|name| name == group)
}

/// The payload's root, as a pointer into the body.
fn data(map: &Mapping<'_>) -> Option<String> {
    let Some(yaml) = map.get("data") else {
        return Some(String::new());
    };
    match map.reader.text(yaml, "`data`")? {
        "body" => Some(String::new()),
        text => match text.strip_prefix("body:") {
            Some(rest) => pointer(map.reader, yaml, rest, "body:".len()).map(str::to_owned),
            None => {
                let hint = "write `body`, or `body:/pointer` if the payload lies deeper";
                map.reader.error(Code::BadPlace, yaml.mark, format!("`data` cannot be `{text}`"), hint);
                None
            }
        },
    }
}

/// The places of one fact: none if the key is absent, `None` if something is wrong.
fn locators(map: &Mapping<'_>, fact: &str) -> Option<Locators> {
    let Some(yaml) = map.get(fact) else {
        return Some(Locators::default());
    };
    let items = match &yaml.data {
        Data::List(items) if items.is_empty() => {
            let hint = "name a place, such as `header:Event-Type` or `body:/type`, or remove the key";
            map.error_at_key(Code::EmptyValue, fact, format!("`{fact}` names no place"), hint);
            return None;
        }
        Data::List(items) => items.iter().collect(),
        _ => vec![yaml],
    };
    let locators: Vec<Option<Locator>> = items.into_iter().map(|item| locator(map.reader, item, fact)).collect();
    locators.into_iter().collect::<Option<Vec<Locator>>>().map(Locators)
}

fn locator(reader: NodeReader<'_>, yaml: &Yaml, fact: &str) -> Option<Locator> {
    match &yaml.data {
        Data::Mapping(_) if fact == "time" => timed(reader, yaml),
        Data::Mapping(_) => matched(reader, yaml, fact),
        _ => plain(reader, yaml, fact),
    }
}

/// `{at: …, format: …, zone: …}`
fn timed(reader: NodeReader<'_>, yaml: &Yaml) -> Option<Locator> {
    let map = reader.map(yaml, "the place of `time`", &["at", "format", "zone"], &[])?;
    let hint = "such as `{at: body:/at, format: epoch_s}`";
    let at = map.need("at", hint).and_then(|at| plain(reader, at, "time"));
    let written = map.need("format", hint)?;
    let format = reader.text(written, "`format`")?;
    let zone = match map.get("zone") {
        None => None,
        Some(yaml) => {
            let name = reader.text(yaml, "`zone`")?;
            let zone = TimeZone::named(name);
            if zone.is_none() {
                reader.error(
                    Code::BadTimeFormat,
                    yaml.mark,
                    format!("`{name}` is no time zone"),
                    "such as UTC, Europe/Berlin or +01:00",
                );
            }
            Some(zone?)
        }
    };
    let named = TimestampFormat::ALL.into_iter().find(|(name, _)| *name == format);
    let format = match named {
        Some((name, _)) if zone.is_some() => {
            map.error_at_key(Code::BadTimeFormat, "zone", format!("`{name}` says its zone itself"), "remove `zone`");
            return None;
        }
        Some((_, named)) => TimeFormat::Named(named),
        None => TimeFormat::Pattern { pattern: pattern(reader, written, format, zone.is_some())?, zone },
    };
    Some(Locator::Time { at: Box::new(at?), format })
}

/// A pattern of `strftime` that gives a day and, unless it is assumed, a zone.
fn pattern(reader: NodeReader<'_>, yaml: &Yaml, text: &str, has_zone: bool) -> Option<String> {
    let names: Vec<&str> = TimestampFormat::ALL.iter().map(|(name, _)| *name).collect();
    let wrong = |message: String, hint: String| {
        reader.error(Code::BadTimeFormat, yaml.mark, message, hint);
        None
    };
    let known = || {
        did_you_mean(text, &names)
            .unwrap_or_else(|| format!("one of {}, or a pattern such as '%d.%m.%Y %H:%M %z'", names.join(", ")))
    };
    if !text.contains('%') || StrftimeItems::new(text).any(|item| item == Item::Error) {
        return wrong(format!("`{text}` is not a format of a time"), known());
    }
    let says_zone =
        ["%z", "%:z", "%::z", "%#z", "%Z", "%+", "%s"].iter().any(|zone| text.contains(zone) && *zone != "%Z");
    if says_zone == has_zone {
        let (message, hint) = match says_zone {
            true => (format!("`{text}` says its zone itself"), "remove `zone`".to_owned()),
            false => (format!("`{text}` says no zone"), "add `zone: UTC`, or `%z` to the pattern".to_owned()),
        };
        return wrong(message, hint);
    }
    Some(text.to_owned())
}

/// `{at: …, match: pattern}`
fn matched(reader: NodeReader<'_>, yaml: &Yaml, fact: &str) -> Option<Locator> {
    let map = reader.map(yaml, &format!("the place of `{fact}`"), &["at", "match"], &[])?;
    if !matches!(fact, "type" | "version") {
        map.error(
            Code::BadPlace,
            format!("`{fact}` cannot be matched"),
            format!("patterns are for `type` and `version`; use {FORMS}"),
        );
        return None;
    }
    let hint = "such as `{at: header:ce-type, match: '(?<type>\\w+)\\.v(?<version>\\d+)$'}`";
    let at = map.need("at", hint).and_then(|at| plain(reader, at, fact));
    let pattern = map.need("match", hint)?;
    let text = reader.text(pattern, "`match`")?;
    match Regex::new(text) {
        Ok(regex) if has_group(&regex, fact) => Some(Locator::Match { at: Box::new(at?), pattern: regex }),
        Ok(_) => {
            let hint = format!("mark the part that is the {fact}: `(?<{fact}>…)`");
            reader.error(Code::BadPlace, pattern.mark, format!("the pattern has no group `{fact}`"), hint);
            None
        }
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            reader.error(Code::BadPlace, pattern.mark, format!("`match` is not a pattern: {reason}"), hint);
            None
        }
    }
}

fn plain(reader: NodeReader<'_>, yaml: &Yaml, fact: &str) -> Option<Locator> {
    let text = reader.text(yaml, &format!("the place of `{fact}`"))?;
    let (form, rest) = match text.split_once(':') {
        Some((form, rest)) => (form, Some(rest.trim())),
        None => (text, None),
    };
    let wrong = |message: &str, hint: &str| {
        reader.error(Code::BadPlace, yaml.mark, message, hint);
        None
    };
    match (form, rest) {
        ("header", Some(name)) if !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != ':') => {
            Some(Locator::Header(name.to_owned()))
        }
        ("header", _) => wrong(&format!("`{text}` names no header"), "write `header:Event-Type`"),
        ("subject", rest) => match rest.and_then(|rest| rest.parse::<usize>().ok()).filter(|token| *token > 0) {
            Some(token) => Some(Locator::Subject(token)),
            None => wrong(
                &format!("`{text}` names no token of the subject"),
                "tokens count from 1: in `orders.42.placed`, `subject:2` is `42`",
            ),
        },
        ("body", None) => Some(Locator::Body(String::new())),
        ("body", Some(rest)) => pointer(reader, yaml, rest, "body:".len()).map(|p| Locator::Body(p.to_owned())),
        ("stream", None) if matches!(fact, "type" | "version") => {
            wrong(&format!("the stream itself knows no {fact}"), &format!("use {FORMS_OF_TYPE}"))
        }
        ("stream", None) => Some(Locator::Stream),
        ("const", Some(value)) if !value.is_empty() => {
            if fact == "version" && value.parse::<u32>().ok().is_none_or(|version| version == 0) {
                return wrong(&format!("`{value}` is not a version"), "versions are whole numbers from 1: `const:1`");
            }
            Some(Locator::Const(value.to_owned()))
        }
        ("const", _) => wrong("`const` has no value", "write `const:VALUE`"),
        (form, _) => {
            let known = ["header", "subject", "body", "stream", "const"];
            let hint = did_you_mean(form, &known).unwrap_or_else(|| {
                format!("write {}", if matches!(fact, "type" | "version") { FORMS_OF_TYPE } else { FORMS })
            });
            wrong(&format!("`{text}` is not a place of `{fact}`"), &hint)
        }
    }
}
