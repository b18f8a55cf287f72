//! Parked events: rejected ones kept whole, with their reasons, until they are replayed or discarded.
//!
//! They are committed and checkpointed with the read models, so an event is either admitted or parked, never neither.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::generation::GenerationId;
use crate::event::{Headers, Message, Reason, Rejected};
use crate::progress::SourceName;
use crate::state::{RowLocation, SegmentLog, StateDelta, StoreShape, StoredSegment};

/// An event that is not in some read models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub source: SourceName,
    /// The build of a projection that could not take it; none if it could not be decoded, so that no projection has it.
    pub generation: Option<GenerationId>,
    pub rejected: Rejected,
}

impl Parked {
    pub fn owner(&self) -> Owner {
        match &self.generation {
            Some(generation) => Owner::Generation(generation.clone()),
            None => Owner::Source(self.source.clone()),
        }
    }

    /// Its place among all: source, sequence, and the projection and generation that could not take it, `""` and 0 if none has it.
    pub fn place(&self) -> (&str, u64, &str, u64) {
        let generation = self.generation.as_ref();
        let (projection, number) = generation.map_or(("", 0), |one| (&*one.projection, one.number));
        (&self.source, self.rejected.message.seq, projection, number)
    }
}

/// Which parked events are meant. What is not said includes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParkedFilter {
    pub source: Option<String>,
    pub sequences: Option<BTreeSet<u64>>,
    pub event_type: Option<String>,
    pub reason: Option<Reason>,
    pub projection: Option<String>,
    /// Published not before, microseconds since the epoch.
    pub since_us: Option<i64>,
    /// Published before.
    pub until_us: Option<i64>,
}

impl ParkedFilter {
    pub fn includes(&self, parked: &Parked) -> bool {
        let rejected = &parked.rejected;
        let (sequence, published) = (rejected.message.seq, rejected.message.published_at_us);
        let projection = parked.generation.as_ref().map(|generation| &*generation.projection);
        self.source.as_deref().is_none_or(|source| *parked.source == *source)
            && self.sequences.as_ref().is_none_or(|sequences| sequences.contains(&sequence))
            && self.event_type.as_deref().is_none_or(|wanted| rejected.type_name() == Some(wanted))
            && self.reason.is_none_or(|reason| rejected.reason == reason)
            && self.projection.as_deref().is_none_or(|wanted| projection == Some(wanted))
            && self.since_us.is_none_or(|since| published >= since)
            && self.until_us.is_none_or(|until| published < until)
    }
}

/// All parked events, within limits that their owner keeps.
#[derive(Debug, Default)]
pub struct ParkedEvents {
    slots: Vec<Option<Arc<Parked>>>,
    locations: Vec<RowLocation>,
    free: Vec<u32>,
    segment_log: SegmentLog,
    bytes: usize,
    edition: u64,
    counts: BTreeMap<(SourceName, Option<GenerationId>), BTreeMap<String, u64>>,
    /// What each owner has parked.
    usage: BTreeMap<Owner, Usage>,
}

/// Whose limit a parked event counts against: a source's if it could not be decoded, else the generation's that could not
/// take it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Source(SourceName),
    Generation(GenerationId),
}

/// What an owner has parked: events, and bytes of their messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub events: usize,
    pub bytes: usize,
}

impl ParkedEvents {
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the parked messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What an owner has parked.
    pub fn usage(&self, owner: &Owner) -> Usage {
        self.usage.get(owner).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Parked> {
        self.slots.iter().flatten().map(Arc::as_ref)
    }

    /// Number of events by type, of a source (`generation` none) or of one generation's own. The empty name stands for
    /// events of no declared type.
    pub fn counts(&self, source: &SourceName, generation: Option<&GenerationId>) -> BTreeMap<String, u64> {
        self.counts.get(&(source.clone(), generation.cloned())).cloned().unwrap_or_default()
    }

    /// Another number whenever there are other events than before.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// All of them by source, and in a source by sequence.
    pub fn in_order(&self) -> Arc<[Arc<Parked>]> {
        let mut parked: Vec<Arc<Parked>> = self.slots.iter().flatten().cloned().collect();
        parked.sort_unstable_by(|one, other| one.place().cmp(&other.place()));
        parked.into()
    }

    pub fn park(&mut self, mut parked: Parked) {
        // The payload is a slice of a read buffer, which it would keep whole.
        let payload = &mut parked.rejected.message.payload;
        *payload = Bytes::copy_from_slice(payload);
        let slot = self.insert(parked);
        self.segment_log.touch(slot, &mut self.locations);
    }

    /// Takes out the events that `matches` says.
    pub fn take(&mut self, matches: impl Fn(&Parked) -> bool) -> Vec<Parked> {
        let mut taken = Vec::new();
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_deref().is_some_and(&matches)
                && let Some(parked) = self.slots[slot].take()
            {
                self.edition += 1;
                self.bytes -= parked.rejected.message.size();
                self.uncount(&parked);
                self.free.push(slot as u32);
                self.segment_log.remove(slot as u32, &mut self.locations);
                taken.push(Arc::unwrap_or_clone(parked));
            }
        }
        taken
    }

