//! Errors as data: what cannot be computed of a row that comes from no single event.
//!
//! Such an error is a row of a collection of its own. It has the weight of the row that is at fault, and is taken back
//! together with that. So a circuit is in error at a cut exactly where its operators fail over the rows of that cut,
//! whatever commits led there, and it is so no more once the cause is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use xxhash_rust::xxh3::xxh3_128;

use super::error::CircuitError;
use super::shown::{cut, row_text};
use crate::identity::Identity;
use crate::state::{NewSegment, StateDelta, StoreShape, StoredSegment};

/// The errors that one operator finds in one step.
#[derive(Debug, Clone, Default)]
pub(super) struct FoundErrors(Vec<FoundError>);

#[derive(Debug, Clone)]
struct FoundError {
    /// The hash of the row's text. Rows with one text count as one: their weights add up to 0 only when all are gone.
    row: u128,
    error: RowError,
}

/// An error of an operator over one of its rows, groups or partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The row at fault, or the key of the group or partition: `{customer: 17, orders: 0}`.
    pub row: String,
    pub message: String,
    /// How many times the row is there.
    weight: i64,
}

impl FoundErrors {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an error over one row of `rows`.
    ///
    /// # Errors
    /// Gives the error back if no row is at fault.
    pub(super) fn add(
        &mut self,
        rows: &RecordBatch,
        row: usize,
        weight: i64,
        error: CircuitError,
    ) -> Result<(), CircuitError> {
        if matches!(error.0.find_root(), DataFusionError::Internal(_) | DataFusionError::ResourcesExhausted(_)) {
            return Err(error);
        }
        let text = row_text(rows, row);
        let found = RowError { row: cut(&text), message: error.to_string(), weight };
        self.0.push(FoundError { row: xxh3_128(text.as_bytes()), error: found });
        Ok(())
    }
}

/// The errors of a circuit at its cut.
#[derive(Debug, Default)]
pub(super) struct RowErrors {
    /// By operator, and by the hash of the row's text.
    errors: BTreeMap<(Identity, u128), RowError>,
    /// The segment that the checkpoints hold all of them in.
    segment: Option<u64>,
    next_segment: u64,
    is_changed: bool,
}

impl RowErrors {
    /// All of them, in the same order for the same errors.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Identity, &RowError)> {
        self.errors.iter().map(|((operator, _), error)| (*operator, error))
    }

    /// Adds what an operator found, and takes back what it takes back.
    pub(super) fn apply(&mut self, operator: Identity, found: &FoundErrors) {
        for FoundError { row, error } in &found.0 {
            self.is_changed = true;
            let key = (operator, *row);
            let known = self.errors.entry(key).or_insert_with(|| RowError { weight: 0, ..error.clone() });
            known.weight += error.weight;
            if known.weight == 0 {
                self.errors.remove(&key);
            }
        }
    }

    /// Approximate bytes in memory.
    pub(super) fn size(&self) -> usize {
        let entry = size_of::<((Identity, u128), RowError)>();
        self.errors.values().map(|error| entry + error.row.len() + error.message.len()).sum()
    }

    /// All errors in one new segment, if they changed since the last call.
    ///
    /// # Errors
    /// Texts outgrow Arrow's offsets (2 GiB in one column).
    pub(super) fn capture(&mut self) -> Result<Option<StateDelta>, ArrowError> {
        if !std::mem::take(&mut self.is_changed) {
            return Ok(None);
        }
        let dropped = self.segment.take().into_iter().collect();
        if self.errors.is_empty() {
            return Ok(Some(StateDelta { segment: None, dropped }));
        }
        let id = self.next_segment;
        self.next_segment += 1;
        self.segment = Some(id);
        let errors = || self.errors.values();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.errors.keys().map(|(operator, _)| Some(operator.to_string())).collect::<StringArray>()),
            Arc::new(BinaryArray::from_iter_values(self.errors.keys().map(|(_, row)| row.to_le_bytes()))),
            Arc::new(errors().map(|error| Some(&error.row)).collect::<StringArray>()),
            Arc::new(errors().map(|error| Some(&error.message)).collect::<StringArray>()),
            Arc::new(errors().map(|error| error.weight).collect::<Int64Array>()),
        ];
        let rows = RecordBatch::try_new(schema(), columns)?;
        Ok(Some(StateDelta { segment: Some(NewSegment { id, rows, dead: Vec::new() }), dropped }))
    }

    /// What the checkpoints hold of them since the last capture.
    pub(super) fn shape(&self) -> StoreShape {
        StoreShape { schema: schema(), rows: self.errors.len() as u64 }
    }

    /// Takes back what [`RowErrors::capture`] gave.
    ///
    /// # Errors
    /// A segment does not hold such errors.
    pub(super) fn restore(&mut self, segments: &[StoredSegment]) -> Result<(), CircuitError> {
        for StoredSegment { id, rows, .. } in segments {
            if rows.schema() != schema() {
                return Err(damaged("columns"));
            }
            let texts = [0, 2, 3].map(|column| rows.column(column).as_string::<i32>());
            let (hashes, weights) = (rows.column(1).as_binary::<i32>(), rows.column(4).as_primitive::<Int64Type>());
            for row in 0..rows.num_rows() {
                let [operator, shown, message] = texts.map(|texts| texts.value(row));
                let operator: Identity = operator.parse().map_err(|_| damaged("operator"))?;
                let hash = hashes.value(row).try_into().map_err(|_| damaged("hash"))?;
                let (row, message, weight) = (shown.to_owned(), message.to_owned(), weights.value(row));
                self.errors.insert((operator, u128::from_le_bytes(hash)), RowError { row, message, weight });
            }
            self.segment = Some(*id);
            self.next_segment = id + 1;
        }
        Ok(())
    }
}

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("operator"),
        Field::new("hash", DataType::Binary, false),
        text("row"),
        text("message"),
        Field::new("weight", DataType::Int64, false),
    ]))
}

