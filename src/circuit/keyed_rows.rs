//! The rows of one input by key, and within a key in some order: what joins and partitions keep.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::Rows;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::arrangement::{Arrangement, PRELOADED};
use super::digest::Digest;
use super::groups::Groups;
use super::persisted_batch::persisted_batch;
use super::row_codec::RowCodec;
use super::{CircuitError, ZBatch};
use crate::state::{StateDelta, StoreShape, StoredSegment};

/// The rows of one input, arranged by key slot.
#[derive(Debug)]
pub(crate) struct KeyedRows {
    schema: SchemaRef,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether a NULL in the key is a key like any other.
    null_is_key: bool,
    /// What rows are ordered by within a key, before their columns.
    order: Vec<Arc<dyn PhysicalExpr>>,
    /// The order's columns, then those of the row that are not among them.
    codec: RowCodec,
    /// For each column of the row, its index in `codec`.
    indices: Vec<usize>,
    /// The order's columns alone.
    order_codec: RowCodec,
    rows: Arrangement,
    /// By key slot: the weight of all rows, and how many different ones there are.
    totals: Vec<(i64, u32)>,
}

/// A change of one side, each row once.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) batch: RecordBatch,
    /// Of every row of the batch.
    encoded: RowBytes,
    pub(crate) rows: Vec<ChangedRow>,
    /// By row.
    pub(crate) weights: Vec<i64>,
    /// Indices and weights of rows whose key is NULL and matches nothing.
    null_keys: (Vec<u32>, Vec<i64>),
}

#[derive(Debug)]
pub(crate) struct ChangedRow {
    pub(crate) slot: u32,
    /// In the change's batch.
    pub(crate) index: u32,
}

/// The rows of a batch as bytes; none where a row has no columns, so that all are empty.
#[derive(Debug)]
struct RowBytes(Option<Rows>);

impl RowBytes {
    fn get(&self, row: usize) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

impl KeyedRows {
    /// Rows of `schema`, none yet, found by `keys` and kept in `order`.
    ///
    /// # Errors
    /// If the rows format of Arrow does not know a type of a key, of the order or of the rows.
    pub(crate) fn new(
        schema: &SchemaRef,
        keys: Vec<Arc<dyn PhysicalExpr>>,
        null_is_key: bool,
        order: &[(Arc<dyn PhysicalExpr>, SortOptions)],
    ) -> Result<Self, CircuitError> {
        let mut fields = Vec::new();
        for (expr, options) in order {
            fields.push((expr.data_type(schema)?, *options));
        }
        let order_codec = RowCodec::new(fields.clone())?;
        let order: Vec<_> = order.iter().map(|(expr, _)| expr.clone()).collect();
        let is_column = |expr: &Arc<dyn PhysicalExpr>, column: usize| {
            expr.downcast_ref::<Column>().is_some_and(|expr| expr.index() == column)
        };
        let mut indices = Vec::with_capacity(schema.fields().len());
        for (column, field) in schema.fields().iter().enumerate() {
            indices.push(order.iter().position(|expr| is_column(expr, column)).unwrap_or_else(|| {
                fields.push((field.data_type().clone(), SortOptions::default()));
                fields.len() - 1
            }));
        }
        let codec = RowCodec::new(fields)?;
        let (rows, totals) = (Arrangement::default(), Vec::new());
        Ok(Self { schema: schema.clone(), keys, null_is_key, order, codec, indices, order_codec, rows, totals })
    }

    /// For an owner that asks for the first rows of a key in order.
    pub(crate) fn of_first_rows(self) -> Self {
        Self { rows: Arrangement::of_first_rows(), ..self }
    }

    pub(crate) fn grow(&mut self, slots: usize) {
        self.totals.resize(slots.max(self.totals.len()), (0, 0));
    }

    /// The rows of a key with their counts.
    pub(crate) fn rows(&self, slot: u32) -> impl DoubleEndedIterator<Item = (&[u8], i64)> + '_ {
        self.rows.rows(slot)
    }

    /// Weight of all rows of a key.
    pub(crate) fn total(&self, slot: u32) -> i64 {
        self.totals.get(slot as usize).map_or(0, |(weight, _)| *weight)
    }

    pub(crate) fn is_empty(&self, slot: u32) -> bool {
        self.totals.get(slot as usize).is_none_or(|(_, different)| *different == 0)
    }

    /// Count and number of matches of one row.
    pub(crate) fn row(&self, slot: u32, bytes: &[u8]) -> Option<(i64, i64)> {
        self.rows.find(slot, bytes)
    }

    pub(crate) fn set_matches(&mut self, slot: u32, bytes: &[u8], matches: i64) {
        self.rows.set_extra(slot, bytes, matches);
    }

