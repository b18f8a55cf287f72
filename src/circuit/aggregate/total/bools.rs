//! `bool_and` and `bool_or`: how many are true, of how many.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::{Counted, CountedGroup, Sum};

#[derive(Debug)]
pub(in crate::circuit::aggregate) struct Bools {
    trues: Vec<i64>,
    /// Whether all have to be true, or any.
    all: bool,
}

impl Bools {
    pub(in crate::circuit::aggregate) fn all() -> Self {
        Self { trues: Vec::new(), all: true }
    }

    pub(in crate::circuit::aggregate) fn any() -> Self {
        Self { trues: Vec::new(), all: false }
    }
}

impl Sum for Bools {
    fn grow(&mut self, slots: usize) {
        self.trues.resize(slots, 0);
    }

    fn clear(&mut self, slot: usize) {
        self.trues[slot] = 0;
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = values.as_boolean();
        for &Counted { row, slot, weight } in rows {
            self.trues[slot] += weight * i64::from(values.value(row));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], _: &DataType) -> Result<ArrayRef, CircuitError> {
        let value = |group: &CountedGroup| match self.all {
            true => self.trues[group.slot] == group.count,
            false => self.trues[group.slot] > 0,
        };
        Ok(Arc::new(groups.iter().map(|group| group.some(|_| value(group))).collect::<BooleanArray>()))
    }

    fn size(&self) -> usize {
        self.trues.capacity() * size_of::<i64>()
    }

    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        Arc::new(slots.iter().map(|&slot| self.trues[slot as usize]).collect::<Int64Array>())
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let values = column.as_primitive::<Int64Type>();
        live.iter().for_each(|&(row, slot)| self.trues[slot] = values.value(row));
        Ok(())
    }
}