fn damaged(part: &str) -> CircuitError {
    DataFusionError::Execution(format!("a kept error has a damaged {part}")).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::identity::Specification;

    fn operator(name: &str) -> Identity {
        Specification::of(name).finish()
    }

    fn found(rows: &[(i64, i64)]) -> FoundErrors {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let mut found = FoundErrors::default();
        for &(number, weight) in rows {
            let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![number]))]).unwrap();
            let error = DataFusionError::Execution("no quotient".to_owned());
            found.add(&rows, 0, weight, error.into()).unwrap();
        }
        found
    }

    fn told(errors: &RowErrors) -> Vec<(&str, i64)> {
        errors.iter().map(|(_, error)| (error.row.as_str(), error.weight)).collect()
    }

    #[test]
    fn an_error_is_gone_when_all_copies_of_its_row_are() {
        let mut errors = RowErrors::default();
        errors.apply(operator("a"), &found(&[(1, 2), (1, 1)]));
        errors.apply(operator("b"), &found(&[(1, 1)]));
        errors.apply(operator("a"), &found(&[(1, -2)]));
        errors.apply(operator("b"), &found(&[(1, -1)]));
        assert_eq!(told(&errors), [("{n: 1}", 1)]);
        errors.apply(operator("a"), &found(&[(1, -1)]));
        assert_eq!(told(&errors), []);
    }

    #[test]
    fn a_fault_of_the_operator_is_no_row_s_fault() {
        let rows = RecordBatch::new_empty(schema());
        let error = DataFusionError::Internal("a wrong type".to_owned());
        assert!(FoundErrors::default().add(&rows, 0, 1, error.into()).is_err());
    }

    #[test]
    fn a_checkpoint_holds_the_errors_as_long_as_they_are_there() {
        let mut errors = RowErrors::default();
        assert!(errors.capture().unwrap().is_none());
        errors.apply(operator("a"), &found(&[(1, 1), (2, 3)]));
        let first = errors.capture().unwrap().unwrap().segment.unwrap();
        errors.apply(operator("a"), &found(&[(1, -1)]));
        let StateDelta { segment, dropped } = errors.capture().unwrap().unwrap();
        let NewSegment { id, rows, dead } = segment.unwrap();
        assert_eq!((dropped, told(&errors)), (vec![first.id], vec![("{n: 2}", 3)]));
        let mut restored = RowErrors::default();
        let live = vec![true; rows.num_rows()];
        restored.restore(&[StoredSegment { id, rows, live, dead }]).unwrap();
        assert_eq!(restored.errors, errors.errors);
        restored.apply(operator("a"), &found(&[(2, -3)]));
        let last = restored.capture().unwrap().unwrap();
        assert!(last.segment.is_none() && last.dropped == [id] && restored.iter().len() == 0);
    }
}
