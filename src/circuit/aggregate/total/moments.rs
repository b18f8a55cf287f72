//! Variances and deviations: exact, and rounded once.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::super::super::exact_moments::{ExactMoments, Spread};
use super::wide_column::WideColumn;
use super::{Counted, CountedGroup, Sum};

#[derive(Debug)]
pub(in crate::circuit::aggregate) struct Moments {
    moments: WideColumn<ExactMoments>,
    spread: Spread,
    /// Whether the result is the square root: a deviation.
    root: bool,
}

impl Moments {
    pub(in crate::circuit::aggregate) fn new(spread: Spread, root: bool) -> Self {
        Self { moments: WideColumn::default(), spread, root }
    }
}

impl Sum for Moments {
    fn grow(&mut self, slots: usize) {
        self.moments.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.moments.clear(slot);
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = values.as_primitive::<Float64Type>().values();
        for &Counted { row, slot, weight } in rows {
            self.moments.change(slot, |moments| moments.add(values[row], weight));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], _: &DataType) -> Result<ArrayRef, CircuitError> {
        let value = |group: &CountedGroup| match self.root {
            true => self.moments.get(group.slot).deviation(self.spread),
            false => self.moments.get(group.slot).variance(self.spread),
        };
        Ok(Arc::new(groups.iter().map(value).collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.moments.size()
    }

    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        self.moments.persisted(slots)
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        self.moments.restore(column, live)
    }
}
