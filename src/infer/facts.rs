//! Where the facts about the events are: type, version, id, key, time, and the payload's root.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::column::epoch;
use super::known::{ANY_VERSION_NAMES, FUTURE_WORDS, ID_NAMES, KEY_NAMES, TIME_NAMES, TYPE_NAMES, VERSION_NAMES};
use super::names::{flat, has_word, token};
use super::places::{Candidate, candidates, cover, holds_data, ranked};
use super::sample::{Found, Place, Sample};
use crate::event::{Node, TextForm, TimestampFormat};

const TYPES_MAX: usize = 200;
/// Versions of a schema are few; what counts on and on is the version of a thing.
const VERSIONS_MAX: usize = 20;
/// Every version between the oldest and the newest one is written down.
const VERSIONS_APART_MAX: u32 = 50;
/// Of so many events one may have been published twice; of fewer, what comes again is rather what they are about.
const FEW_WITH_ONE_TWICE: usize = 20;
/// A type that ends with its version, such as `com.shop.OrderPlaced.v2`.
pub(super) const TYPE_PATTERN: &str = r"^(?<type>.+)[.:/_-][vV](?<version>[1-9]\d{0,4})$";
/// A version such as `v2` or `2.1.0`, of which the first number counts.
pub(super) const VERSION_PATTERN: &str = r"^[vV]?(?<version>[1-9]\d{0,4})(\.\d+)*$";

/// Where the facts are.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) types: Vec<Place>,
    /// The type of what no place gives one.
    pub(super) other_type: Option<String>,
    pub(super) version: Version,
    pub(super) id: Option<Place>,
    pub(super) key: Option<Place>,
    /// None is the format that is assumed.
    pub(super) times: Vec<(Place, Option<TimestampFormat>)>,
    /// The member of the body that is the payload.
    pub(super) data: Option<String>,
    patterns: Patterns,
}

/// Compiled once for all messages.
#[derive(Debug, Default)]
struct Patterns {
    of_type: Option<Regex>,
    of_version: Option<Regex>,
}

/// Where versions are.
#[derive(Debug, Default)]
pub(super) enum Version {
    #[default]
    Nowhere,
    At(Place),
    /// There, behind a `v` or before a point.
    Within(Place),
    /// At the end of the type; not of every one if some have none.
    InType {
        every: bool,
    },
}

impl Version {
    fn place(&self) -> Option<&Place> {
        match self {
            Version::At(place) | Version::Within(place) => Some(place),
            Version::Nowhere | Version::InType { .. } => None,
        }
    }
}

