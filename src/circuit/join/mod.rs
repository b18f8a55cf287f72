//! Joins of all kinds, kept by both sides' rows arranged by the equality key.
//!
//! Pairs are bilinear: the change is the left change against the old right side, and the new left side against the right
//! change. Rows that are kept without a partner follow from how many partners they have: per key where the key alone
//! decides, per row where a further condition does.

mod partners;
mod spec;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::groups::Groups;
use super::keyed_rows::{Change, KeyedRows};
use super::report::Kept;
use super::{CircuitError, ZBatch};
use crate::state::{StateDelta, StoredSegment};
use partners::Partners;
pub use spec::{JoinSpec, Lonely};

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

/// Which side a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    Left,
    Right,
}

impl Join {
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
    pub(crate) fn step(&mut self, left: &ZBatch, right: &ZBatch) -> Result<ZBatch, CircuitError> {
        let mut output = Output { spec: &self.spec, parts: Vec::new() };
        let left = Change::new(left, &mut self.keys, &self.left)?;
        let right = Change::new(right, &mut self.keys, &self.right)?;
        output.lonely(Hand::Left, &left.unmatchable()?, false)?;
        output.lonely(Hand::Right, &right.unmatchable()?, false)?;
        self.left.grow(self.keys.slots());
        self.right.grow(self.keys.slots());
        let mut partners = Partners::new(&self.spec, &left, &right, &self.left, &self.right);

        let (pairs, members) = self.left_change_by_old_right(&left)?;
        let passing = self.passing(&pairs)?;
        partners.pairs(&passing, |pair| {
            let (change, row, weight) = &members[pair];
            (&left.rows[*change], row.as_slice(), left.weights[*change], *weight, Hand::Left)
        });
        output.pairs(&pairs, &passing)?;
        self.left.apply(&left);

        let (pairs, members) = self.new_left_by_right_change(&right)?;
        let passing = self.passing(&pairs)?;
        partners.pairs(&passing, |pair| {
            let (change, row, weight) = &members[pair];
            (&right.rows[*change], row.as_slice(), right.weights[*change], *weight, Hand::Right)
        });
        output.pairs(&pairs, &passing)?;
        self.right.apply(&right);

        for (matched, rows) in partners.lonely(Hand::Left, &mut self.left, &self.right)? {
            output.lonely(Hand::Left, &rows, matched)?;
        }
        for (matched, rows) in partners.lonely(Hand::Right, &mut self.right, &self.left)? {
            output.lonely(Hand::Right, &rows, matched)?;
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

    /// Every pair of a changed left row and a right row that was there before.
    fn left_change_by_old_right(&self, left: &Change) -> Result<(ZBatch, Vec<Member>), CircuitError> {
        let (mut places, mut members, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (change, row) in left.rows.iter().enumerate() {
            for (partner, weight) in self.right.rows(row.slot) {
                places.push(row.place);
                weights.push(left.weights[change] * weight);
                members.push((change, partner.to_vec(), weight));
            }
        }
        let mut columns = taken(&left.batch, places)?;
        columns.extend(self.right.decode(members.iter().map(|(_, row, _)| row.as_slice()))?);
        Ok((self.pair_batch(columns, weights)?, members))
    }

    /// Every pair of a left row that is there now and a changed right row.
    fn new_left_by_right_change(&self, right: &Change) -> Result<(ZBatch, Vec<Member>), CircuitError> {
        let (mut places, mut members, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (change, row) in right.rows.iter().enumerate() {
            for (partner, weight) in self.left.rows(row.slot) {
                places.push(row.place);
                weights.push(right.weights[change] * weight);
                members.push((change, partner.to_vec(), weight));
            }
        }
        let mut columns = self.left.decode(members.iter().map(|(_, row, _)| row.as_slice()))?;
        columns.extend(taken(&right.batch, places)?);
        Ok((self.pair_batch(columns, weights)?, members))
    }

    fn pair_batch(&self, columns: Vec<ArrayRef>, weights: Vec<i64>) -> Result<ZBatch, ArrowError> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let rows = RecordBatch::try_new_with_options(self.pair_schema.clone(), columns, &options)?;
        Ok(ZBatch::new(rows, Int64Array::from(weights)))
    }

    /// Which pairs meet the condition beside the keys.
    fn passing(&self, pairs: &ZBatch) -> Result<BooleanArray, CircuitError> {
        match &self.spec.condition {
            Some(condition) if !pairs.is_empty() => {
                let mask = condition.evaluate(&pairs.rows)?.into_array(pairs.len())?;
                let mask = mask.as_boolean();
                Ok(mask.iter().map(|passes| Some(passes.unwrap_or(false))).collect())
            }
            _ => Ok(BooleanArray::from(vec![true; pairs.len()])),
        }
    }

    pub(crate) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        let mut deltas = Vec::new();
        for (name, side) in [("left", &mut self.left), ("right", &mut self.right)] {
            deltas.extend(side.capture()?.map(|delta| (name.to_owned(), delta)));
        }
        Ok(deltas)
    }

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

/// A pair's changed row, by place in the change; the other side's row; and how often that is there.
type Member = (usize, Vec<u8>, i64);

fn taken(batch: &RecordBatch, places: Vec<u32>) -> Result<Vec<ArrayRef>, ArrowError> {
    let places = UInt32Array::from(places);
    batch.columns().iter().map(|column| take(column, &places, None)).collect()
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

    /// Rows of one side without a partner, or with one, as far as the join shows them.
    fn lonely(&mut self, hand: Hand, rows: &ZBatch, matched: bool) -> Result<(), ArrowError> {
        let shown = if hand == Hand::Left { self.spec.left_lonely } else { self.spec.right_lonely };
        if rows.is_empty() {
            return Ok(());
        }
        let mut columns = rows.rows.columns().to_vec();
        match (shown, matched) {
            (Lonely::Padded, false) => {
                let others = if hand == Hand::Left { &self.spec.right } else { &self.spec.left };
                let nulls = others.fields().iter().map(|field| new_null_array(field.data_type(), rows.len()));
                if hand == Hand::Left {
                    columns.extend(nulls);
                } else {
                    columns = nulls.chain(columns).collect();
                }
            }
            (Lonely::Anti, false) | (Lonely::Semi, true) => {}
            (Lonely::Mark, matched) => columns.push(Arc::new(BooleanArray::from(vec![matched; rows.len()]))),
            _ => return Ok(()),
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.spec.schema.clone(), columns, &options)?;
        self.parts.push(ZBatch { rows: batch, weights: rows.weights.clone() });
        Ok(())
    }
}
