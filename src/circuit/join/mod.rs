//! Joins of all kinds, kept by both sides' rows arranged by the equality key.
//!
//! Pairs are bilinear: the change is the left change against the old right side, and the new left side against the right
//! change. Rows that are kept without a match follow from how many matches they have: per key where the key alone
//! decides, per row where a further condition does.

mod matches;
mod member;
mod spec;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat, prep_null_mask_filter, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::physical_expr::PhysicalExpr;

use super::digest::Digest;
use super::groups::Groups;
use super::keyed_rows::{Change, KeyedRows};
use super::report::Kept;
use super::row_errors::FoundErrors;
use super::{CircuitError, ZBatch};
use crate::state::{StateDelta, StoreShape, StoredSegment};
use matches::Matches;
use member::{MatchedRow, Side};
pub use spec::{JoinSpec, Unmatched};

/// The join operator and its state.
#[derive(Debug)]
pub struct Join {
    spec: JoinSpec,
    keys: Groups,
    left: KeyedRows,
    right: KeyedRows,
    /// Left columns, then right columns: what the condition sees.
    pair_schema: SchemaRef,
}

impl Join {
    /// A join without rows.
    ///
    /// # Errors
    /// If Arrow's rows do not know a type of a side, or the condition cannot be compiled.
    pub fn new(spec: JoinSpec) -> Result<Self, CircuitError> {
        let keys = Groups::new(spec.key_types.clone())?;
        let left = KeyedRows::new(&spec.left, spec.left_keys.clone(), spec.null_equals_null, &[])?;
        let right = KeyedRows::new(&spec.right, spec.right_keys.clone(), spec.null_equals_null, &[])?;
        let fields = spec.left.fields().iter().chain(spec.right.fields());
        let nullable: Vec<Field> = fields.map(|field| field.as_ref().clone().with_nullable(true)).collect();
        Ok(Self { spec, keys, left, right, pair_schema: Arc::new(Schema::new(nullable)) })
    }

    pub fn spec(&self) -> &JoinSpec {
        &self.spec
    }

    pub(super) fn name(&self) -> &'static str {
        self.spec.name()
    }

    /// Applies changes of both sides and gives the change of the output.
    ///
    /// A pair on which the condition fails does not meet it, and is among `errors`.
    ///
    /// # Errors
    /// If the condition fails, and no pair is at fault.
    pub(super) fn step(
        &mut self,
        left: &ZBatch,
        right: &ZBatch,
        errors: &mut FoundErrors,
    ) -> Result<ZBatch, CircuitError> {
        let mut output = Output { spec: &self.spec, parts: Vec::new() };
        let left = Change::new(left, &mut self.keys, &self.left)?;
        let right = Change::new(right, &mut self.keys, &self.right)?;
        output.unmatched(Side::Left, &left.unmatchable()?, false)?;
        output.unmatched(Side::Right, &right.unmatchable()?, false)?;
        self.left.grow(self.keys.slots());
        self.right.grow(self.keys.slots());
        let mut matches = Matches::new(&self.spec, &left, &right, &self.left, &self.right);

        // The left change meets the old right side, then the right change the new left side.
        for (side, change) in [(Side::Left, &left), (Side::Right, &right)] {
            // Where keys alone decide which rows have a match, only a join that shows pairs has to look at them.
            if self.spec.pairs || self.spec.condition.is_some() {
                let pairs = self.pairs(side, change)?;
                let passing = self.passing(&pairs.batch, errors)?;
                matches.note(&passing, change, &pairs.members, side);
                output.pairs(&pairs.batch, &passing)?;
            }
            match side {
                Side::Left => self.left.apply(change),
                Side::Right => self.right.apply(change),
            }
        }

        for (matched, rows) in matches.unmatched(Side::Left, &mut self.left, &self.right)? {
            output.unmatched(Side::Left, &rows, matched)?;
        }
        for (matched, rows) in matches.unmatched(Side::Right, &mut self.right, &self.left)? {
            output.unmatched(Side::Right, &rows, matched)?;
        }
        for slot in left.slots().chain(right.slots()) {
            if self.left.is_empty(slot) && self.right.is_empty(slot) {
                self.keys.remove(slot);
            }
        }
        let schema = self.spec.schema.clone();
        let parts = std::mem::take(&mut output.parts);
        Ok(ZBatch::concat(&schema, &parts)?)
    }

    /// Every pair of a changed row and a row of the other side as that is now.
    fn pairs(&self, side: Side, change: &Change) -> Result<MatchedRows<'_>, CircuitError> {
        let other = if side == Side::Left { &self.right } else { &self.left };
        let (mut indices, mut members, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (number, row) in change.rows.iter().enumerate() {
            for (matching, weight) in other.rows(row.slot) {
                indices.push(row.index);
                weights.push(change.weights[number] * weight);
                members.push(MatchedRow { number, matching, weight });
            }
        }
        let mut columns = taken(&change.batch, indices)?;
        let mut matches = other.decode(members.iter().map(|member| member.matching))?;
        if side == Side::Right {
            std::mem::swap(&mut columns, &mut matches);
        }
        columns.extend(matches);
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let rows = RecordBatch::try_new_with_options(self.pair_schema.clone(), columns, &options)?;
        Ok(MatchedRows { members, batch: ZBatch::new(rows, Int64Array::from(weights)) })
    }

    /// Which pairs meet the condition beside the keys.
    fn passing(&self, pairs: &ZBatch, errors: &mut FoundErrors) -> Result<BooleanArray, CircuitError> {
        match &self.spec.condition {
            Some(condition) if !pairs.is_empty() => met(condition.as_ref(), pairs, errors),
            _ => Ok(BooleanArray::from(vec![true; pairs.len()])),
        }
    }

    /// What comes out for all rows of both sides: what another join makes of them in one step.
    pub(super) fn output(&self, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        let sides = [self.left.all(&self.keys)?, self.right.all(&self.keys)?];
        Join::new(self.spec.clone())?.step(&sides[0], &sides[1], errors)
    }

    pub(super) fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        self.left.digest(0, &self.keys, &mut digest);
        self.right.digest(1, &self.keys, &mut digest);
        digest
    }

    /// What both sides changed since the last capture, by store.
    ///
    /// # Errors
    /// If rows cannot be put in columns, which only batches beyond Arrow's offsets cause, or a kernel of DataFusion's
    /// fails.
    pub(crate) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        let mut deltas = Vec::new();
        for (name, side) in [("left", &mut self.left), ("right", &mut self.right)] {
            deltas.extend(side.capture()?.map(|delta| (name.to_owned(), delta)));
        }
        Ok(deltas)
    }

    /// What the checkpoints hold of it since the last capture, by store.
    ///
    /// # Errors
    /// If a side's layout cannot be described as a schema.
    pub(crate) fn stores(&self) -> Result<BTreeMap<String, StoreShape>, CircuitError> {
        let shapes = [("left", self.left.shape()?), ("right", self.right.shape()?)];
        Ok(shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect())
    }

    /// Takes over the rows of both sides.
    ///
    /// # Errors
    /// If the stored columns are not those of this store, or a row in them belongs nowhere.
    pub(crate) fn restore<'a>(
        &mut self,
        stored: impl Fn(&str) -> Option<&'a Vec<StoredSegment>>,
    ) -> Result<(), CircuitError> {
        for segment in stored("left").into_iter().flatten() {
            self.left.restore(segment, &mut self.keys)?;
        }
        for segment in stored("right").into_iter().flatten() {
            self.right.restore(segment, &mut self.keys)?;
        }
        self.left.grow(self.keys.slots());
        self.right.grow(self.keys.slots());
        Ok(())
    }

    pub(super) fn kept(&self) -> Kept {
        Kept {
            grows_with: Some("the rows of both inputs"),
            rows: self.left.len() + self.right.len(),
            bytes: self.keys.size() + self.left.size() + self.right.size(),
            touched: self.left.touched() + self.right.touched(),
        }
    }
}

