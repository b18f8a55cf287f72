//! A Z-set as an Arrow batch: rows with integer weights. A positive weight inserts copies of a row, a negative one
//! takes them back.

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{SortOptions, concat, concat_batches, filter, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::difference::Difference;
use super::row_codec::RowCodec;
use super::sized_batch::sized_batch;

/// Rows and their weights. The same row may occur several times: its weights add up.
#[derive(Debug, Clone)]
pub struct ZBatch {
    pub rows: RecordBatch,
    pub weights: Weights,
}

/// The weight of each row.
#[derive(Debug, Clone)]
pub enum Weights {
    /// Every row counts once: an append-only edge carries nothing else.
    Ones,
    /// One weight a row, never 0 and never NULL.
    Each(Int64Array),
}

impl ZBatch {
    pub fn empty(schema: SchemaRef) -> Self {
        Self { rows: RecordBatch::new_empty(schema), weights: Weights::Ones }
    }

    pub fn inserts(rows: RecordBatch) -> Self {
        Self { rows, weights: Weights::Ones }
    }

    pub fn new(rows: RecordBatch, weights: Int64Array) -> Self {
        debug_assert_eq!(rows.num_rows(), weights.len());
        Self { rows, weights: Weights::Each(weights) }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.num_rows() == 0
    }

    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// The weight of one row.
    pub fn weight(&self, row: usize) -> i64 {
        match &self.weights {
            Weights::Ones => 1,
            Weights::Each(weights) => weights.value(row),
        }
    }

    /// The rows that `mask` keeps, with their weights.
    ///
    /// # Errors
    /// If the mask is not as long as the batch.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self, ArrowError> {
        let weights = match &self.weights {
            Weights::Ones => Weights::Ones,
            Weights::Each(weights) => Weights::Each(counts(&filter(weights, mask)?)?),
        };
        Ok(Self { rows: filter_record_batch(&self.rows, mask)?, weights })
    }

    /// One batch of all rows of several.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch), or a batch does not fit the
    /// schema.
    pub fn concat(schema: &SchemaRef, batches: &[ZBatch]) -> Result<Self, ArrowError> {
        let rows = concat_batches(schema, batches.iter().map(|batch| &batch.rows))?;
        if batches.iter().all(|batch| matches!(batch.weights, Weights::Ones)) {
            return Ok(Self::inserts(rows));
        }
        let weights: Vec<Int64Array> = batches.iter().map(ZBatch::weights_array).collect();
        let parts: Vec<&dyn Array> = weights.iter().map(|part| part as &dyn Array).collect();
        Ok(Self { rows, weights: Weights::Each(counts(&concat(&parts)?)?) })
    }

    /// Each different row once, with the sum of its weights, unless that is 0.
    ///
    /// # Errors
    /// If Arrow's rows do not know a column's type.
    pub fn consolidated(&self) -> Result<Self, ArrowError> {
        let schema = self.rows.schema();
        let fields = schema.fields().iter().map(|field| (field.data_type().clone(), SortOptions::default()));
        let codec = RowCodec::new(fields)?;
        let encoded = codec.encode(self.rows.columns())?;
        let mut difference = Difference::default();
        for row in 0..self.len() {
            let bytes: &[u8] = if codec.is_unit() { &[] } else { encoded.row(row).data() };
            difference.add(bytes, self.weight(row));
        }
        let (rows, counts): (Vec<&[u8]>, Vec<i64>) = difference.rows().into_iter().unzip();
        Ok(Self::new(sized_batch(&schema, codec.decode(rows)?, counts.len())?, counts.into()))
    }

    /// The same rows, taken back.
    pub fn negated(&self) -> Self {
        let weights: Int64Array = (0..self.len()).map(|row| -self.weight(row)).collect();
        Self::new(self.rows.clone(), weights)
    }

    /// Some rows that follow each other.
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let weights = match &self.weights {
            Weights::Ones => Weights::Ones,
            Weights::Each(weights) => Weights::Each(weights.slice(offset, length)),
        };
        Self { rows: self.rows.slice(offset, length), weights }
    }

    /// Only the columns at these indices, in this order.
    ///
    /// # Errors
    /// If there is no column at an index.
    pub fn project(&self, columns: &[usize]) -> Result<Self, ArrowError> {
        Ok(Self { rows: self.rows.project(columns)?, weights: self.weights.clone() })
    }

    /// The same columns under another schema of equal types.
    ///
    /// # Errors
    /// If a column is of another type, or NULL where the schema allows none.
    pub fn with_schema(&self, schema: &SchemaRef) -> Result<Self, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let rows = RecordBatch::try_new_with_options(schema.clone(), self.rows.columns().to_vec(), &options)?;
        Ok(Self { rows, weights: self.weights.clone() })
    }

    /// The weights as a column.
    pub fn weights_array(&self) -> Int64Array {
        match &self.weights {
            Weights::Ones => Int64Array::from_value(1, self.rows.num_rows()),
            Weights::Each(weights) => weights.clone(),
        }
    }
}

/// Weights that a kernel has passed on. Rows without their weights would be wrong rows.
fn counts(weights: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let counts = weights.as_any().downcast_ref::<Int64Array>().cloned();
    counts.ok_or_else(|| ArrowError::CastError(format!("weights came out as {}", weights.data_type())))
}
