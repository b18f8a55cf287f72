//! Changes of the rows that a read model has yet to take, because its projection has been in error since.
//!
//! They are kept as they came, and added up when there are twice as many: so they cost what has changed, and never more
//! than twice the rows themselves.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::circuit::ZBatch;
use crate::state::{NewSegment, StateDelta, StoreShape, StoredSegment};

/// Changes that are not worth adding up.
const SPARE_ROWS: usize = 4096;
/// The column of a persisted change that holds its weight.
const WEIGHT: &str = "__weight";

#[derive(Debug)]
pub(super) struct HeldChanges {
    /// Of the rows.
    schema: SchemaRef,
    parts: Vec<ZBatch>,
    rows: usize,
    /// How many rows there were when they were last added up.
    consolidated: usize,
    /// Parts that the checkpoints have, from the front.
    captured: usize,
    /// The segments that the checkpoints have them in, and those that they have for nothing.
    segments: Vec<u64>,
    dropped: Vec<u64>,
    next_segment: u64,
}

impl HeldChanges {
    pub(super) fn new(schema: SchemaRef) -> Self {
        let (parts, segments, dropped) = (Vec::new(), Vec::new(), Vec::new());
        Self { schema, parts, rows: 0, consolidated: 0, captured: 0, segments, dropped, next_segment: 0 }
    }

    /// Adds a change.
    ///
    /// # Errors
    /// If Arrow's rows do not know a column's type.
    pub(super) fn add(&mut self, delta: &ZBatch) -> Result<(), ArrowError> {
        if delta.is_empty() {
            return Ok(());
        }
        self.rows += delta.len();
        self.parts.push(delta.with_schema(&self.schema)?);
        if self.rows > 2 * self.consolidated + SPARE_ROWS {
            let whole = self.all()?.consolidated()?;
            self.clear();
            (self.rows, self.consolidated) = (whole.len(), whole.len());
            self.parts.extend((!whole.is_empty()).then_some(whole));
        }
        Ok(())
    }

    /// All of them, in the order in which they came.
    pub(super) fn parts(&self) -> &[ZBatch] {
        &self.parts
    }

