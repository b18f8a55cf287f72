//! What a source declares about its events, checked and complete: the output of `config`, the input of decoding.

use std::collections::BTreeMap;

use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use regex::Regex;

use super::types::Field;

/// Everything that decoding and upcasting need to know about one source.
#[derive(Debug, Clone)]
pub struct SourceSchema {
    /// The source's name, which is its SQL schema.
    pub source: String,
    pub envelope: EnvelopeSpec,
    pub naming: Naming,
    /// Watermark = greatest event time seen minus this, in microseconds.
    pub lateness_us: i64,
    pub late_events: LateEvents,
    pub unknown_events: UnknownEvents,
    pub newer_version: NewerVersion,
    /// In order of declaration. The place in this list is the type's index everywhere.
    pub types: Vec<EventType>,
}

/// Where each fact about an event lives.
#[derive(Debug, Clone)]
pub struct EnvelopeSpec {
    pub event_type: Locators,
    /// Version 1 where no locator gives one.
    pub version: Locators,
    pub id: Locators,
    pub key: Locators,
    /// Event time; the publish time where no locator gives one.
    pub time: Locators,
    /// JSON pointer of the payload's root in the body; empty for the whole body.
    pub data: String,
}

/// Places to look for one fact: the first that is present wins.
#[derive(Debug, Clone, Default)]
pub struct Locators(pub Vec<Locator>);

#[derive(Debug, Clone)]
pub enum Locator {
    Header(String),
    /// Token of the subject, from 1.
    Subject(usize),
    /// JSON pointer into the body.
    Body(String),
    /// The stream's own metadata: the publish time for `time`, the sequence for `id`, the stream's subject for `key`.
    Stream,
    Const(String),
    /// The named groups `type` and `version` of a pattern over another place.
    Match {
        at: Box<Locator>,
        pattern: Regex,
    },
}

/// How column names are written in the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    #[default]
    AsWritten,
    /// Column `customer_id` reads `customerId`.
    CamelCase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownEvents {
    #[default]
    Park,
    Ignore,
    Halt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewerVersion {
    #[default]
    Park,
    ReadAsLatest,
}

/// What becomes of an event whose time the watermark has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateEvents {
    /// It is admitted and corrects what was computed without it.
    #[default]
    Correct,
    /// It is counted and otherwise left alone, so that what is before the watermark never changes again.
    Drop,
}

/// One declared event type with all its versions.
#[derive(Debug, Clone)]
pub struct EventType {
    /// As it is written in the envelope.
    pub name: String,
    /// Its SQL table and its struct column in `events`.
    pub table: String,
    pub current: u32,
    /// Complete fields of every known version, the current one included.
    pub versions: BTreeMap<u32, VersionSchema>,
    /// The step from a version to the next known one.
    pub steps: BTreeMap<u32, UpcastStep>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSchema {
    pub fields: Vec<Field>,
}

/// A SQL projection from one version's columns to the next one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpcastStep {
    /// The version that the step leads to.
    pub to: u32,
    /// Column of the next version = SQL expression over this version's columns.
    pub set: BTreeMap<String, String>,
}

impl EventType {
    /// Fields of the current version: what SQL sees.
    pub fn current_fields(&self) -> &[Field] {
        self.versions.get(&self.current).map_or(&[], |version| &version.fields)
    }
}

impl VersionSchema {
    /// The Arrow schema of a decoded batch of this version.
    pub fn to_arrow(&self) -> SchemaRef {
        Schema::new(self.fields.iter().map(Field::to_arrow).collect::<Vec<ArrowField>>()).into()
    }
}

impl SourceSchema {
    /// The index of the type with this name.
    pub fn type_index(&self, name: &str) -> Option<usize> {
        self.types.iter().position(|event_type| event_type.name == name)
    }
}
