//! Sums and averages of decimals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, UInt32Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type, i256};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::super::{CircuitError, fitted_decimal};
use super::{Counted, CountedGroup, Sum};

/// Added up in 256 bits, which no number of values exceeds.
#[derive(Debug, Default)]
pub(in crate::circuit::aggregate) struct Decimals {
    sums: Vec<i256>,
    /// DataFusion's average of the sum and the count, if that is asked for.
    average: Option<Box<AggregateFunctionExpr>>,
}

impl Decimals {
    pub(in crate::circuit::aggregate) fn averaged(average: Box<AggregateFunctionExpr>) -> Self {
        Self { sums: Vec::new(), average: Some(average) }
    }
}

impl Sum for Decimals {
    fn grow(&mut self, slots: usize) {
        self.sums.resize(slots, i256::ZERO);
    }

    fn clear(&mut self, slot: usize) {
        self.sums[slot] = i256::ZERO;
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = values.as_primitive::<Decimal128Type>().values();
        for &Counted { row, slot, weight } in rows {
            let value = i256::from_i128(values[row]);
            self.sums[slot] += match weight {
                // What most rows have, and a product of 256 bits takes a while.
                1 => value,
                -1 => -value,
                _ => value * i256::from_i128(weight.into()),
            };
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        if let Some(average) = &self.average {
            return averages(groups, &self.sums, average);
        }
        let &DataType::Decimal128(precision, scale) = data_type else {
            return Err(DataFusionError::Internal(format!("a sum of decimals as {data_type}")).into());
        };
        let fitted = |slot: usize| fitted_decimal(self.sums[slot], precision, scale);
        let sums = groups.iter().map(|group| group.some(fitted).transpose());
        let sums = sums.collect::<Result<Vec<_>, _>>().map(Decimal128Array::from_iter)?;
        Ok(Arc::new(sums.with_data_type(data_type.clone())))
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i256>()
    }

    /// As decimals without a scale.
    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        let sums = slots.iter().map(|&slot| self.sums[slot as usize]);
        let data_type = DataType::Decimal256(DECIMAL256_MAX_PRECISION, 0);
        Arc::new(Decimal256Array::from_iter_values(sums).with_data_type(data_type))
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let values = column.as_primitive::<Decimal256Type>();
        live.iter().for_each(|&(row, slot)| self.sums[slot] = values.value(row));
        Ok(())
    }
}

/// DataFusion's averages, which take sums and counts as the state of its own accumulator.
fn averages(groups: &[CountedGroup], sums: &[i256], average: &AggregateFunctionExpr) -> Result<ArrayRef, CircuitError> {
    // It cannot be told of a group without values.
    let known: Vec<&CountedGroup> = groups.iter().filter(|group| group.count != 0).collect();
    let mut next = 0..known.len() as u32;
    let indices: UInt32Array = groups.iter().map(|group| (group.count != 0).then(|| next.next()).flatten()).collect();
    let counts = known.iter().map(|group| group.count.unsigned_abs()).collect::<UInt64Array>();
    let sums = known.iter().map(|group| sums[group.slot]);
    let sums: ArrayRef = match average.state_fields()?.get(1).map(|field| field.data_type().clone()) {
        Some(DataType::Decimal256(precision, scale)) => {
            let sums = Decimal256Array::from_iter_values(sums);
            Arc::new(sums.with_precision_and_scale(precision, scale)?)
        }
        Some(DataType::Decimal128(precision, scale)) => {
            let fitted = sums.map(|sum| fitted_decimal(sum, precision, scale)).collect::<Result<Vec<_>, _>>()?;
            Arc::new(Decimal128Array::from(fitted).with_precision_and_scale(precision, scale)?)
        }
        other => return Err(DataFusionError::Internal(format!("an average whose sum is {other:?}")).into()),
    };
    let each: Vec<usize> = (0..known.len()).collect();
    let mut accumulator = average.create_groups_accumulator()?;
    accumulator.merge_batch(&[Arc::new(counts), sums], &each, each.len())?;
    Ok(take(&accumulator.evaluate(EmitTo::All)?, &indices, None)?)
}
