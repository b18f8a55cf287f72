//! One event type: the columns of its newest version, and how each earlier one differs.
//!
//! A column that several versions have is one column, of a type that reads the values of all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::column::{Column, Kind, Typed, column};
use super::names::column_name;
use super::observed::{Member, Observed};
use super::renames::renamed;
use crate::event::Naming;

#[derive(Debug)]
pub(super) struct EventType {
    pub(super) name: String,
    /// How many events there were, by version.
    pub(super) seen: BTreeMap<u32, u64>,
    pub(super) current: u32,
    pub(super) columns: Vec<Column>,
    /// Earlier versions down to the oldest that was seen, which comes first.
    pub(super) history: BTreeMap<u32, Past>,
    pub(super) doubts: Vec<String>,
}

/// How a version differs from the next one.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Columns that only this one has.
    pub(super) own: Vec<Column>,
    /// Columns of the next one that it has not.
    pub(super) lacks: Vec<String>,
    /// What is taken for a column of the next one under another name: its name there, and here.
    pub(super) set: Vec<(String, String)>,
}

/// What has proven not to work with the events that were seen.
#[derive(Debug, Default)]
pub(super) struct Caution {
    /// Members of a type that no narrower type than `json` reads.
    pub(super) members: BTreeSet<(String, String)>,
    /// Types of which no column is to be taken for another one.
    pub(super) no_renames: BTreeSet<String>,
    pub(super) no_times: bool,
}

/// A column, the versions that have it, and its values in each.
struct Known<'a> {
    column: Column,
    /// Whether it is in every event of the versions that have it.
    is_always: bool,
    by_version: BTreeMap<u32, &'a Observed>,
}

/// The type whose events are these, by version. Some members are facts of the envelope and no columns.
pub(super) fn event_type(
    name: &str,
    seen: &BTreeMap<u32, Observed>,
    facts: &[&str],
    naming: Naming,
    caution: &Caution,
) -> EventType {
    let (oldest, current) = (seen.keys().next().copied().unwrap_or(1), seen.keys().last().copied().unwrap_or(1));
    let mut columns = known(name, seen, facts, naming, caution);
    let mut doubts = doubts(seen, oldest);
    // A version that was not seen is taken to be as the next one.
    let stands_for = |version: u32| seen.range(version..).next().map_or(current, |(version, _)| *version);
    let has = |known: &Known<'_>, version: u32| known.by_version.contains_key(&stands_for(version));
    let mut history: BTreeMap<u32, Past> = (oldest..current).map(|version| (version, Past::default())).collect();
    for (version, past) in &mut history {
        let here: Vec<&Known<'_>> = columns.iter().filter(|known| has(known, *version)).collect();
        let next: Vec<&Known<'_>> = columns.iter().filter(|known| has(known, version + 1)).collect();
        let gone: Vec<&Known<'_>> = here.iter().copied().filter(|known| !has(known, version + 1)).collect();
        let new: Vec<&Known<'_>> = next.iter().copied().filter(|known| !has(known, *version)).collect();
        past.lacks = new.iter().map(|known| known.column.name.clone()).collect();
        if !caution.no_renames.contains(name) {
            let values = |known: &Known<'_>, version: u32| -> Observed {
                known.by_version.get(&stands_for(version)).map(|seen| (*seen).clone()).unwrap_or_default()
            };
            let gone: Vec<_> = gone.iter().map(|known| (&known.column, values(known, *version))).collect();
            let new: Vec<_> = new.iter().map(|known| (&known.column, values(known, version + 1))).collect();
            past.set = renamed(&gone, &new);
        }
        for (next, here) in &past.set {
            doubts.push(format!("`{here}` of version {version} is taken for `{next}` of version {}", version + 1));
        }
    }
    settle_required(&mut columns, &history, oldest..=current, has);
    for (version, past) in &mut history {
        let is_own = |known: &&Known<'_>| has(known, *version) && !has(known, version + 1);
        past.own = columns.iter().filter(is_own).map(|known| known.column.clone()).collect();
        let taken = |name: &String| past.set.iter().any(|(_, here)| here == name);
        let left: Vec<String> = past.own.iter().map(|column| column.name.clone()).filter(|name| !taken(name)).collect();
        if !left.is_empty() {
            let (columns, next) = (left.join("`, `"), version + 1);
            doubts.push(format!(
                "version {next} has no column for `{columns}` of version {version}, so that what is in there is left out"
            ));
        }
    }
    let seen = seen.iter().map(|(version, observed)| (*version, observed.objects)).collect();
    let columns = columns.into_iter().filter(|known| known.by_version.contains_key(&current));
    let columns: Vec<Column> = columns.map(|known| known.column).collect();
    EventType { name: name.to_owned(), seen, current, columns, history, doubts }
}

