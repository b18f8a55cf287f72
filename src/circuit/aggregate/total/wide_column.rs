//! A column of values that may be wider than their place in it: what they have on the heap is counted as they change.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray};
use arrow::error::ArrowError;

use super::super::super::bit_counts::BitCounts;
use super::super::super::exact_moments::ExactMoments;
use super::super::super::exact_sum::ExactSum;

/// A value of such a column. A checkpoint keeps its bytes.
pub(super) trait Wide: Default + Debug {
    /// For people, where its bytes cannot be read.
    const NAME: &'static str;

    /// Bytes in memory beside the value itself.
    fn heap_bytes(&self) -> usize;

    fn to_bytes(&self) -> Vec<u8>;

    /// None for what [`Wide::to_bytes`] did not write.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Values by group slot.
#[derive(Debug, Default)]
pub(super) struct WideColumn<T> {
    values: Vec<T>,
    heap_bytes: usize,
}

impl<T: Wide> WideColumn<T> {
    pub(super) fn grow(&mut self, slots: usize) {
        self.values.resize_with(slots, T::default);
    }

    pub(super) fn clear(&mut self, slot: usize) {
        self.change(slot, |value| *value = T::default());
    }

    pub(super) fn get(&self, slot: usize) -> &T {
        &self.values[slot]
    }

    pub(super) fn change(&mut self, slot: usize, change: impl FnOnce(&mut T)) {
        self.heap_bytes -= self.values[slot].heap_bytes();
        change(&mut self.values[slot]);
        self.heap_bytes += self.values[slot].heap_bytes();
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        self.values.capacity() * size_of::<T>() + self.heap_bytes
    }

    pub(super) fn persisted(&self, slots: &[u32]) -> ArrayRef {
        let bytes = slots.iter().map(|&slot| self.values[slot as usize].to_bytes());
        Arc::new(BinaryArray::from_iter_values(bytes))
    }

    /// Takes back what [`WideColumn::persisted`] gave, for the groups of some of its rows.
    ///
    /// # Errors
    /// A value's bytes cannot be read.
    pub(super) fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let bytes = column.as_binary::<i32>();
        for &(row, slot) in live {
            let restored = T::from_bytes(bytes.value(row)).ok_or_else(|| super::damaged(T::NAME))?;
            self.change(slot, |value| *value = restored);
        }
        Ok(())
    }
}

impl Wide for ExactSum {
    const NAME: &'static str = "float sum";

    fn heap_bytes(&self) -> usize {
        self.heap_bytes()
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        ExactSum::from_bytes(bytes)
    }
}

impl Wide for ExactMoments {
    const NAME: &'static str = "variance";

    fn heap_bytes(&self) -> usize {
        self.heap_bytes()
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        ExactMoments::from_bytes(bytes)
    }
}

impl Wide for BitCounts {
    const NAME: &'static str = "count of bits";

    fn heap_bytes(&self) -> usize {
        self.heap_bytes()
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        BitCounts::from_bytes(bytes)
    }
}
