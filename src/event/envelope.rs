//! The facts about an event (type, version, id, key, time) from the places that the source names. The payload is
//! located here, and decoded elsewhere.

use std::borrow::Cow;

use regex::Regex;

use super::cloud_events;
use super::json::{self, Fault, Read};
use super::schema::{EnvelopeSpec, Locator, Locators, TimeFormat};
use super::shape::PayloadFact;
use super::time::event_time_us;
use super::tree::{Sink, Tree};
use super::{Message, Reason};

/// An envelope prepared for reading messages: every pointer into the body has a slot, and all of them are read in
/// one pass, at the first question that needs one.
#[derive(Debug)]
pub(super) struct Envelope {
    event_type: Vec<Place>,
    version: Vec<Place>,
    id: Vec<Place>,
    key: Vec<Place>,
    time: Vec<Place>,
    body: Tree,
    /// By slot for facts, where in the body they are; the payload's root has the slot after them.
    pointers: Vec<String>,
    /// JSON pointer of the payload's root; empty for the whole body.
    data: String,
    /// Whether all facts in the body are members of the payload: then they are read together with its columns, so that
    /// the body is gone through once.
    rides_along: bool,
}

#[derive(Debug)]
enum Place {
    Header(String),
    /// A header that holds an attribute of a CloudEvent.
    Attribute(String),
    Subject(usize),
    Body(usize),
    Stream,
    Const(String),
    Time {
        at: Box<Place>,
        format: TimeFormat,
    },
    Match {
        at: Box<Place>,
        pattern: Regex,
    },
}

/// A message being asked for its facts. A fact that no place gives is none, and so is one from a body that is not
/// JSON: see [`Opened::fault`]. One that a place has, but not in a form that can be used, is an error.
pub(super) struct Opened<'m, 's> {
    envelope: &'m Envelope,
    message: &'m Message,
    slots: &'s mut Scratch<'m>,
    body: Body,
    /// What was wrong with the last fact that was asked for, at a place that has it.
    misfit: Option<Box<Fault>>,
}

/// A fact of the envelope, if there is one.
type Fact<'m> = Read<Option<Cow<'m, str>>>;

/// Values of the slots, kept from message to message for its memory.
#[derive(Debug, Default)]
pub(super) struct Scratch<'m>(Vec<Option<&'m str>>);

enum Body {
    Unread,
    /// The slots are filled.
    Read,
    Faulty(Box<Fault>),
}

impl Envelope {
    pub(super) fn new(spec: &EnvelopeSpec) -> Self {
        let mut body = Tree::default();
        let mut pointers = Vec::new();
        let mut places = |locators: &Locators| -> Vec<Place> {
            locators.0.iter().map(|locator| Place::new(locator, &mut body, &mut pointers)).collect()
        };
        let [event_type, version, id, key, time] =
            [&spec.event_type, &spec.version, &spec.id, &spec.key, &spec.time].map(&mut places);
        let rides_along = spec.data.is_empty() && pointers.iter().all(|pointer| json::tokens(pointer).count() == 1);
        if !spec.data.is_empty() {
            body.want(&spec.data, pointers.len());
        }
        Self { event_type, version, id, key, time, body, pointers, data: spec.data.clone(), rides_along }
    }

    pub(super) fn open<'m, 's>(&'m self, message: &'m Message, slots: &'s mut Scratch<'m>) -> Opened<'m, 's> {
        Opened { envelope: self, message, slots, body: Body::Unread, misfit: None }
    }

    pub(super) fn data(&self) -> &str {
        &self.data
    }

    /// The facts that come from the payload, with pointers from its root.
    pub(super) fn facts_in_payload(&self) -> Vec<PayloadFact> {
        let facts = self.pointers.iter().enumerate().filter_map(|(slot, pointer)| {
            let below = pointer.strip_prefix(&self.data).filter(|below| below.starts_with('/'))?;
            Some(PayloadFact { pointer: below.to_owned(), slot: self.rides_along.then_some(slot) })
        });
        facts.collect()
    }
}

