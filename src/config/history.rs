//! The versions of an event type: complete fields of each from the stated differences, and the steps between them.
//!
//! The shape of the chain is proven here: no gaps, nothing required left unset. The SQL of a step is compiled elsewhere.

use std::collections::BTreeMap;

use super::code::Code;
use super::diagnostic::Mark;
use super::field_type::describe;
use super::fields::{FieldOwner, check_names, field};
use super::named_types::NamedTypes;
use super::reader::{Mapping, NodeReader};
use super::suggest::did_you_mean;
use super::yaml::{Data, Entry, Yaml};
use crate::event::{DataType, Field, UpcastStep, VersionSchema};

/// All known versions and the step from each but the last.
pub(super) type Chain = (BTreeMap<u32, VersionSchema>, BTreeMap<u32, UpcastStep>);

/// One entry of `history`.
struct Past<'a> {
    version: u32,
    mark: Mark,
    map: Mapping<'a>,
}

/// Reads the `history` of an event type whose current version and fields are known.
pub(super) fn chain(
    event: &Mapping<'_>,
    name: &str,
    current: u32,
    fields: Vec<Field>,
    types: &NamedTypes<'_>,
) -> Option<Chain> {
    let mut versions = BTreeMap::from([(current, VersionSchema { fields })]);
    let mut steps = BTreeMap::new();
    let Some(history) = event.get("history") else {
        return Some((versions, steps));
    };
    let pasts = pasts(event.reader, history, name, current)?;
    let mut complete = true;
    // From the newest to the oldest, because each states its difference to the next.
    for past in pasts.into_iter().rev() {
        let next = versions.get(&(past.version + 1))?;
        let link = Link { reader: event.reader, event: name, version: past.version, next: &next.fields };
        let fields = link.fields(&past.map, types)?;
        match link.set(&past, &fields) {
            Some(set) => steps.insert(past.version, UpcastStep { to: past.version + 1, set }),
            None => {
                complete = false;
                None
            }
        };
        versions.insert(past.version, VersionSchema { fields });
    }
    complete.then_some((versions, steps))
}

/// The entries in order of version, contiguous up to the current one.
fn pasts<'a>(reader: NodeReader<'a>, history: &'a Yaml, name: &str, current: u32) -> Option<Vec<Past<'a>>> {
    let mut pasts: BTreeMap<u32, Past<'a>> = BTreeMap::new();
    let mut fine = true;
    for entry in reader.entries(history, "`history`")? {
        let Some(version) = entry.name.parse::<u32>().ok().filter(|version| *version > 0) else {
            reader.error(
                Code::BadHistory,
                entry.mark,
                format!("`{}` is not a version", entry.name),
                "versions are whole numbers from 1",
            );
            fine = false;
            continue;
        };
        if version >= current {
            let message = format!("`{name}` is at version {current}, so version {version} is not history");
            let hint = format!("raise `version` of `{name}` to {}, or remove this entry", version.saturating_add(1));
            reader.error(Code::BadHistory, entry.mark, message, hint);
            fine = false;
            continue;
        }
        if let Some(first) = pasts.get(&version) {
            let hint = format!("it is also in line {}: keep one of them", first.mark.line);
            reader.error(Code::BadHistory, entry.mark, format!("version {version} of `{name}` appears twice"), hint);
            fine = false;
            continue;
        }
        match reader.map(&entry.value, &format!("version {version}"), &["fields", "to_next"], &[]) {
            Some(map) => drop(pasts.insert(version, Past { version, mark: entry.mark, map })),
            None => fine = false,
        }
    }
    let oldest = pasts.keys().next().copied().unwrap_or(current);
    let gap = (oldest..current).find(|version| !pasts.contains_key(version));
    if let (Some(gap), true) = (gap, fine) {
        let mark = pasts.range(..gap).next_back().map_or(history.head(), |(_, past)| past.mark);
        let hint = format!("add `{gap}: {{}}` if it had the same fields as version {}", gap + 1);
        reader.error(
            Code::BadHistory,
            mark,
            format!("`{name}` has no version {gap} in its history, so older events cannot pass it"),
            hint,
        );
        fine = false;
    }
    fine.then(|| pasts.into_values().collect())
}

/// A past version and the fields of the next one.
struct Link<'a> {
    reader: NodeReader<'a>,
    event: &'a str,
    version: u32,
    next: &'a [Field],
}

