//! An immutable state of a table at one cut. Nothing here changes it or waits.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::Expr;
use xxhash_rust::xxh3::xxh3_64;

use super::access::Access;
use super::canonical::canonical;
use super::encoding::Encoding;
use super::ordered_access::OrderedAccess;
use super::provider::SnapshotProvider;
use super::reader::SegmentReader;
use super::segment::View;
use super::{OrderedRead, OrderedRows, RowsVersion, TableSpec};
use crate::access::Permit;
use crate::state::KeyMap;

/// Cheap to clone: readers share the writer's segments.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    spec: Arc<TableSpec>,
    /// Of the key columns, as the indexes of the segments have them.
    key_encoding: Arc<Encoding>,
    pub(super) views: Arc<[View]>,
    num_rows: usize,
    version: RowsVersion,
}

impl TableSnapshot {
    pub(super) fn new(
        spec: Arc<TableSpec>,
        key_encoding: Arc<Encoding>,
        views: Arc<[View]>,
        version: RowsVersion,
    ) -> Self {
        let num_rows = views.iter().map(|view| view.liveness.live()).sum();
        Self { spec, key_encoding, views, num_rows, version }
    }

    pub fn spec(&self) -> &Arc<TableSpec> {
        &self.spec
    }

    pub fn schema(&self) -> SchemaRef {
        self.spec.schema.clone()
    }

    /// Snapshots that have it in common have the same rows.
    pub fn version(&self) -> RowsVersion {
        self.version
    }

    /// Live rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The row with this key (one value a key column, of the columns' types), as a batch of one row. NULL finds NULL. The batch is a part of
    /// a segment, which lives as long.
    ///
    /// # Errors
    /// If the key is not of the table's key columns.
    pub fn get(&self, key: &[ScalarValue]) -> Result<Option<RecordBatch>, DataFusionError> {
        if key.len() != self.spec.key.len() {
            let (table, columns) = (&self.spec.name, self.spec.key.len());
            let message = format!("the key of table `{table}` has {columns} columns, but {} values came", key.len());
            return Err(DataFusionError::Plan(message));
        }
        let columns = self.spec.key.iter().map(|&column| self.spec.schema.field(column).data_type());
        let typed = key.iter().zip(columns).map(|(value, data_type)| {
            let value = value.cast_to(data_type)?.to_array()?;
            Ok(canonical(&value)?)
        });
        let wanted = self.key_encoding.encode_values(&typed.collect::<Result<Vec<_>, DataFusionError>>()?)?;
        let hash = KeyMap::hash(wanted.get(0));
        for View { segment, liveness } in self.views.iter() {
            let candidates = segment.keys(&self.key_encoding)?.candidates(hash).map(|row| row as usize);
            for row in candidates.filter(|&row| liveness.is_live(row)) {
                let found = segment.rows().slice(row, 1);
                if self.key_encoding.encode(&found)?.get(0) == wanted.get(0) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// All live rows, in no particular order, in batches of bounded size made one by one.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn scan(&self) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + use<> {
        self.reader(Arc::new(Access::All))
    }

    /// The rows that a permit lets through, with these columns of them or all.
    ///
    /// # Errors
    /// If DataFusion cannot compute a condition.
    pub(in crate::read_model) fn permitted(
        &self,
        permit: &Permit,
        projection: Option<&[usize]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, DataFusionError>> + use<>, DataFusionError> {
        let permitted = permit.over(projection)?;
        let conditions: Vec<&Expr> = permit.conditions().iter().collect();
        let (access, _) = Access::choose(&self.spec, &conditions)?;
        let schema = Arc::new(self.spec.schema.project(&permitted.columns)?);
        let columns = permitted.columns.as_slice().into();
        let reader = SegmentReader::new(self.views.clone(), 0..self.views.len(), Arc::new(access), columns, schema);
        Ok(reader.map(move |rows| permitted.look_at(&rows?)))
    }

    /// The rows in an order, of which a permit lets some through; none where no order that segments are sorted in serves that, or where
    /// too many of them are not sorted yet.
    ///
    /// # Errors
    /// If DataFusion cannot compute a condition, or where the values after which the rows begin are not of their columns.
    pub(in crate::read_model) fn in_order(
        &self,
        read: &OrderedRead<'_>,
        permit: Option<&Permit>,
    ) -> Result<Option<OrderedRows>, DataFusionError> {
        let conditions = permit.map(Permit::conditions).unwrap_or_default();
        let Some(access) = OrderedAccess::choose(&self.spec, read, conditions)? else { return Ok(None) };
        let permitted = permit.map(|permit| permit.over(None)).transpose()?;
        Ok(OrderedRows::new(self.views.clone(), &self.spec.schema, access, permitted)?)
    }

    /// The rows as they lie in memory, nothing of them copied: of each segment all its rows, and which of those are live.
    pub fn live_segments(&self) -> impl Iterator<Item = (&RecordBatch, impl Iterator<Item = usize>)> {
        self.views.iter().map(|view| (view.segment.rows(), view.liveness.live_rows()))
    }

    /// A number that equal sets of rows have in common, however they are batched and in every process of one build.
    /// It is computed from the rows themselves: O(rows).
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn checksum(&self) -> Result<u64, ArrowError> {
        let columns: Vec<usize> = (0..self.spec.schema.fields().len()).collect();
        let encoding = Encoding::new(&self.spec.schema, &columns)?;
        let mut sum = 0u64;
        for rows in self.scan() {
            let rows = rows?;
            let encoded = encoding.encode(&rows)?;
            (0..rows.num_rows()).for_each(|row| sum = sum.wrapping_add(xxh3_64(encoded.get(row))));
        }
        Ok(sum)
    }

    /// Whether equality on these columns is served by the key or a secondary index; else every row is visited.
    pub fn serves(&self, equality_columns: &[usize]) -> bool {
        let bound = |column: &usize| equality_columns.contains(column);
        let by_key = !self.spec.key.is_empty() && self.spec.key.iter().all(bound);
        by_key || self.spec.indexes.iter().any(|index| index.first().is_some_and(bound))
    }

    /// For DataFusion: filters on the key and on secondary indexes are served by them.
    ///
    /// # Errors
    /// If DataFusion refuses the table's constraints.
    pub fn provider(&self) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        Ok(Arc::new(SnapshotProvider::new(self.clone())))
    }

    fn reader(&self, access: Arc<Access>) -> SegmentReader {
        let columns = (0..self.spec.schema.fields().len()).collect();
        SegmentReader::new(self.views.clone(), 0..self.views.len(), access, columns, self.schema())
    }
}
