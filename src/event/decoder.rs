//! The way from stored messages to a batch of events at their current versions, and to the rejected ones.
//!
//! The same messages give the same rows however they are cut into batches: every decision is taken message by
//! message, and the only state between them is the watermark.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, UInt32Array};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use hashbrown::HashMap;

use super::batch::{EventBatch, TypeRows};
use super::decode::RowsBuilder;
use super::envelope::{Envelope, Opened, Scratch, unlocated};
use super::json::{Fault, Read};
use super::metadata_rows::{Facts, MetadataRows};
use super::schema::{EventType, LateEvents, NewerVersion, SourceSchema, UnknownEvents, UnreadableTime};
use super::shape::ObjectLayout;
use super::time::too_far_ahead;
use super::type_rows::{Admitted, VersionRows};
use super::upcast::{UpcastProblem, Upcasters};
use super::{Message, Reason, Rejected, metadata as columns};
use crate::progress::Watermark;

/// Decodes and upcasts the messages of one source.
#[derive(Debug)]
pub struct Decoder {
    schema: Arc<SourceSchema>,
    envelope: Envelope,
    /// Type index by the name in the envelope.
    types: HashMap<String, usize>,
    /// By type index and version.
    layouts: Vec<BTreeMap<u32, Arc<ObjectLayout>>>,
    upcasters: Upcasters,
    /// The rows of each type when it does not occur.
    none: Vec<TypeRows>,
}

/// What became of a run of messages.
#[derive(Debug)]
pub struct Decoded {
    pub batch: EventBatch,
    /// In stream order.
    pub rejected: Vec<Rejected>,
    /// Messages that are no events of this source: unknown ones under `ignore`, and delete markers.
    pub ignored: u64,
    /// Events that were dropped because they came late.
    pub dropped_late: u64,
    /// Members of decoded payloads that no column reads.
    pub undeclared_fields: u64,
    /// The first unknown event under `halt`. It and the messages after it have not been looked at.
    pub halted: Option<Rejected>,
}

/// What to do with one message.
enum Verdict<'m> {
    Ignore,
    DropLate,
    Halt(Rejected),
    Park(Rejected),
    Admit { type_index: usize, facts: Facts<'m> },
}

/// The rows of a batch under construction.
struct Building {
    metadata: MetadataRows,
    /// By type index: the versions that occurred.
    types: Vec<Vec<VersionRows>>,
    undeclared: u64,
}

impl Building {
    /// Takes back the row that the present message has added to a type.
    fn withdraw(&mut self, type_index: usize) {
        let present = self.metadata.len();
        for rows in self.types[type_index].iter_mut().filter(|rows| rows.indices.last() == Some(&present)) {
            rows.indices.pop();
            rows.rows.truncate(rows.indices.len());
        }
    }
}

impl Decoder {
    /// Prepares everything that does not depend on messages.
    ///
    /// # Errors
    /// The problems of upcaster steps, all of them.
    pub fn new(schema: Arc<SourceSchema>) -> Result<Self, Vec<UpcastProblem>> {
        let upcasters = Upcasters::compile(&schema)?;
        let envelope = Envelope::new(&schema.envelope);
        let facts = envelope.facts_in_payload();
        let layout = |fields| Arc::new(ObjectLayout::new(fields, schema.naming, &facts));
        let layouts = schema.types.iter().map(|event_type| {
            event_type.versions.iter().map(|(version, declared)| (*version, layout(&declared.fields))).collect()
        });
        let names = schema.types.iter().enumerate();
        Ok(Self {
            envelope,
            types: names.map(|(index, event_type)| (event_type.name.clone(), index)).collect(),
            layouts: layouts.collect(),
            upcasters,
            none: schema.types.iter().map(TypeRows::none).collect(),
            schema,
        })
    }

    pub fn schema(&self) -> &Arc<SourceSchema> {
        &self.schema
    }

