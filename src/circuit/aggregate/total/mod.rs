//! Aggregates that are sums: a change of the input is added, a retraction subtracted.
//!
//! A total of all groups is columns indexed by group slot: how many rows count, and what they add up to. The latter is one
//! file a kind behind [`Sum`]; a new kind is one more file and its line in the registry.

pub(super) mod bits;
pub(super) mod bools;
pub(super) mod decimals;
pub(super) mod floats;
pub(super) mod integers;
pub(super) mod moments;
mod wide_column;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

use super::super::groups::{Groups, TouchedGroups};
use super::super::{CircuitError, ZBatch};
use super::call_state::{CallState, passes};
use super::group::Group;

/// What the rows that count add up to, for all groups. A batch is one call, so that its inner loops know their types.
pub(super) trait Sum: Debug + Send + Sync {
    /// Makes room for as many groups.
    fn grow(&mut self, slots: usize);

    /// Forgets a group.
    fn clear(&mut self, slot: usize);

    /// Adds rows of `values`, none of them NULL.
    ///
    /// # Errors
    /// The values have a type that the planner does not give to this sum.
    fn add(&mut self, values: &dyn Array, rows: &[Counted]) -> Result<(), ArrowError>;

    /// The results of some groups, of which it is known how many rows count.
    ///
    /// # Errors
    /// A result does not fit `data_type`.
    fn evaluate(&self, groups: &[CountedGroup], data_type: &DataType) -> Result<ArrayRef, CircuitError>;

    /// Bytes in memory, those on the heap included.
    fn size(&self) -> usize;

    /// The column that a checkpoint keeps of some groups.
    fn persisted(&self, slots: &[u32]) -> ArrayRef;

    /// Takes back what [`Sum::persisted`] gave, for the groups of some of its rows.
    ///
    /// # Errors
    /// A value is not one that this sum persists.
    fn restore(&mut self, column: &ArrayRef, live: &[(usize, usize)]) -> Result<(), ArrowError>;
}

/// A row that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// In the batch.
    pub(super) row: usize,
    /// Of its group.
    pub(super) slot: usize,
    pub(super) weight: i64,
}

/// A group that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountedGroup {
    slot: usize,
    /// How many of its rows count.
    count: i64,
}

impl CountedGroup {
    /// The group's result, NULL if no row counts.
    fn some<T>(self, result: impl FnOnce(usize) -> T) -> Option<T> {
        (self.count != 0).then(|| result(self.slot))
    }
}

/// One aggregate of all groups, in columns indexed by group slot.
#[derive(Debug)]
pub(super) struct Total {
    column: Option<usize>,
    /// Rows that count: those that pass the filter and whose argument is not NULL. None if every row counts: their number
    /// is the group's weight then.
    counts: Option<Vec<i64>>,
    /// None if only their number is asked for.
    sum: Option<Box<dyn Sum>>,
}

impl Total {
    /// A total of the values of `column` that are not NULL, or of all rows; without a `sum`, their number. Every row counts
    /// unless it is `counted`.
    pub(super) fn new(column: Option<usize>, sum: Option<Box<dyn Sum>>, counted: bool) -> Self {
        Self { column, counts: counted.then(Vec::new), sum }
    }

    /// Adds values, none of them NULL.
    ///
    /// # Errors
    /// They have a type that the planner does not give to this total.
    pub(super) fn add(
        &mut self,
        values: Option<&dyn Array>,
        rows: impl Iterator<Item = Counted> + Clone,
    ) -> Result<(), ArrowError> {
        if let Some(counts) = &mut self.counts {
            rows.clone().for_each(|row| counts[row.slot] += row.weight);
        }
        match (&mut self.sum, values) {
            (Some(sum), Some(values)) => sum.add(values, &rows.collect::<Vec<_>>()),
            (_, _) => Ok(()),
        }
    }