    /// All of them as one change.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub(super) fn all(&self) -> Result<ZBatch, ArrowError> {
        ZBatch::concat(&self.schema, &self.parts)
    }

    /// Lets go of all changes: they were taken.
    pub(super) fn clear(&mut self) {
        self.parts.clear();
        self.dropped.append(&mut self.segments);
        (self.rows, self.consolidated, self.captured) = (0, 0, 0);
    }

    /// Approximate bytes in memory.
    pub(super) fn size(&self) -> usize {
        self.parts.iter().map(|part| part.rows.get_array_memory_size()).sum()
    }

    /// What changed since the last call.
    ///
    /// # Errors
    /// As [`HeldChanges::all`].
    pub(super) fn capture(&mut self) -> Result<Option<StateDelta>, ArrowError> {
        let new = ZBatch::concat(&self.schema, &self.parts[self.captured..])?;
        let dropped = std::mem::take(&mut self.dropped);
        if new.is_empty() && dropped.is_empty() {
            return Ok(None);
        }
        self.captured = self.parts.len();
        if new.is_empty() {
            return Ok(Some(StateDelta { segment: None, dropped }));
        }
        let id = self.next_segment;
        self.next_segment += 1;
        self.segments.push(id);
        let mut columns: Vec<ArrayRef> = new.rows.columns().to_vec();
        columns.push(Arc::new(new.weights_array()));
        let rows = RecordBatch::try_new(self.persisted_schema(), columns)?;
        Ok(Some(StateDelta { segment: Some(NewSegment { id, rows, dead: Vec::new() }), dropped }))
    }

    /// What the store holds since the last capture.
    pub(super) fn shape(&self) -> StoreShape {
        StoreShape { schema: self.persisted_schema(), rows: self.rows as u64 }
    }

    /// Takes back what [`HeldChanges::capture`] gave. Only for new ones.
    ///
    /// # Errors
    /// If the segments do not hold such changes.
    pub(super) fn restore(&mut self, segments: &[StoredSegment]) -> Result<(), ArrowError> {
        for StoredSegment { id, rows, .. } in segments {
            if rows.schema() != self.persisted_schema() {
                return Err(ArrowError::SchemaError("held changes have other columns than the rows".to_owned()));
            }
            let (weights, columns) = (rows.column(rows.num_columns() - 1), &rows.columns()[..rows.num_columns() - 1]);
            let weights = weights.as_primitive::<Int64Type>().clone();
            let rows = RecordBatch::try_new(self.schema.clone(), columns.to_vec())?;
            self.rows += rows.num_rows();
            self.parts.push(ZBatch::new(rows, weights));
            self.segments.push(*id);
            self.next_segment = id + 1;
        }
        (self.captured, self.consolidated) = (self.parts.len(), self.rows);
        Ok(())
    }

    fn persisted_schema(&self) -> SchemaRef {
        let weight = Arc::new(Field::new(WEIGHT, DataType::Int64, false));
        Arc::new(Schema::new(self.schema.fields().iter().cloned().chain([weight]).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use arrow::array::Int64Array;

    use super::*;

    fn held() -> HeldChanges {
        HeldChanges::new(Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)])))
    }

    /// Changes of the numbers in a range, each by this weight.
    fn change(numbers: std::ops::Range<i64>, weight: i64) -> ZBatch {
        let weights = Int64Array::from_value(weight, numbers.clone().count());
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
        ZBatch::new(RecordBatch::try_new(held().schema, vec![numbers]).unwrap(), weights)
    }

    /// By number, the sum of its weights.
    fn sums(held: &HeldChanges) -> BTreeMap<i64, i64> {
        let mut sums = BTreeMap::new();
        let all = held.all().unwrap();
        for row in 0..all.len() {
            *sums.entry(all.rows.column(0).as_primitive::<Int64Type>().value(row)).or_default() += all.weight(row);
        }
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    #[test]
    fn what_is_taken_back_is_not_kept() {
        let mut held = held();
        held.add(&change(0..10, 1)).unwrap();
        for _ in 0..20 {
            held.add(&change(100..1100, 1)).unwrap();
            held.add(&change(100..1100, -1)).unwrap();
        }
        assert_eq!(sums(&held), (0..10).map(|number| (number, 1)).collect());
        assert!(held.rows <= SPARE_ROWS + 2000, "{} rows are kept", held.rows);
    }

    #[test]
    fn a_checkpoint_holds_what_is_held_however_it_came_about() {
        let (mut live, mut stored) = (held(), BTreeMap::new());
        let mut expected = BTreeMap::new();
        for step in 0..40 {
            match step {
                17 => {
                    live.clear();
                    expected.clear();
                }
                _ => {
                    let (numbers, weight) = (step * 100..step * 100 + 300, if step % 3 == 0 { -1 } else { 1 });
                    live.add(&change(numbers.clone(), weight)).unwrap();
                    numbers.for_each(|number| *expected.entry(number).or_insert(0) += weight);
                }
            }
            if step % 2 == 0 {
                continue;
            }
            if let Some(StateDelta { segment, dropped }) = live.capture().unwrap() {
                dropped.iter().for_each(|id| drop(stored.remove(id).unwrap()));
                stored.extend(segment.map(|segment| (segment.id, segment.rows)));
            }
            let mut restored = held();
            let segments = stored.iter().map(|(&id, rows)| StoredSegment {
                id,
                live: vec![true; rows.num_rows()],
                rows: rows.clone(),
                dead: Vec::new(),
            });
            restored.restore(&segments.collect::<Vec<_>>()).unwrap();
            expected.retain(|_, weight| *weight != 0);
            assert_eq!((sums(&restored), restored.shape()), (expected.clone(), live.shape()), "step {step}");
        }
    }
}
