//! The ledger: what was done to projections, sources and parked events, by whom and why.
//!
//! It is committed and checkpointed with what it tells of, so each step is there exactly if it was done.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::state::{RowLocation, SegmentLog, StateDelta, StoreShape, StoredSegment};

/// Steps that are kept; the oldest go first.
const KEPT: usize = 10_000;

/// Who asks, and why, as they say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Actor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of the configuration's files, such as a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// From 1, without a gap.
    pub number: u64,
    /// Microseconds since the epoch.
    #[serde(rename = "atUs")]
    pub at_us: i64,
    pub action: Action,
    /// What it was done to, such as `projection customers`.
    pub subject: String,
    /// What was there before, and what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(flatten)]
    pub by: Actor,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The configuration was read again.
    Reloaded,
    /// Readers see another generation.
    Served,
    /// Readers see a generation again that was replaced.
    RolledBack,
    /// A build has ended without a result.
    BuildFailed,
    /// A build was ended by a person.
    Aborted,
    /// A generation has gone: it is declared no more, or is not kept any longer.
    Retired,
    /// Parked events were given up.
    Discarded,
    /// A source is read in another way, in which what was admitted is the same, so that only what was parked was looked at again.
    Replayed,
    /// What a stream has lost was accepted, so that the source goes on.
    GapAccepted,
    Paused,
    Resumed,
    /// What a person wanted to go on that was paused could not, and is paused as before.
    NotResumed,
    /// A source was begun again from the first message of the stream that is there now.
    Reset,
}

impl Action {
    /// As it is written everywhere.
    pub fn label(self) -> &'static str {
        match self {
            Action::Reloaded => "reloaded",
            Action::Served => "served",
            Action::RolledBack => "rolled-back",
            Action::BuildFailed => "build-failed",
            Action::Aborted => "aborted",
            Action::Retired => "retired",
            Action::Discarded => "discarded",
            Action::Replayed => "replayed",
            Action::GapAccepted => "gap-accepted",
            Action::Paused => "paused",
            Action::Resumed => "resumed",
            Action::NotResumed => "not-resumed",
            Action::Reset => "reset",
        }
    }
}

/// A step that has no number and no time yet.
#[derive(Debug, Clone)]
pub struct NewStep {
    pub action: Action,
    pub subject: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// All steps that are kept, in order.
#[derive(Debug, Default)]
pub struct Ledger {
    steps: VecDeque<Arc<Step>>,
    /// By slot: a step's number in a circle of as many as are kept.
    locations: Vec<RowLocation>,
    log: SegmentLog,
    shown: Arc<[Arc<Step>]>,
}

impl Ledger {
    /// Records a step.
    pub fn record(&mut self, step: NewStep, by: &Actor, now_us: i64) {
        let NewStep { action, subject, from, to } = step;
        let number = self.steps.back().map_or(1, |last| last.number + 1);
        self.insert(Step { number, at_us: now_us, action, subject, from, to, by: by.clone() });
        self.log.touch(slot(number), &mut self.locations);
        self.shown = self.steps.iter().cloned().collect();
    }

    /// The steps, the oldest first. Cheap.
    pub fn steps(&self) -> Arc<[Arc<Step>]> {
        self.shown.clone()
    }

    fn insert(&mut self, step: Step) {
        let slot = slot(step.number) as usize;
        if self.locations.len() <= slot {
            self.locations.resize_with(slot + 1, RowLocation::default);
        }
        self.steps.push_back(Arc::new(step));
        if self.steps.len() > KEPT {
            self.steps.pop_front();
        }
    }

    /// What changed since the last call.
    ///
    /// # Errors
    /// If the column outgrows Arrow's offsets (2 GiB of text in one batch).
    pub fn capture(&mut self) -> Result<Option<StateDelta>, ArrowError> {
        let Some(writing) = self.log.write(&mut self.locations) else { return Ok(None) };
        let at = |wanted: &u32| self.steps.iter().find(|step| slot(step.number) == *wanted);
        let rows = encode(writing.slots.iter().filter_map(at))?;
        Ok(Some(writing.into_delta(rows)))
    }

    /// What the checkpoints hold of it since the last capture.
    pub fn shape(&self) -> StoreShape {
        StoreShape { schema: schema(), rows: self.log.live_rows() as u64 }
    }

