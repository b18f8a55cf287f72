//! A total that takes each different value once: count(DISTINCT x), sum(DISTINCT x) …

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::super::call_state::CallState;
use super::super::total::{Counted, Total};
use super::ordered_rows::OrderedRows;
use super::outcome::{Change, Outcome};

/// The total counts by itself: a group's weight is of all its rows.
#[derive(Debug)]
pub(in super::super) struct Distinct(pub(in super::super) Total);

impl Outcome for Distinct {
    fn grow(&mut self, slots: usize) {
        self.0.grow(slots);
    }

    fn clear(&mut self, slot: u32) {
        self.0.clear(slot);
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn follow(
        &mut self,
        _: &OrderedRows,
        changes: &[Change<'_>],
        columns: &[ArrayRef],
        _: &[u32],
    ) -> Result<(), ArrowError> {
        let changed = changes.iter().filter(|change| change.distinct != 0);
        let counted =
            changed.map(|change| Counted { row: change.row, slot: change.slot as usize, weight: change.distinct });
        self.0.add(columns.last().map(AsRef::<dyn Array>::as_ref), counted)
    }

    fn evaluate(&self, _: &OrderedRows, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        self.0.results(slots, |_| 0, data_type)
    }
}