    /// The results for some groups; `weight` is how many rows a group has, where every row counts.
    ///
    /// # Errors
    /// A result does not fit `data_type`.
    pub(super) fn results(
        &self,
        slots: &[u32],
        weight: impl Fn(u32) -> i64,
        data_type: &DataType,
    ) -> Result<ArrayRef, CircuitError> {
        let groups = slots.iter().map(|&slot| CountedGroup { slot: slot as usize, count: self.count(slot, &weight) });
        match &self.sum {
            Some(sum) => sum.evaluate(&groups.collect::<Vec<_>>(), data_type),
            None => Ok(Arc::new(groups.map(|group| group.count).collect::<Int64Array>())),
        }
    }

    fn count(&self, slot: u32, weight: impl Fn(u32) -> i64) -> i64 {
        self.counts.as_ref().map_or_else(|| weight(slot), |counts| counts[slot as usize])
    }
}

impl CallState for Total {
    fn grow(&mut self, slots: usize) {
        if let Some(counts) = &mut self.counts {
            counts.resize(slots, 0);
        }
        if let Some(sum) = &mut self.sum {
            sum.grow(slots);
        }
    }

    fn clear(&mut self, slot: u32) {
        if let Some(counts) = &mut self.counts {
            counts[slot as usize] = 0;
        }
        if let Some(sum) = &mut self.sum {
            sum.clear(slot as usize);
        }
    }

    fn size(&self) -> usize {
        let counts = self.counts.as_ref().map_or(0, |counts| counts.capacity() * size_of::<i64>());
        counts + self.sum.as_ref().map_or(0, |sum| sum.size())
    }

    fn update(
        &mut self,
        input: &ZBatch,
        touched: &TouchedGroups,
        mask: Option<&BooleanArray>,
    ) -> Result<(), ArrowError> {
        let values = self.column.map(|index| input.rows.column(index).as_ref());
        let nulls = values.and_then(Array::logical_nulls);
        let rows = touched.rows.iter().enumerate().filter_map(|(row, local)| {
            let counts = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) && passes(mask, row);
            let slot = touched.slots[*local as usize] as usize;
            counts.then(|| Counted { row, slot, weight: input.weight(row) })
        });
        self.add(values, rows)
    }

    fn evaluate(&self, slots: &[u32], groups: &Groups<Group>, data_type: &DataType) -> Result<ArrayRef, CircuitError> {
        self.results(slots, |slot| groups.record(slot).weight, data_type)
    }

    /// The count, and the sum where there is one.
    fn persisted(&self, slots: &[u32], groups: &Groups<Group>) -> Result<Vec<ArrayRef>, ArrowError> {
        let count = |&slot: &u32| self.count(slot, |slot| groups.record(slot).weight);
        let counts: ArrayRef = Arc::new(slots.iter().map(count).collect::<Int64Array>());
        Ok(std::iter::once(counts).chain(self.sum.as_ref().map(|sum| sum.persisted(slots))).collect())
    }

    /// Takes its columns from the front and gives back the rest.
    fn restore<'a>(&mut self, columns: &'a [ArrayRef], slots: &[Option<u32>]) -> Result<&'a [ArrayRef], ArrowError> {
        let (taken, rest) = columns.split_at(1 + usize::from(self.sum.is_some()));
        let live = slots.iter().enumerate().filter_map(|(row, slot)| Some((row, (*slot)? as usize)));
        let live: Vec<(usize, usize)> = live.collect();
        if let Some(counts) = &mut self.counts {
            let values = taken[0].as_primitive::<Int64Type>();
            live.iter().for_each(|&(row, slot)| counts[slot] = values.value(row));
        }
        if let Some(sum) = &mut self.sum {
            sum.restore(&taken[1], &live)?;
        }
        Ok(rest)
    }
}

fn damaged(what: &str) -> ArrowError {
    ArrowError::ParseError(format!("a persisted {what} cannot be read"))
}
