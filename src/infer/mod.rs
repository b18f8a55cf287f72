//! A first source file from events that are there: types, versions, columns, and where the facts of the envelope are.
//!
//! Pure: the caller reads the events. What is written is tried with the daemon's own decoder before it is handed out, so that
//! it is valid and parks nothing of what was seen but what no declaration could read.

mod check;
mod column;
mod event_type;
mod facts;
mod known;
mod names;
mod observed;
mod page;
mod places;
mod renames;
mod sample;
mod written;

use std::collections::BTreeMap;

use arrow::error::ArrowError;

use self::event_type::{Caution, EventType, event_type};
use self::facts::{Facts, count};
use self::observed::Observed;
use self::sample::{Body, Sample};
use crate::config::LineFormat;
use crate::event::{Message, Naming, Node, Reason, Rejected};

pub use self::names::source_name;

/// Fewer events say little about what is always there.
const FEW: u64 = 20;
/// Names in one sentence.
const NAMED_MAX: usize = 8;
/// Items of a payload that is a list, which become columns.
const ITEMS_MAX: usize = 16;

/// Where the events come from.
#[derive(Debug, Clone)]
pub enum Origin {
    Stream {
        stream: String,
        filter_subjects: Vec<String>,
    },
    File {
        /// As the source file is to write it.
        path: String,
        lines: LineFormat,
    },
}

/// A source file, and what is to be said of it.
#[derive(Debug)]
pub struct Inferred {
    pub text: String,
    /// Of how many event types.
    pub types: usize,
    pub doubts: Vec<String>,
    /// Events that no declaration reads, as sentences: they would be parked.
    pub unreadable: Vec<String>,
}

/// Why nothing can be inferred.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    #[error("there is no event; publish some, or append some lines, before a source is inferred from them")]
    NoEvents,
    #[error("none of {0} can be read: {1}")]
    NoneReadable(String, String),
    #[error("what was inferred is not valid, which is a bug of `readside infer`:\n{problems}\n\n{text}")]
    Invalid { text: String, problems: String },
    #[error("what was inferred cannot be written: {0}")]
    Write(#[from] serde_yaml::Error),
    #[error("the events cannot be decoded at once; take fewer of them with --limit: {0}")]
    Decode(ArrowError),
}

/// All that is written.
struct Draft<'a> {
    name: &'a str,
    origin: &'a Origin,
    facts: &'a Facts,
    naming: Naming,
    types: &'a [EventType],
    events: usize,
    sequences: (u64, u64),
    doubts: Vec<String>,
}

/// The events of a type, by version.
type Seen = BTreeMap<u32, Observed>;

/// Whether all messages are whole lines that hold a CloudEvent each in structured mode.
pub fn are_cloud_events(messages: &[Message]) -> bool {
    let is_one = |message: &Message| {
        let sample = Sample::new(message);
        let has = |name: &str| matches!(sample.json().and_then(|body| body.at(name)), Some(Node::Text(_)));
        message.headers.0.is_empty()
            && message.subject.is_empty()
            && ["/specversion", "/type", "/source", "/id"].into_iter().all(has)
    };
    !messages.is_empty() && messages.iter().all(is_one)
}

/// Infers a source of this name from the messages, which come in stream order.
///
/// # Errors
/// There is no event that can be read.
pub fn infer(messages: &[Message], name: &str, origin: &Origin) -> Result<Inferred, InferError> {
    let is_event = |message: &&Message| !message.is_deletion_marker();
    let (Some(first), Some(last)) = (messages.iter().find(is_event), messages.iter().rfind(is_event)) else {
        return Err(InferError::NoEvents);
    };
    let readable = messages.iter().filter(is_event).filter(|message| message.unreadable.is_none());
    let samples: Vec<Sample<'_>> = readable.map(Sample::new).filter(|one| !matches!(one.body, Body::Faulty)).collect();
    let mut doubts = Vec::new();
    let mut facts = Facts::find(&samples, &mut doubts);
    let seen = by_type(&samples, &facts);
    let roots: Vec<&Observed> = seen.iter().flat_map(|(_, versions)| versions.values()).collect();
    let naming = names::naming(&roots);
    let mut caution = Caution::default();
    // It ends, because each turn adds a member or a type to the caution, of those that were seen.
    loop {
        let own_members = facts.own_members();
        let of = |(name, seen): &(String, Seen)| event_type(name, seen, &own_members, naming, &caution);
        let types: Vec<EventType> = seen.iter().map(of).collect();
        let events = samples.len();
        let all: Vec<String> =
            doubts.iter().cloned().chain(few(&types)).chain(types.iter().flat_map(doubts_of)).collect();
        let sequences = (first.seq, last.seq);
        let draft = Draft { name, origin, facts: &facts, naming, types: &types, events, sequences, doubts: all };
        if types.is_empty() {
            return Err(none_readable(messages));
        }
        let text = written::written(&draft)?;
        let rejected = check::parked(&text, messages)?;
        let (types, all) = (types.len(), draft.doubts);
        if !check::learn(&rejected, &facts, &mut caution) {
            return Ok(Inferred { text, types, doubts: all, unreadable: unreadable(&rejected) });
        }
        if caution.no_times && !facts.times.is_empty() {
            doubts.push(no_times(&facts, &rejected));
            facts.times.clear();
        }
    }
}

