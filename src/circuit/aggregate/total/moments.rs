//! Variances and deviations: exact, and rounded once.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::super::super::exact_moments::{ExactMoments, Spread};
use super::{Counted, Group, Sum, damaged};

#[derive(Debug)]
pub(super) struct Moments {
    moments: Vec<ExactMoments>,
    spread: Spread,
    /// Whether the result is the square root: a deviation.
    root: bool,
    /// Of moments that are too wide to lie in the list.
    heap_bytes: usize,
}

impl Moments {
    pub(super) fn new(spread: Spread, root: bool) -> Self {
        Self { moments: Vec::new(), spread, root, heap_bytes: 0 }
    }

    /// Changes the moments of a group, and keeps count of their bytes.
    fn change(&mut self, slot: usize, change: impl FnOnce(&mut ExactMoments)) {
        self.heap_bytes -= self.moments[slot].heap_bytes();
        change(&mut self.moments[slot]);
        self.heap_bytes += self.moments[slot].heap_bytes();
    }
}

impl Sum for Moments {
    fn grow(&mut self, slots: usize) {
        self.moments.resize_with(slots, ExactMoments::default);
    }

    fn clear(&mut self, slot: usize) {
        self.change(slot, |moments| *moments = ExactMoments::default());
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = values.as_primitive::<Float64Type>().values();
        for &Counted { row, slot, weight } in rows {
            self.change(slot, |moments| moments.add(values[row], weight));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[Group], _: &DataType) -> Result<ArrayRef, CircuitError> {
        let value = |group: &Group| match self.root {
            true => self.moments[group.slot].deviation(self.spread),
            false => self.moments[group.slot].variance(self.spread),
        };
        Ok(Arc::new(groups.iter().map(value).collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.moments.capacity() * size_of::<ExactMoments>() + self.heap_bytes
    }

    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        let bytes = slots.iter().map(|&slot| self.moments[slot as usize].to_bytes());
        Arc::new(BinaryArray::from_iter_values(bytes))
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let values = column.as_binary::<i32>();
        for &(row, slot) in live {
            let restored = ExactMoments::from_bytes(values.value(row)).ok_or_else(|| damaged("variance"))?;
            self.change(slot, |moments| *moments = restored);
        }
        Ok(())
    }
}
