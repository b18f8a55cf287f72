//! What a source declares about its events, checked and complete: the output of `config`, the input of decoding.

use std::collections::BTreeMap;

use arrow::array::timezone::Tz;
use arrow::datatypes::{Field as ArrowField, Schema, SchemaRef};
use regex::Regex;

use super::types::{Field, TimestampFormat};

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
    /// How far beyond the publish time an event time may be, in microseconds.
    pub max_ahead_us: i64,
    pub unreadable_time: UnreadableTime,
    pub unknown_events: UnknownEvents,
    pub newer_version: NewerVersion,
    /// In order of declaration. The index in this list is the type's index everywhere.
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
    /// A time at another place, in a format of its own.
    Time {
        at: Box<Locator>,
        format: TimeFormat,
    },
    /// The named groups `type` and `version` of a pattern over another place.
    Match {
        at: Box<Locator>,
        pattern: Regex,
    },
}

/// How an event time is written in the envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    Named(TimestampFormat),
    /// A pattern of `strftime`. The zone is the one that is assumed where the pattern has none.
    Pattern {
        pattern: String,
        zone: Option<TimeZone>,
    },
}

/// A zone of the IANA database, or a fixed offset. Its name says all of it.
#[derive(Debug, Clone)]
pub struct TimeZone {
    pub name: String,
    pub(super) zone: Tz,
}

impl PartialEq for TimeZone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TimeZone {}

impl TimeZone {
    /// None for a name that is no zone.
    pub fn named(name: &str) -> Option<Self> {
        Some(Self { name: name.to_owned(), zone: name.parse().ok()? })
    }
}

/// What becomes of an event whose time cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnreadableTime {
    #[default]
    Park,
    /// It counts at the time when the stream stored it.
    UsePublishTime,
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