    /// The steps that the stored segments hold.
    ///
    /// # Errors
    /// A row is not a step.
    pub fn restore(segments: &[StoredSegment]) -> Result<Self, ArrowError> {
        let mut found: Vec<Step> = Vec::new();
        let mut slots: Vec<Vec<Option<u32>>> = Vec::new();
        for segment in segments {
            let steps = decode(&segment.rows)?;
            slots.push(steps.iter().zip(&segment.live).map(|(step, live)| live.then(|| slot(step.number))).collect());
            found.extend(steps.into_iter().zip(&segment.live).filter(|(_, live)| **live).map(|(step, _)| step));
        }
        found.sort_by_key(|step| step.number);
        let mut ledger = Self::default();
        found.into_iter().for_each(|step| ledger.insert(step));
        for (segment, slots) in segments.iter().zip(slots) {
            ledger.log.restore(segment.id, &slots, segment.dead.clone(), &mut ledger.locations);
        }
        ledger.shown = ledger.steps.iter().cloned().collect();
        Ok(ledger)
    }
}

fn slot(number: u64) -> u32 {
    (number % KEPT as u64) as u32
}

fn schema() -> SchemaRef {
    let fields = [Field::new("number", DataType::Int64, false), Field::new("step", DataType::Utf8, false)];
    Arc::new(Schema::new(fields.to_vec()))
}

fn encode<'a>(steps: impl Iterator<Item = &'a Arc<Step>>) -> Result<RecordBatch, ArrowError> {
    let json = |error: serde_json::Error| ArrowError::ExternalError(Box::new(error));
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for step in steps {
        numbers.push(step.number as i64);
        texts.push(serde_json::to_string(&**step).map_err(json)?);
    }
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(numbers)), Arc::new(StringArray::from(texts))])
}

fn decode(rows: &RecordBatch) -> Result<Vec<Step>, ArrowError> {
    let texts = rows.column(1).as_string::<i32>();
    let json = |error: serde_json::Error| ArrowError::ExternalError(Box::new(error));
    texts.iter().map(|text| serde_json::from_str(text.unwrap_or_default()).map_err(json)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn step(subject: usize) -> NewStep {
        NewStep { action: Action::Served, subject: format!("projection {subject}"), from: None, to: None }
    }

    /// What a checkpoint reads back of deltas that follow each other.
    fn stored(deltas: Vec<StateDelta>) -> Vec<StoredSegment> {
        let mut segments: Vec<StoredSegment> = Vec::new();
        for StateDelta { segment, dropped } in deltas {
            segments.retain(|segment| !dropped.contains(&segment.id));
            segments.extend(segment.map(|new| StoredSegment {
                id: new.id,
                live: vec![true; new.rows.num_rows()],
                rows: new.rows,
                dead: new.dead,
            }));
        }
        let dead: Vec<_> = segments.iter().flat_map(|segment| segment.dead.clone()).collect();
        for address in dead {
            if let Some(segment) = segments.iter_mut().find(|segment| segment.id == address.segment) {
                segment.live[address.row as usize] = false;
            }
        }
        segments
    }

    #[test]
    fn steps_are_numbered_kept_and_read_back() {
        let by = Actor { actor: Some("me".into()), reason: Some("so".into()), revision: None };
        let (mut ledger, mut deltas) = (Ledger::default(), Vec::new());
        for number in 0..KEPT + 50 {
            ledger.record(step(number), &by, number as i64);
            if number % 700 == 0 || number == KEPT + 49 {
                deltas.extend(ledger.capture().unwrap());
            }
        }
        let numbers = |ledger: &Ledger| ledger.steps().iter().map(|step| step.number).collect::<Vec<_>>();
        assert_eq!(numbers(&ledger), (51..=KEPT as u64 + 50).collect::<Vec<_>>());
        let segments = stored(deltas);
        let mut read = Ledger::restore(&segments).unwrap();
        assert_eq!(read.steps(), ledger.steps());
        assert_eq!(read.shape().rows, KEPT as u64);
        read.record(step(0), &Actor::default(), 0);
        assert_eq!(read.steps().last().unwrap().number, KEPT as u64 + 51);
    }
}
