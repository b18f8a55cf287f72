//! Aggregates that are sums: a change of the input is added, a retraction subtracted.
//!
//! A total of all groups is columns indexed by group slot: how many rows count, and what they add up to. The latter is one
//! file a kind behind [`Sum`]; a new kind is one more file and its line in [`sum`].

mod bits;
mod bools;
mod decimals;
mod floats;
mod integers;
mod moments;
mod wide_column;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;

use super::super::groups::Touched;
use super::super::{CircuitError, ZBatch};
use super::passes;
use super::spec::Function;

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
    row: usize,
    /// Of its group.
    slot: usize,
    weight: i64,
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

/// What a function adds up, if it is a total and not just a count.
fn sum(function: &Function) -> Option<Box<dyn Sum>> {
    Some(match function {
        Function::SumInt { .. } => Box::new(integers::Integers::default()),
        Function::AvgDuration { .. } => Box::new(integers::Integers::averaged()),
        Function::SumDecimal { .. } => Box::new(decimals::Decimals::default()),
        Function::AvgDecimal { accumulator, .. } => Box::new(decimals::Decimals::averaged(accumulator.clone())),
        Function::SumFloat { .. } => Box::new(floats::Floats::default()),
        Function::AvgFloat { .. } => Box::new(floats::Floats::averaged()),
        Function::Moments { spread, root, .. } => Box::new(moments::Moments::new(*spread, *root)),
        Function::BoolAnd { .. } => Box::new(bools::Bools::all()),
        Function::BoolOr { .. } => Box::new(bools::Bools::any()),
        Function::Bits { operation, .. } => Box::new(bits::Bits::new(*operation)),
        Function::Count { .. }
        | Function::First { .. }
        | Function::Nth { .. }
        | Function::Distinct { .. }
        | Function::Median { .. }
        | Function::Percentile { .. }
        | Function::Ordered { .. } => return None,
    })
}

impl Total {
    /// For the functions that are totals; any other counts rows. `counts` if some rows may not count.
    pub(super) fn new(function: &Function, counts: bool) -> Self {
        Self { column: function.argument(), counts: counts.then(Vec::new), sum: sum(function) }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        if let Some(counts) = &mut self.counts {
            counts.resize(slots, 0);
        }
        if let Some(sum) = &mut self.sum {
            sum.grow(slots);
        }
    }

    pub(super) fn clear(&mut self, slot: u32) {
        if let Some(counts) = &mut self.counts {
            counts[slot as usize] = 0;
        }
        if let Some(sum) = &mut self.sum {
            sum.clear(slot as usize);
        }
    }

    pub(super) fn size(&self) -> usize {
        let counts = self.counts.as_ref().map_or(0, |counts| counts.capacity() * size_of::<i64>());
        counts + self.sum.as_ref().map_or(0, |sum| sum.size())
    }

    pub(super) fn update(
        &mut self,
        input: &ZBatch,
        touched: &Touched,
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

    fn add(
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

    /// Puts back what distinct values, none of them NULL, add up to.
    pub(super) fn restore_different(&mut self, values: &ArrayRef, slots: &[Option<u32>]) -> Result<(), ArrowError> {
        let live = slots.iter().enumerate();
        let live = live.filter_map(|(row, slot)| Some(Counted { row, slot: (*slot)? as usize, weight: 1 }));
        self.add(Some(values), live)
    }

    pub(super) fn evaluate(
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

    /// The count, and the sum where there is one.
    pub(super) fn persisted(&self, slots: &[u32], weight: impl Fn(u32) -> i64) -> Vec<ArrayRef> {
        let counts = slots.iter().map(|&slot| self.count(slot, &weight)).collect::<Int64Array>();
        let counts: ArrayRef = Arc::new(counts);
        std::iter::once(counts).chain(self.sum.as_ref().map(|sum| sum.persisted(slots))).collect()
    }

    /// Takes its columns from the front and gives back the rest.
    pub(super) fn restore<'a>(
        &mut self,
        columns: &'a [ArrayRef],
        slots: &[Option<u32>],
    ) -> Result<&'a [ArrayRef], ArrowError> {
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