    /// What changed since the last call.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn capture(&mut self) -> Result<Option<StateDelta>, ArrowError> {
        let Some(writing) = self.segment_log.write(&mut self.locations) else { return Ok(None) };
        let rows: Vec<&Parked> =
            writing.slots.iter().filter_map(|&slot| self.slots[slot as usize].as_deref()).collect();
        let rows = encode(&rows)?;
        Ok(Some(writing.into_delta(rows)))
    }

    /// What the checkpoints hold of it since the last capture.
    pub fn shape(&self) -> StoreShape {
        StoreShape { schema: schema(), rows: self.segment_log.live_rows() as u64 }
    }

    /// The events that the stored segments hold. `number` tells the generation of a projection where a checkpoint does
    /// not say it, as those of older builds.
    ///
    /// # Errors
    /// A row is not a parked event.
    pub fn restore(segments: &[StoredSegment], number: impl Fn(&str) -> u64) -> Result<Self, ArrowError> {
        let mut all = Self::default();
        for segment in segments {
            let parked = decode(&segment.rows, &number)?;
            let slots: Vec<Option<u32>> =
                parked.into_iter().zip(&segment.live).map(|(parked, &live)| live.then(|| all.insert(parked))).collect();
            all.segment_log.restore(segment.id, &slots, segment.dead.clone(), &mut all.locations);
        }
        Ok(all)
    }

    fn uncount(&mut self, parked: &Parked) {
        let owner = (parked.source.clone(), parked.generation.clone());
        let event_type = parked.rejected.event_type.clone().unwrap_or_default();
        if let Some(counts) = self.counts.get_mut(&owner)
            && let Some(count) = counts.get_mut(&event_type)
        {
            *count -= 1;
            counts.retain(|_, count| *count > 0);
        }
        if let Some(usage) = self.usage.get_mut(&parked.owner()) {
            usage.events -= 1;
            usage.bytes -= parked.rejected.message.size();
        }
    }

    fn insert(&mut self, parked: Parked) -> u32 {
        self.edition += 1;
        self.bytes += parked.rejected.message.size();
        let event_type = parked.rejected.event_type.clone().unwrap_or_default();
        let owner = (parked.source.clone(), parked.generation.clone());
        *self.counts.entry(owner).or_default().entry(event_type).or_default() += 1;
        let usage = self.usage.entry(parked.owner()).or_default();
        usage.events += 1;
        usage.bytes += parked.rejected.message.size();
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(Arc::new(parked));
                slot
            }
            None => {
                self.slots.push(Some(Arc::new(parked)));
                self.locations.push(RowLocation::default());
                (self.slots.len() - 1) as u32
            }
        }
    }
}

/// A reason with what goes with it. The first builds stored the reason alone, in the same column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum StoredReason {
    Alone(Reason),
    Known {
        reason: Reason,
        late: bool,
        /// Not kept by older builds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undeclared_type: Option<String>,
    },
}

impl StoredReason {
    fn of(rejected: &Rejected) -> Self {
        let reason = rejected.reason;
        match rejected.late {
            Some(late) => StoredReason::Known { reason, late, undeclared_type: rejected.undeclared_type.clone() },
            None => StoredReason::Alone(reason),
        }
    }

    fn parts(self) -> (Reason, Option<bool>, Option<String>) {
        match self {
            StoredReason::Alone(reason) => (reason, None, None),
            StoredReason::Known { reason, late, undeclared_type } => (reason, Some(late), undeclared_type),
        }
    }
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("source"),
        text("projection"),
        text("reason"),
        text("pointer"),
        text("detail"),
        text("event_type"),
        text("subject"),
        text("headers"),
        Field::new("seq", DataType::Int64, false),
        Field::new("published_at_us", DataType::Int64, false),
        Field::new("payload", DataType::Binary, false),
        Field::new("generation", DataType::Int64, true),
    ]))
}

