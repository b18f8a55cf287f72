//! `bit_and`, `bit_or` and `bit_xor`: how often each bit is set.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::super::super::bit_counts::{BitCounts, BitOperation};
use super::integers::{integers, of_type};
use super::wide_column::WideColumn;
use super::{Counted, CountedGroup, Sum};

#[derive(Debug)]
pub(in crate::circuit::aggregate) struct Bits {
    counts: WideColumn<BitCounts>,
    operation: BitOperation,
}

impl Bits {
    pub(in crate::circuit::aggregate) fn new(operation: BitOperation) -> Self {
        Self { counts: WideColumn::default(), operation }
    }
}

impl Sum for Bits {
    fn grow(&mut self, slots: usize) {
        self.counts.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.counts.clear(slot);
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = integers(values)?;
        for &Counted { row, slot, weight } in rows {
            self.counts.change(slot, |counts| counts.add(values.value(row) as u64, weight));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        let value = |group: &CountedGroup| self.counts.get(group.slot).value(self.operation, group.count) as i64;
        Ok(of_type(groups.iter().map(|group| group.some(|_| value(group))).collect(), data_type)?)
    }

    fn size(&self) -> usize {
        self.counts.size()
    }

    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        self.counts.persisted(slots)
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        self.counts.restore(column, live)
    }
}
