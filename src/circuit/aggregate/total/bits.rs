//! `bit_and`, `bit_or` and `bit_xor`: how often each bit is set.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::super::super::bit_counts::{BitCounts, BitOperation};
use super::integers::{integers, of_type};
use super::{Counted, Group, Sum, damaged};

#[derive(Debug)]
pub(super) struct Bits {
    counts: Vec<BitCounts>,
    operation: BitOperation,
    /// Of counts that do not lie in the list.
    heap_bytes: usize,
}

impl Bits {
    pub(super) fn new(operation: BitOperation) -> Self {
        Self { counts: Vec::new(), operation, heap_bytes: 0 }
    }

    /// Changes the counts of a group, and keeps count of their bytes.
    fn change(&mut self, slot: usize, change: impl FnOnce(&mut BitCounts)) {
        self.heap_bytes -= self.counts[slot].elsewhere();
        change(&mut self.counts[slot]);
        self.heap_bytes += self.counts[slot].elsewhere();
    }
}

impl Sum for Bits {
    fn grow(&mut self, slots: usize) {
        self.counts.resize(slots, BitCounts::default());
    }

    fn clear(&mut self, slot: usize) {
        self.change(slot, |counts| *counts = BitCounts::default());
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = integers(values)?;
        for &Counted { row, slot, weight } in rows {
            self.change(slot, |counts| counts.add(values.value(row) as u64, weight));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[Group], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        let value = |group: &Group| self.counts[group.slot].value(self.operation, group.count) as i64;
        Ok(of_type(groups.iter().map(|group| group.some(|_| value(group))).collect(), data_type)?)
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<BitCounts>() + self.heap_bytes
    }

    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        let bytes = slots.iter().map(|&slot| self.counts[slot as usize].to_bytes());
        Arc::new(BinaryArray::from_iter_values(bytes))
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let values = column.as_binary::<i32>();
        for &(row, slot) in live {
            let restored = BitCounts::from_bytes(values.value(row)).ok_or_else(|| damaged("count of bits"))?;
            self.change(slot, |counts| *counts = restored);
        }
        Ok(())
    }
}