impl Facts {
    /// Finds them, and says what is doubtful about it.
    pub(super) fn find(samples: &[Sample<'_>], doubts: &mut Vec<String>) -> Self {
        let all = candidates(samples);
        let patterns =
            Patterns { of_type: Regex::new(TYPE_PATTERN).ok(), of_version: Regex::new(VERSION_PATTERN).ok() };
        let mut facts = Facts { patterns, ..Facts::default() };
        facts.find_types(&all, samples, doubts);
        facts.find_version(&all, samples, doubts);
        facts.find_id(&all, samples);
        facts.find_times(&all, samples, doubts);
        facts.find_key(&all, samples, doubts);
        facts.find_data(samples);
        facts
    }

    fn find_types(&mut self, all: &[Candidate], samples: &[Sample<'_>], doubts: &mut Vec<String>) {
        let is_usable = |one: &Candidate| {
            one.are_texts
                && one.distinct <= TYPES_MAX
                && !matches!(&one.place, Place::Body(pointer) if is_in_data(pointer))
        };
        let (types, open) = cover(&ranked(all, TYPE_NAMES, is_usable), samples, 3);
        if open * 2 < samples.len() && !types.is_empty() {
            self.types = types;
            if open > 0 {
                doubts.push(format!("{open} events have no type where the others have it: they are of type `Untyped`"));
                self.other_type = Some("Untyped".to_owned());
            }
            return;
        }
        let is_name = |text: &str| {
            let letters = text.chars().filter(|c| c.is_alphabetic()).count();
            text.starts_with(char::is_alphabetic) && (letters >= 8 || !text.contains(|c: char| c.is_ascii_digit()))
        };
        let are_names = |one: &&Candidate| {
            let texts = || samples.iter().filter_map(|sample| sample.text(&one.place));
            matches!(one.place, Place::Subject(token) if token > 1)
                && one.present == samples.len()
                && one.distinct <= TYPES_MAX.min(samples.len() / 4 + 1)
                && texts().all(|text| is_name(&text))
        };
        if let Some(token) = all.iter().rev().find(are_names) {
            let names = count(token.distinct, "different one");
            doubts.push(format!(
                "nothing but the subject may say what type an event has: it is taken from `{}`, which has {names}",
                token.place.written()
            ));
            self.types = vec![token.place.clone()];
            return;
        }
        doubts.push("nothing says what type an event has: all are of type `Event`".to_owned());
        self.other_type = Some("Event".to_owned());
    }

    fn find_version(&mut self, all: &[Candidate], samples: &[Sample<'_>], doubts: &mut Vec<String>) {
        let is_version = |text: &str| self.patterns.of_version.as_ref().is_some_and(|pattern| pattern.is_match(text));
        let within = |one: &Candidate| {
            let mut texts = samples.iter().filter_map(|sample| sample.find(&one.place));
            texts.all(|found| matches!(found, Found::Text(text) if is_version(&text)))
        };
        let is_near = |one: &Candidate| {
            let texts = samples.iter().filter_map(|sample| sample.text(&one.place));
            are_near(texts.map(|text| self.number(&text)))
        };
        let is_usable =
            |one: &Candidate| one.distinct <= VERSIONS_MAX && (one.are_counts || within(one)) && is_near(one);
        let sure = ranked(all, VERSION_NAMES, is_usable);
        let likely = ranked(all, ANY_VERSION_NAMES, is_usable);
        let of_schema = |one: &&&Candidate| self.tells_shapes(&one.place, samples);
        let found = sure.first().copied().or_else(|| likely.iter().find(of_schema).copied());
        if let Some(candidate) = found {
            let place = candidate.place.clone();
            self.version = if candidate.are_counts { Version::At(place) } else { Version::Within(place) };
            return;
        }
        if let Some(other) = likely.first() {
            let place = other.place.written();
            doubts.push(format!(
                "`{place}` is not taken for the version of the events' form, because events of all its values have the same fields"
            ));
        }
        let Some(pattern) = &self.patterns.of_type else { return };
        let types: BTreeSet<Cow<'_, str>> = samples.iter().filter_map(|sample| self.whole_type(sample)).collect();
        let with = types.iter().filter(|name| pattern.is_match(name)).count();
        let numbers = types.iter().map(|name| pattern.captures(name)?.name("version")?.as_str().parse().ok());
        if with > 0 && are_near(numbers.map(|number| Some(number.unwrap_or(1)))) {
            self.version = Version::InType { every: with == types.len() };
        }
    }

    /// Whether events of one type have other members where this place has another value, or it has one small value alone.
    fn tells_shapes(&self, place: &Place, samples: &[Sample<'_>]) -> bool {
        let mut shapes: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
        let mut versions = BTreeSet::new();
        for sample in samples {
            let (Some(version), Some(Node::Object(members))) = (sample.text(place), sample.json()) else { continue };
            let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
            names.sort_unstable();
            let of_type = shapes.entry(self.whole_type(sample).unwrap_or_default().into_owned()).or_default();
            of_type.insert((version.to_string(), names.join("\n")));
            versions.insert(version.into_owned());
        }
        let is_only = versions.len() == 1 && versions.iter().all(|one| one.len() == 1);
        // Each form belongs to one version.
        let differs = |of_type: &BTreeSet<(String, String)>| {
            let forms: BTreeSet<&String> = of_type.iter().map(|(_, form)| form).collect();
            let versions: BTreeSet<&String> = of_type.iter().map(|(version, _)| version).collect();
            forms.len() > 1 && versions.len() > 1 && of_type.len() == forms.len()
        };
        is_only || shapes.values().any(differs)
    }

    fn find_id(&mut self, all: &[Candidate], samples: &[Sample<'_>]) {
        let is_unique = |one: &Candidate| {
            // What was published twice has its id twice: one event in a hundred, or one of few.
            let again = one.present - one.distinct;
            let are_few = again * 100 <= one.present || again == 1 && one.present >= FEW_WITH_ONE_TWICE;
            one.are_scalars && one.present * 10 >= samples.len() * 9 && are_few
        };
        self.id = ranked(all, ID_NAMES, is_unique).first().map(|one| one.place.clone());
    }

    fn find_times(&mut self, all: &[Candidate], samples: &[Sample<'_>], doubts: &mut Vec<String>) {
        let readable: Vec<(&Candidate, Option<TimestampFormat>)> =
            all.iter().filter_map(|one| Some((one, time_format(one, samples)?))).collect();
        let is_readable = |one: &Candidate| readable.iter().any(|(other, _)| other.place == one.place);
        let mut best = ranked(all, TIME_NAMES, is_readable);
        let ends_so = |one: &&Candidate| {
            let name = one.place.name().rsplit('/').next().unwrap_or_default();
            has_word(name, &["at", "time", "timestamp", "on"]) && !has_word(name, FUTURE_WORDS)
        };
        let others = readable.iter().map(|(one, _)| *one).filter(ends_so);
        let others: Vec<&Candidate> = others.filter(|one| best.iter().all(|other| other.place != one.place)).collect();
        best.extend(others);
        let (places, open) = cover(&best, samples, 4);
        let format =
            |place: &Place| readable.iter().find(|(one, _)| one.place == *place).and_then(|(_, format)| *format);
        self.times = places.into_iter().map(|place| (place.clone(), format(&place))).collect();
        if open > 0 {
            let which =
                if self.times.is_empty() { "no event says".to_owned() } else { format!("{open} events do not say") };
            let unpublished = samples.iter().any(|sample| sample.message.published_at_us == 0);
            let then = if unpublished {
                "the time of publishing counts, which lines of a file may lack, too"
            } else {
                "the time of publishing counts"
            };
            doubts.push(format!("{which} when it happened: {then}"));
        }
    }

    fn find_key(&mut self, all: &[Candidate], samples: &[Sample<'_>], doubts: &mut Vec<String>) {
        let taken: Vec<&Place> = self.types.iter().chain(&self.id).chain(self.version.place()).collect();
        let is_whole =
            |one: &Candidate| one.are_scalars && one.present == samples.len() && !taken.contains(&&one.place);
        if let Some(found) = ranked(all, KEY_NAMES, is_whole).first() {
            self.key = Some(found.place.clone());
            return;
        }
        let finest = |of: &dyn Fn(&&Candidate) -> bool| {
            let usable = all.iter().filter(|one| is_whole(one) && one.distinct > 1).filter(of);
            // The first one of several that are as fine.
            usable.rev().max_by_key(|one| one.distinct).map(|one| one.place.clone())
        };
        let of_subject = |one: &&Candidate| matches!(one.place, Place::Subject(_));
        let is_key = |one: &&Candidate| {
            let name = one.place.name().rsplit('/').next().unwrap_or_default();
            matches!(one.place, Place::Body(_))
                && has_word(name, &["id", "key", "uuid", "number", "no", "code", "sku", "case"])
                && !["eventid", "messageid", "correlationid", "causationid", "traceid"].contains(&flat(name).as_str())
                && (one.distinct < samples.len() || samples.len() < 10)
        };
        self.key = finest(&of_subject).or_else(|| finest(&is_key));
        match &self.key {
            Some(place) => doubts.push(format!(
                "the key is taken from `{}`, which has the most values that come again; is it what the events are about?",
                place.written()
            )),
            None => doubts.push("nothing that all events have says which thing each is about: `_key` is NULL".to_owned()),
        }
    }

    /// The payload may be a member beside the facts about the event.
    fn find_data(&mut self, samples: &[Sample<'_>]) {
        let facts = self.types.iter().chain(&self.id).chain(self.times.iter().map(|(place, _)| place));
        let is_in_body = |place: &Place| matches!(place, Place::Body(pointer) if pointer.matches('/').count() == 1);
        if !facts.into_iter().any(is_in_body) {
            return;
        }
        let bodies: Vec<&Node<'_>> = samples.iter().filter_map(Sample::json).collect();
        let Some(Node::Object(first)) = bodies.first() else { return };
        let is_root = |name: &str| {
            let pointer = format!("/{}", token(name));
            let is_object = |body: &&Node<'_>| matches!(body.at(&pointer), Some(Node::Object(_) | Node::Null));
            holds_data(name) && bodies.iter().all(is_object)
        };
        self.data =
            first.iter().map(|(name, _)| name).find(|name| is_root(name)).map(|name| format!("/{}", token(name)));
    }

    fn whole_type<'s>(&self, sample: &'s Sample<'_>) -> Option<Cow<'s, str>> {
        self.types.iter().find_map(|place| sample.text(place))
    }

    /// The type of an event, and its version.
    pub(super) fn type_and_version(&self, sample: &Sample<'_>) -> (String, u32) {
        let whole =
            self.whole_type(sample).or_else(|| self.other_type.as_deref().map(Cow::Borrowed)).unwrap_or_default();
        let number = |text: &str| self.number(text).unwrap_or(1);
        match &self.version {
            Version::Nowhere => (whole.into_owned(), 1),
            Version::At(place) | Version::Within(place) => {
                let version = sample.text(place).map_or(1, |text| number(&text));
                (whole.into_owned(), version)
            }
            Version::InType { .. } => {
                let captures = self.patterns.of_type.as_ref().and_then(|pattern| pattern.captures(&whole));
                let group = |name: &str| Some(captures.as_ref()?.name(name)?.as_str().to_owned());
                match group("type").zip(group("version")) {
                    Some((name, version)) => (name, number(&version)),
                    None => (whole.into_owned(), 1),
                }
            }
        }
    }

    /// The version that a text gives.
    fn number(&self, text: &str) -> Option<u32> {
        let captures = self.patterns.of_version.as_ref()?.captures(text)?;
        captures.name("version")?.as_str().parse().ok()
    }

    /// The payload's root.
    pub(super) fn root<'s, 'a>(&self, sample: &'s Sample<'a>) -> Option<&'s Node<'a>> {
        match &self.data {
            Some(pointer) => sample.json()?.at(pointer),
            None => sample.json(),
        }
    }

    /// Members of the payload that are facts and no columns.
    pub(super) fn own_members<'a>(&'a self) -> Vec<&'a str> {
        let root = self.data.as_deref().unwrap_or_default();
        let below = |place: &'a Place| {
            place.name().strip_prefix(root)?.strip_prefix('/').filter(|_| matches!(place, Place::Body(_)))
        };
        self.types.iter().chain(self.version.place()).filter_map(below).collect()
    }
}

fn is_in_data(pointer: &str) -> bool {
    let mut tokens = pointer.split('/').skip(1);
    tokens.next().is_some_and(holds_data) && tokens.next().is_some()
}

/// Whether all are versions, and no further apart than a history is written.
fn are_near(versions: impl Iterator<Item = Option<u32>>) -> bool {
    let versions: Option<Vec<u32>> = versions.collect();
    let ends = |versions: Vec<u32>| Some(versions.iter().max()? - versions.iter().min()?);
    versions.is_some_and(|versions| ends(versions).is_none_or(|apart| apart <= VERSIONS_APART_MAX))
}

/// How all times at a place are written, where a place has times and nothing else.
fn time_format(candidate: &Candidate, samples: &[Sample<'_>]) -> Option<Option<TimestampFormat>> {
    let mut found = samples.iter().filter_map(|sample| sample.find(&candidate.place)).peekable();
    let is_text = matches!(found.peek(), Some(Found::Text(text)) if text.parse::<i64>().is_err());
    if is_text {
        let form = |found: Found<'_>| match found {
            Found::Text(text) => TextForm::of(&text),
            _ => None,
        };
        let forms: Vec<Option<TextForm>> = found.map(form).collect();
        return if forms.iter().all(|form| *form == Some(TextForm::Timestamp)) {
            Some(None)
        } else if forms.iter().all(|form| *form == Some(TextForm::HttpDate)) {
            Some(Some(TimestampFormat::Rfc1123))
        } else {
            None
        };
    }
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    for found in found {
        let number: i64 = match found {
            Found::Text(text) => text.parse().ok()?,
            Found::Number(text) => text.parse().ok()?,
            Found::Other => return None,
        };
        (least, greatest) = (least.min(number), greatest.max(number));
    }
    // Milliseconds are what a number is taken for without a format.
    epoch(least, greatest).map(|format| Some(format).filter(|format| *format != TimestampFormat::EpochMs))
}

pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
