//! Aggregates that need the group's rows: kept in order, counted, and gone over when the group changes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, UInt32Array, new_empty_array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::arrangement::Arrangement;
use super::super::digest::Digest;
use super::super::groups::{Groups, Touched};
use super::super::row_codec::RowCodec;
use super::super::{CircuitError, ZBatch};
use super::quantile::{Cursors, Neighbours};
use super::spec::{AggregateSpec, Function};
use super::total::Total;
use super::{Group, column_type, delta, passes, unnamed_batch};
use crate::state::{StateDelta, StoredSegment};

/// One aggregate of all groups.
#[derive(Debug)]
pub(super) struct Ranked {
    /// The order's columns, then the arguments.
    columns: Vec<usize>,
    order_columns: usize,
    skip_null: bool,
    codec: RowCodec,
    rows: Arrangement,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// The only argument's value in the first row.
    First,
    /// A total that takes each different row once.
    Distinct(Total),
    /// The values about the middle, for DataFusion's accumulator.
    Median(Cursors, Box<AggregateFunctionExpr>),
    Percentile(Cursors),
    Accumulate(Box<AggregateFunctionExpr>),
}

/// What DataFusion rounds the weights of an interpolation to.
const INTERPOLATION_STEPS: f64 = 1_000_000.0;

impl Ranked {
    pub(super) fn new(function: &Function, spec: &AggregateSpec) -> Result<Self, ArrowError> {
        let (order, arguments, skip_null, outcome) = match function {
            Function::First { order, column, skip_null } => (order.clone(), vec![*column], *skip_null, Outcome::First),
            Function::Distinct { column, total } => {
                (Vec::new(), vec![*column], true, Outcome::Distinct(Total::new(total, true)))
            }
            Function::Median { column, accumulator } => {
                (Vec::new(), vec![*column], true, Outcome::Median(Cursors::new(0.5), accumulator.clone()))
            }
            Function::Percentile { column, fraction } => {
                (Vec::new(), vec![*column], true, Outcome::Percentile(Cursors::new(*fraction)))
            }
            Function::Ordered { order, columns, accumulator } => {
                (order.clone(), columns.clone(), false, Outcome::Accumulate(accumulator.clone()))
            }
            other => return Err(ArrowError::NotYetImplemented(format!("{other:?} does not keep rows"))),
        };
        let ordered = order.iter().map(|(place, options)| (column_type(&spec.input, *place), *options));
        let plain = arguments.iter().map(|&place| (column_type(&spec.input, place), SortOptions::default()));
        let codec = RowCodec::new(ordered.chain(plain))?;
        let columns = order.iter().map(|(place, _)| *place).chain(arguments).collect();
        Ok(Self { columns, order_columns: order.len(), skip_null, codec, rows: Arrangement::default(), outcome })
    }

    pub(super) fn grow(&mut self, slots: usize) {
        match &mut self.outcome {
            Outcome::Distinct(total) => total.grow(slots),
            Outcome::Median(cursors, _) | Outcome::Percentile(cursors) => cursors.grow(slots),
            Outcome::First | Outcome::Accumulate(_) => {}
        }
    }

    pub(super) fn clear(&mut self, slot: u32) {
        self.rows.remove_group(slot);
        match &mut self.outcome {
            Outcome::Distinct(total) => total.clear(slot),
            Outcome::Median(cursors, _) | Outcome::Percentile(cursors) => cursors.clear(slot),
            Outcome::First | Outcome::Accumulate(_) => {}
        }
    }

    pub(super) fn rows(&self) -> &Arrangement {
        &self.rows
    }

