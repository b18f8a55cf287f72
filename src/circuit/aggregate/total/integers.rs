//! Sums of integers and durations, and averages of durations.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Int64Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, UInt64Type};
use arrow::error::ArrowError;

use super::super::super::{CircuitError, fitted_integer};
use super::{Counted, CountedGroup, Sum};

/// Added up in 128 bits, which no number of values exceeds.
#[derive(Debug, Default)]
pub(in crate::circuit::aggregate) struct Integers {
    sums: Vec<i128>,
    /// Whether the result is the sum divided by the count, without the remainder.
    average: bool,
}

impl Integers {
    pub(in crate::circuit::aggregate) fn averaged() -> Self {
        Self { sums: Vec::new(), average: true }
    }

    fn add_all<T: Copy + Into<i128>>(&mut self, values: &[T], rows: &[Counted]) {
        for &Counted { row, slot, weight } in rows {
            self.sums[slot] += values[row].into() * i128::from(weight);
        }
    }

    /// The results, as integers of 64 bits.
    fn fitted<T: ArrowPrimitiveType<Native: TryFrom<i128>>>(
        &self,
        groups: &[CountedGroup],
    ) -> Result<PrimitiveArray<T>, ArrowError> {
        let result = |group: &CountedGroup| {
            let result = |slot| match self.average {
                true => self.sums[slot] / i128::from(group.count),
                false => self.sums[slot],
            };
            group.some(result).map(fitted_integer).transpose()
        };
        groups.iter().map(result).collect::<Result<Vec<Option<T::Native>>, _>>().map(PrimitiveArray::from_iter)
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
        match values.data_type() {
            DataType::UInt64 => self.add_all(values.as_primitive::<UInt64Type>().values(), rows),
            _ => self.add_all(integers(values)?.values(), rows),
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        Ok(match data_type {
            DataType::UInt64 => Arc::new(self.fitted::<UInt64Type>(groups)?),
            _ => of_type(self.fitted(groups)?, data_type)?,
        })
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>()
    }

    /// As decimals without a scale, whose 38 digits are more than any sum has.
    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        let sums = slots.iter().map(|&slot| self.sums[slot as usize]);
        let data_type = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);
        Arc::new(Decimal128Array::from_iter_values(sums).with_data_type(data_type))
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let values = column.as_primitive::<Decimal128Type>();
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
