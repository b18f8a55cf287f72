//! The metadata columns of a batch under construction, one row an admitted event.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringBuilder, TimestampMicrosecondArray,
};
use arrow::error::ArrowError;

use super::Message;
use super::schema::SourceSchema;

/// What the envelope says of an admitted event.
pub(super) struct Facts<'m> {
    /// As stored.
    pub(super) version: i32,
    pub(super) id: Option<Cow<'m, str>>,
    pub(super) key: Option<Cow<'m, str>>,
    pub(super) time_us: i64,
    pub(super) late: bool,
}

pub(super) struct MetadataRows {
    /// Where each event's message is in the run of messages.
    origins: Vec<usize>,
    seq: Vec<i64>,
    event_type: StringBuilder,
    version: Vec<i32>,
    id: StringBuilder,
    key: StringBuilder,
    time: Vec<i64>,
    published_at: Vec<i64>,
    subject: StringBuilder,
    late: Vec<bool>,
}

impl MetadataRows {
    pub(super) fn new(capacity: usize) -> Self {
        let text = || StringBuilder::with_capacity(capacity, capacity * 16);
        Self {
            origins: Vec::with_capacity(capacity),
            seq: Vec::with_capacity(capacity),
            event_type: text(),
            version: Vec::with_capacity(capacity),
            id: text(),
            key: text(),
            time: Vec::with_capacity(capacity),
            published_at: Vec::with_capacity(capacity),
            subject: text(),
            late: Vec::with_capacity(capacity),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.seq.len()
    }

    /// The index of a row's message in the run of messages.
    pub(super) fn origin(&self, row: usize) -> usize {
        self.origins[row]
    }

    pub(super) fn push(&mut self, origin: usize, event_type: &str, message: &Message, facts: &Facts<'_>) {
        self.origins.push(origin);
        // Streams count from 1 and never get near the sign.
        self.seq.push(message.seq as i64);
        self.event_type.append_value(event_type);
        self.version.push(facts.version);
        self.id.append_option(facts.id.as_deref());
        self.key.append_option(facts.key.as_deref());
        self.time.push(facts.time_us);
        self.published_at.push(message.published_at_us);
        self.subject.append_value(&message.subject);
        self.late.push(facts.late);
    }

    pub(super) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let instants =
            |values: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) as ArrayRef;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(self.seq)),
            Arc::new(Int32Array::from(vec![0; self.version.len()])),
            Arc::new(self.event_type.finish()),
            Arc::new(Int32Array::from(self.version)),
            Arc::new(self.id.finish()),
            Arc::new(self.key.finish()),
            instants(self.time),
            instants(self.published_at),
            Arc::new(self.subject.finish()),
            Arc::new(BooleanArray::from(self.late)),
        ];
        RecordBatch::try_new(SourceSchema::metadata_schema(), columns)
    }
}
