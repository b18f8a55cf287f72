//! The way from stored messages to a batch of events at their current versions, and to the rejected ones.
//!
//! The same messages give the same rows however they are cut into batches: every decision is taken message by
//! message, and the only state between them is the watermark.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, UInt32Array};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use hashbrown::HashMap;

use super::batch::{EventBatch, TypeRows};
use super::decode::RowsBuilder;
use super::envelope::{Envelope, Opened, Scratch};
use super::json::Fault;
use super::metadata_rows::{Facts, MetadataRows};
use super::schema::{EventType, LateEvents, NewerVersion, SourceSchema, UnknownEvents, UnreadableTime};
use super::shape::ObjectLayout;
use super::time::too_far_ahead;
use super::type_rows::{Admitted, VersionRows};
use super::upcast::{UpcastProblem, Upcasters};
use super::{Message, Reason, Rejected};
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
            });
        }
        let name = opened.event_type();
        let found = name.as_deref().and_then(|name| self.types.get(name).copied());
        let reject = |reason, pointer, detail: String| {
            let event_type = found.map(|index| self.schema.types[index].name.clone());
            Rejected { message: message.clone(), reason, pointer, detail, event_type }
        };
        let unknown = |name: &str| reject(Reason::UnknownType, None, format!("type `{name}` is not declared"));
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
            (None, _) => Err(match opened.fault() {
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
        let (outcome, time_us) = match (outcome, early.unwrap_or_else(|| self.event_time(message, opened))) {
            (outcome, Ok(time_us)) => (outcome, Some(time_us)),
            (Err(rejected), Err(_)) => (Err(rejected), None),
            (Ok(_), Err(fault)) => {
                found.iter().for_each(|&type_index| building.withdraw(type_index));
                building.undeclared = undeclared;
                let fault = *fault;
                (Err(reject(fault.reason, fault.pointer, fault.detail)), None)
            }
        };
        // A parked event moves the watermark too: it will count after its fix as if it had been right at first. One whose time
        // is wrong says nothing of the time that it is; another way of reading it is another source, read from its beginning.
        let late = time_us.is_some_and(|time| watermark.observe(time));
        match (outcome, found.zip(time_us)) {
            (Ok(version), Some((type_index, time_us))) => {
                let facts = Facts { version, id: opened.id(), key: opened.key(), time_us, late };
                Verdict::Admit { type_index, facts }
            }
            (Err(rejected), _) => Verdict::Park(rejected),
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
        let Some(text) = text else { return known_version(event_type, 1, 1) };
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
                    parked.push((message, upcast_rejection(&messages[message], event_type, detail)));
                }
                let indices = upcast.kept.into_iter().map(|row| indices[row]).collect();
                pieces.push(Admitted { indices, rows: upcast.rows });
            }
            merged.push(Admitted::merge(pieces)?);
        }
        let mut metadata = metadata.finish()?;
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

/// A fault of the envelope: it points nowhere in the body.
fn unlocated(reason: Reason, detail: String) -> Box<Fault> {
    Box::new(Fault { reason, pointer: None, detail })
}

