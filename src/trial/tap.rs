//! Messages as their source's projections see them: decoded, and at their current versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::error::ArrowError;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::config::Source;
use crate::event::{Decoder, LateEvents, Message, Rejected, SourceSchema, UpcastProblem};
use crate::progress::Watermark;
use crate::serve::json::objects;

/// Decodes the messages of one source.
#[derive(Debug)]
pub struct Tap {
    decoder: Decoder,
    watermark: Watermark,
}

/// What became of one message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tapped {
    pub source: String,
    pub sequence: u64,
    /// None if no place of the envelope gives a declared one.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// Facts of the envelope by name, as JSON; none of an event that is parked.
    #[serde(flatten)]
    pub facts: BTreeMap<&'static str, Box<RawValue>>,
    /// The columns of the current version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<ParkedBecause>,
}

/// Why an event is none.
#[derive(Debug, Serialize)]
pub struct ParkedBecause {
    pub reason: &'static str,
    pub pointer: Option<String>,
    pub detail: String,
}

/// What came of a run of messages.
#[derive(Debug)]
pub struct TappedRun {
    /// In stream order.
    pub events: Vec<Tapped>,
    /// Why the source would read no further.
    pub halted: Option<String>,
}

/// Facts, by the name of their metadata column.
const FACTS: [(&str, &str); 6] = [
    ("_version", "version"),
    ("_id", "id"),
    ("_key", "key"),
    ("_time", "time"),
    ("_published_at", "publishedAt"),
    ("_subject", "subject"),
];

impl Tap {
    /// Late events are shown whatever becomes of them: which are late depends on all that came before.
    ///
    /// # Errors
    /// The problems of upcaster steps.
    pub fn new(source: &Source) -> Result<Self, Vec<UpcastProblem>> {
        let schema = SourceSchema { late_events: LateEvents::Correct, ..source.schema.clone() };
        let watermark = Watermark::new(schema.lateness_us, None);
        Ok(Self { decoder: Decoder::new(Arc::new(schema))?, watermark })
    }

    /// Decodes messages, which come in stream order.
    ///
    /// # Errors
    /// A batch outgrows Arrow's offsets, or a value cannot be written as JSON.
    pub fn take(&mut self, messages: &[Message]) -> Result<TappedRun, ArrowError> {
        let decoded = self.decoder.decode(messages, &mut self.watermark)?;
        let metadata = objects(&decoded.batch.metadata)?;
        let mut data: BTreeMap<u32, Box<RawValue>> = BTreeMap::new();
        for rows in &decoded.batch.types {
            let places = rows.rows.values().iter().copied();
            data.extend(places.zip(objects(&rows.fields)?));
        }
        let mut events = Vec::new();
        for (place, row) in metadata.iter().enumerate() {
            let data = u32::try_from(place).ok().and_then(|place| data.remove(&place));
            events.push(self.admitted(row, data)?);
        }
        let halted = decoded.halted.as_ref().map(|one| one.detail.clone());
        events.extend(decoded.rejected.iter().chain(&decoded.halted).map(|rejected| self.parked(rejected)));
        events.sort_by_key(|event| event.sequence);
        Ok(TappedRun { events, halted })
    }

    fn admitted(&self, row: &RawValue, data: Option<Box<RawValue>>) -> Result<Tapped, ArrowError> {
        let wrong = |error: serde_json::Error| ArrowError::JsonError(error.to_string());
        let mut columns: BTreeMap<String, Box<RawValue>> = serde_json::from_str(row.get()).map_err(wrong)?;
        let text = |value: Option<&Box<RawValue>>| value.map_or("null", |value| value.get()).to_owned();
        let sequence = serde_json::from_str(&text(columns.get("_seq"))).map_err(wrong)?;
        let event_type = serde_json::from_str(&text(columns.get("_type"))).map_err(wrong)?;
        let facts = FACTS.iter().filter_map(|(column, name)| Some((*name, columns.remove(*column)?)));
        let facts = facts.collect();
        Ok(Tapped { source: self.name(), sequence, event_type, facts, data, parked: None })
    }

    fn parked(&self, rejected: &Rejected) -> Tapped {
        let Rejected { message, reason, pointer, detail, .. } = rejected;
        let because = ParkedBecause { reason: reason.label(), pointer: pointer.clone(), detail: detail.clone() };
        Tapped {
            source: self.name(),
            sequence: message.seq,
            event_type: rejected.type_name().map(str::to_owned),
            facts: BTreeMap::new(),
            data: None,
            parked: Some(because),
        }
    }

    fn name(&self) -> String {
        self.decoder.schema().source.clone()
    }
}

impl Tapped {
    /// Whether a fact or a column has this value, which is JSON or a text as it is.
    pub fn has(&self, name: &str, value: &str) -> bool {
        if name == "type" {
            return self.event_type.as_deref() == Some(value);
        }
        match self.facts.get(name) {
            Some(fact) => is_value(fact, value),
            None => self.data.as_ref().is_some_and(|data| has_value(data, name, value)),
        }
    }
}

/// Whether a member of an object has this value, which is JSON or a text as it is.
pub(super) fn has_value(object: &RawValue, name: &str, value: &str) -> bool {
    let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(object.get()).ok();
    members.as_ref().and_then(|members| members.get(name)).is_some_and(|member| is_value(member, value))
}

fn is_value(json: &RawValue, value: &str) -> bool {
    json.get() == value || serde_json::from_str::<String>(json.get()).is_ok_and(|text| text == value)
}
