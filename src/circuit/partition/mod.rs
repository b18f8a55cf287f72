//! Operators over the rows of one partition key: the first rows in an order, or anything that DataFusion computes from
//! them.
//!
//! The partitions that a change touches are computed before and after it, and the difference comes out. For the first
//! rows that is O(their number); for the rest, a *recompute*, it is O(the touched partitions): correct by construction.

mod first_rows;
mod rerun;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::Rows;
use datafusion::physical_expr::PhysicalExpr;

use super::closing::{Closing, ClosingSpec, Watermarks};
use super::difference::Difference;
use super::digest::Digest;
use super::groups::Groups;
use super::keyed_rows::{Change, KeyedRows};
use super::report::Kept;
use super::row_codec::RowCodec;
use super::row_errors::FoundErrors;
use super::sized_batch::sized_batch;
use super::{CircuitError, ZBatch};
use crate::state::{StateDelta, StoreShape, StoredSegment};
pub use first_rows::{Ranking, RankingFunction};
pub use rerun::Rerun;

/// What a partition operator computes, decided by the planner.
#[derive(Debug, Clone)]
pub struct PartitionSpec {
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
    pub key_types: Vec<DataType>,
    pub order: Vec<(Arc<dyn PhysicalExpr>, SortOptions)>,
    pub input: SchemaRef,
    pub schema: SchemaRef,
    pub outcome: PartitionOutput,
    /// If partitions are closed by a watermark. The input is append-only then.
    pub closing: Option<ClosingSpec>,
}

/// What comes out of a partition.
#[derive(Debug, Clone)]
pub enum PartitionOutput {
    /// Rows `skip..skip + fetch` in the order.
    Slice { skip: usize, fetch: usize },
    /// The rows up to a rank, with their ranks.
    Ranking(Ranking),
    /// What DataFusion makes of all its rows.
    Recompute(Box<Rerun>),
}

/// The operator and its state.
#[derive(Debug)]
pub struct Partition {
    spec: PartitionSpec,
    groups: Groups,
    rows: KeyedRows,
    output: RowCodec,
    closing: Option<Closing>,
}

impl Partition {
    /// A partition operator without rows.
    ///
    /// # Errors
    /// If Arrow's rows do not know a type of the input, or the recomputed plan cannot be made.
    pub fn new(spec: PartitionSpec) -> Result<Self, CircuitError> {
        let groups = Groups::new(spec.key_types.clone())?;
        let mut rows = KeyedRows::new(&spec.input, spec.keys.clone(), true, &spec.order)?;
        if matches!(spec.outcome, PartitionOutput::Slice { .. } | PartitionOutput::Ranking(_)) {
            rows = rows.of_first_rows();
        }
        let fields = spec.schema.fields().iter().map(|field| (field.data_type().clone(), SortOptions::default()));
        let closing = spec.closing.clone().map(Closing::new).transpose()?;
        Ok(Self { output: RowCodec::new(fields)?, spec, groups, rows, closing })
    }

    pub(super) fn spec(&self) -> &PartitionSpec {
        &self.spec
    }

