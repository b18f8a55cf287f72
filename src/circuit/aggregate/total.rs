//! Aggregates that are sums: a change of the input is added, a retraction subtracted.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array,
    UInt32Array, UInt64Array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type, i256};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::bit_counts::{BitCounts, BitOperation};
use super::super::exact_moments::{ExactMoments, Spread};
use super::super::exact_sum::ExactSum;
use super::super::groups::Touched;
use super::super::{CircuitError, ZBatch};
use super::passes;
use super::spec::Function;

/// One aggregate of all groups, in columns indexed by group slot.
#[derive(Debug)]
pub(super) struct Total {
    column: Option<usize>,
    /// Rows that count: those that pass the filter and whose argument is not NULL. None if every row counts: their number
    /// is the group's weight then.
    counts: Option<Vec<i64>>,
    sums: Sums,
}

#[derive(Debug)]
enum Sums {
    None,
    Int {
        sums: Vec<i64>,
        average: bool,
    },
    Decimal {
        sums: Vec<i128>,
        average: Option<Box<AggregateFunctionExpr>>,
    },
    Float {
        sums: Vec<ExactSum>,
        average: bool,
    },
    Moments {
        moments: Vec<ExactMoments>,
        spread: Spread,
        root: bool,
    },
    /// How many were true; `all` for bool_and, else bool_or.
    Bool {
        trues: Vec<i64>,
        all: bool,
    },
    Bits {
        counts: Vec<BitCounts>,
        operation: BitOperation,
        /// Of counts, beside the list.
        bytes_elsewhere: usize,
    },
}

impl Total {
    /// For the functions that are totals; any other counts rows. `counts` if some rows may not count.
    pub(super) fn new(function: &Function, counts: bool) -> Self {
        let sums = match function {
            Function::SumInt { .. } => Sums::Int { sums: Vec::new(), average: false },
            Function::AvgDuration { .. } => Sums::Int { sums: Vec::new(), average: true },
            Function::SumDecimal { .. } => Sums::Decimal { sums: Vec::new(), average: None },
            Function::AvgDecimal { accumulator, .. } => {
                Sums::Decimal { sums: Vec::new(), average: Some(accumulator.clone()) }
            }
            Function::SumFloat { .. } => Sums::Float { sums: Vec::new(), average: false },
            Function::AvgFloat { .. } => Sums::Float { sums: Vec::new(), average: true },
            Function::Moments { spread, root, .. } => {
                Sums::Moments { moments: Vec::new(), spread: *spread, root: *root }
            }
            Function::BoolAnd { .. } => Sums::Bool { trues: Vec::new(), all: true },
            Function::BoolOr { .. } => Sums::Bool { trues: Vec::new(), all: false },
            Function::Bits { operation, .. } => {
                Sums::Bits { counts: Vec::new(), operation: *operation, bytes_elsewhere: 0 }
            }
            Function::Count { .. }
            | Function::First { .. }
            | Function::Nth { .. }
            | Function::Distinct { .. }
            | Function::Median { .. }
            | Function::Percentile { .. }
            | Function::Ordered { .. } => Sums::None,
        };
        Self { column: function.argument(), counts: counts.then(Vec::new), sums }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        if let Some(counts) = &mut self.counts {
            counts.resize(slots, 0);
        }
        match &mut self.sums {
            Sums::None => {}
            Sums::Int { sums, .. } => sums.resize(slots, 0),
            Sums::Decimal { sums, .. } => sums.resize(slots, 0),
            Sums::Float { sums, .. } => sums.resize_with(slots, ExactSum::default),
            Sums::Moments { moments, .. } => moments.resize_with(slots, ExactMoments::default),
            Sums::Bool { trues, .. } => trues.resize(slots, 0),
            Sums::Bits { counts, .. } => counts.resize(slots, BitCounts::default()),
        }
    }