    /// The columns of some rows.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub(crate) fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        let columns = self.codec.decode(rows)?;
        Ok(self.indices.iter().map(|&index| columns[index].clone()).collect())
    }

    /// The front of a row's bytes that holds what it is ordered by: equal for peers, and for no other rows.
    ///
    /// # Errors
    /// If the bytes are not of a row of this side.
    pub(crate) fn order_of(&self, row: &[u8]) -> Result<Vec<u8>, ArrowError> {
        if self.order_codec.is_unit() {
            return Ok(Vec::new());
        }
        let mut columns = self.codec.decode([row])?;
        columns.truncate(self.order.len());
        Ok(self.order_codec.encode(&columns)?.row(0).data().to_vec())
    }

    fn encode(&self, batch: &RecordBatch) -> Result<RowBytes, CircuitError> {
        if self.codec.is_unit() {
            return Ok(RowBytes(None));
        }
        let mut columns = evaluated(&self.order, batch)?;
        let others = self.indices.iter().zip(batch.columns()).filter(|(index, _)| **index >= self.order.len());
        columns.extend(others.map(|(_, column)| column.clone()));
        Ok(RowBytes(Some(self.codec.encode(&columns)?)))
    }

    /// Some rows as a batch.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub(crate) fn batch(&self, rows: &[(Box<[u8]>, i64)]) -> Result<ZBatch, ArrowError> {
        let columns = self.decode(rows.iter().map(|(bytes, _)| bytes.as_ref()))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(ZBatch::new(batch, rows.iter().map(|(_, weight)| *weight).collect()))
    }

    /// Removes all rows of a key.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.rows.remove_group(slot);
        self.totals[slot as usize] = (0, 0);
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        for (rows, weights) in change.rows.chunks(PRELOADED).zip(change.weights.chunks(PRELOADED)) {
            self.rows.preload(rows.iter().map(|row| (row.slot, change.bytes(row))));
            for (row, weight) in rows.iter().zip(weights) {
                let before = self.rows.len();
                self.rows.add(row.slot, change.bytes(row), *weight);
                let total = &mut self.totals[row.slot as usize];
                total.0 += weight;
                match self.rows.len() {
                    after if after > before => total.1 += 1,
                    after if after < before => total.1 -= 1,
                    _ => {}
                }
            }
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.rows.size() + self.totals.capacity() * 16
    }

    /// Number of different rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many rows were looked at, changed ones included.
    pub(crate) fn touched(&self) -> u64 {
        self.rows.touched()
    }

    /// Adds all rows, as a part of the operator's state.
    pub(crate) fn digest(&self, part: usize, groups: &Groups, digest: &mut Digest) {
        for slot in groups.live() {
            for (row, count) in self.rows(slot) {
                let matches = self.row(slot, row).map_or(0, |(_, matches)| matches);
                digest.add(part, &[row, &count.to_le_bytes(), &matches.to_le_bytes()]);
            }
        }
    }

    /// All rows with their counts.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub(crate) fn all(&self, groups: &Groups) -> Result<ZBatch, ArrowError> {
        let rows = groups.live().flat_map(|slot| self.rows(slot));
        let (rows, counts): (Vec<&[u8]>, Vec<i64>) = rows.unzip();
        let options = RecordBatchOptions::new().with_row_count(Some(counts.len()));
        let batch = RecordBatch::try_new_with_options(nullable(&self.schema), self.decode(rows)?, &options)?;
        Ok(ZBatch::new(batch, counts.into()))
    }

    /// Rows as a checkpoint keeps them: the columns, the count, and the number of matches.
    ///
    /// # Errors
    /// If rows cannot be put in columns, which only batches beyond Arrow's offsets cause, or a kernel of DataFusion's
    /// fails.
    pub(crate) fn capture(&mut self) -> Result<Option<StateDelta>, CircuitError> {
        let Some(writing) = self.rows.write() else { return Ok(None) };
        let rows = self.persisted(&writing.slots)?;
        Ok(Some(writing.into_delta(rows)))
    }

    fn persisted(&self, slots: &[u32]) -> Result<RecordBatch, ArrowError> {
        let entries: Vec<_> = slots.iter().map(|&slot| self.rows.entry_with_extra(slot)).collect();
        let mut columns = self.decode(entries.iter().map(|(row, _, _)| *row))?;
        columns.push(Arc::new(entries.iter().map(|(_, count, _)| *count).collect::<Int64Array>()));
        columns.push(Arc::new(entries.iter().map(|(_, _, extra)| *extra).collect::<Int64Array>()));
        persisted_batch(columns)
    }

    /// What the checkpoints hold of it since the last capture.
    ///
    /// # Errors
    /// If the store's columns have no schema, which only a type unknown to Arrow's rows causes.
    pub(crate) fn shape(&self) -> Result<StoreShape, CircuitError> {
        Ok(StoreShape { schema: self.persisted(&[])?.schema(), rows: self.rows.persisted_rows() })
    }

    /// Takes over one persisted segment. Segments may come in any order.
    ///
    /// # Errors
    /// If the stored columns are not those of this store, or a row in them belongs nowhere.
    pub(crate) fn restore(&mut self, segment: &StoredSegment, groups: &mut Groups) -> Result<(), CircuitError> {
        let width = self.schema.fields().len();
        let (columns, rest) = segment.rows.columns().split_at(width);
        let options = RecordBatchOptions::new().with_row_count(Some(segment.rows.num_rows()));
        let batch = RecordBatch::try_new_with_options(nullable(&self.schema), columns.to_vec(), &options)?;
        let (counts, matches) = (rest[0].as_primitive::<Int64Type>(), rest[1].as_primitive::<Int64Type>());
        let slots = groups.restore(&evaluated(&self.keys, &batch)?, &segment.live)?;
        self.grow(groups.slots());
        let encoded = self.encode(&batch)?;
        let mut entries = Vec::with_capacity(slots.len());
        for (row, slot) in slots.iter().enumerate() {
            entries.push(slot.map(|slot| {
                let total = &mut self.totals[slot as usize];
                *total = (total.0 + counts.value(row), total.1 + 1);
                let entry = self.rows.restore(slot, encoded.get(row), counts.value(row));
                self.rows.restore_extra(entry, matches.value(row));
                entry
            }));
        }
        self.rows.restored(segment, &entries);
        Ok(())
    }
}