fn doubts(seen: &BTreeMap<u32, Observed>, oldest: u32) -> Vec<String> {
    let mut doubts = Vec::new();
    if oldest > 1 {
        doubts.push(format!("no event before version {oldest} was seen; such events would be parked"));
    }
    if seen.values().any(|observed| observed.members.has_others) {
        doubts.push("its events have more members than are looked at; the others are not read".to_owned());
    }
    doubts
}

/// All columns, those of the newest version first.
fn known<'a>(
    name: &str,
    seen: &'a BTreeMap<u32, Observed>,
    facts: &[&str],
    naming: Naming,
    caution: &Caution,
) -> Vec<Known<'a>> {
    let mut members: Vec<&str> = Vec::new();
    for member in seen.values().rev().flat_map(|observed| &observed.members.list) {
        if !members.contains(&member.name.as_str()) && !facts.contains(&member.name.as_str()) {
            members.push(&member.name);
        }
    }
    let mut taken: Vec<String> = Vec::new();
    let mut columns = Vec::new();
    for member in members {
        let mut merged = Member::named(member);
        let (mut objects, mut by_version) = (0, BTreeMap::new());
        for (version, observed) in seen {
            let Some(own) = observed.members.get(member) else { continue };
            merged.present += own.present;
            merged.observed.merge(&own.observed);
            objects += observed.objects;
            by_version.insert(*version, &own.observed);
        }
        let (own_name, from) = column_name(member, naming, &taken);
        taken.push(own_name.clone());
        let mut column = column(own_name, from, &merged, objects, naming);
        if caution.members.contains(&(name.to_owned(), member.to_owned())) {
            column.value = Typed { kind: Kind::Json, required: false };
            column.values = Vec::new();
            column.doubt = Some("no narrower type reads all that was seen here".to_owned());
        }
        columns.push(Known { is_always: column.value.required, column, by_version });
    }
    columns
}

/// A column is required where it is always there, from the oldest version on or from the one in which a step sets it.
fn settle_required(
    columns: &mut [Known<'_>],
    history: &BTreeMap<u32, Past>,
    versions: std::ops::RangeInclusive<u32>,
    has: impl Fn(&Known<'_>, u32) -> bool,
) {
    let mut required: BTreeMap<String, bool> = BTreeMap::new();
    // What a column is set from came before it.
    let begins = |known: &Known<'_>| versions.clone().find(|version| has(known, *version)).unwrap_or(*versions.start());
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|place| begins(&columns[*place]));
    for place in order {
        let known = &columns[place];
        let begin = begins(known);
        let last = versions.clone().rev().find(|version| has(known, *version)).unwrap_or(begin);
        let set = begin.checked_sub(1).and_then(|before| history.get(&before));
        let from = set.and_then(|past| past.set.iter().find(|(next, _)| *next == known.column.name));
        let is_set = begin == *versions.start() || from.is_some_and(|(_, old)| required.get(old) == Some(&true));
        let is_required = known.is_always && is_set && (begin..=last).all(|version| has(known, version));
        required.insert(known.column.name.clone(), is_required);
        columns[place].column.value.required = is_required;
    }
}