    pub(super) fn clear(&mut self, slot: u32) {
        let slot = slot as usize;
        if let Some(counts) = &mut self.counts {
            counts[slot] = 0;
        }
        match &mut self.sums {
            Sums::None => {}
            Sums::Int { sums, .. } => sums[slot] = 0,
            Sums::Decimal { sums, .. } => sums[slot] = 0,
            Sums::Float { sums, .. } => sums[slot] = ExactSum::default(),
            Sums::Moments { moments, .. } => moments[slot] = ExactMoments::default(),
            Sums::Bool { trues, .. } => trues[slot] = 0,
            Sums::Bits { counts, bytes_elsewhere, .. } => {
                *bytes_elsewhere -= std::mem::take(&mut counts[slot]).elsewhere();
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        let sums = match &self.sums {
            Sums::None => 0,
            Sums::Int { sums, .. } => sums.capacity() * 8,
            Sums::Decimal { sums, .. } => sums.capacity() * 16,
            Sums::Float { sums, .. } => sums.capacity() * size_of::<ExactSum>(),
            Sums::Moments { moments, .. } => moments.capacity() * size_of::<ExactMoments>(),
            Sums::Bool { trues, .. } => trues.capacity() * 8,
            Sums::Bits { counts, bytes_elsewhere, .. } => counts.capacity() * size_of::<BitCounts>() + bytes_elsewhere,
        };
        self.counts.as_ref().map_or(0, |counts| counts.capacity() * 8) + sums
    }

    pub(super) fn update(
        &mut self,
        input: &ZBatch,
        touched: &Touched,
        mask: Option<&BooleanArray>,
    ) -> Result<(), ArrowError> {
        let values = self.column.map(|place| input.rows.column(place).as_ref());
        let nulls = values.and_then(Array::logical_nulls);
        let rows = touched.rows.iter().enumerate().filter_map(|(row, local)| {
            let counts = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) && passes(mask, row);
            counts.then(|| (row, touched.slots[*local as usize] as usize, input.weight(row)))
        });
        self.add(values, rows)
    }

    /// Adds rows that count, each by its place, its group and its weight.
    fn add(
        &mut self,
        values: Option<&dyn Array>,
        rows: impl Iterator<Item = (usize, usize, i64)> + Clone,
    ) -> Result<(), ArrowError> {
        if let Some(counts) = &mut self.counts {
            rows.clone().for_each(|(_, slot, weight)| counts[slot] += weight);
        }
        match (&mut self.sums, values) {
            (Sums::Int { sums, .. }, Some(values)) => {
                let values = integers(values)?;
                for (row, slot, weight) in rows {
                    sums[slot] = sums[slot].wrapping_add(values.value(row).wrapping_mul(weight));
                }
            }
            (Sums::Decimal { sums, .. }, Some(values)) => {
                let values = values.as_primitive::<Decimal128Type>().values();
                for (row, slot, weight) in rows {
                    sums[slot] = sums[slot].wrapping_add(values[row].wrapping_mul(weight.into()));
                }
            }
            (Sums::Float { sums, .. }, Some(values)) => {
                let values = values.as_primitive::<Float64Type>().values();
                for (row, slot, weight) in rows {
                    sums[slot].add(values[row], weight);
                }
            }
            (Sums::Moments { moments, .. }, Some(values)) => {
                let values = values.as_primitive::<Float64Type>().values();
                for (row, slot, weight) in rows {
                    moments[slot].add(values[row], weight);
                }
            }
            (Sums::Bool { trues, .. }, Some(values)) => {
                let values = values.as_boolean();
                for (row, slot, weight) in rows {
                    trues[slot] += weight * i64::from(values.value(row));
                }
            }
            (Sums::Bits { counts, bytes_elsewhere, .. }, Some(values)) => {
                let values = integers(values)?;
                for (row, slot, weight) in rows {
                    *bytes_elsewhere -= counts[slot].elsewhere();
                    counts[slot].add(values.value(row) as u64, weight);
                    *bytes_elsewhere += counts[slot].elsewhere();
                }
            }
            (_, _) => {}
        }
        Ok(())
    }

    /// Puts back what different values, none of them NULL, add up to.
    pub(super) fn restore_different(&mut self, values: &ArrayRef, slots: &[Option<u32>]) -> Result<(), ArrowError> {
        let live = slots.iter().enumerate().filter_map(|(row, slot)| Some((row, (*slot)? as usize, 1)));
        self.add(Some(values), live)
    }

    pub(super) fn evaluate(
        &self,
        slots: &[u32],
        weight: impl Fn(u32) -> i64,
        data_type: &DataType,
    ) -> Result<ArrayRef, CircuitError> {
        let count = |slot: usize| self.count(slot, &weight);
        let slots = slots.iter().map(|&slot| slot as usize);
        let some = |slot: usize| count(slot) != 0;
        Ok(match &self.sums {
            Sums::None => Arc::new(slots.map(count).collect::<Int64Array>()),
            Sums::Int { sums, average } => {
                let sum = |slot: usize| if *average { sums[slot].wrapping_div(count(slot)) } else { sums[slot] };
                of_type(slots.map(|slot| some(slot).then(|| sum(slot))).collect(), data_type)?
            }
            Sums::Decimal { sums, average: Some(average) } => averages(slots, count, sums, average)?,
            Sums::Decimal { sums, average: None } => {
                let sums = slots.map(|slot| some(slot).then(|| sums[slot])).collect::<Decimal128Array>();
                Arc::new(sums.with_data_type(data_type.clone()))
            }
            Sums::Float { sums, average } => {
                let value = |slot: usize| if *average { sums[slot].mean() } else { sums[slot].value() };
                Arc::new(slots.map(value).collect::<Float64Array>())
            }
            Sums::Moments { moments, spread, root } => {
                let value = |slot: usize| match root {
                    true => moments[slot].deviation(*spread),
                    false => moments[slot].variance(*spread),
                };
                Arc::new(slots.map(value).collect::<Float64Array>())
            }
            Sums::Bool { trues, all } => {
                let value = |slot: usize| if *all { trues[slot] == count(slot) } else { trues[slot] > 0 };
                Arc::new(slots.map(|slot| some(slot).then(|| value(slot))).collect::<BooleanArray>())
            }
            Sums::Bits { counts, operation, .. } => {
                let value = |slot: usize| counts[slot].value(*operation, count(slot)) as i64;
                of_type(slots.map(|slot| some(slot).then(|| value(slot))).collect(), data_type)?
            }
        })
    }

    fn count(&self, slot: usize, weight: impl Fn(u32) -> i64) -> i64 {
        self.counts.as_ref().map_or_else(|| weight(slot as u32), |counts| counts[slot])
    }

    /// The count, and the sum where there is one.
    pub(super) fn persisted(&self, slots: &[u32], weight: impl Fn(u32) -> i64) -> Vec<ArrayRef> {
        let places = || slots.iter().map(|&slot| slot as usize);
        let counts = places().map(|slot| self.count(slot, &weight)).collect::<Int64Array>();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(counts)];
        match &self.sums {
            Sums::None => {}
            Sums::Int { sums, .. } | Sums::Bool { trues: sums, .. } => {
                columns.push(Arc::new(places().map(|slot| sums[slot]).collect::<Int64Array>()));
            }
            // As bytes, because wrapped sums may have more digits than any decimal type.
            Sums::Decimal { sums, .. } => {
                columns.push(Arc::new(BinaryArray::from_iter_values(places().map(|slot| sums[slot].to_le_bytes()))));
            }
            Sums::Moments { moments, .. } => {
                let bytes = places().map(|slot| moments[slot].to_bytes());
                columns.push(Arc::new(BinaryArray::from_iter_values(bytes)));
            }
            Sums::Float { sums, .. } => {
                columns.push(Arc::new(BinaryArray::from_iter_values(places().map(|slot| sums[slot].to_bytes()))));
            }
            Sums::Bits { counts, .. } => {
                columns.push(Arc::new(BinaryArray::from_iter_values(places().map(|slot| counts[slot].to_bytes()))));
            }
        }
        columns
    }

