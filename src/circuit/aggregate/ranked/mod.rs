//! Aggregates that need the group's rows, which are kept in order and counted.
//!
//! A result at one position of the order is followed by a cursor, one about the distinct rows by arithmetic. Only what is
//! about all rows at once, such as a list, goes over them when the group changes. Each outcome is one file.

mod accumulate;
mod cursors;
mod distinct;
mod first;
mod median;
mod nth;
mod ordered_rows;
mod outcome;
mod percentile;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;

use super::super::arrangement::{Arrangement, PRELOADED};
use super::super::digest::Digest;
use super::super::groups::{Groups, TouchedGroups};
use super::super::row_codec::RowCodec;
use super::super::{CircuitError, ZBatch};
use super::call_state::{CallState, RowStore, passes};
use super::group::Group;
use super::spec::{Order, column_type};
use crate::state::{StateDelta, StoreShape, StoredSegment};
use ordered_rows::OrderedRows;

pub(super) use accumulate::Accumulate;
pub(super) use distinct::Distinct;
pub(super) use first::First;
pub(super) use median::median;
pub(super) use nth::nth;
pub(super) use outcome::{Change, Outcome};
pub use percentile::interpolated;
pub(super) use percentile::percentile;

/// One call over ordered rows, for all groups.
#[derive(Debug)]
pub(super) struct Ranked {
    /// Indices of the order's columns, then of the arguments.
    columns: Vec<usize>,
    /// The column whose NULLs do not count.
    not_null: Option<usize>,
    rows: OrderedRows,
    outcome: Box<dyn Outcome>,
}

impl Ranked {
    /// Rows are ordered by `order`, then by the arguments. Those whose `not_null` column is NULL are left out.
    ///
    /// # Errors
    /// A column's type has no order, which the planner refuses.
    pub(super) fn new(
        order: &Order,
        arguments: &[usize],
        not_null: Option<usize>,
        outcome: Box<dyn Outcome>,
        input: &Schema,
    ) -> Result<Self, ArrowError> {
        let ordered = order.iter().map(|(index, options)| (column_type(input, *index), *options));
        let plain = arguments.iter().map(|&index| (column_type(input, index), SortOptions::default()));
        let codec = RowCodec::new(ordered.chain(plain))?;
        let columns = order.iter().map(|(index, _)| *index).chain(arguments.iter().copied()).collect();
        let rows = if outcome.is_first() { Arrangement::of_first_rows() } else { Arrangement::default() };
        let rows = OrderedRows { codec, rows, order_columns: order.len(), columns: order.len() + arguments.len() };
        Ok(Self { columns, not_null, rows, outcome })
    }
}

impl CallState for Ranked {
    fn grow(&mut self, slots: usize) {
        self.outcome.grow(slots);
    }

    fn clear(&mut self, slot: u32) {
        self.rows.rows.remove_group(slot);
        self.outcome.clear(slot);
    }

    fn update(
        &mut self,
        input: &ZBatch,
        touched: &TouchedGroups,
        mask: Option<&BooleanArray>,
    ) -> Result<(), ArrowError> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&index| input.rows.column(index).clone()).collect();
        let nulls = self.not_null.and_then(|index| input.rows.column(index).logical_nulls());
        let encoded = self.rows.codec.encode(&columns)?;
        let counts = |row: usize| passes(mask, row) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let counted = touched.rows.iter().enumerate().filter(|(row, _)| counts(*row));
        let mut changes: Vec<Change<'_>> = counted
            .map(|(row, local)| Change {
                row,
                slot: touched.slots[*local as usize],
                bytes: encoded.row(row).data(),
                weight: input.weight(row),
                distinct: 0,
            })
            .collect();
        let rows = &mut self.rows.rows;
        for changes in changes.chunks_mut(PRELOADED) {
            rows.preload(changes.iter().map(|change| (change.slot, change.bytes)));
            for change in changes {
                let before = rows.len() as i64;
                rows.add(change.slot, change.bytes, change.weight);
                change.distinct = rows.len() as i64 - before;
            }
        }
        self.outcome.follow(&self.rows, &changes, &columns, &touched.slots)
    }

    fn evaluate(&self, slots: &[u32], _: &Groups<Group>, data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        self.outcome.evaluate(&self.rows, slots, data_type)
    }

    fn size(&self) -> usize {
        self.rows.rows.size() + self.outcome.size()
    }

    fn rows(&self) -> Option<&dyn RowStore> {
        Some(self)
    }

    fn rows_mut(&mut self) -> Option<&mut dyn RowStore> {
        Some(self)
    }
}

impl RowStore for Ranked {
    fn len(&self) -> usize {
        self.rows.rows.len()
    }

    fn touched(&self) -> u64 {
        self.rows.rows.touched()
    }

    fn capture(&mut self, groups: &Groups<Group>) -> Result<Option<StateDelta>, CircuitError> {
        let Some(writing) = self.rows.rows.write() else { return Ok(None) };
        let rows = self.rows.persisted(&writing.slots, groups)?;
        Ok(Some(writing.into_delta(rows)))
    }

    fn shape(&self, groups: &Groups<Group>) -> Result<StoreShape, ArrowError> {
        let schema = self.rows.persisted(&[], groups)?.schema();
        Ok(StoreShape { schema, rows: self.rows.rows.persisted_rows() })
    }

    fn restore(&mut self, segment: &StoredSegment, groups: &mut Groups<Group>) -> Result<(), CircuitError> {
        let stored = self.rows.stored(segment)?;
        let slots = groups.restore(stored.keys, &segment.live)?;
        self.grow(groups.slots());
        let encoded = self.rows.codec.encode(stored.columns)?;
        let mut changes = Vec::with_capacity(slots.len());
        let mut entries = Vec::with_capacity(slots.len());
        for (row, slot) in slots.iter().enumerate() {
            let (bytes, weight) = (encoded.row(row).data(), stored.counts.value(row));
            entries.push(slot.map(|group| self.rows.rows.restore(group, bytes, weight)));
            changes.extend(slot.map(|slot| Change { row, slot, bytes, weight, distinct: 1 }));
        }
        self.rows.rows.restored(segment, &entries);
        let live: Vec<u32> = changes.iter().map(|change| change.slot).collect();
        Ok(self.outcome.follow(&self.rows, &changes, stored.columns, &live)?)
    }

    fn digest(&self, part: usize, groups: &Groups<Group>, digest: &mut Digest) {
        for group in groups.live() {
            for (row, count) in self.rows.rows.rows(group) {
                digest.add(part, &[groups.key(group), row, &count.to_le_bytes()]);
            }
        }
    }
}
