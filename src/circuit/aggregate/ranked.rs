//! Aggregates that need the group's rows: kept in order, counted, and gone over when the group changes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, UInt32Array, new_empty_array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::super::arrangement::Arrangement;
use super::super::groups::{Groups, Touched};
use super::super::row_codec::RowCodec;
use super::super::{CircuitError, ZBatch};
use super::spec::{AggregateSpec, Function};
use super::{column_type, delta, passes, unnamed_batch};
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
    /// How many different rows, by group slot.
    Distinct(Vec<i64>),
    Accumulate(Box<AggregateFunctionExpr>),
}

impl Ranked {
    pub(super) fn new(function: &Function, spec: &AggregateSpec) -> Result<Self, ArrowError> {
        let (order, arguments, skip_null, outcome) = match function {
            Function::First { order, column, skip_null } => (order.clone(), vec![*column], *skip_null, Outcome::First),
            Function::CountDistinct { column } => (Vec::new(), vec![*column], true, Outcome::Distinct(Vec::new())),
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
        if let Outcome::Distinct(counts) = &mut self.outcome {
            counts.resize(slots, 0);
        }
    }

    pub(super) fn size(&self) -> usize {
        self.rows.size()
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
        for (row, local) in touched.rows.iter().enumerate() {
            if passes(mask, row) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                let slot = touched.slots[*local as usize];
                let different = self.rows.len();
                self.rows.add(slot, rows.row(row).data(), input.weight(row));
                if let Outcome::Distinct(counts) = &mut self.outcome {
                    counts[slot as usize] += self.rows.len() as i64 - different as i64;
                }
            }
        }
        Ok(())
    }

    pub(super) fn evaluate(&self, slots: &[u32], data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        match &self.outcome {
            Outcome::First => self.first(slots, data_type),
            Outcome::Distinct(counts) => {
                Ok(Arc::new(slots.iter().map(|&slot| counts[slot as usize]).collect::<Int64Array>()))
            }
            Outcome::Accumulate(accumulator) => {
                let values = slots.iter().map(|&slot| self.accumulate(accumulator, slot));
                let values = values.collect::<Result<Vec<ScalarValue>, CircuitError>>()?;
                if values.is_empty() {
                    return Ok(new_empty_array(data_type));
                }
                Ok(ScalarValue::iter_to_array(values)?)
            }
        }
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

    /// Rows as a checkpoint keeps them: the group's key, the row's columns, and its count.
    pub(super) fn capture(&mut self, groups: &Groups) -> Result<Option<StateDelta>, CircuitError> {
        let Some(writing) = self.rows.write() else { return Ok(None) };
        let entries: Vec<(u32, &[u8], i64)> = writing.slots.iter().map(|&slot| self.rows.entry(slot)).collect();
        let mut columns = groups.keys(&entries.iter().map(|(group, _, _)| *group).collect::<Vec<_>>())?;
        columns.extend(self.codec.decode(entries.iter().map(|(_, row, _)| *row))?);
        columns.push(Arc::new(entries.iter().map(|(_, _, count)| *count).collect::<Int64Array>()));
        Ok(Some(delta(writing, unnamed_batch(columns)?)))
    }

    pub(super) fn restore(&mut self, segment: &StoredSegment, groups: &mut Groups) -> Result<(), CircuitError> {
        let columns = segment.rows.columns();
        let (keys, rest) = columns.split_at(columns.len() - self.columns.len() - 1);
        let (rows, counts) = rest.split_at(self.columns.len());
        let counts = counts[0].as_primitive::<Int64Type>();
        let slots = groups.restore(keys, &segment.live)?;
        let rows = self.codec.encode(rows)?;
        let mut entries = Vec::with_capacity(slots.len());
        for (row, slot) in slots.iter().enumerate() {
            entries.push(slot.map(|group| self.rows.restore(group, rows.row(row).data(), counts.value(row))));
            if let (Outcome::Distinct(distinct), Some(group)) = (&mut self.outcome, slot) {
                distinct[*group as usize] += 1;
            }
        }
        self.rows.residence.restore(segment.id, &entries, segment.dead.clone());
        Ok(())
    }
}
