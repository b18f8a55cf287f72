//! Events: what a source declares, how a stored message becomes typed columns at their current version.
//!
//! Pure: no files, no network, no clock. A batch is decoded and upcast once, however many projections read it.

mod batch;
mod cloud_events;
mod column;
mod convert;
mod decode;
mod decoder;
mod envelope;
mod evidence;
mod expression;
#[cfg(test)]
mod fixture;
mod instant;
mod json;
mod message;
mod metadata_rows;
mod node;
mod number;
mod rejected;
mod schema;
mod shape;
mod specification;
mod step;
mod time;
mod tree;
mod type_rows;
mod types;
mod upcast;

pub use batch::{EventBatch, SourceRelation, TypeRows, metadata};
pub use decoder::{Decoded, Decoder};
pub use evidence::{Evidence, Sample};
pub use message::{Body, Headers, InBatch, Message};
pub use node::{Node, TextForm};
pub use rejected::{Reason, Rejected};
pub use schema::{
    EnvelopeSpec, EventType, LateEvents, Locator, Locators, Naming, NewerVersion, SourceSchema, TimeFormat, TimeZone,
    UnknownEvents, UnreadableTime, UpcastStep, VersionSchema,
};
pub use specification::AdmittedCounts;
pub use types::{DataType, Field, FieldType, JSON_MARK, TimestampFormat, timestamp};
pub use upcast::{Upcast, UpcastProblem, Upcasters};