impl Change {
    /// A delta with equal rows added up and every row's key found.
    ///
    /// # Errors
    /// If a key cannot be computed of a row.
    pub(crate) fn new(delta: &ZBatch, groups: &mut Groups, side: &KeyedRows) -> Result<Self, CircuitError> {
        let columns = evaluated(&side.keys, &delta.rows)?;
        let is_null = |row: usize| !side.null_is_key && columns.iter().any(|column| column.is_null(row));
        let mut null_keys = (Vec::new(), Vec::new());
        let mut kept = Vec::with_capacity(delta.len());
        for row in 0..delta.len() {
            if is_null(row) {
                null_keys.0.push(row as u32);
                null_keys.1.push(delta.weight(row));
            } else {
                kept.push(row as u32);
            }
        }
        let kept = UInt32Array::from(kept);
        let keyed: Vec<ArrayRef> = columns.iter().map(|column| take(column, &kept, None)).collect::<Result<_, _>>()?;
        let touched = groups.touch(&keyed, kept.len())?;
        let encoded = side.encode(&delta.rows)?;
        let mut change = Self { batch: delta.rows.clone(), encoded, rows: Vec::new(), weights: Vec::new(), null_keys };
        change.rows.reserve(kept.len());
        change.weights.reserve(kept.len());
        let mut known: HashTable<(u64, u32)> = HashTable::with_capacity(kept.len());
        for (local, &index) in touched.rows.iter().zip(kept.values()) {
            let slot = touched.slots[*local as usize];
            change.add(ChangedRow { slot, index }, delta.weight(index as usize), &mut known);
        }
        let mut weights = change.weights.iter();
        change.rows.retain(|_| weights.next().is_some_and(|weight| *weight != 0));
        change.weights.retain(|weight| *weight != 0);
        Ok(change)
    }

    /// Adds a row's weight to that of the equal one, if there is one. `known` has the hash and the number of each row.
    fn add(&mut self, row: ChangedRow, weight: i64, known: &mut HashTable<(u64, u32)>) {
        let bytes = self.bytes(&row);
        let hash = xxh3_64_with_seed(bytes, u64::from(row.slot));
        let is_equal = |(other_hash, number): &(u64, u32)| {
            let other = &self.rows[*number as usize];
            *other_hash == hash && other.slot == row.slot && self.bytes(other) == bytes
        };
        match known.find(hash, is_equal) {
            Some((_, number)) => self.weights[*number as usize] += weight,
            None => {
                known.insert_unique(hash, (hash, self.rows.len() as u32), |(hash, _)| *hash);
                self.rows.push(row);
                self.weights.push(weight);
            }
        }
    }

    /// A changed row as it is kept.
    pub(crate) fn bytes(&self, row: &ChangedRow) -> &[u8] {
        self.encoded.get(row.index as usize)
    }

    /// Rows whose key matches nothing, ever.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub(crate) fn unmatchable(&self) -> Result<ZBatch, ArrowError> {
        let (indices, weights) = &self.null_keys;
        let taken = UInt32Array::from(indices.clone());
        let columns = self.batch.columns().iter().map(|column| take(column, &taken, None));
        let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
        let rows =
            RecordBatch::try_new_with_options(self.batch.schema(), columns.collect::<Result<_, _>>()?, &options)?;
        Ok(ZBatch::new(rows, weights.iter().copied().collect()))
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows.iter().map(|row| row.slot)
    }
}

/// Expressions as columns.
fn evaluated(exprs: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> Result<Vec<ArrayRef>, CircuitError> {
    exprs.iter().map(|expr| Ok(expr.evaluate(batch)?.into_array(batch.num_rows())?)).collect()
}

fn nullable(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
    ))
}
