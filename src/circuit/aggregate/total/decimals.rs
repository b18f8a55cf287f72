//! Sums and averages of decimals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, Decimal256Array, UInt32Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Decimal128Type, i256};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::super::CircuitError;
use super::{Counted, CountedGroup, Sum, damaged};

#[derive(Debug, Default)]
pub(in crate::circuit::aggregate) struct Decimals {
    sums: Vec<i128>,
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
        self.sums.resize(slots, 0);
    }

    fn clear(&mut self, slot: usize) {
        self.sums[slot] = 0;
    }

    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError> {
        let values = values.as_primitive::<Decimal128Type>().values();
        for &Counted { row, slot, weight } in rows {
            self.sums[slot] = self.sums[slot].wrapping_add(values[row].wrapping_mul(weight.into()));
        }
        Ok(())
    }

    fn evaluate(&self, groups: &[CountedGroup], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        if let Some(average) = &self.average {
            return averages(groups, &self.sums, average);
        }
        let sums = groups.iter().map(|group| group.some(|slot| self.sums[slot])).collect::<Decimal128Array>();
        Ok(Arc::new(sums.with_data_type(data_type.clone())))
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>()
    }

    /// As bytes, because wrapped sums may have more digits than any decimal type.
    fn persisted(&self, slots: &[u32]) -> ArrayRef {
        let bytes = slots.iter().map(|&slot| self.sums[slot as usize].to_le_bytes());
        Arc::new(BinaryArray::from_iter_values(bytes))
    }

    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError> {
        let values = column.as_binary::<i32>();
        for &(row, slot) in live {
            let bytes = values.value(row).try_into();
            self.sums[slot] = i128::from_le_bytes(bytes.map_err(|_| damaged("decimal sum"))?);
        }
        Ok(())
    }
}

/// DataFusion's averages, which take sums and counts as the state of its own accumulator.
fn averages(groups: &[CountedGroup], sums: &[i128], average: &AggregateFunctionExpr) -> Result<ArrayRef, CircuitError> {
    // It cannot be told of a group without values.
    let known: Vec<&CountedGroup> = groups.iter().filter(|group| group.count != 0).collect();
    let mut next = 0..known.len() as u32;
    let indices: UInt32Array = groups.iter().map(|group| (group.count != 0).then(|| next.next()).flatten()).collect();
    let counts = known.iter().map(|group| group.count.unsigned_abs()).collect::<UInt64Array>();
    let sums = known.iter().map(|group| Some(sums[group.slot])).collect::<Decimal128Array>();
    let sums: ArrayRef = match average.state_fields()?.get(1).map(|field| field.data_type().clone()) {
        Some(DataType::Decimal256(precision, scale)) => {
            let wide = sums.iter().map(|sum| sum.map(i256::from_i128)).collect::<Decimal256Array>();
            Arc::new(wide.with_precision_and_scale(precision, scale)?)
        }
        Some(data_type) => Arc::new(sums.with_data_type(data_type)),
        None => return Err(DataFusionError::Internal("an average without a sum".into()).into()),
    };
    let each: Vec<usize> = (0..known.len()).collect();
    let mut accumulator = average.create_groups_accumulator()?;
    accumulator.merge_batch(&[Arc::new(counts), sums], &each, each.len())?;
    Ok(take(&accumulator.evaluate(EmitTo::All)?, &indices, None)?)
}
