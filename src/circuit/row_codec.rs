//! Rows as byte strings that compare as the rows do.
//!
//! The bytes are good within one process only: what is persisted are the columns.

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

/// Encodes and decodes rows of fixed column types.
#[derive(Debug)]
pub(crate) struct RowCodec {
    converter: RowConverter,
    columns: usize,
}

impl RowCodec {
    /// A codec for rows of these types in these orders.
    ///
    /// # Errors
    /// If Arrow's rows do not know a type.
    pub(crate) fn new(fields: impl IntoIterator<Item = (DataType, SortOptions)>) -> Result<Self, ArrowError> {
        let fields: Vec<SortField> =
            fields.into_iter().map(|(data_type, options)| SortField::new_with_options(data_type, options)).collect();
        let columns = fields.len();
        Ok(Self { converter: RowConverter::new(fields)?, columns })
    }

    /// One row a position of the columns. With no columns there are no rows: ask [`RowCodec::is_unit`] first.
    ///
    /// # Errors
    /// If the columns are not of the codec's types.
    pub(crate) fn encode(&self, columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
        self.converter.convert_columns(columns)
    }

    /// The columns of encoded rows.
    ///
    /// # Errors
    /// If the bytes are not rows of this codec, or a column outgrows Arrow's offsets.
    pub(crate) fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        if self.is_unit() {
            return Ok(Vec::new());
        }
        let parser = self.converter.parser();
        self.converter.convert_rows(rows.into_iter().map(|bytes| parser.parse(bytes)))
    }

    /// Whether rows have no columns, so that all are equal.
    pub(crate) fn is_unit(&self) -> bool {
        self.columns == 0
    }
}
