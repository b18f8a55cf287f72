//! Aggregates that need the group's rows, which are kept in order and counted.
//!
//! What is about one place in the order is followed by a cursor, what is about the different rows by arithmetic. Only
//! what is about all rows at once, such as a list, goes over them when the group changes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, UInt32Array, new_empty_array,
};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::arrangement::{Arrangement, PRELOADED};
use super::super::digest::Digest;
use super::super::groups::{Groups, Touched};
use super::super::row_codec::RowCodec;
use super::super::{CircuitError, ZBatch};
use super::cursors::{Cursors, Neighbours, Wanted};
use super::spec::{AggregateSpec, Function};
use super::total::Total;
use super::{Group, column_type, delta, passes, unnamed_batch};
use crate::state::{StateDelta, StoreShape, StoredSegment};

/// One aggregate of all groups.
#[derive(Debug)]
pub(super) struct Ranked {
    /// The order's columns, then the arguments.
    columns: Vec<usize>,
    order_columns: usize,
    skip_null: bool,
    codec: RowCodec,
    rows: Arrangement,
    /// Where the rows are that the outcome is about, if they are not the first or all.
    cursors: Option<Cursors>,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// The only argument's value in the first row.
    First,
    /// The only argument's value at the cursor.
    Nth,
    /// A total that takes each different row once.
    Distinct(Total),
    /// The values about the cursor, for DataFusion's accumulator.
    Median(Box<AggregateFunctionExpr>),
    /// A float between those about the cursor.
    Percentile,
    /// All rows, for DataFusion's accumulator.
    Accumulate(Box<AggregateFunctionExpr>),
}

/// What DataFusion rounds the weights of an interpolation to.
const INTERPOLATION_STEPS: f64 = 1_000_000.0;

impl Ranked {
    pub(super) fn new(function: &Function, spec: &AggregateSpec) -> Result<Self, ArrowError> {
        let (order, arguments, skip_null): (&[_], _, _) = match function {
            Function::First { order, column, skip_null } | Function::Nth { order, column, skip_null, .. } => {
                (order, vec![*column], *skip_null)
            }
            Function::Ordered { order, columns, .. } => (order, columns.clone(), false),
            Function::Distinct { column, .. }
            | Function::Median { column, .. }
            | Function::Percentile { column, .. } => (&[], vec![*column], true),
            other => return Err(ArrowError::NotYetImplemented(format!("{other:?} does not keep rows"))),
        };
        let (outcome, cursors) = match function {
            Function::Nth { place, distinct, .. } => (Outcome::Nth, Some(Cursors::new(Wanted::Nth(*place), *distinct))),
            Function::Distinct { total, .. } => (Outcome::Distinct(Total::new(total, true)), None),
            Function::Median { accumulator, distinct, .. } => {
                (Outcome::Median(accumulator.clone()), Some(Cursors::new(Wanted::Quantile(0.5), *distinct)))
            }
            Function::Percentile { fraction, distinct, .. } => {
                (Outcome::Percentile, Some(Cursors::new(Wanted::Quantile(*fraction), *distinct)))
            }
            Function::Ordered { accumulator, .. } => (Outcome::Accumulate(accumulator.clone()), None),
            _ => (Outcome::First, None),
        };
        let rows =
            if matches!(outcome, Outcome::First) { Arrangement::of_first_rows() } else { Arrangement::default() };
        let ordered = order.iter().map(|(place, options)| (column_type(&spec.input, *place), *options));
        let plain = arguments.iter().map(|&place| (column_type(&spec.input, place), SortOptions::default()));
        let codec = RowCodec::new(ordered.chain(plain))?;
        let columns = order.iter().map(|(place, _)| *place).chain(arguments).collect();
        Ok(Self { columns, order_columns: order.len(), skip_null, codec, rows, cursors, outcome })
    }

    pub(super) fn grow(&mut self, slots: usize) {
        if let Some(cursors) = &mut self.cursors {
            cursors.grow(slots);
        }
        if let Outcome::Distinct(total) = &mut self.outcome {
            total.grow(slots);
        }
    }

    pub(super) fn clear(&mut self, slot: u32) {
        self.rows.remove_group(slot);
        if let Some(cursors) = &mut self.cursors {
            cursors.clear(slot);
        }
        if let Outcome::Distinct(total) = &mut self.outcome {
            total.clear(slot);
        }
    }

    pub(super) fn rows(&self) -> &Arrangement {
        &self.rows
    }

