//! The first row in some order, over append-only input: min, max, first_value, last_value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::super::groups::{Groups, TouchedGroups};
use super::super::row_codec::RowCodec;
use super::super::{CircuitError, ZBatch};
use super::call_state::{CallState, passes};
use super::group::Group;
use super::spec::{Order, column_type};
use crate::state::ShortBytes;

/// One kept row a group: the order's columns, then the value.
#[derive(Debug)]
pub(super) struct Best {
    columns: Vec<usize>,
    value: usize,
    skip_null: bool,
    codec: RowCodec,
    rows: Vec<Option<ShortBytes>>,
    /// Of rows that are too long to lie in `rows`.
    heap_bytes: usize,
}

impl Best {
    pub(super) fn new(order: &Order, value: usize, skip_null: bool, input: &Schema) -> Result<Self, ArrowError> {
        let mut columns: Vec<usize> = order.iter().map(|(index, _)| *index).collect();
        let ordered = order.iter().map(|(index, options)| (column_type(input, *index), *options));
        let codec = RowCodec::new(ordered.chain([(column_type(input, value), SortOptions::default())]))?;
        columns.push(value);
        Ok(Self { columns, value, skip_null, codec, rows: Vec::new(), heap_bytes: 0 })
    }

    /// The kept rows' columns, NULL where there is none.
    fn spread(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut kept = Vec::with_capacity(slots.len());
        let indices: UInt32Array = slots
            .iter()
            .map(|&slot| {
                let row = self.rows[slot as usize].as_deref()?;
                kept.push(row);
                Some(kept.len() as u32 - 1)
            })
            .collect();
        let columns = self.codec.decode(kept)?;
        if indices.null_count() == 0 {
            return Ok(columns);
        }
        columns.iter().map(|column| take(column, &indices, None)).collect()
    }

    fn set(&mut self, slot: u32, row: Option<ShortBytes>) {
        self.heap_bytes += row.as_ref().map_or(0, ShortBytes::heap_bytes);
        let old = std::mem::replace(&mut self.rows[slot as usize], row);
        self.heap_bytes -= old.as_ref().map_or(0, ShortBytes::heap_bytes);
    }
}

impl CallState for Best {
    fn grow(&mut self, slots: usize) {
        self.rows.resize(slots, None);
    }

    fn clear(&mut self, slot: u32) {
        self.set(slot, None);
    }

    fn size(&self) -> usize {
        self.heap_bytes + self.rows.capacity() * size_of::<ShortBytes>()
    }

    fn update(
        &mut self,
        input: &ZBatch,
        touched: &TouchedGroups,
        mask: Option<&BooleanArray>,
    ) -> Result<(), ArrowError> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&index| input.rows.column(index).clone()).collect();
        let values = input.rows.column(self.value);
        let rows = self.codec.encode(&columns)?;
        // First the best of this batch in each group, so that what is kept changes at most once.
        let mut best: Vec<Option<usize>> = vec![None; touched.slots.len()];
        for (row, local) in touched.rows.iter().enumerate() {
            if !passes(mask, row) || (self.skip_null && values.is_null(row)) {
                continue;
            }
            let best = &mut best[*local as usize];
            if best.is_none_or(|other| rows.row(row) < rows.row(other)) {
                *best = Some(row);
            }
        }
        for (slot, best) in touched.slots.iter().zip(best) {
            let Some(row) = best else { continue };
            let bytes = rows.row(row);
            if self.rows[*slot as usize].as_deref().is_none_or(|kept| bytes.data() < kept) {
                self.set(*slot, Some(bytes.data().into()));
            }
        }
        Ok(())
    }

    fn evaluate(&self, slots: &[u32], _: &Groups<Group>, _: &DataType) -> Result<ArrayRef, CircuitError> {
        let mut columns = self.spread(slots)?;
        Ok(columns.pop().ok_or_else(|| ArrowError::ComputeError("a kept row without a value".into()))?)
    }

    /// Whether there is a row, and its columns.
    fn persisted(&self, slots: &[u32], _: &Groups<Group>) -> Result<Vec<ArrayRef>, ArrowError> {
        let present: BooleanArray = slots.iter().map(|&slot| Some(self.rows[slot as usize].is_some())).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(present)];
        columns.extend(self.spread(slots)?);
        Ok(columns)
    }

    /// Takes its columns from the front and gives back the rest.
    fn restore<'a>(&mut self, columns: &'a [ArrayRef], slots: &[Option<u32>]) -> Result<&'a [ArrayRef], ArrowError> {
        let (present, rest) = columns.split_at(1);
        let (kept, rest) = rest.split_at(self.columns.len());
        let present = present[0].as_boolean();
        let rows = self.codec.encode(kept)?;
        for (row, slot) in slots.iter().enumerate() {
            if let Some(slot) = slot
                && present.value(row)
            {
                self.set(*slot, Some(rows.row(row).data().into()));
            }
        }
        Ok(rest)
    }
}