    pub(super) fn size(&self) -> usize {
        self.rows.size()
            + match &self.outcome {
                Outcome::Distinct(total) => total.size(),
                Outcome::Median(cursors, _) | Outcome::Percentile(cursors) => cursors.size(),
                Outcome::First | Outcome::Accumulate(_) => 0,
            }
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
        // By how many each row changes the number of different rows.
        let mut differences = vec![0; input.len()];
        for (row, local) in touched.rows.iter().enumerate() {
            if !passes(mask, row) || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let (slot, different) = (touched.slots[*local as usize], self.rows.len() as i64);
            self.rows.add(slot, rows.row(row).data(), input.weight(row));
            match &mut self.outcome {
                Outcome::Distinct(_) => differences[row] = self.rows.len() as i64 - different,
                Outcome::Median(cursors, _) | Outcome::Percentile(cursors) => {
                    cursors.note(slot, rows.row(row).data(), input.weight(row));
                }
                Outcome::First | Outcome::Accumulate(_) => {}
            }
        }
        match &mut self.outcome {
            Outcome::Distinct(total) => {
                total.update(&ZBatch::new(input.rows.clone(), differences.into()), touched, mask);
            }
            Outcome::Median(cursors, _) | Outcome::Percentile(cursors) => cursors.settle(&self.rows, &touched.slots),
            Outcome::First | Outcome::Accumulate(_) => {}
        }
        Ok(())
    }

    pub(super) fn evaluate(&self, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        match &self.outcome {
            Outcome::First => self.first(slots, data_type),
            Outcome::Distinct(total) => total.evaluate(slots, |_| 0, data_type),
            Outcome::Median(cursors, accumulator) => self.medians(cursors, accumulator, slots, data_type),
            Outcome::Percentile(cursors) => self.percentiles(cursors, slots),
            Outcome::Accumulate(accumulator) => {
                scalars(slots.iter().map(|&slot| self.accumulate(accumulator, slot)), data_type)
            }
        }
    }

    fn medians(
        &self,
        cursors: &Cursors,
        accumulator: &AggregateFunctionExpr,
        slots: &[u32],
        data_type: &DataType,
    ) -> Result<ArrayRef, CircuitError> {
        let medians = slots.iter().map(|&slot| {
            let mut accumulator = accumulator.create_accumulator()?;
            if let Some(Neighbours { lower, upper, part }) = cursors.neighbours(&self.rows, slot) {
                let values = if part == 0.0 { vec![lower] } else { vec![lower, upper] };
                accumulator.update_batch(&self.codec.decode(values)?)?;
            }
            Ok(accumulator.evaluate()?)
        });
        scalars(medians, data_type)
    }

    fn percentiles(&self, cursors: &Cursors, slots: &[u32]) -> Result<ArrayRef, CircuitError> {
        let found: Vec<Option<Neighbours<'_>>> =
            slots.iter().map(|&slot| cursors.neighbours(&self.rows, slot)).collect();
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

    fn first(&self, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        let mut firsts = Vec::with_capacity(slots.len());
        let places: UInt32Array = slots
            .iter()
            .map(|&slot| {
                firsts.push(self.rows.rows(slot).next()?.0);
                Some(firsts.len() as u32 - 1)
            })
            .collect();
        let column = self.codec.decode(firsts)?.pop().unwrap_or_else(|| new_empty_array(data_type));
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
        let entries: Vec<(u32, &[u8], i64)> = writing.slots.iter().map(|&slot| self.rows.entry(slot)).collect();
        let mut columns = groups.keys(&entries.iter().map(|(group, _, _)| *group).collect::<Vec<_>>())?;
        columns.extend(self.codec.decode(entries.iter().map(|(_, row, _)| *row))?);
        columns.push(Arc::new(entries.iter().map(|(_, _, count)| *count).collect::<Int64Array>()));
        Ok(Some(delta(writing, unnamed_batch(columns)?)))
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
            if let (Outcome::Median(cursors, _) | Outcome::Percentile(cursors), Some(group)) = (&mut self.outcome, slot)
            {
                cursors.note(*group, bytes, counts.value(row));
            }
        }
        self.rows.restored(segment, &entries);
        let live: Vec<u32> = slots.iter().flatten().copied().collect();
        match &mut self.outcome {
            Outcome::Distinct(total) => total.restore_different(&values[0], &slots),
            Outcome::Median(cursors, _) | Outcome::Percentile(cursors) => cursors.settle(&self.rows, &live),
            Outcome::First | Outcome::Accumulate(_) => {}
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
