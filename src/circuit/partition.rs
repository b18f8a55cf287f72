//! Operators over the rows of one partition key: the first rows in an order, or anything that DataFusion computes from
//! them.
//!
//! The partitions that a change touches are computed before and after it, and the difference comes out. For the first
//! rows that is O(their number); for the rest, a *recompute*, it is O(the touched partitions): correct by construction.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{SortOptions, concat_batches};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::collect;

use super::groups::Groups;
use super::keyed_rows::{Change, KeyedRows};
use super::row_codec::RowCodec;
use super::{CircuitError, ZBatch, unhurried};
use crate::state::{StateDelta, StoredSegment};

/// What a partition operator computes, decided by the planner.
#[derive(Debug, Clone)]
pub struct PartitionSpec {
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
    pub key_types: Vec<DataType>,
    pub order: Vec<(Arc<dyn PhysicalExpr>, SortOptions)>,
    pub input: SchemaRef,
    pub schema: SchemaRef,
    pub outcome: Outcome,
}

/// What comes out of a partition.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Rows `skip..skip + fetch` in the order.
    Slice { skip: usize, fetch: usize },
    /// What DataFusion makes of all its rows.
    Recompute(Box<Rerun>),
}

/// A plan over one table, run again over other rows each time.
#[derive(Clone)]
pub struct Rerun {
    /// Reads exactly one table, with the operator's input columns.
    pub plan: LogicalPlan,
    pub state: SessionState,
}

/// The operator and its state.
#[derive(Debug)]
pub struct Partition {
    spec: PartitionSpec,
    groups: Groups,
    rows: KeyedRows,
    output: RowCodec,
}

/// Output rows as bytes, with their counts.
type Counted = BTreeMap<Box<[u8]>, i64>;

impl Partition {
    pub fn new(spec: PartitionSpec) -> Result<Self, CircuitError> {
        let groups = Groups::new(spec.key_types.clone())?;
        let rows = KeyedRows::new(&spec.input, spec.keys.clone(), true, &spec.order)?;
        let fields = spec.schema.fields().iter().map(|field| (field.data_type().clone(), SortOptions::default()));
        Ok(Self { output: RowCodec::new(fields)?, spec, groups, rows })
    }

    /// Applies a change of the input and gives the change of the output.
    pub(crate) fn step(&mut self, input: &ZBatch) -> Result<ZBatch, CircuitError> {
        let change = Change::new(input, &mut self.groups, &self.rows)?;
        self.rows.grow(self.groups.slots());
        let mut slots: Vec<u32> = change.slots().collect();
        slots.sort_unstable();
        slots.dedup();
        let mut counts = Counted::new();
        self.count(&slots, -1, &mut counts)?;
        self.rows.apply(&change);
        self.count(&slots, 1, &mut counts)?;
        for slot in slots.into_iter().filter(|&slot| self.rows.is_empty(slot)) {
            self.groups.remove(slot);
        }
        counts.retain(|_, count| *count != 0);
        let columns = self.output.decode(counts.keys().map(AsRef::as_ref))?;
        let options = RecordBatchOptions::new().with_row_count(Some(counts.len()));
        let rows = RecordBatch::try_new_with_options(self.spec.schema.clone(), columns, &options)?;
        Ok(ZBatch::new(rows, counts.into_values().collect::<Int64Array>()))
    }

    /// Adds what comes out of some partitions, `sign` times.
    fn count(&self, slots: &[u32], sign: i64, counts: &mut Counted) -> Result<(), CircuitError> {
        let rows: Vec<(&[u8], i64)> = match &self.spec.outcome {
            Outcome::Slice { skip, fetch } => slots.iter().flat_map(|&slot| self.slice(slot, *skip, *fetch)).collect(),
            Outcome::Recompute(_) => slots.iter().flat_map(|&slot| self.rows.rows(slot)).collect(),
        };
        if rows.is_empty() {
            return Ok(());
        }
        let batch = match &self.spec.outcome {
            Outcome::Slice { .. } => self.batch(rows.iter().map(|(bytes, _)| *bytes))?,
            Outcome::Recompute(rerun) => {
                let copies =
                    rows.iter().flat_map(|(bytes, count)| std::iter::repeat_n(*bytes, (*count).max(0) as usize));
                rerun.run(self.batch(copies)?, &self.spec.schema)?
            }
        };
        let encoded = self.output.encode(batch.columns())?;
        for (place, row) in encoded.iter().enumerate() {
            let count = if matches!(self.spec.outcome, Outcome::Slice { .. }) { rows[place].1 } else { 1 };
            *counts.entry(row.data().into()).or_default() += sign * count;
        }
        Ok(())
    }

    /// Rows `skip..skip + fetch` of a partition, with how many copies of each are among them.
    fn slice(&self, slot: u32, skip: usize, fetch: usize) -> Vec<(&[u8], i64)> {
        let (skip, end) = (skip as i64, (skip + fetch) as i64);
        let (mut passed, mut rows) = (0, Vec::new());
        for (bytes, count) in self.rows.rows(slot) {
            let copies = (passed + count).min(end) - passed.max(skip);
            if copies > 0 {
                rows.push((bytes, copies));
            }
            passed += count;
            if passed >= end {
                break;
            }
        }
        rows
    }

    fn batch<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<RecordBatch, CircuitError> {
        let rows: Vec<&[u8]> = rows.into_iter().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let columns = self.rows.decode(rows)?;
        Ok(RecordBatch::try_new_with_options(self.spec.input.clone(), columns, &options)?)
    }

    pub(crate) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        Ok(self.rows.capture()?.map(|delta| (String::new(), delta)).into_iter().collect())
    }

    pub(crate) fn restore<'a>(
        &mut self,
        stored: impl Fn(&str) -> Option<&'a Vec<StoredSegment>>,
    ) -> Result<(), CircuitError> {
        for segment in stored("").into_iter().flatten() {
            self.rows.restore(segment, &mut self.groups)?;
        }
        Ok(())
    }

    /// Approximate bytes in memory.
    pub(crate) fn size(&self) -> usize {
        self.groups.size() + self.rows.size()
    }
}

impl Rerun {
    fn run(&self, rows: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, CircuitError> {
        let table = provider_as_source(Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows]])?));
        let plan = self.plan.clone().transform_up(|node| match node {
            LogicalPlan::TableScan(mut scan) => {
                scan.source = table.clone();
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        let batches = unhurried::run(async {
            let physical = self.state.query_planner().create_physical_plan(&plan.data, &self.state).await?;
            collect(physical, self.state.task_ctx()).await
        })?;
        let renamed = batches.into_iter().map(|batch| {
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)
        });
        Ok(concat_batches(schema, &renamed.collect::<Result<Vec<_>, _>>().map_err(DataFusionError::from)?)?)
    }
}

impl fmt::Debug for Rerun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rerun").field("plan", &self.plan).finish_non_exhaustive()
    }
}
