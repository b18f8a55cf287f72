//! The places of the messages where some fact may be: headers, tokens of the subject, and members of the body near its root.

use std::collections::{BTreeSet, HashSet};

use super::names::{flat, token};
use super::sample::{Found, Place, Sample};
use crate::event::Node;

/// Members of the body that are looked at; there are not so many that hold facts.
const POINTERS_MAX: usize = 400;
/// More different values are counted as so many.
const DISTINCT_MAX: usize = 100_000;
/// A longer text is no name, no id and no key.
const LONGEST: usize = 200;

/// A place with what all messages have there.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) place: Place,
    /// How many messages have something there.
    pub(super) present: usize,
    /// Different texts.
    pub(super) distinct: usize,
    /// Whether all are short texts, none of them empty.
    pub(super) are_texts: bool,
    /// Whether all are short texts or numbers, none of them empty.
    pub(super) are_scalars: bool,
    /// Whether all are positive whole numbers, which may be written as texts.
    pub(super) are_counts: bool,
}

/// All places, those of the headers first.
pub(super) fn candidates(samples: &[Sample<'_>]) -> Vec<Candidate> {
    let headers = named(samples.iter().flat_map(|sample| sample.message.headers.0.iter().map(|(name, _)| name)));
    // What a source cannot name holds no fact.
    let is_nameable = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != ':');
    let headers = headers.into_iter().filter(is_nameable).map(Place::Header);
    let tokens = samples.iter().map(|sample| sample.message.subject.split('.').count()).max().unwrap_or(0);
    let places = headers.chain(pointers(samples).into_iter().map(Place::Body)).chain((1..=tokens).map(Place::Subject));
    places.map(|place| look_at(place, samples)).filter(|candidate| candidate.present > 0).collect()
}

/// Names of headers, which compare without case, as they are first written.
fn named<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(name.to_ascii_lowercase())).cloned().collect()
}

/// Pointers to the single values of the body, and of the objects in it that are about the event or hold its data.
fn pointers(samples: &[Sample<'_>]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for node in samples.iter().filter_map(Sample::json) {
        let Node::Object(members) = node else { continue };
        for (name, value) in members {
            let pointer = format!("/{}", token(name));
            match value {
                Node::Object(below) if is_about_events(name) || holds_data(name) => {
                    let below = below.iter().filter(|(_, value)| is_single(value));
                    found.extend(below.map(|(name, _)| format!("{pointer}/{}", token(name))));
                }
                value if is_single(value) => drop(found.insert(pointer)),
                _ => {}
            }
        }
        if found.len() > POINTERS_MAX {
            break;
        }
    }
    // Near the root first.
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort_by_key(|pointer| pointer.matches('/').count());
    found
}

/// Whether a member of the body is named as those are that hold facts about the event.
fn is_about_events(name: &str) -> bool {
    ["meta", "metadata", "header", "headers", "envelope", "event", "context"].contains(&flat(name).as_str())
}

/// Whether a member of the body is named as those are that hold the payload.
pub(super) fn holds_data(name: &str) -> bool {
    ["data", "payload", "body", "detail", "eventdata", "content"].contains(&flat(name).as_str())
}

fn is_single(node: &Node<'_>) -> bool {
    matches!(node, Node::Text(_) | Node::Number(_))
}

fn look_at(place: Place, samples: &[Sample<'_>]) -> Candidate {
    let mut values = HashSet::new();
    let mut present = 0;
    let (mut are_texts, mut are_scalars, mut are_counts) = (true, true, true);
    for found in samples.iter().filter_map(|sample| sample.find(&place)) {
        present += 1;
        let text = match &found {
            Found::Text(text) => text.as_ref(),
            Found::Number(text) => text,
            Found::Other => "",
        };
        let is_short = !text.is_empty() && text.chars().count() <= LONGEST;
        are_texts &= is_short && matches!(found, Found::Text(_));
        are_scalars &= is_short;
        are_counts &= text.parse::<u32>().is_ok_and(|number| number > 0) && !text.starts_with('+');
        if values.len() < DISTINCT_MAX && !values.contains(text) {
            values.insert(text.to_owned());
        }
    }
    Candidate { place, present, distinct: values.len(), are_texts, are_scalars, are_counts }
}

/// The candidates whose names are among these, best first: by the name, then as they come.
pub(super) fn ranked<'c>(
    candidates: &'c [Candidate],
    names: &[&str],
    is_usable: impl Fn(&Candidate) -> bool,
) -> Vec<&'c Candidate> {
    let rank = |candidate: &Candidate| {
        let name = flat(candidate.place.name());
        names.iter().position(|known| *known == name)
    };
    let mut ranked: Vec<(usize, &Candidate)> =
        candidates.iter().filter(|one| is_usable(one)).filter_map(|one| Some((rank(one)?, one))).collect();
    // A header says it for every message alike, whatever the body is.
    ranked.sort_by_key(|(rank, candidate)| (!matches!(candidate.place, Place::Header(_)), *rank));
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The first of the candidates, and further ones as long as each brings messages that none before has.
pub(super) fn cover(ranked: &[&Candidate], samples: &[Sample<'_>], most: usize) -> (Vec<Place>, usize) {
    let mut open: Vec<&Sample<'_>> = samples.iter().collect();
    let mut chosen = Vec::new();
    for candidate in ranked {
        if open.is_empty() || chosen.len() == most {
            break;
        }
        let before = open.len();
        open.retain(|sample| sample.find(&candidate.place).is_none());
        if open.len() < before {
            chosen.push(candidate.place.clone());
        }
    }
    (chosen, open.len())
}
