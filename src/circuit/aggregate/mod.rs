//! Group by: one output row a group, replaced when the group's aggregates change.
//!
//! What is kept of a call is behind one trait (`call_state.rs`), and `registry.rs` says which state computes which function.
//! Totals (count, sum, avg, bool_and, bit_or …) are columns indexed by group and follow retractions by arithmetic. Over
//! append-only input the first row in some order (min, max, latest …) is one kept row. Everything else keeps the
//! group's rows in order: for one at a place, for a total of the different ones, or for DataFusion's accumulator, which
//! goes over them all.

mod best;
mod call_state;
mod group;
mod ranked;
mod registry;
mod spec;
mod total;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::make_comparator;
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, concat, take};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, ScalarValue};

use super::closing::{Closing, Watermarks};
use super::digest::Digest;
use super::groups::{Groups, TouchedGroups};
use super::persisted_batch::persisted_batch;
use super::report::Kept;
use super::row_errors::FoundErrors;
use super::sized_batch::sized_batch;
use super::{CircuitError, ZBatch};
use crate::state::{SegmentLog, StateDelta, StoreShape, StoredSegment};
use call_state::CallState;
use group::Group;
pub use ranked::interpolated;
pub use spec::{AggregateSpec, Call, Function, TotalFunction};

/// The aggregate operator and its state.
#[derive(Debug)]
pub struct Aggregate {
    spec: AggregateSpec,
    groups: Groups<Group>,
    /// By call.
    states: Vec<Box<dyn CallState>>,
    segment_log: SegmentLog,
    closing: Option<Closing>,
    /// Groups that have a row even over no input.
    totals: Vec<u32>,
    /// Whether the rows of the totals have come out.
    started: bool,
    /// Input rows and groups looked at.
    touched: u64,
}

/// Groups that have an output row, and the rows' columns.
struct EvaluatedGroups {
    slots: Vec<u32>,
    columns: Vec<ArrayRef>,
}

/// The column of a persisted group that holds its weight.
const WEIGHT: &str = "weight";
/// Groups whose columns are made together.
const DIGESTED_AT_ONCE: usize = 65_536;

impl Aggregate {
    /// An aggregate without groups.
    ///
    /// # Errors
    /// If Arrow or DataFusion does not know how to keep a key, an argument or a result.
    pub fn new(spec: AggregateSpec) -> Result<Self, CircuitError> {
        let mut groups = Groups::<Group>::new(spec.group_types())?;
        let mut totals = Vec::new();
        for key in &spec.totals {
            let key = key.iter().map(ScalarValue::to_array).collect::<Result<Vec<_>, _>>()?;
            totals.extend(groups.touch(&key, 1)?.slots);
        }
        let states = spec.calls.iter().map(|call| registry::state(call, &spec)).collect::<Result<_, ArrowError>>()?;
        let closing = spec.closing.clone().map(Closing::new).transpose()?;
        let segment_log = SegmentLog::default();
        let (started, touched) = (false, 0);
        let mut new = Self { spec, groups, states, segment_log, closing, totals, started, touched };
        new.grow();
        Ok(new)
    }

    pub fn spec(&self) -> &AggregateSpec {
        &self.spec
    }