/// Why no place is taken for the event time: a decoder that takes it parks one of these events.
fn no_times(facts: &Facts, rejected: &[Rejected]) -> String {
    let places: Vec<String> = facts.times.iter().map(|(place, _)| place.written()).collect();
    let is_time = |one: &&Rejected| {
        let is_place = |pointer: &String| places.contains(&format!("body:{pointer}"));
        matches!(one.reason, Reason::OutOfRange | Reason::WrongType) && one.pointer.as_ref().is_none_or(is_place)
    };
    let such = rejected.iter().find(is_time).map(|one| format!(", such as that with sequence {},", one.message.seq));
    format!(
        "some events{} have a time in {} that cannot be read or lies beyond that of their publishing, so that no place is taken for \
         the event time; one that is declared parks such events",
        such.unwrap_or_default(),
        places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(" or ")
    )
}

/// What is said of all types together of which there are few events.
fn few(types: &[EventType]) -> Option<String> {
    let few: Vec<&EventType> = types.iter().filter(|one| one.seen.values().sum::<u64>() < FEW).collect();
    let named: Vec<String> = few.iter().take(NAMED_MAX).map(|one| format!("`{}`", column::shown(&one.name))).collect();
    let more = if few.len() > named.len() { ", …" } else { "" };
    let events = format!("fewer than {FEW} events were seen of {}{more}", named.join(", "));
    (!few.is_empty()).then(|| format!("{events}: what is required of them is a guess"))
}

/// The doubts of a type and of its columns.
fn doubts_of(one: &EventType) -> Vec<String> {
    let name = column::shown(&one.name);
    let columns = one.columns.iter().chain(one.history.values().flat_map(|past| &past.own));
    let mut doubts: Vec<String> = one.doubts.iter().map(|doubt| format!("{name}: {doubt}")).collect();
    for column in columns {
        let of_column = |(at, doubt): (String, &String)| format!("{name}: `{at}`: {doubt}");
        doubts.extend(column.all_doubts().into_iter().map(of_column));
    }
    doubts
}

/// Types in the order in which they first occur.
fn by_type(samples: &[Sample<'_>], facts: &Facts) -> Vec<(String, Seen)> {
    let mut seen: Vec<(String, Seen)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for sample in samples {
        let (name, version) = facts.type_and_version(sample);
        // YAML keeps this key to itself.
        if name == "<<" {
            continue;
        }
        let place = *places.entry(name.clone()).or_insert(seen.len());
        if place == seen.len() {
            seen.push((name, Seen::new()));
        }
        let observed = seen[place].1.entry(version).or_default();
        match facts.root(sample) {
            // A list is read by its places.
            Some(Node::List(items)) => {
                let members = items.iter().take(ITEMS_MAX).enumerate();
                let members = members.map(|(place, item)| (place.to_string().into(), item.clone()));
                observed.see(&Node::Object(members.collect()));
            }
            Some(object @ Node::Object(_)) => observed.see(object),
            Some(Node::Null) | None => observed.see(&Node::Object(Vec::new())),
            // No column reads it, and no other of its type is to be declared for it.
            Some(_) => {}
        }
    }
    seen
}

fn none_readable(messages: &[Message]) -> InferError {
    let events = count(messages.len(), "event");
    let why = messages.iter().find_map(|message| message.unreadable.clone());
    InferError::NoneReadable(events, why.unwrap_or_else(|| "their payloads are not JSON".to_owned()))
}

/// What is parked whatever is declared, by reason.
fn unreadable(rejected: &[Rejected]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&Rejected>)> = Vec::new();
    for one in rejected {
        match reasons.iter_mut().find(|(reason, _)| *reason == one.reason.label()) {
            Some((_, all)) => all.push(one),
            None => reasons.push((one.reason.label(), vec![one])),
        }
    }
    let told = |(reason, all): (&str, Vec<&Rejected>)| {
        let first: Vec<String> = all.iter().take(5).map(|one| one.message.seq.to_string()).collect();
        let more = if all.len() > first.len() { ", …" } else { "" };
        let events = count(all.len(), "event");
        let detail = all.first().map(|one| column::shown(&one.detail)).unwrap_or_default();
        format!("{events} would be parked as `{reason}`, at {}{more}: {detail}", first.join(", "))
    };
    reasons.into_iter().map(told).collect()
}