impl Place {
    fn new(locator: &Locator, body: &mut Tree, pointers: &mut Vec<String>) -> Self {
        match locator {
            Locator::Header(name) if cloud_events::is_attribute(name) => Place::Attribute(name.clone()),
            Locator::Header(name) => Place::Header(name.clone()),
            Locator::Subject(token) => Place::Subject(*token),
            Locator::Body(pointer) => {
                body.want(pointer, pointers.len());
                pointers.push(pointer.clone());
                Place::Body(pointers.len() - 1)
            }
            Locator::Stream => Place::Stream,
            Locator::Const(value) => Place::Const(value.clone()),
            Locator::Time { at, format } => {
                Place::Time { at: Box::new(Place::new(at, body, pointers)), format: format.clone() }
            }
            Locator::Match { at, pattern } => {
                Place::Match { at: Box::new(Place::new(at, body, pointers)), pattern: pattern.clone() }
            }
        }
    }
}

impl<'m> Opened<'m, '_> {
    pub(super) fn event_type(&mut self) -> Fact<'m> {
        self.first(&self.envelope.event_type, "type", |_| None)
    }

    pub(super) fn version(&mut self) -> Fact<'m> {
        self.first(&self.envelope.version, "version", |_| None)
    }

    pub(super) fn id(&mut self) -> Fact<'m> {
        self.first(&self.envelope.id, "id", |message| Some(Cow::Owned(message.seq.to_string())))
    }

    pub(super) fn key(&mut self) -> Fact<'m> {
        self.first(&self.envelope.key, "key", |message| Some(Cow::Borrowed(&message.subject)))
    }

    /// Event time in microseconds since the epoch; none where no place has one. The stream's own time is none too.
    ///
    /// # Errors
    /// The value at the first place that has one is not a time.
    pub(super) fn time_us(&mut self) -> Result<Option<i64>, Box<Fault>> {
        for place in &self.envelope.time {
            let (at, format) = match place {
                Place::Stream => return Ok(None),
                Place::Time { at, format } => (&**at, Some(format)),
                other => (other, None),
            };
            let text = match at {
                // Something that is no text and no number is no time either.
                Place::Body(slot) => self.slot(*slot).filter(|raw| *raw != "null").map(|raw| match json::string(raw) {
                    Ok(Some(text)) => text,
                    _ => Cow::Borrowed(raw),
                }),
                _ => {
                    let value = self.value(at, "time", |_| None);
                    if let Some(fault) = self.misfit.take() {
                        return Err(fault);
                    }
                    value
                }
            };
            if let Some(text) = text {
                let pointer = |fault: Box<Fault>| match at {
                    Place::Body(slot) => {
                        Box::new(Fault { pointer: Some(self.envelope.pointers[*slot].clone()), ..*fault })
                    }
                    _ => fault,
                };
                return event_time_us(&text, format).map(Some).map_err(pointer);
            }
        }
        Ok(None)
    }

    /// The payload's text, if there is any. Its syntax has been checked only if it is not the whole body.
    pub(super) fn payload(&mut self) -> Read<Option<&'m str>> {
        if self.message.payload.is_empty() {
            return Ok(None);
        }
        if self.envelope.data.is_empty() {
            return text(self.message).map(Some);
        }
        let slot = self.envelope.pointers.len();
        let value = self.slot(slot);
        match &self.body {
            Body::Faulty(fault) => Err(fault.clone()),
            _ => Ok(value),
        }
    }

    /// Where the facts go if the payload is read now, before a question needed one; none if they are there already.
    pub(super) fn unread(&mut self) -> &mut [Option<&'m str>] {
        if !matches!(self.body, Body::Unread) {
            return &mut [];
        }
        self.slots.0.clear();
        self.slots.0.resize(self.envelope.pointers.len() + 1, None);
        &mut self.slots.0
    }

    /// Marks the payload as read whole with the facts in it. The mark counts only if all of them are.
    pub(super) fn was_read(&mut self) {
        if self.envelope.rides_along && matches!(self.body, Body::Unread) {
            self.body = Body::Read;
        }
    }

    /// Why the body could not be read, if a question needed it.
    pub(super) fn fault(&self) -> Option<&Fault> {
        match &self.body {
            Body::Faulty(fault) => Some(fault),
            _ => None,
        }
    }

    /// The first of the places that has a value. `stream` is what the stream itself says.
    fn first(&mut self, places: &'m [Place], group: &str, stream: fn(&'m Message) -> Option<Cow<'m, str>>) -> Fact<'m> {
        for place in places {
            if let Some(value) = self.value(place, group, stream) {
                self.misfit = None;
                return Ok(Some(value));
            }
            // Patterns of one place may be alternatives; anything else that cannot be used is wrong wherever else the fact is.
            let is_unmatched = |fault: &Fault| matches!(fault.reason, Reason::MissingType | Reason::UnknownVersion);
            if self.misfit.as_deref().is_some_and(|fault| !is_unmatched(fault)) {
                break;
            }
        }
        self.misfit.take().map_or(Ok(None), Err)
    }

    fn value(
        &mut self,
        place: &'m Place,
        group: &str,
        stream: fn(&'m Message) -> Option<Cow<'m, str>>,
    ) -> Option<Cow<'m, str>> {
        match place {
            Place::Header(name) => self.message.headers.get(name).map(Cow::Borrowed),
            Place::Subject(token) => self.message.subject.split('.').nth(token.checked_sub(1)?).map(Cow::Borrowed),
            Place::Attribute(name) => {
                let header = self.message.headers.get(name)?;
                self.or_misfit(cloud_events::value(header), || {
                    unlocated(Reason::Malformed, format!("the header `{name}` is `{header}`, which encodes no UTF-8"))
                })
            }
            Place::Body(slot) => {
                let raw = self.slot(*slot)?;
                let pointer = &self.envelope.pointers[*slot];
                let below = |fault: Box<Fault>| fault.within(pointer);
                match raw.as_bytes().first() {
                    Some(b'"') => match json::string(raw) {
                        Ok(text) => text,
                        Err(fault) => self.or_misfit(None, || Fault::at(fault.reason, pointer.clone(), fault.detail)),
                    },
                    Some(b'{' | b'[') => {
                        self.or_misfit(None, || below(Fault::wrong_type(&format!("the {group}"), raw)))
                    }
                    _ => (raw != "null").then_some(Cow::Borrowed(raw)),
                }
            }
            Place::Stream => stream(self.message),
            // Times are read by `time_us`.
            Place::Time { .. } => None,
            Place::Const(value) => Some(Cow::Borrowed(value)),
            Place::Match { at, pattern } => {
                let text = self.value(at, group, stream)?;
                let Some(captures) = pattern.captures(&text) else {
                    return self.or_misfit(None, || unmatched(group, &text, pattern));
                };
                let found = captures.name(group)?.range();
                Some(match text {
                    Cow::Borrowed(text) => Cow::Borrowed(&text[found]),
                    Cow::Owned(text) => Cow::Owned(text[found].to_owned()),
                })
            }
        }
    }

    /// A value; where there is none, what is wrong at its place is kept.
    fn or_misfit(&mut self, value: Option<Cow<'m, str>>, fault: impl FnOnce() -> Box<Fault>) -> Option<Cow<'m, str>> {
        if value.is_none() {
            self.misfit = Some(fault());
        }
        value
    }

    /// The JSON text in a slot; reads the body if that has not been done.
    fn slot(&mut self, slot: usize) -> Option<&'m str> {
        if matches!(self.body, Body::Unread) {
            self.body = match self.read_body() {
                Ok(()) => Body::Read,
                Err(fault) => Body::Faulty(fault),
            };
        }
        match &self.body {
            Body::Read => self.slots.0.get(slot).copied().flatten(),
            _ => None,
        }
    }

    fn read_body(&mut self) -> Read {
        self.slots.0.clear();
        self.slots.0.resize(self.envelope.pointers.len() + 1, None);
        if self.message.payload.is_empty() {
            return Ok(());
        }
        self.envelope.body.walk_document(text(self.message)?, &mut ScratchSlots(self.slots))
    }
}

fn unmatched(group: &str, text: &str, pattern: &Regex) -> Box<Fault> {
    let reason = if group == "version" { Reason::UnknownVersion } else { Reason::MissingType };
    unlocated(reason, format!("`{text}`, from which the {group} is taken, does not match `{pattern}`"))
}

/// A fault of the envelope: it points nowhere in the body.
pub(super) fn unlocated(reason: Reason, detail: String) -> Box<Fault> {
    Box::new(Fault { reason, pointer: None, detail })
}

fn text(message: &Message) -> Read<&str> {
    std::str::from_utf8(&message.payload).map_err(Fault::not_json)
}

struct ScratchSlots<'s, 'm>(&'s mut Scratch<'m>);

impl<'m> Sink<'m> for ScratchSlots<'_, 'm> {
    fn take(&mut self, place: usize, raw: &'m str) -> Read {
        self.0.0[place] = Some(raw);
        Ok(())
    }

    fn clear(&mut self, place: usize) {
        self.0.0[place] = None;
    }

    fn mismatch(&mut self, _: &str) -> Read {
        Ok(())
    }

    fn undeclared(&mut self) {}
}
