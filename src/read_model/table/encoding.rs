//! Byte strings that compare like the values of chosen columns: equal exactly when all are, NULLs included.
//!
//! The bytes are Arrow's row format. They hold within one build only: nothing here is persisted.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use super::order::SortColumn;

/// Encodes some columns of a schema.
///
/// Columns are encoded one after the other, each delimiting itself: the encoding of the first columns is a prefix of
/// the encoding of all, and no other value's encoding starts with it.
#[derive(Debug)]
pub(super) struct Encoding {
    columns: Vec<usize>,
    converter: RowConverter,
}

/// The encoded rows of one batch.
#[derive(Debug)]
pub(super) struct Encoded {
    /// None without columns: every row is the empty string then.
    rows: Option<Rows>,
}

impl Encoding {
    pub(super) fn new(schema: &Schema, columns: &[usize]) -> Result<Self, ArrowError> {
        let fields = columns.iter().map(|&column| SortField::new(schema.field(column).data_type().clone())).collect();
        Ok(Self { columns: columns.to_vec(), converter: RowConverter::new(fields)? })
    }

    /// Encodes columns so that the bytes compare in this order of them.
    pub(super) fn in_order(schema: &Schema, order: &[SortColumn]) -> Result<Self, ArrowError> {
        let field = |sort: &SortColumn| {
            // NULL is the greatest value.
            let options = SortOptions { descending: sort.descending, nulls_first: sort.descending };
            SortField::new_with_options(schema.field(sort.column).data_type().clone(), options)
        };
        let converter = RowConverter::new(order.iter().map(field).collect())?;
        Ok(Self { columns: order.iter().map(|sort| sort.column).collect(), converter })
    }

    /// Encodes every row of a batch of the whole schema.
    pub(super) fn encode(&self, batch: &RecordBatch) -> Result<Encoded, ArrowError> {
        let values: Vec<ArrayRef> = self.columns.iter().map(|&column| batch.column(column).clone()).collect();
        self.encode_values(&values)
    }

    /// Encodes arrays that are the chosen columns.
    pub(super) fn encode_values(&self, values: &[ArrayRef]) -> Result<Encoded, ArrowError> {
        if values.is_empty() {
            return Ok(Encoded { rows: None });
        }
        Ok(Encoded { rows: Some(self.converter.convert_columns(values)?) })
    }

    /// Encodes only the named rows of a batch of the whole schema.
    pub(super) fn encode_some(&self, batch: &RecordBatch, rows: &[u32]) -> Result<Encoded, ArrowError> {
        let rows = UInt32Array::from(rows.to_vec());
        let chosen = self.columns.iter().map(|&column| take(batch.column(column), &rows, None));
        self.encode_values(&chosen.collect::<Result<Vec<_>, _>>()?)
    }
}

impl Encoded {
    pub(super) fn get(&self, row: usize) -> &[u8] {
        self.rows.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

/// A batch of columns that fit the schema, also where there is no column.
pub(super) fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
}