    pub(super) fn name(&self) -> &'static str {
        if self.spec.calls.is_empty() { "distinct" } else { "aggregate" }
    }

    /// Applies a change of the input and gives the change of the output.
    ///
    /// A group of which a call has no result, as an average that overflows, is among `errors` instead.
    ///
    /// # Errors
    /// If a column has a type that the planner does not give to its call.
    pub(super) fn step(
        &mut self,
        input: &ZBatch,
        watermarks: &Watermarks<'_>,
        errors: &mut FoundErrors,
    ) -> Result<ZBatch, CircuitError> {
        let output = self.apply(input, errors)?;
        if let Some(closing) = &mut self.closing {
            let closed = closing.close(watermarks)?;
            closed.into_iter().for_each(|slot| self.forget(slot));
        }
        Ok(output)
    }

    fn apply(&mut self, input: &ZBatch, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        let first = !std::mem::replace(&mut self.started, true) && !self.totals.is_empty();
        if input.is_empty() && !first {
            return Ok(ZBatch::empty(self.spec.schema.clone()));
        }
        let keys: Vec<ArrayRef> = self.spec.groups.iter().map(|&index| input.rows.column(index).clone()).collect();
        let mut touched = self.groups.touch(&keys, input.len())?;
        for slot in self.totals.iter().filter(|_| first) {
            if !touched.slots.contains(slot) {
                touched.slots.push(*slot);
            }
        }
        self.touched += (touched.rows.len() + touched.slots.len()) as u64;
        self.grow();
        let before: Vec<u32> = touched.slots.iter().copied().filter(|&slot| self.exists(slot) && !first).collect();
        self.open_new(&touched)?;
        let old = self.evaluate_each(before, -1, errors)?;
        self.update(input, &touched)?;
        let after: Vec<u32> = touched.slots.iter().copied().filter(|&slot| self.exists(slot)).collect();
        let new = self.evaluate_each(after, 1, errors)?;
        let output = self.difference(&touched.slots, &old, &new)?;
        self.retain(&touched)?;
        Ok(output)
    }

    /// The rows of all groups. Those of totals come with the first step, if that is still to come.
    ///
    /// # Errors
    /// As [`Aggregate::step`].
    pub(in crate::circuit) fn output(&self, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        if !self.started {
            return Ok(ZBatch::empty(self.spec.schema.clone()));
        }
        let slots: Vec<u32> = self.groups.live().filter(|&slot| self.exists(slot)).collect();
        let EvaluatedGroups { columns, .. } = self.evaluate_each(slots, 1, errors)?;
        Ok(ZBatch::inserts(RecordBatch::try_new(self.spec.schema.clone(), columns)?))
    }

    /// Whether a group has an output row now.
    fn exists(&self, slot: u32) -> bool {
        self.groups.record(slot).weight > 0 || self.totals.contains(&slot)
    }

    fn grow(&mut self) {
        let slots = self.groups.slots();
        self.states.iter_mut().for_each(|state| state.grow(slots));
    }

    fn update(&mut self, input: &ZBatch, touched: &TouchedGroups) -> Result<(), CircuitError> {
        for (row, local) in touched.rows.iter().enumerate() {
            self.groups.record_mut(touched.slots[*local as usize]).weight += input.weight(row);
        }
        for (call, state) in self.spec.calls.iter().zip(&mut self.states) {
            let mask = call.filter.map(|index| input.rows.column(index).as_boolean());
            state.update(input, touched, mask)?;
        }
        Ok(())
    }

    /// Marks the touched groups as changed for the next checkpoint, and forgets those without rows.
    fn retain(&mut self, touched: &TouchedGroups) -> Result<(), CircuitError> {
        for &slot in &touched.slots {
            if self.groups.record(slot).weight < 0 {
                return Err(DataFusionError::Internal("a group lost more rows than it had".into()).into());
            }
            if self.exists(slot) {
                self.segment_log.touch(slot, self.groups.records_mut());
            } else {
                self.forget(slot);
            }
        }
        Ok(())
    }

    /// Drops everything that is kept of a group.
    fn forget(&mut self, slot: u32) {
        self.groups.record_mut(slot).weight = 0;
        self.states.iter_mut().for_each(|state| state.clear(slot));
        self.segment_log.remove(slot, self.groups.records_mut());
        self.groups.remove(slot);
    }

    /// Registers the groups that this step created with what will close them.
    fn open_new(&mut self, touched: &TouchedGroups) -> Result<(), CircuitError> {
        let Some(closing) = &mut self.closing else { return Ok(()) };
        let new: Vec<u32> =
            touched.slots.iter().copied().filter(|&slot| self.groups.record(slot).weight == 0).collect();
        Ok(closing.open(&new, &self.groups.keys(&new)?)?)
    }

    /// The output rows of some groups.
    fn evaluate(&self, slots: &[u32]) -> Result<Vec<ArrayRef>, CircuitError> {
        let mut columns = self.groups.keys(slots)?;
        for (call, state) in self.states.iter().enumerate() {
            let field = self.spec.schema.field(self.spec.groups.len() + call);
            columns.push(state.evaluate(slots, &self.groups, field.data_type())?);
        }
        Ok(columns)
    }

    /// The output rows of those groups that have one; `weight` times an error of each of the others.
    fn evaluate_each(
        &self,
        slots: Vec<u32>,
        weight: i64,
        errors: &mut FoundErrors,
    ) -> Result<EvaluatedGroups, CircuitError> {
        if let Ok(columns) = self.evaluate(&slots) {
            return Ok(EvaluatedGroups { slots, columns });
        }
        let mut passed = Vec::with_capacity(slots.len());
        self.separate(&slots, weight, &mut passed, errors)?;
        Ok(EvaluatedGroups { columns: self.evaluate(&passed)?, slots: passed })
    }

    /// Halves a run of groups until those are found that fail alone.
    fn separate(
        &self,
        slots: &[u32],
        weight: i64,
        passed: &mut Vec<u32>,
        errors: &mut FoundErrors,
    ) -> Result<(), CircuitError> {
        match self.evaluate(slots) {
            Ok(_) => passed.extend(slots),
            Err(error) if slots.len() <= 1 => {
                let keys = self.spec.schema.project(&(0..self.spec.groups.len()).collect::<Vec<_>>())?;
                let keys = sized_batch(&Arc::new(keys), self.groups.keys(slots)?, slots.len())?;
                errors.add(&keys, 0, weight, error)?;
            }
            Err(_) => {
                let (first, rest) = slots.split_at(slots.len() / 2);
                self.separate(first, weight, passed, errors)?;
                self.separate(rest, weight, passed, errors)?;
            }
        }
        Ok(())
    }

    /// The old rows taken back and the new ones put in, without those that are equal. `touched` has the groups of both, in
    /// the order in which both have them.
    fn difference(
        &self,
        touched: &[u32],
        before: &EvaluatedGroups,
        after: &EvaluatedGroups,
    ) -> Result<ZBatch, CircuitError> {
        let (old, new) = (&before.columns, &after.columns);
        let equal = old
            .iter()
            .zip(new)
            .skip(self.spec.groups.len())
            .map(|(old, new)| make_comparator(old, new, SortOptions::default()))
            .collect::<Result<Vec<_>, _>>()?;
        let (mut gone, mut come) = (Vec::with_capacity(before.slots.len()), Vec::with_capacity(after.slots.len()));
        let (mut old_row, mut new_row) = (0, 0);
        for slot in touched {
            let was = before.slots.get(old_row) == Some(slot);
            let is = after.slots.get(new_row) == Some(slot);
            let is_changed = !(was && is) || equal.iter().any(|compare| compare(old_row, new_row).is_ne());
            if was && is_changed {
                gone.push(old_row as u32);
            }
            if is && is_changed {
                come.push(new_row as u32);
            }
            old_row += usize::from(was);
            new_row += usize::from(is);
        }
        let mut weights = vec![-1; gone.len()];
        weights.resize(gone.len() + come.len(), 1);
        let only_new = gone.is_empty();
        let (gone, come) = (UInt32Array::from(gone), UInt32Array::from(come));
        let columns = old.iter().zip(new).map(|(old, new)| {
            let new = take(new, &come, None)?;
            if only_new { Ok(new) } else { concat(&[take(old, &gone, None)?.as_ref(), new.as_ref()]) }
        });
        let rows = RecordBatch::try_new(self.spec.schema.clone(), columns.collect::<Result<_, ArrowError>>()?)?;
        Ok(if only_new { ZBatch::inserts(rows) } else { ZBatch::new(rows, Int64Array::from(weights)) })
    }

    /// What the groups and calls changed since the last capture, by store.
    ///
    /// # Errors
    /// If rows cannot be put in columns, which only batches beyond Arrow's offsets cause, or a kernel of DataFusion's
    /// fails.
    pub(crate) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        let mut deltas = Vec::new();
        if let Some(writing) = self.segment_log.write(self.groups.records_mut()) {
            let rows = self.persisted(&writing.slots)?;
            deltas.push((String::new(), writing.into_delta(rows)));
        }
        for (call, state) in self.states.iter_mut().enumerate() {
            if let Some(rows) = state.rows_mut()
                && let Some(delta) = rows.capture(&self.groups)?
            {
                deltas.push((store_of_rows(call), delta));
            }
        }
        Ok(deltas)
    }

    /// What the checkpoints hold of it since the last capture, by store.
    ///
    /// # Errors
    /// If a call's layout cannot be described as a schema.
    pub(crate) fn stores(&self) -> Result<BTreeMap<String, StoreShape>, CircuitError> {
        let groups = StoreShape { schema: self.persisted(&[])?.schema(), rows: self.segment_log.live_rows() as u64 };
        let mut stores = BTreeMap::from([(String::new(), groups)]);
        for (call, state) in self.states.iter().enumerate() {
            if let Some(rows) = state.rows() {
                stores.insert(store_of_rows(call), rows.shape(&self.groups)?);
            }
        }
        Ok(stores)
    }

    /// Takes over the groups and what was kept of them for each call.
    ///
    /// # Errors
    /// If the stored columns are not those of this store, or a row in them belongs nowhere.
    pub(crate) fn restore<'a>(
        &mut self,
        stored: impl Fn(&str) -> Option<&'a Vec<StoredSegment>>,
    ) -> Result<(), CircuitError> {
        for segment in stored("").into_iter().flatten() {
            self.restore_groups(segment)?;
        }
        for (call, state) in self.states.iter_mut().enumerate() {
            if let Some(rows) = state.rows_mut() {
                for segment in stored(&store_of_rows(call)).into_iter().flatten() {
                    rows.restore(segment, &mut self.groups)?;
                }
            }
        }
        Ok(())
    }

    /// A number that equal state has in common.
    ///
    /// # Errors
    /// If a key or a result cannot be computed.
    pub(in crate::circuit) fn digest(&self) -> Result<Digest, CircuitError> {
        let mut digest = Digest::default();
        let slots: Vec<u32> = self.groups.live().collect();
        for slots in slots.chunks(DIGESTED_AT_ONCE) {
            digest.rows(0, self.persisted(slots)?.columns())?;
        }
        for (call, state) in self.states.iter().enumerate() {
            if let Some(rows) = state.rows() {
                rows.digest(call + 1, &self.groups, &mut digest);
            }
        }
        digest.add(0, &[&[u8::from(self.started)]]);
        Ok(digest)
    }

    pub(in crate::circuit) fn kept(&self) -> Kept {
        let states: usize = self.states.iter().map(|state| state.size()).sum();
        let stores = self.states.iter().filter_map(|state| state.rows());
        let (rows, touched) = stores.clone().fold((0, 0), |sum, rows| (sum.0 + rows.len(), sum.1 + rows.touched()));
        Kept {
            grows_with: Some(match (self.closing.is_some(), stores.count() == 0) {
                (false, true) => "its groups",
                (false, false) => "its groups and the values in them",
                (true, true) => "its open windows",
                (true, false) => "its open windows and the values in them",
            }),
            rows: self.groups.len() + rows,
            bytes: self.groups.size() + states,
            touched: self.touched + touched,
        }
    }

    /// Groups as a checkpoint keeps them: key columns, weight, and the columns of each state.
    fn persisted(&self, slots: &[u32]) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.groups.keys(slots)?;
        columns.push(Arc::new(slots.iter().map(|&slot| self.groups.record(slot).weight).collect::<Int64Array>()));
        for state in &self.states {
            columns.extend(state.persisted(slots, &self.groups)?);
        }
        persisted_batch(columns)
    }

    fn restore_groups(&mut self, segment: &StoredSegment) -> Result<(), CircuitError> {
        let columns = segment.rows.columns();
        let (keys, rest) = columns.split_at(self.spec.groups.len());
        let slots = self.groups.restore(keys, &segment.live)?;
        self.grow();
        self.started = true;
        let Some((weights, mut rest)) = rest.split_first() else {
            return Err(DataFusionError::Internal(format!("a group segment without `{WEIGHT}`")).into());
        };
        let weights = weights.as_primitive::<Int64Type>();
        for (row, slot) in slots.iter().enumerate() {
            if let Some(slot) = slot {
                self.groups.record_mut(*slot).weight = weights.value(row);
            }
        }
        if let Some(closing) = &mut self.closing {
            let live: Vec<u32> = slots.iter().flatten().copied().collect();
            closing.open(&live, &self.groups.keys(&live)?)?;
        }
        for state in &mut self.states {
            rest = state.restore(rest, &slots)?;
        }
        self.segment_log.restore(segment.id, &slots, segment.dead.clone(), self.groups.records_mut());
        Ok(())
    }
}

/// The store of the rows that a call keeps one by one.
fn store_of_rows(call: usize) -> String {
    format!("r{call}")
}