    pub(super) fn size(&self) -> usize {
        let total = if let Outcome::Distinct(total) = &self.outcome { total.size() } else { 0 };
        self.rows.size() + self.cursors.as_ref().map_or(0, Cursors::size) + total
    }

    pub(super) fn update(
        &mut self,
        input: &ZBatch,
        touched: &Touched,
        mask: Option<&BooleanArray>,
    ) -> Result<(), ArrowError> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&place| input.rows.column(place).clone()).collect();
        let value = &columns[self.order_columns.min(columns.len() - 1)];
        let nulls = if self.skip_null { value.logical_nulls() } else { None };
        let rows = self.codec.encode(&columns)?;
        let counts = |row: usize| passes(mask, row) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let changes = touched.rows.iter().enumerate().filter(|(row, _)| counts(*row));
        let changes: Vec<(usize, u32, &[u8])> =
            changes.map(|(row, local)| (row, touched.slots[*local as usize], rows.row(row).data())).collect();
        // By how many each row changes the number of different rows.
        let mut differences = vec![0; input.len()];
        for changes in changes.chunks(PRELOADED) {
            self.rows.preload(changes.iter().map(|&(_, slot, bytes)| (slot, bytes)));
            for &(row, slot, bytes) in changes {
                let different = self.rows.len() as i64;
                self.rows.add(slot, bytes, input.weight(row));
                differences[row] = self.rows.len() as i64 - different;
                if let Some(cursors) = &mut self.cursors {
                    cursors.note(slot, bytes, input.weight(row), differences[row]);
                }
            }
        }
        if let Some(cursors) = &mut self.cursors {
            cursors.settle(&self.rows, &touched.slots);
        }
        if let Outcome::Distinct(total) = &mut self.outcome {
            total.update(&ZBatch::new(input.rows.clone(), differences.into()), touched, mask)?;
        }
        Ok(())
    }

    pub(super) fn evaluate(&self, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        match &self.outcome {
            Outcome::First => self.values(slots, data_type, |slot| Some(self.rows.rows(slot).next()?.0)),
            Outcome::Nth => self.values(slots, data_type, |slot| Some(self.neighbours(slot)?.lower)),
            Outcome::Distinct(total) => total.evaluate(slots, |_| 0, data_type),
            Outcome::Median(accumulator) => self.medians(accumulator, slots, data_type),
            Outcome::Percentile => self.percentiles(slots),
            Outcome::Accumulate(accumulator) => {
                scalars(slots.iter().map(|&slot| self.accumulate(accumulator, slot)), data_type)
            }
        }
    }

    fn neighbours(&self, slot: u32) -> Option<Neighbours<'_>> {
        self.cursors.as_ref()?.neighbours(&self.rows, slot)
    }

    fn medians(
        &self,
        accumulator: &AggregateFunctionExpr,
        slots: &[u32],
        data_type: &DataType,
    ) -> Result<ArrayRef, CircuitError> {
        let medians = slots.iter().map(|&slot| {
            let mut accumulator = accumulator.create_accumulator()?;
            if let Some(Neighbours { lower, upper, part }) = self.neighbours(slot) {
                let values = if part == 0.0 { vec![lower] } else { vec![lower, upper] };
                accumulator.update_batch(&self.codec.decode(values)?)?;
            }
            Ok(accumulator.evaluate()?)
        });
        scalars(medians, data_type)
    }

    fn percentiles(&self, slots: &[u32]) -> Result<ArrayRef, CircuitError> {
        let found: Vec<Option<Neighbours<'_>>> = slots.iter().map(|&slot| self.neighbours(slot)).collect();
        let values = found.iter().flatten().flat_map(|found| [found.lower, found.upper]);
        let values = self.codec.decode(values)?;
        let mut values = values[0].as_primitive::<Float64Type>().values().chunks_exact(2);
        let percentiles = found.iter().map(|found| {
            let Neighbours { part, .. } = (*found)?;
            let (lower, upper) = values.next().map(|pair| (pair[0], pair[1]))?;
            let weight = (part * INTERPOLATION_STEPS).trunc() / INTERPOLATION_STEPS;
            Some(if part == 0.0 { lower } else { lower + (upper - lower) * weight })
        });
        Ok(Arc::new(percentiles.collect::<Float64Array>()))
    }

    /// The only argument's value in one row of each group, NULL where there is none.
    fn values<'a>(
        &'a self,
        slots: &[u32],
        data_type: &DataType,
        row: impl Fn(u32) -> Option<&'a [u8]>,
    ) -> Result<ArrayRef, CircuitError> {
        let mut rows = Vec::with_capacity(slots.len());
        let places: UInt32Array = slots
            .iter()
            .map(|&slot| {
                rows.push(row(slot)?);
                Some(rows.len() as u32 - 1)
            })
            .collect();
        let column = self.codec.decode(rows)?.pop().unwrap_or_else(|| new_empty_array(data_type));
        Ok(take(&column, &places, None)?)
    }

    fn accumulate(&self, accumulator: &AggregateFunctionExpr, slot: u32) -> Result<ScalarValue, CircuitError> {
        let mut accumulator = accumulator.create_accumulator()?;
        let rows = self.rows.rows(slot).flat_map(|(row, count)| std::iter::repeat_n(row, count.max(0) as usize));
        let mut columns = self.codec.decode(rows)?;
        if columns.first().is_some_and(|column| !column.is_empty()) {
            columns.rotate_left(self.order_columns);
            accumulator.update_batch(&columns)?;
        }
        Ok(accumulator.evaluate()?)
    }

    /// Adds all rows, as a part of the aggregate's state.
    pub(super) fn digest(&self, part: usize, groups: &Groups<Group>, digest: &mut Digest) {
        for group in groups.live() {
            for (row, count) in self.rows.rows(group) {
                digest.add(part, &[groups.key(group), row, &count.to_le_bytes()]);
            }
        }
    }

    /// Rows as a checkpoint keeps them: the group's key, the row's columns, and its count.
    pub(super) fn capture(&mut self, groups: &Groups<Group>) -> Result<Option<StateDelta>, CircuitError> {
        let Some(writing) = self.rows.write() else { return Ok(None) };
        let rows = self.persisted(&writing.slots, groups)?;
        Ok(Some(delta(writing, rows)))
    }

    fn persisted(&self, slots: &[u32], groups: &Groups<Group>) -> Result<RecordBatch, ArrowError> {
        let entries: Vec<(u32, &[u8], i64)> = slots.iter().map(|&slot| self.rows.entry(slot)).collect();
        let mut columns = groups.keys(&entries.iter().map(|(group, _, _)| *group).collect::<Vec<_>>())?;
        columns.extend(self.codec.decode(entries.iter().map(|(_, row, _)| *row))?);
        columns.push(Arc::new(entries.iter().map(|(_, _, count)| *count).collect::<Int64Array>()));
        unnamed_batch(columns)
    }

    /// What the checkpoints hold of it since the last capture.
    pub(super) fn shape(&self, groups: &Groups<Group>) -> Result<StoreShape, ArrowError> {
        Ok(StoreShape { schema: self.persisted(&[], groups)?.schema(), rows: self.rows.persisted_rows() })
    }

    pub(super) fn restore(&mut self, segment: &StoredSegment, groups: &mut Groups<Group>) -> Result<(), CircuitError> {
        let columns = segment.rows.columns();
        let (keys, rest) = columns.split_at(columns.len() - self.columns.len() - 1);
        let (values, counts) = rest.split_at(self.columns.len());
        let counts = counts[0].as_primitive::<Int64Type>();
        let slots = groups.restore(keys, &segment.live)?;
        self.grow(groups.slots());
        let rows = self.codec.encode(values)?;
        let mut entries = Vec::with_capacity(slots.len());
        for (row, slot) in slots.iter().enumerate() {
            let bytes = rows.row(row).data();
            entries.push(slot.map(|group| self.rows.restore(group, bytes, counts.value(row))));
            if let (Some(cursors), Some(group)) = (&mut self.cursors, slot) {
                cursors.note(*group, bytes, counts.value(row), 1);
            }
        }
        self.rows.restored(segment, &entries);
        let live: Vec<u32> = slots.iter().flatten().copied().collect();
        if let Some(cursors) = &mut self.cursors {
            cursors.settle(&self.rows, &live);
        }
        if let Outcome::Distinct(total) = &mut self.outcome {
            total.restore_different(&values[0], &slots)?;
        }
        Ok(())
    }
}

/// One value a group as a column.
fn scalars(
    values: impl Iterator<Item = Result<ScalarValue, CircuitError>>,
    data_type: &DataType,
) -> Result<ArrayRef, CircuitError> {
    let values = values.collect::<Result<Vec<ScalarValue>, CircuitError>>()?;
    if values.is_empty() {
        return Ok(new_empty_array(data_type));
    }
    Ok(ScalarValue::iter_to_array(values)?)
}