fn upcast_rejection(message: &Message, event_type: &EventType, detail: String) -> Rejected {
    let event_type = Some(event_type.name.clone());
    Rejected { message: message.clone(), reason: Reason::Upcast, pointer: None, detail, event_type }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::compute::concat_batches;
    use expect_test::{Expect, expect};
    use regex::Regex;

    use super::super::fixture::{self, event_type, message};
    use super::super::{EnvelopeSpec, Locator, Locators};
    use super::*;

    fn placed() -> EventType {
        event_type(
            "Placed",
            &[
                "id: string!, cents: int64!, tags: map<string,int64>, lines: list<struct<sku: string!>>",
                "id: string!, total: decimal(9,2)!, tags: map<string,int64>, lines: list<struct<sku: string!>>",
            ],
            &[(1, &[("total", "cents / 100.0")])],
        )
    }

    fn orders() -> SourceSchema {
        fixture::schema(vec![placed(), event_type("Paid", &["amount: int32!"], &[]), event_type("Closed", &[""], &[])])
    }

    fn decode(schema: SourceSchema, messages: &[Message]) -> Decoded {
        let mut watermark = Watermark::new(schema.lateness_us, None);
        Decoder::new(Arc::new(schema)).unwrap().decode(messages, &mut watermark).unwrap()
    }

    fn picture(decoded: &Decoded) -> String {
        let mut text = String::new();
        for rejected in &decoded.rejected {
            text += &reject_line(rejected);
        }
        text += &fixture::rows(&decoded.batch.metadata);
        for (index, rows) in decoded.batch.types.iter().enumerate().filter(|(_, rows)| !rows.rows.is_empty()) {
            text += &format!("type {index} at {:?}\n{}", rows.rows.values(), fixture::rows(&rows.fields));
        }
        text += &format!("ignored={} undeclared={}\n", decoded.ignored, decoded.undeclared_fields);
        decoded.halted.iter().for_each(|halted| text += &format!("halted: {}", reject_line(halted)));
        text
    }

    fn reject_line(rejected: &Rejected) -> String {
        let Rejected { message, reason, pointer, detail, event_type } = rejected;
        let (pointer, event_type) = (pointer.as_deref().unwrap_or("-"), event_type.as_deref().unwrap_or("-"));
        format!("#{} {} {event_type} {pointer}: {detail}\n", message.seq, reason.label())
    }

    fn check(schema: SourceSchema, messages: &[Message], expected: Expect) {
        expected.assert_eq(&picture(&decode(schema, messages)));
    }

    #[test]
    fn every_reason_parks_its_event_and_no_other() {
        let messages = [
            message(1, "type=Placed version=1 id=m1", r#"{"id":"a","cents":150,"at":"1970-01-01T00:00:00.000100Z"}"#),
            message(2, "", "{}"),
            message(3, "type=Shipped", "{}"),
            message(4, "type=Placed version=3", "{}"),
            message(5, "type=Placed version=0", "{}"),
            message(6, "type=Placed version=two", "{}"),
            message(7, "type=Placed version=2", "{"),
            message(8, "type=Placed version=2", b"{\"id\":\"\xff\"}".as_slice()),
            message(9, "type=Placed version=2", r#"{"id":"a"}"#),
            message(10, "type=Placed version=2", r#"{"id":1}"#),
            message(11, "type=Paid", r#"{"amount":1e10}"#),
            message(12, "type=Placed version=1", r#"{"id":"a","cents":99999999999}"#),
            message(13, "type=Paid version=", r#"{"amount":1}"#),
            message(14, "type=Paid", ""),
            message(15, "type=Closed", ""),
            message(16, "type=Paid version=1", r#"{"amount":7,"more":[1],"at":"soon"}"#),
            message(17, "type=Placed version=2", r#"{"id":"b","total":2,"lines":[{"sku":"p"}]}"#),
            message(18, "Nats-Marker-Reason=MaxAge type=Paid", ""),
        ];
        check(
            orders(),
            &messages,
            expect![[r#"
                #2 missing_type - -: no place of the envelope gives a type
                #3 unknown_type - -: type `Shipped` is not declared
                #4 newer_version Placed -: version 3 is later than the declared version 2
                #5 unknown_version Placed -: version 0 is not in the declared history
                #6 unknown_version Placed -: version `two` is not a number of a version
                #7 malformed Placed -: EOF while parsing an object at line 1 column 1
                #8 malformed Placed -: invalid utf-8 sequence of 1 bytes from index 7
                #9 missing_field Placed /total: is required but missing
                #10 wrong_type Placed /id: expected string, found a number
                #11 out_of_range Paid /amount: 1e10 does not fit int32
                #12 upcast Placed -: step from version 1 to 2, column `total`: 999999999.9900 does not become decimal(9,2) without loss
                #13 unknown_version Paid -: version `` is not a number of a version
                #14 malformed Paid -: the payload is empty
                #16 wrong_type Paid /at: the event time `soon` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
                _seq=1 _ord=0 _type=Placed _version=1 _id=m1 _key=k1 _time=1970-01-01T00:00:00.000100Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
                _seq=15 _ord=0 _type=Closed _version=1 _id=- _key=k15 _time=1970-01-01T00:00:00.000015Z _published_at=1970-01-01T00:00:00.000015Z _subject=orders.k15 _late=true
                _seq=17 _ord=0 _type=Placed _version=2 _id=- _key=k17 _time=1970-01-01T00:00:00.000017Z _published_at=1970-01-01T00:00:00.000017Z _subject=orders.k17 _late=true
                type 0 at ScalarBuffer([0, 2])
                id=a total=1.50 tags=- lines=-
                id=b total=2.00 tags=- lines=[{sku: p}]
                type 2 at ScalarBuffer([1])

                ignored=1 undeclared=0
            "#]],
        );
    }

    #[test]
    fn unknown_events_may_be_ignored_or_halt() {
        let messages =
            [message(1, "type=Paid", r#"{"amount":1}"#), message(2, "type=Odd", "{"), message(3, "type=Closed", "{}")];
        let with = |unknown_events| SourceSchema { unknown_events, ..orders() };
        check(
            with(UnknownEvents::Ignore),
            &messages,
            expect![[r#"
            _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000001Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            _seq=3 _ord=0 _type=Closed _version=1 _id=- _key=k3 _time=1970-01-01T00:00:00.000003Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=false
            type 1 at ScalarBuffer([0])
            amount=1
            type 2 at ScalarBuffer([1])

            ignored=1 undeclared=0
        "#]],
        );
        check(
            with(UnknownEvents::Halt),
            &messages,
            expect![[r#"
            _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000001Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            type 1 at ScalarBuffer([0])
            amount=1
            ignored=0 undeclared=0
            halted: #2 unknown_type - -: type `Odd` is not declared
        "#]],
        );
    }

    #[test]
    fn newer_versions_may_be_read_as_the_latest() {
        let schema = SourceSchema { newer_version: NewerVersion::ReadAsLatest, ..orders() };
        let messages = [
            message(1, "type=Placed version=7", r#"{"id":"a","total":"1.5","new":1}"#),
            message(2, "type=Placed version=99999999999", "{}"),
        ];
        check(
            schema,
            &messages,
            expect![[r#"
                #2 unknown_version Placed -: version `99999999999` is not a number of a version
                _seq=1 _ord=0 _type=Placed _version=7 _id=- _key=k1 _time=1970-01-01T00:00:00.000001Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
                type 0 at ScalarBuffer([0])
                id=a total=1.50 tags=- lines=-
                ignored=0 undeclared=1
            "#]],
        );
    }

    #[test]
    fn a_wrong_time_parks_its_event_and_costs_no_other() {
        let at = |seq, time: &str| message(seq, "type=Paid", format!(r#"{{"amount":1,"at":{time}}}"#));
        let messages = [
            at(1, r#""1970-01-01T00:00:01Z""#),
            at(2, r#""1970-01-01T00:59:00Z""#),
            at(3, r#""1970-01-01T01:01:00Z""#),
            at(4, r#""9999-12-31T00:00:00Z""#),
            at(5, r#""yesterday""#),
            at(6, "[1]"),
            at(7, "true"),
            at(8, "1767225600"),
            at(9, "null"),
            at(10, r#""1970-01-01T00:59:00Z""#),
        ];
        let dropping = SourceSchema { late_events: LateEvents::Drop, lateness_us: 3_600_000_000, ..orders() };
        check(
            dropping.clone(),
            &messages,
            expect![[r#"
                #3 out_of_range Paid -: the event time is 3659 s beyond the publish time, and `event_time.max_ahead` is 3600 s; is it written in another unit?
                #4 out_of_range Paid -: the event time is 253402214399 s beyond the publish time, and `event_time.max_ahead` is 3600 s; is it written in another unit?
                #5 wrong_type Paid /at: the event time `yesterday` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
                #6 wrong_type Paid /at: the event time `[1]` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
                #7 wrong_type Paid /at: the event time `true` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
                #8 wrong_type Paid /at: the event time `1767225600` is no plausible number of milliseconds; declare its unit: `time: {at: …, format: epoch_s}`
                _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:01Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
                _seq=2 _ord=0 _type=Paid _version=1 _id=- _key=k2 _time=1970-01-01T00:59:00Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
                _seq=9 _ord=0 _type=Paid _version=1 _id=- _key=k9 _time=1970-01-01T00:00:00.000009Z _published_at=1970-01-01T00:00:00.000009Z _subject=orders.k9 _late=false
                _seq=10 _ord=0 _type=Paid _version=1 _id=- _key=k10 _time=1970-01-01T00:59:00Z _published_at=1970-01-01T00:00:00.000010Z _subject=orders.k10 _late=false
                type 1 at ScalarBuffer([0, 1, 2, 3])
                amount=1
                amount=1
                amount=1
                amount=1
                ignored=0 undeclared=0
            "#]],
        );
        let lenient =
            SourceSchema { unreadable_time: UnreadableTime::UsePublishTime, max_ahead_us: i64::MAX, ..dropping };
        check(
            lenient,
            &messages,
            expect![[r#"
            _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:01Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            _seq=2 _ord=0 _type=Paid _version=1 _id=- _key=k2 _time=1970-01-01T00:59:00Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
            _seq=3 _ord=0 _type=Paid _version=1 _id=- _key=k3 _time=1970-01-01T01:01:00Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=false
            _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=9999-12-31T00:00:00Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
            type 1 at ScalarBuffer([0, 1, 2, 3])
            amount=1
            amount=1
            amount=1
            amount=1
            ignored=0 undeclared=0
        "#]],
        );
    }

    #[test]
    fn an_event_with_a_wrong_time_leaves_nothing_in_the_rows() {
        let paid = |seq, amount: i32, time: &str| {
            message(seq, "type=Paid", format!(r#"{{"amount":{amount},"x":0,"at":"{time}"}}"#))
        };
        let (right, wrong) = ("1970-01-01T00:00:00Z", "soon");
        check(
            orders(),
            &[paid(1, 1, wrong), paid(2, 2, right), paid(3, 3, wrong), paid(4, 4, right)],
            expect![[r#"
                #1 wrong_type Paid /at: the event time `soon` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
                #3 wrong_type Paid /at: the event time `soon` is neither RFC 3339 with an offset nor a number of milliseconds; declare how it is written: `time: {at: …, format: …}`
                _seq=2 _ord=0 _type=Paid _version=1 _id=- _key=k2 _time=1970-01-01T00:00:00Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
                _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=1970-01-01T00:00:00Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
                type 1 at ScalarBuffer([0, 1])
                amount=2
                amount=4
                ignored=0 undeclared=2
            "#]],
        );
    }

    #[test]
    fn lateness_counts_parked_events_and_not_ignored_ones() {
        let at = |seq, name: &str, us: u32| {
            message(seq, &format!("type={name}"), format!(r#"{{"amount":1,"at":"1970-01-01T00:00:00.{us:06}Z"}}"#))
        };
        let messages = [at(1, "Paid", 100), at(2, "Odd", 200), at(3, "Paid", 150), at(4, "Paid", 195)];
        check(
            orders(),
            &messages,
            expect![[r#"
            #2 unknown_type - -: type `Odd` is not declared
            _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000100Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            _seq=3 _ord=0 _type=Paid _version=1 _id=- _key=k3 _time=1970-01-01T00:00:00.000150Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=true
            _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=1970-01-01T00:00:00.000195Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
            type 1 at ScalarBuffer([0, 1, 2])
            amount=1
            amount=1
            amount=1
            ignored=0 undeclared=0
        "#]],
        );
        check(
            SourceSchema { unknown_events: UnknownEvents::Ignore, ..orders() },
            &messages,
            expect![[r#"
            _seq=1 _ord=0 _type=Paid _version=1 _id=- _key=k1 _time=1970-01-01T00:00:00.000100Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
            _seq=3 _ord=0 _type=Paid _version=1 _id=- _key=k3 _time=1970-01-01T00:00:00.000150Z _published_at=1970-01-01T00:00:00.000003Z _subject=orders.k3 _late=false
            _seq=4 _ord=0 _type=Paid _version=1 _id=- _key=k4 _time=1970-01-01T00:00:00.000195Z _published_at=1970-01-01T00:00:00.000004Z _subject=orders.k4 _late=false
            type 1 at ScalarBuffer([0, 1, 2])
            amount=1
            amount=1
            amount=1
            ignored=1 undeclared=0
        "#]],
        );
    }

    fn structured(pattern: &str) -> SourceSchema {
        let body = |pointer: &str| Locator::Body(pointer.into());
        let ce_type = Locator::Match { at: Box::new(body("/type")), pattern: Regex::new(pattern).unwrap() };
        SourceSchema {
            envelope: EnvelopeSpec {
                event_type: Locators(vec![ce_type.clone(), body("/kind"), Locator::Subject(3)]),
                version: Locators(vec![ce_type, body("/v")]),
                id: Locators(vec![body("/id"), Locator::Stream]),
                key: Locators(vec![body("/data/account"), Locator::Stream]),
                time: Locators(vec![body("/at"), body("/time")]),
                data: "/data".into(),
            },
            ..orders()
        }
    }

    #[test]
    fn facts_and_payload_from_the_body() {
        let pattern = r"(?<type>\w+)\.v(?<version>\d+)$";
        let messages = [
            message(
                1,
                "",
                r#"{"type":"com.Placed.v2","id":"m\u0031","time":"1970-01-01T00:00:01Z","data":{"id":"a","total":1,"account":7,"x":0}}"#,
            ),
            message(
                2,
                "",
                r#"{"data":{"amount":5},"kind":"Paid","v":1,"at":"1970-01-01T00:00:02Z","time":"1970-01-01T00:00:01Z"}"#,
            ),
            message(3, "", r#"{"type":"com.Placed.v1","data":{"id":"a","cents":true}}"#),
            message(4, "", r#"{"type":"com.Placed.v1","data":null}"#),
            message(5, "", r#"{"type":"com.Placed.v1"}"#),
            message(6, "", r#"{"type":"com.Placed.v1","data":{"id":"a"}"#),
            message(7, "", r#"{"kind":"Closed"}"#),
            message(8, "", r#"{"kind":"Closed","data":[1]}"#),
            message(9, "", r#"{"kind":null}"#),
            message(10, "", "[1]"),
            Message { subject: "a.b.Closed".into(), ..message(11, "", "") },
        ];
        check(
            structured(pattern),
            &messages,
            expect![[r#"
                #3 wrong_type Placed /data/cents: expected int64, found a boolean
                #4 missing_field Placed /data/id: is required but missing
                #5 missing_field Placed /data: the payload's root is missing
                #6 malformed - -: EOF while parsing an object at line 1 column 41
                #8 wrong_type Closed /data: expected an object, found an array
                #9 missing_type - -: no place of the envelope gives a type
                #10 missing_type - -: no place of the envelope gives a type
                _seq=1 _ord=0 _type=Placed _version=2 _id=m1 _key=7 _time=1970-01-01T00:00:01Z _published_at=1970-01-01T00:00:00.000001Z _subject=orders.k1 _late=false
                _seq=2 _ord=0 _type=Paid _version=1 _id=2 _key=orders.k2 _time=1970-01-01T00:00:02Z _published_at=1970-01-01T00:00:00.000002Z _subject=orders.k2 _late=false
                _seq=7 _ord=0 _type=Closed _version=1 _id=7 _key=orders.k7 _time=1970-01-01T00:00:00.000007Z _published_at=1970-01-01T00:00:00.000007Z _subject=orders.k7 _late=true
                _seq=11 _ord=0 _type=Closed _version=1 _id=11 _key=a.b.Closed _time=1970-01-01T00:00:00.000011Z _published_at=1970-01-01T00:00:00.000011Z _subject=a.b.Closed _late=true
                type 0 at ScalarBuffer([0])
                id=a total=1.00 tags=- lines=-
                type 1 at ScalarBuffer([1])
                amount=5
                type 2 at ScalarBuffer([2, 3])


                ignored=0 undeclared=1
            "#]],
        );
    }

    /// A run of messages of every fate.
    fn random_messages(random: &mut fastrand::Rng, count: u64) -> Vec<Message> {
        (1..=count)
            .map(|seq| {
                let time = format!("\"at\":\"1970-01-01T00:00:00.{:06}Z\"", seq * 5 + random.u64(..40));
                let (headers, payload) = match random.u8(..9) {
                    0 => ("type=Odd", "{}".to_owned()),
                    1 => ("type=Paid", format!("{{\"amount\":{},{time}}}", random.i64(-4_000_000_000..4_000_000_000))),
                    2 => ("type=Closed id=m", format!("{{{time}}}")),
                    3 => {
                        let nested = r#""tags":{"b":1,"a":null},"lines":[{"sku":"p"},{"sku":"q","n":1}]"#;
                        let total = random.u32(..10);
                        ("type=Placed version=2", format!("{{\"id\":\"k{seq}\",{nested},\"total\":{total}}}"))
                    }
                    4 => ("type=Placed version=2", format!("{{\"total\":{},{time}}}", random.u32(..10))),
                    5 => ("Nats-Marker-Reason=Purge", String::new()),
                    6 => ("type=Placed", "{\"id\":".to_owned()),
                    _ => {
                        let cents = random.i64(..2_000_000_000);
                        ("type=Placed version=1", format!("{{\"cents\":{cents},\"u\":1,{time},\"id\":\"é{seq}\"}}"))
                    }
                };
                message(seq, headers, payload)
            })
            .collect()
    }

    #[test]
    fn any_batching_gives_the_same_rows() {
        for seed in 0..30 {
            let mut random = fastrand::Rng::with_seed(seed);
            let unknown_events = if random.bool() { UnknownEvents::Park } else { UnknownEvents::Ignore };
            let schema = Arc::new(SourceSchema { unknown_events, ..orders() });
            let decoder = Decoder::new(schema.clone()).unwrap();
            let messages = random_messages(&mut random, 200);
            let mut watermark = Watermark::new(schema.lateness_us, None);
            let whole = decoder.decode(&messages, &mut watermark).unwrap();
            assert_eq!(whole.batch.len() + whole.rejected.len() + whole.ignored as usize, messages.len());

            let mut parts = Vec::new();
            let (mut rest, mut moved) = (messages.as_slice(), Watermark::new(schema.lateness_us, None));
            while !rest.is_empty() {
                let (run, later) = rest.split_at(random.usize(0..=rest.len().min(40)));
                parts.push(decoder.decode(run, &mut moved).unwrap());
                rest = later;
            }
            assert_eq!(joined(&parts), joined(&[whole]), "seed {seed}");
            assert_eq!(moved, watermark, "seed {seed}");
        }
    }

    /// Everything that several runs gave, as one text.
    fn joined(parts: &[Decoded]) -> String {
        let (mut metadata, mut before, mut start) = (Vec::new(), parts[0].batch.types.clone(), 0);
        let mut indices: Vec<Vec<u32>> = before.iter().map(|_| Vec::new()).collect();
        for part in parts {
            metadata.push(part.batch.metadata.clone());
            for (index, rows) in part.batch.types.iter().enumerate() {
                assert_eq!(rows.rows.len(), rows.fields.num_rows());
                indices[index].extend(rows.rows.values().iter().map(|row| row + start));
            }
            start += part.batch.len() as u32;
        }
        for (index, rows) in before.iter_mut().enumerate() {
            let fields: Vec<_> = parts.iter().map(|part| part.batch.types[index].fields.clone()).collect();
            rows.fields = concat_batches(&fields[0].schema(), &fields).unwrap();
            rows.rows = indices[index].clone().into();
        }
        let all = Decoded {
            batch: EventBatch { metadata: concat_batches(&metadata[0].schema(), &metadata).unwrap(), types: before },
            rejected: parts.iter().flat_map(|part| part.rejected.clone()).collect(),
            ignored: parts.iter().map(|part| part.ignored).sum(),
            dropped_late: parts.iter().map(|part| part.dropped_late).sum(),
            undeclared_fields: parts.iter().map(|part| part.undeclared_fields).sum(),
            halted: None,
        };
        picture(&all)
    }
}
