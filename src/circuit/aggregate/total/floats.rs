//! Sums and averages of floats: exact, and independent of the order of their values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;

use super::super::super::CircuitError;
use super::super::super::exact_sum::ExactSum;
use super::wide_column::WideColumn;
use super::{Counted, CountedGroup, Sum};

#[derive(Debug, Default)]
pub(in crate::circuit::aggregate) struct Floats {
    sums: WideColumn<ExactSum>,
    /// Whether the result is the exact sum, rounded once, divided by the count.
    average: bool,
}

impl Floats {
    pub(in crate::circuit::aggregate) fn averaged() -> Self {
        Self { average: true, ..Self::default() }
    }
}

impl Sum for Floats {
    fn grow(&mut self, slots: usize) {
        self.sums.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.sums.clear(slot);
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = values.as_primitive::<Float64Type>().values();
        for &Counted { row, slot, weight } in rows {
            self.sums.change(slot, |sum| sum.add(values[row], weight));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], _: &DataType) -> Result<ArrayRef, CircuitError> {
        let value = |group: &CountedGroup| match self.average {
            true => self.sums.get(group.slot).mean(),
            false => self.sums.get(group.slot).value(),
        };
        Ok(Arc::new(groups.iter().map(value).collect::<Float64Array>()))
    }

    fn size(&self) -> usize {
        self.sums.size()
    }

    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        self.sums.persisted(slots)
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        self.sums.restore(column, live)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The bytes of a column with these values in one group, beyond those of a column with none.
    fn bytes(values: &[f64]) -> usize {
        let mut floats = Floats::default();
        floats.grow(1);
        let empty = floats.size();
        let rows: Vec<Counted> = (0..values.len()).map(|row| Counted { row, slot: 0, weight: 1 }).collect();
        floats.add(&Float64Array::from(values.to_vec()), &rows).unwrap();
        let full = floats.size() - empty;
        let mut restored = Floats::default();
        restored.grow(1);
        restored.restore(&floats.persisted(&[0]), &[(0, 0)]).unwrap();
        assert_eq!(restored.size() > empty, full > 0, "what is restored is counted");
        floats.clear(0);
        assert_eq!(floats.size(), empty, "nothing is left of a group that is gone");
        full
    }

    #[test]
    fn wide_sums_count_what_they_take() {
        assert_eq!(bytes(&[1.0, 2.5, -3.25]), 0, "narrow ones lie in the list");
        // From the greatest to the least float there are some 2,100 bits: more than 33 limbs of 64.
        let wide = bytes(&[f64::MAX, f64::MIN_POSITIVE]);
        assert!((33 * 8..33 * 32).contains(&wide), "{wide}");
        assert!(bytes(&[f64::NAN]) > 0, "NaN and the infinities are counted apart");
    }
}