    pub(super) fn name(&self) -> &'static str {
        match self.spec.outcome {
            PartitionOutput::Slice { .. } | PartitionOutput::Ranking(_) => "top-k",
            PartitionOutput::Recompute(_) => "recompute",
        }
    }

    /// Applies a change of the input and gives the change of the output.
    ///
    /// A partition on which the recomputed plan fails is among `errors` instead.
    ///
    /// # Errors
    /// If an expression fails, and no partition is at fault.
    pub(super) fn step(
        &mut self,
        input: &ZBatch,
        watermarks: &Watermarks<'_>,
        errors: &mut FoundErrors,
    ) -> Result<ZBatch, CircuitError> {
        let output = self.apply(input, errors)?;
        if let Some(closing) = &mut self.closing {
            for slot in closing.close(watermarks)? {
                self.rows.remove(slot);
                self.groups.remove(slot);
            }
        }
        Ok(output)
    }

    fn apply(&mut self, input: &ZBatch, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        let change = Change::new(input, &mut self.groups, &self.rows)?;
        self.rows.grow(self.groups.slots());
        let mut slots: Vec<u32> = change.slots().collect();
        slots.sort_unstable();
        slots.dedup();
        if let Some(closing) = &mut self.closing {
            let new: Vec<u32> = slots.iter().copied().filter(|&slot| self.rows.is_empty(slot)).collect();
            closing.open(&new, &self.groups.keys(&new)?)?;
        }
        let before = self.encoded(&slots, -1, errors)?;
        self.rows.apply(&change);
        let after = self.encoded(&slots, 1, errors)?;
        for slot in slots.into_iter().filter(|&slot| self.rows.is_empty(slot)) {
            self.groups.remove(slot);
        }
        let mut difference = Difference::default();
        for (sign, (output, rows)) in [(-1, &before), (1, &after)] {
            for index in 0..output.len() {
                // Rows without columns are all alike.
                let row: &[u8] = if self.output.is_unit() { &[] } else { rows.row(index).data() };
                difference.add(row, sign * output.weight(index));
            }
        }
        let (rows, counts): (Vec<&[u8]>, Vec<i64>) = difference.rows().into_iter().unzip();
        let rows = sized_batch(&self.spec.schema, self.output.decode(rows)?, counts.len())?;
        Ok(ZBatch::new(rows, counts.into()))
    }

    /// What comes out of some partitions, and its rows as bytes.
    fn encoded(&self, slots: &[u32], weight: i64, errors: &mut FoundErrors) -> Result<(ZBatch, Rows), CircuitError> {
        let output = self.outcome_of_each(slots, weight, errors)?;
        let rows = self.output.encode(output.rows.columns())?;
        Ok((output, rows))
    }

    /// What comes out of those partitions that do not fail alone; `weight` times an error of each of the others.
    fn outcome_of_each(&self, slots: &[u32], weight: i64, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        match self.outcome(slots) {
            Ok(output) => Ok(output),
            Err(error) if slots.len() <= 1 => {
                let keys =
                    self.spec.key_types.iter().enumerate().map(|(index, data_type)| {
                        Field::new(format!("partition {}", index + 1), data_type.clone(), true)
                    });
                let schema = Arc::new(Schema::new(keys.collect::<Vec<_>>()));
                errors.add(&sized_batch(&schema, self.groups.keys(slots)?, slots.len())?, 0, weight, error)?;
                Ok(ZBatch::empty(self.spec.schema.clone()))
            }
            Err(_) => {
                let (first, rest) = slots.split_at(slots.len() / 2);
                let halves = [first, rest].map(|half| self.outcome_of_each(half, weight, errors));
                Ok(ZBatch::concat(&self.spec.schema, &halves.into_iter().collect::<Result<Vec<_>, _>>()?)?)
            }
        }
    }

    /// What comes out of some partitions as they are now.
    fn outcome(&self, slots: &[u32]) -> Result<ZBatch, CircuitError> {
        let schema = &self.spec.schema;
        match &self.spec.outcome {
            PartitionOutput::Slice { skip, fetch } => {
                let rows = slots.iter().flat_map(|&slot| first_rows::slice(self.rows.rows(slot), *skip, *fetch));
                let (rows, counts): (Vec<&[u8]>, Vec<i64>) = rows.unzip();
                let batch = sized_batch(schema, self.rows.decode(rows)?, counts.len())?;
                Ok(ZBatch::new(batch, counts.into()))
            }
            PartitionOutput::Ranking(ranking) => {
                let mut ranked = first_rows::RankedRows::default();
                for &slot in slots {
                    ranking.rank(&self.rows, slot, &mut ranked)?;
                }
                ranked.batch(ranking, &self.rows, schema)
            }
            PartitionOutput::Recompute(rerun) => {
                let rows = slots.iter().flat_map(|&slot| self.rows.rows(slot));
                let copies = rows.flat_map(|(bytes, count)| std::iter::repeat_n(bytes, count.max(0) as usize));
                let copies: Vec<&[u8]> = copies.collect();
                if copies.is_empty() {
                    return Ok(ZBatch::empty(schema.clone()));
                }
                let number = copies.len();
                let batch = sized_batch(&self.spec.input, self.rows.decode(copies)?, number)?;
                Ok(ZBatch::inserts(rerun.run(batch, schema)?))
            }
        }
    }

    /// What comes out of all partitions.
    pub(super) fn output(&self, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        let slots: Vec<u32> = self.groups.live().collect();
        self.outcome_of_each(&slots, 1, errors)
    }

    pub(super) fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        self.rows.digest(0, &self.groups, &mut digest);
        digest
    }

    /// What the rows changed since the last capture, by store.
    ///
    /// # Errors
    /// If rows cannot be put in columns, which only batches beyond Arrow's offsets cause, or a kernel of DataFusion's
    /// fails.
    pub(crate) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        Ok(self.rows.capture()?.map(|delta| (String::new(), delta)).into_iter().collect())
    }

    /// What the checkpoints hold of it since the last capture, by store.
    ///
    /// # Errors
    /// If the rows' layout cannot be described as a schema.
    pub(crate) fn stores(&self) -> Result<BTreeMap<String, StoreShape>, CircuitError> {
        Ok(BTreeMap::from([(String::new(), self.rows.shape()?)]))
    }

    /// Takes over the rows of all partitions.
    ///
    /// # Errors
    /// If the stored columns are not those of this store, or a row in them belongs nowhere.
    pub(crate) fn restore<'a>(
        &mut self,
        stored: impl Fn(&str) -> Option<&'a Vec<StoredSegment>>,
    ) -> Result<(), CircuitError> {
        for segment in stored("").into_iter().flatten() {
            self.rows.restore(segment, &mut self.groups)?;
        }
        if let Some(closing) = &mut self.closing {
            let live: Vec<u32> = self.groups.live().collect();
            closing.open(&live, &self.groups.keys(&live)?)?;
        }
        Ok(())
    }

    pub(super) fn kept(&self) -> Kept {
        Kept {
            grows_with: Some(match self.closing {
                Some(_) => "the rows of its open windows",
                None => "the rows of its input",
            }),
            rows: self.rows.len(),
            bytes: self.groups.size() + self.rows.size(),
            touched: self.rows.touched(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn rows_without_columns_are_counted() {
        let schema = Arc::new(Schema::empty());
        let mut first_two = Partition::new(PartitionSpec {
            keys: Vec::new(),
            key_types: Vec::new(),
            order: Vec::new(),
            input: schema.clone(),
            schema: schema.clone(),
            outcome: PartitionOutput::Slice { skip: 0, fetch: 2 },
            closing: None,
        })
        .unwrap();
        let mut came_out = |weights: Vec<i64>| {
            let rows = sized_batch(&schema, Vec::new(), weights.len()).unwrap();
            let output = first_two
                .step(
                    &ZBatch::new(rows, Int64Array::from(weights)),
                    &Watermarks::default(),
                    &mut FoundErrors::default(),
                )
                .unwrap();
            (0..output.len()).map(|row| output.weight(row)).sum::<i64>()
        };
        assert_eq!([vec![1], vec![1, 1], vec![-1, -1]].map(&mut came_out), [1, 1, -1]);
    }
}