    /// Decodes messages, which come in stream order, and moves the watermark over them.
    ///
    /// # Errors
    /// If a batch outgrows Arrow's offsets, 2 GiB of text in one column. The watermark then stays.
    pub fn decode(&self, messages: &[Message], watermark: &mut Watermark) -> Result<Decoded, ArrowError> {
        let mut moved = *watermark;
        let mut building = Building {
            metadata: MetadataRows::new(messages.len()),
            types: self.none.iter().map(|_| Vec::new()).collect(),
            undeclared: 0,
        };
        let mut scratch = Scratch::default();
        let (mut parked, mut ignored, mut dropped_late, mut halted) = (Vec::new(), 0, 0, None);
        for (index, message) in messages.iter().enumerate() {
            let mut opened = self.envelope.open(message, &mut scratch);
            match self.judge(message, &mut opened, &mut moved, &mut building) {
                Verdict::Ignore => ignored += 1,
                Verdict::DropLate => dropped_late += 1,
                Verdict::Halt(unknown) => {
                    halted = Some(unknown);
                    break;
                }
                Verdict::Park(rejected) => parked.push((index, rejected)),
                Verdict::Admit { type_index, facts } => {
                    building.metadata.push(index, &self.schema.types[type_index].name, message, &facts);
                }
            }
        }
        let undeclared_fields = building.undeclared;
        let batch = self.finish(building, messages, &mut parked)?;
        parked.sort_by_key(|(index, _)| *index);
        *watermark = moved;
        let rejected = parked.into_iter().map(|(_, rejected)| rejected).collect();
        Ok(Decoded { batch, rejected, ignored, dropped_late, undeclared_fields, halted })
    }