impl Link<'_> {
    /// The next version's fields with the stated differences undone.
    fn fields(&self, past: &Mapping<'_>, types: &NamedTypes<'_>) -> Option<Vec<Field>> {
        let mut fields = self.next.to_vec();
        let Some(yaml) = past.get("fields") else {
            return Some(fields);
        };
        let entries = self.reader.entries(yaml, "the fields")?;
        let mut fine = check_names(self.reader, entries, FieldOwner::Column);
        for entry in entries {
            let place = fields.iter().position(|field| field.name == entry.name);
            if is_none(&entry.value) {
                match place {
                    Some(place) => drop(fields.remove(place)),
                    None => {
                        self.absent(entry);
                        fine = false;
                    }
                }
                continue;
            }
            match (field(self.reader, entry, FieldOwner::Column, types), place) {
                (None, _) => fine = false,
                (Some(field), Some(place)) => {
                    if fields[place] == field {
                        let message = format!("`{}` is the same in version {}", entry.name, self.version + 1);
                        self.reader.warn(
                            Code::UnchangedColumn,
                            entry.mark,
                            message,
                            "remove it: a version states only what differs",
                        );
                    }
                    fields[place] = field;
                }
                (Some(field), None) => fields.push(field),
            }
        }
        fine.then_some(fields)
    }

    /// `none` for a column that is not there anyway.
    fn absent(&self, entry: &Entry) {
        let names: Vec<&str> = self.next.iter().map(|field| field.name.as_str()).collect();
        let message = format!("column `{}` is not in `{}` v{}", entry.name, self.event, self.version + 1);
        let hint = did_you_mean(&entry.name, &names)
            .unwrap_or_else(|| "`none` says that a column of the next version did not exist yet".to_owned());
        self.reader.error(Code::BadHistory, entry.mark, message, hint);
    }

    /// What the step computes, if it leaves nothing open.
    fn set(&self, past: &Past<'_>, fields: &[Field]) -> Option<BTreeMap<String, String>> {
        let mut set = BTreeMap::new();
        let mut fine = true;
        let to_next = past.map.get("to_next");
        if let Some(yaml) = to_next {
            let map = self.reader.map(yaml, "`to_next`", &["set"], &[])?;
            let entries = map.get("set").map(|yaml| self.reader.entries(yaml, "`set`"));
            for entry in entries.unwrap_or(Some(&[]))? {
                fine &= self.set_one(entry, &mut set).is_some();
            }
        }
        let place = to_next.map_or(past.mark, Yaml::head);
        for next in self.next {
            let before = fields.iter().find(|field| field.name == next.name);
            if !set.contains_key(&next.name)
                && let Some((message, hint)) = self.open(before, next)
            {
                // A faulty `set` may have been meant for this column: its own error comes first.
                if fine {
                    self.reader.error(Code::BadHistory, place, message, hint);
                }
                fine = false;
            }
        }
        fine.then_some(set)
    }

    fn set_one(&self, entry: &Entry, set: &mut BTreeMap<String, String>) -> Option<()> {
        let names: Vec<&str> = self.next.iter().map(|field| field.name.as_str()).collect();
        if !names.contains(&entry.name.as_str()) {
            let message = format!("column `{}` is not in `{}` v{}", entry.name, self.event, self.version + 1);
            let hint = did_you_mean(&entry.name, &names)
                .unwrap_or_else(|| "a step sets columns of the next version".to_owned());
            self.reader.error(Code::BadHistory, entry.mark, message, hint);
            return None;
        }
        let sql = match &entry.value.data {
            // In SQL a bare `null` is a value.
            Data::Scalar(scalar) if scalar.text.eq_ignore_ascii_case("null") => &scalar.text,
            _ => self.reader.text(&entry.value, &format!("the SQL of `{}`", entry.name))?,
        };
        set.insert(entry.name.clone(), sql.to_owned());
        Some(())
    }

    /// Why a column of the next version that nothing sets cannot be carried over.
    fn open(&self, before: Option<&Field>, next: &Field) -> Option<(String, String)> {
        let (name, version) = (&next.name, self.version);
        let set = format!("add `{name}` to `to_next: {{set: {{{name}: …}}}}` of version {version}");
        let to = format!("`{}` v{}", self.event, version + 1);
        match before {
            None if next.field_type.required => Some((
                format!("`{name}` is new and required in {to}, but nothing sets it"),
                format!("{set}, or make it optional"),
            )),
            None => None,
            Some(before) if !same(&before.field_type.data_type, &next.field_type.data_type) => {
                let (from, new) = (describe(&before.field_type), describe(&next.field_type));
                Some((format!("`{name}` changes from `{from}` to `{new}` in {to}, but nothing sets it"), set))
            }
            Some(before) if next.field_type.required && !before.field_type.required => Some((
                format!("`{name}` becomes required in {to}, but nothing sets it"),
                format!("{set}, such as `coalesce({name}, …)`"),
            )),
            Some(_) => None,
        }
    }
}

/// Whether values of one type are values of the other as they are. How a timestamp was written is past by then.
fn same(before: &DataType, next: &DataType) -> bool {
    match (before, next) {
        (DataType::Timestamp(_), DataType::Timestamp(_)) => true,
        _ => before == next,
    }
}

fn is_none(yaml: &Yaml) -> bool {
    matches!(&yaml.data, Data::Scalar(scalar) if scalar.text == "none")
}
