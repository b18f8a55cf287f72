//! Which events count at a cut: all that were read, but for those that are held back.
//!
//! An event held back keeps its sequence and whatever was decided on it in sequence order, so nothing but the step that
//! brings it depends on when it is admitted.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use readside::event::{EventBatch, TypeRows, metadata};

/// A source and a sequence in it.
pub(super) type Place = (String, i64);

/// What has been admitted of each source.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission {
    /// Messages read, by source.
    pub(super) positions: BTreeMap<String, usize>,
    pub(super) held: BTreeSet<Place>,
}

impl Admission {
    /// Reads the next message of a source, and holds it back or not.
    pub(super) fn read(&mut self, source: &str, held: bool) {
        let position = self.positions.entry(source.to_owned()).or_default();
        *position += 1;
        if held {
            self.held.insert((source.to_owned(), *position as i64));
        }
    }

    pub(super) fn position(&self, source: &str) -> usize {
        self.positions.get(source).copied().unwrap_or(0)
    }

    /// The events of a batch that are admitted, and those that are held back, each alone.
    pub(super) fn divided(
        &self,
        source: &str,
        batch: EventBatch,
    ) -> Result<(EventBatch, Vec<(Place, EventBatch)>), ArrowError> {
        if !self.held.iter().any(|(other, _)| other == source) {
            return Ok((batch, Vec::new()));
        }
        let singles = (0..batch.len()).map(|row| ((source.to_owned(), sequence(&batch, row)), batch.slice(row, 1)));
        let (held, admitted): (Vec<_>, Vec<_>) = singles.partition(|(place, _)| self.held.contains(place));
        let admitted: Vec<EventBatch> = admitted.into_iter().map(|(_, event)| event).collect();
        Ok((joined(&batch.slice(0, 0), &admitted)?, held))
    }
}

/// The sequence of an event of a batch.
pub(super) fn sequence(batch: &EventBatch, row: usize) -> i64 {
    batch.metadata.column(metadata::SEQ).as_primitive::<Int64Type>().value(row)
}

/// The type of an event that is alone in a batch.
pub(super) fn event_type(event: &EventBatch) -> String {
    event.metadata.column(metadata::TYPE).as_string::<i32>().value(0).to_owned()
}

/// `batch` with more events, each of them where its sequence says.
pub(super) fn with(batch: &EventBatch, more: Vec<EventBatch>) -> Result<EventBatch, ArrowError> {
    let mut events: Vec<EventBatch> = (0..batch.len()).map(|row| batch.slice(row, 1)).collect();
    events.extend(more);
    events.sort_by_key(|event| sequence(event, 0));
    joined(&batch.slice(0, 0), &events)
}

/// One batch of several; `none` has no events.
fn joined(none: &EventBatch, batches: &[EventBatch]) -> Result<EventBatch, ArrowError> {
    let metadata = concat_batches(&none.metadata.schema(), batches.iter().map(|batch| &batch.metadata))?;
    let types = none.types.iter().enumerate().map(|(index, none)| {
        let (mut rows, mut before) = (Vec::new(), 0);
        for batch in batches {
            rows.extend(batch.types[index].rows.values().iter().map(|row| row + before));
            before += batch.len() as u32;
        }
        let fields = batches.iter().map(|batch| &batch.types[index].fields);
        Ok(TypeRows { rows: rows.into(), fields: concat_batches(&none.fields.schema(), fields)? })
    });
    Ok(EventBatch { metadata, types: types.collect::<Result<_, ArrowError>>()? })
}