    /// Decides on one message, and puts the payload of an admitted one among the rows of its version.
    #[inline]
    fn judge<'m>(
        &self,
        message: &'m Message,
        opened: &mut Opened<'m, '_>,
        watermark: &mut Watermark,
        building: &mut Building,
    ) -> Verdict<'m> {
        if message.is_deletion_marker() {
            return Verdict::Ignore;
        }
        if let Some(detail) = &message.unreadable {
            let (message, detail) = (message.clone(), detail.clone());
            return Verdict::Park(Rejected {
                message,
                reason: Reason::Malformed,
                pointer: None,
                detail,
                event_type: None,
                undeclared_type: None,
                late: Some(false),
            });
        }
        let (name, misfit) = match opened.event_type() {
            Ok(name) => (name, None),
            Err(misfit) => (None, Some(misfit)),
        };
        let found = name.as_deref().and_then(|name| self.types.get(name).copied());
        let reject = |reason, pointer, detail: String| {
            let event_type = found.map(|index| self.schema.types[index].name.clone());
            // One whose time cannot be read is not late, and cannot be admitted before it is read in another way.
            let (message, late) = (message.clone(), Some(false));
            Rejected { message, reason, pointer, detail, event_type, undeclared_type: None, late }
        };
        let unknown = |name: &str| {
            let rejected = reject(Reason::UnknownType, None, format!("type `{name}` is not declared"));
            Rejected { undeclared_type: Some(name.to_owned()), ..rejected }
        };
        match (self.schema.unknown_events, &name, found) {
            (UnknownEvents::Ignore, Some(_), None) => return Verdict::Ignore,
            (UnknownEvents::Halt, Some(name), None) => return Verdict::Halt(unknown(name)),
            _ => {}
        }
        // Decided on the envelope alone, so that a fix of the payload changes nothing about it.
        let early = (self.schema.late_events == LateEvents::Drop).then(|| self.event_time(message, opened));
        if let Some(Ok(time_us)) = early
            && watermark.has_passed(time_us)
        {
            return Verdict::DropLate;
        }
        let undeclared = building.undeclared;
        let outcome = match (&name, found) {
            (None, _) => Err(match opened.fault().or(misfit.as_deref()) {
                Some(fault) => reject(fault.reason, fault.pointer.clone(), fault.detail.clone()),
                None => reject(Reason::MissingType, None, "no place of the envelope gives a type".into()),
            }),
            (Some(name), None) => Err(unknown(name)),
            (Some(_), Some(type_index)) => self.decode_payload(type_index, opened, building).map_err(|fault| {
                let fault = *fault;
                reject(fault.reason, fault.pointer, fault.detail)
            }),
        };
        // After the payload, so that the body is gone through once for both.
        let time = early.unwrap_or_else(|| self.event_time(message, opened));
        let time_us = time.as_ref().ok().copied();
        let facts = |version| -> Read<_> { Ok((version, time?, opened.id()?, opened.key()?)) };
        let outcome = match outcome.map(facts) {
            Ok(Ok(facts)) => Ok(facts),
            Ok(Err(fault)) => {
                found.iter().for_each(|&type_index| building.withdraw(type_index));
                building.undeclared = undeclared;
                Err(reject(fault.reason, fault.pointer, fault.detail))
            }
            Err(rejected) => Err(rejected),
        };
        // A parked event moves the watermark too: it will count after its fix as if it had been right at first. One whose time
        // is wrong says nothing of the time that it is; another way of reading it is another source, read from its beginning.
        let late = time_us.is_some_and(|time| watermark.observe(time));
        match (outcome, found) {
            (Ok((version, time_us, id, key)), Some(type_index)) => {
                let facts = Facts { version, id, key, time_us, late };
                Verdict::Admit { type_index, facts }
            }
            (Err(rejected), _) => Verdict::Park(Rejected { late: Some(late), ..rejected }),
            (Ok(_), None) => Verdict::Ignore,
        }
    }

    /// The event time; the publish time where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is so far beyond the publish time that one of the clocks is wrong.
    fn event_time(&self, message: &Message, opened: &mut Opened<'_, '_>) -> Result<i64, Box<Fault>> {
        let published = message.published_at_us;
        let time = match (opened.time_us(), self.schema.unreadable_time) {
            (Ok(time), _) => time.unwrap_or(published),
            (Err(_), UnreadableTime::UsePublishTime) => published,
            (Err(fault), UnreadableTime::Park) => return Err(fault),
        };
        // A file's line that does not say when it was published was published at the epoch.
        let is_known = published != 0;
        if is_known && time > published.saturating_add(self.schema.max_ahead_us) {
            return Err(too_far_ahead(time, published, self.schema.max_ahead_us));
        }
        Ok(time)
    }

    /// Appends the payload to the rows of its type and version, and gives the version as stored.
    #[inline]
    fn decode_payload(
        &self,
        type_index: usize,
        opened: &mut Opened<'_, '_>,
        building: &mut Building,
    ) -> Result<i32, Box<Fault>> {
        let event_type = &self.schema.types[type_index];
        let (stored, version) = self.version(event_type, opened)?;
        let index = building.metadata.len();
        let versions = &mut building.types[type_index];
        let rows = match versions.iter().position(|rows| rows.version == version) {
            Some(found) => &mut versions[found],
            None => {
                let layout = self.layouts[type_index].get(&version).ok_or_else(|| unknown_version(version))?;
                versions.push(VersionRows::new(version, layout));
                let last = versions.len() - 1;
                &mut versions[last]
            }
        };
        let whole = self.envelope.data().is_empty();
        match opened.payload()? {
            Some(text) if whole => {
                rows.rows.push_document(text, opened.unread(), &mut building.undeclared)?;
                opened.was_read();
            }
            Some(raw) => {
                let pushed = rows.rows.push(raw, &mut building.undeclared);
                pushed.map_err(|fault| fault.within(self.envelope.data()))?;
            }
            None => push_absent(&mut rows.rows, self.envelope.data())?,
        }
        rows.indices.push(index);
        Ok(stored)
    }

    /// The version as stored and the one to decode with.
    fn version(&self, event_type: &EventType, opened: &mut Opened<'_, '_>) -> Result<(i32, u32), Box<Fault>> {
        let text = opened.version();
        if let Some(fault) = opened.fault() {
            return Err(Box::new(fault.clone()));
        }
        let Some(text) = text? else { return known_version(event_type, 1, 1) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let stored: Option<i32> = if digits { text.parse().ok() } else { None };
        let Some((stored, version)) = stored.and_then(|stored| Some((stored, u32::try_from(stored).ok()?))) else {
            return Err(unlocated(Reason::UnknownVersion, format!("version `{text}` is not a number of a version")));
        };
        if version <= event_type.current {
            return known_version(event_type, stored, version);
        }
        match self.schema.newer_version {
            NewerVersion::ReadAsLatest => Ok((stored, event_type.current)),
            NewerVersion::Park => Err(unlocated(
                Reason::NewerVersion,
                format!("version {version} is later than the declared version {}", event_type.current),
            )),
        }
    }

    /// Upcasts and puts everything together. Events that an upcaster rejects join `parked`.
    fn finish(
        &self,
        building: Building,
        messages: &[Message],
        parked: &mut Vec<(usize, Rejected)>,
    ) -> Result<EventBatch, ArrowError> {
        let Building { metadata, types, .. } = building;
        let mut admitted = vec![true; metadata.len()];
        let mut merged = Vec::with_capacity(types.len());
        let mut upcast_rejected = Vec::new();
        for (type_index, versions) in types.into_iter().enumerate() {
            let event_type = &self.schema.types[type_index];
            let mut pieces = Vec::with_capacity(versions.len());
            for rows in versions {
                let version = rows.version;
                let (indices, rows) = rows.finish(&event_type.versions[&version])?;
                let upcast = self.upcasters.upcast(type_index, version, rows)?;
                for (row, detail) in upcast.rejected {
                    admitted[indices[row]] = false;
                    let message = metadata.origin(indices[row]);
                    let rejected = upcast_rejection(&messages[message], event_type, detail);
                    upcast_rejected.push((indices[row], message, rejected));
                }
                let indices = upcast.kept.into_iter().map(|row| indices[row]).collect();
                pieces.push(Admitted { indices, rows: upcast.rows });
            }
            merged.push(Admitted::merge(pieces)?);
        }
        let mut metadata = metadata.finish()?;
        let late = metadata.column(columns::LATE).as_boolean();
        for (row, message, rejected) in upcast_rejected {
            parked.push((message, Rejected { late: Some(late.value(row)), ..rejected }));
        }
        if admitted.contains(&false) {
            metadata = filter_record_batch(&metadata, &BooleanArray::from(admitted.clone()))?;
        }
        let ranks = Ranks::new(&admitted);
        let types = merged.into_iter().zip(&self.none).map(|(admitted, none)| match admitted {
            Some(Admitted { indices, rows }) if !indices.is_empty() => {
                TypeRows { rows: indices.iter().map(|index| ranks.of(*index)).collect(), fields: rows }
            }
            _ => none.clone(),
        });
        Ok(EventBatch { metadata, types: types.collect() })
    }
}

