//! Sums of integers and durations, and averages of durations.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::{Counted, CountedGroup, Sum};

/// Wraps around as DataFusion's sums do.
#[derive(Debug, Default)]
pub(in crate::circuit::aggregate) struct Integers {
    sums: Vec<i64>,
    /// Whether the result is the sum divided by the count, without the remainder.
    average: bool,
}

impl Integers {
    pub(in crate::circuit::aggregate) fn averaged() -> Self {
        Self { sums: Vec::new(), average: true }
    }
}

impl Sum for Integers {
    fn grow(&mut self, slots: usize) {
        self.sums.resize(slots, 0);
    }

    fn clear(&mut self, slot: usize) {
        self.sums[slot] = 0;
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = integers(values)?;
        for &Counted { row, slot, weight } in rows {
            self.sums[slot] = self.sums[slot].wrapping_add(values.value(row).wrapping_mul(weight));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        let sum = |group: CountedGroup| match self.average {
            true => self.sums[group.slot].wrapping_div(group.count),
            false => self.sums[group.slot],
        };
        Ok(of_type(groups.iter().map(|group| group.some(|_| sum(*group))).collect(), data_type)?)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i64>()
    }

    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        Arc::new(slots.iter().map(|&slot| self.sums[slot as usize]).collect::<Int64Array>())
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let values = column.as_primitive::<Int64Type>();
        live.iter().for_each(|&(row, slot)| self.sums[slot] = values.value(row));
        Ok(())
    }
}

/// Integers of any width, and durations, as 64 bits.
pub(super) fn integers(values: &dyn Array) -> Result<Int64Array, ArrowError> {
    Ok(match values.data_type() {
        DataType::UInt64 => values.as_primitive::<UInt64Type>().unary(|value| value as i64),
        _ => cast(values, &DataType::Int64)?.as_primitive().clone(),
    })
}

/// The inverse of [`integers`].
pub(super) fn of_type(values: Int64Array, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    Ok(match data_type {
        DataType::UInt64 => Arc::new(values.unary::<_, UInt64Type>(|value| value as u64)),
        _ => cast(&values, data_type)?,
    })
}