fn encode(rows: &[&Parked]) -> Result<RecordBatch, ArrowError> {
    let text = |of: &dyn Fn(&Parked) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row)).collect::<StringArray>())
    };
    let json = |error: serde_json::Error| ArrowError::ExternalError(Box::new(error));
    let mut headers = Vec::new();
    for row in rows {
        headers.push(serde_json::to_string(&row.rejected.message.headers.0).map_err(json)?);
    }
    let mut reasons = Vec::new();
    for row in rows {
        reasons.push(serde_json::to_string(&StoredReason::of(&row.rejected)).map_err(json)?);
    }
    let messages = || rows.iter().map(|row| &row.rejected.message);
    RecordBatch::try_new(
        schema(),
        vec![
            text(&|row| Some(row.source.to_string())),
            text(&|row| Some(row.generation.as_ref()?.projection.to_string())),
            Arc::new(StringArray::from(reasons)),
            text(&|row| row.rejected.pointer.clone()),
            text(&|row| Some(row.rejected.detail.clone())),
            text(&|row| row.rejected.event_type.clone()),
            text(&|row| Some(row.rejected.message.subject.to_string())),
            Arc::new(StringArray::from(headers)),
            Arc::new(messages().map(|message| message.seq as i64).collect::<Int64Array>()),
            Arc::new(messages().map(|message| message.published_at_us).collect::<Int64Array>()),
            Arc::new(BinaryArray::from_iter_values(messages().map(|message| &message.payload))),
            Arc::new(rows.iter().map(|row| Some(row.generation.as_ref()?.number as i64)).collect::<Int64Array>()),
        ],
    )
}

fn decode(rows: &RecordBatch, number: impl Fn(&str) -> u64) -> Result<Vec<Parked>, ArrowError> {
    let text = |column: usize, row: usize| -> Option<String> {
        let values = rows.column(column).as_string::<i32>();
        values.is_valid(row).then(|| values.value(row).to_owned())
    };
    let required = |column: usize, row: usize| text(column, row).unwrap_or_default();
    let json = |error: serde_json::Error| ArrowError::ExternalError(Box::new(error));
    let (seqs, times) = (rows.column(8).as_primitive::<Int64Type>(), rows.column(9).as_primitive::<Int64Type>());
    let payloads = rows.column(10).as_binary::<i32>();
    let generations = rows.column_by_name("generation").map(|numbers| numbers.as_primitive::<Int64Type>());
    (0..rows.num_rows())
        .map(|row| {
            let stored: StoredReason = serde_json::from_str(&required(2, row)).map_err(json)?;
            let (reason, late, undeclared_type) = stored.parts();
            let headers = serde_json::from_str(&required(7, row)).map_err(json)?;
            let message = Message {
                seq: seqs.value(row) as u64,
                subject: required(6, row),
                headers: Headers(headers),
                payload: Bytes::copy_from_slice(payloads.value(row)),
                published_at_us: times.value(row),
                unreadable: None,
            };
            let rejected = Rejected {
                message,
                reason,
                pointer: text(3, row),
                detail: required(4, row),
                event_type: text(5, row),
                undeclared_type,
                late,
            };
            let generation = text(1, row).map(|projection| {
                let known =
                    generations.filter(|numbers| numbers.is_valid(row)).map(|numbers| numbers.value(row) as u64);
                let number = known.unwrap_or_else(|| number(&projection));
                GenerationId::new(projection, number)
            });
            Ok(Parked { source: required(0, row).into(), generation, rejected })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_type_that_nobody_declares_is_found_and_not_counted_by_its_name() {
        let message = Message {
            seq: 7,
            subject: "orders.7".to_owned(),
            headers: Headers::default(),
            payload: Bytes::from_static(b"{}"),
            published_at_us: 1,
            unreadable: None,
        };
        let rejected = Rejected {
            message,
            reason: Reason::UnknownType,
            pointer: None,
            detail: String::new(),
            event_type: None,
            undeclared_type: Some("Ghost".to_owned()),
            late: Some(false),
        };
        let source = SourceName::from("orders");
        let mut parked = ParkedEvents::default();
        parked.park(Parked { source: source.clone(), generation: None, rejected });
        let is_stored = decode(&encode(&parked.iter().collect::<Vec<_>>()).unwrap(), |_| 0).unwrap();
        assert_eq!(is_stored.iter().collect::<Vec<_>>(), parked.iter().collect::<Vec<_>>());
        assert_eq!(parked.counts(&source, None), BTreeMap::from([(String::new(), 1)]));
        let of = |name: &str| ParkedFilter { event_type: Some(name.to_owned()), ..ParkedFilter::default() };
        assert!(of("Ghost").includes(&is_stored[0]) && !of("Other").includes(&is_stored[0]));
    }
}