    /// Takes its columns from the front and gives back the rest.
    pub(super) fn restore<'a>(
        &mut self,
        columns: &'a [ArrayRef],
        slots: &[Option<u32>],
    ) -> Result<&'a [ArrayRef], ArrowError> {
        let taken = if matches!(self.sums, Sums::None) { 1 } else { 2 };
        let (taken, rest) = columns.split_at(taken);
        let live = || slots.iter().enumerate().filter_map(|(row, slot)| Some((row, (*slot)? as usize)));
        if let Some(counts) = &mut self.counts {
            let values = taken[0].as_primitive::<Int64Type>();
            live().for_each(|(row, slot)| counts[slot] = values.value(row));
        }
        match &mut self.sums {
            Sums::None => {}
            Sums::Int { sums, .. } | Sums::Bool { trues: sums, .. } => {
                let values = taken[1].as_primitive::<Int64Type>();
                live().for_each(|(row, slot)| sums[slot] = values.value(row));
            }
            Sums::Decimal { sums, .. } => {
                let values = taken[1].as_binary::<i32>();
                for (row, slot) in live() {
                    let bytes = values.value(row).try_into();
                    sums[slot] = i128::from_le_bytes(bytes.map_err(|_| damaged("decimal sum"))?);
                }
            }
            Sums::Moments { moments, .. } => {
                let values = taken[1].as_binary::<i32>();
                for (row, slot) in live() {
                    moments[slot] = ExactMoments::from_bytes(values.value(row)).ok_or_else(|| damaged("variance"))?;
                }
            }
            Sums::Float { sums, .. } => {
                let values = taken[1].as_binary::<i32>();
                for (row, slot) in live() {
                    sums[slot] = ExactSum::from_bytes(values.value(row)).ok_or_else(|| damaged("float sum"))?;
                }
            }
            Sums::Bits { counts, bytes_elsewhere, .. } => {
                let values = taken[1].as_binary::<i32>();
                for (row, slot) in live() {
                    counts[slot] = BitCounts::from_bytes(values.value(row)).ok_or_else(|| damaged("count of bits"))?;
                    *bytes_elsewhere += counts[slot].elsewhere();
                }
            }
        }
        Ok(rest)
    }
}