/// Which pairs meet a condition. One that fails evaluated alone does not, and is among `errors`.
fn met(condition: &dyn PhysicalExpr, pairs: &ZBatch, errors: &mut FoundErrors) -> Result<BooleanArray, CircuitError> {
    let evaluated = condition.evaluate(&pairs.rows).and_then(|value| value.into_array(pairs.len()));
    let mask = match evaluated {
        Ok(mask) => mask,
        Err(_) if pairs.len() > 1 => {
            let half = pairs.len() / 2;
            let first = met(condition, &pairs.slice(0, half), errors)?;
            concat(&[&first, &met(condition, &pairs.slice(half, pairs.len() - half), errors)?])?
        }
        Err(error) => {
            errors.add(&pairs.rows, 0, pairs.weight(0), error.into())?;
            return Ok(BooleanArray::from(vec![false]));
        }
    };
    let mask = mask.as_boolean();
    Ok(if mask.null_count() == 0 { mask.clone() } else { prep_null_mask_filter(mask) })
}

/// Changed rows of one side with their matches on the other.
struct MatchedRows<'a> {
    members: Vec<MatchedRow<'a>>,
    batch: ZBatch,
}

fn taken(batch: &RecordBatch, indices: Vec<u32>) -> Result<Vec<ArrayRef>, ArrowError> {
    let indices = UInt32Array::from(indices);
    batch.columns().iter().map(|column| take(column, &indices, None)).collect()
}

/// The parts of one step's output.
struct Output<'a> {
    spec: &'a JoinSpec,
    parts: Vec<ZBatch>,
}

impl Output<'_> {
    fn pairs(&mut self, pairs: &ZBatch, passing: &BooleanArray) -> Result<(), ArrowError> {
        if self.spec.pairs && passing.true_count() > 0 {
            let kept = pairs.filter(passing)?;
            self.parts.push(kept.with_schema(&self.spec.schema)?);
        }
        Ok(())
    }

    /// Rows of one side without a match, or with one, as far as the join shows them.
    fn unmatched(&mut self, side: Side, rows: &ZBatch, matched: bool) -> Result<(), ArrowError> {
        let shown = if side == Side::Left { self.spec.left_unmatched } else { self.spec.right_unmatched };
        if rows.is_empty() {
            return Ok(());
        }
        let mut columns = rows.rows.columns().to_vec();
        match (shown, matched) {
            (Unmatched::Padded, false) => {
                let others = if side == Side::Left { &self.spec.right } else { &self.spec.left };
                let nulls = others.fields().iter().map(|field| new_null_array(field.data_type(), rows.len()));
                if side == Side::Left {
                    columns.extend(nulls);
                } else {
                    columns = nulls.chain(columns).collect();
                }
            }
            (Unmatched::Anti, false) | (Unmatched::Semi, true) => {}
            (Unmatched::Mark, matched) => columns.push(Arc::new(BooleanArray::from(vec![matched; rows.len()]))),
            _ => return Ok(()),
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.spec.schema.clone(), columns, &options)?;
        self.parts.push(ZBatch { rows: batch, weights: rows.weights.clone() });
        Ok(())
    }
}