impl TypeRows {
    fn none(event_type: &EventType) -> Self {
        let fields = arrow::array::RecordBatch::new_empty(event_type.current_arrow());
        Self { rows: UInt32Array::from(Vec::<u32>::new()), fields }
    }
}

/// Indices among the admitted events once rejected ones are taken out.
struct Ranks(Vec<u32>);

impl Ranks {
    fn new(admitted: &[bool]) -> Self {
        let mut rank = 0;
        Self(
            admitted
                .iter()
                .map(|&kept| {
                    rank += u32::from(kept);
                    rank.saturating_sub(1)
                })
                .collect(),
        )
    }

    fn of(&self, index: usize) -> u32 {
        self.0[index]
    }
}

/// An event without a payload is one of a type without fields, or it lacks everything.
fn push_absent(rows: &mut RowsBuilder, data: &str) -> Result<(), Box<Fault>> {
    if rows.has_columns() {
        return Err(match data.is_empty() {
            true => Fault::malformed("the payload is empty"),
            false => Fault::at(Reason::MissingField, data.to_owned(), "the payload's root is missing"),
        });
    }
    rows.push_null();
    Ok(())
}

fn known_version(event_type: &EventType, stored: i32, version: u32) -> Result<(i32, u32), Box<Fault>> {
    if event_type.versions.contains_key(&version) { Ok((stored, version)) } else { Err(unknown_version(version)) }
}

fn unknown_version(version: u32) -> Box<Fault> {
    unlocated(Reason::UnknownVersion, format!("version {version} is not in the declared history"))
}

fn upcast_rejection(message: &Message, event_type: &EventType, detail: String) -> Rejected {
    Rejected {
        message: message.clone(),
        reason: Reason::Upcast,
        pointer: None,
        detail,
        event_type: Some(event_type.name.clone()),
        undeclared_type: None,
        late: None,
    }
}

#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod tests;