/// Integers of any width, and durations, as 64 bits.
fn integers(values: &dyn Array) -> Result<Int64Array, ArrowError> {
    Ok(match values.data_type() {
        DataType::UInt64 => values.as_primitive::<UInt64Type>().unary(|value| value as i64),
        _ => cast(values, &DataType::Int64)?.as_primitive().clone(),
    })
}

/// The inverse of [`integers`].
fn of_type(values: Int64Array, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    Ok(match data_type {
        DataType::UInt64 => Arc::new(values.unary::<_, UInt64Type>(|value| value as u64)),
        _ => cast(&values, data_type)?,
    })
}

/// DataFusion's averages, which take sums and counts as the state of its own accumulator.
fn averages(
    slots: impl Iterator<Item = usize>,
    count: impl Fn(usize) -> i64,
    sums: &[i128],
    average: &AggregateFunctionExpr,
) -> Result<ArrayRef, CircuitError> {
    // It cannot be told of a group without values.
    let mut known = Vec::new();
    let places: UInt32Array = slots
        .map(|slot| {
            (count(slot) != 0).then(|| {
                known.push(slot);
                known.len() as u32 - 1
            })
        })
        .collect();
    let counts = known.iter().map(|&slot| count(slot).unsigned_abs()).collect::<UInt64Array>();
    let sums = known.iter().map(|&slot| Some(sums[slot])).collect::<Decimal128Array>();
    let sums: ArrayRef = match average.state_fields()?.get(1).map(|field| field.data_type().clone()) {
        Some(DataType::Decimal256(precision, scale)) => {
            let wide = sums.iter().map(|sum| sum.map(i256::from_i128)).collect::<Decimal256Array>();
            Arc::new(wide.with_precision_and_scale(precision, scale)?)
        }
        Some(data_type) => Arc::new(sums.with_data_type(data_type)),
        None => return Err(DataFusionError::Internal("an average without a sum".into()).into()),
    };
    let groups: Vec<usize> = (0..known.len()).collect();
    let mut accumulator = average.create_groups_accumulator()?;
    accumulator.merge_batch(&[Arc::new(counts), sums], &groups, groups.len())?;
    Ok(take(&accumulator.evaluate(EmitTo::All)?, &places, None)?)
}

fn damaged(what: &str) -> ArrowError {
    ArrowError::ParseError(format!("a persisted {what} cannot be read"))
}
