//! Rows as an Arrow IPC stream: a schema, record batches, and a mark of the end.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;

use super::visible::{visible_column, visible_field};
use crate::query::QueryError;
use crate::serve::answer_bytes::{AnswerBytes, AnswerLimits};

/// Of the first record batch, whose rows may have any size.
const ROWS_FIRST: usize = 64;
/// Of a record batch that its rows do not fill before.
const ROWS_MAX: usize = 8192;
/// About the size of a record batch: so many bytes may be written before they are found to be too many.
const BATCH_BYTES: usize = 256 * 1024;

pub(in crate::serve) struct ArrowRows {
    bytes: AnswerBytes,
    schema: SchemaRef,
    writer: StreamWriter<Vec<u8>>,
    /// Of the next record batch.
    rows: usize,
}

impl ArrowRows {
    /// Begins with the schema.
    ///
    /// # Errors
    /// Where it has too many bytes, or no form in the format.
    pub(super) fn new(schema: &SchemaRef, limits: AnswerLimits) -> Result<Self, QueryError> {
        let fields: Vec<Field> = schema.fields().iter().map(|field| visible_field(field)).collect();
        let schema = Arc::new(Schema::new(fields));
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(failed)?;
        let mut rows = ArrowRows { bytes: AnswerBytes::new(limits), schema, writer, rows: ROWS_FIRST };
        rows.take_written()?;
        Ok(rows)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let mut begin = 0;
        while begin < batch.num_rows() {
            let part = batch.slice(begin, self.rows.min(batch.num_rows() - begin));
            let written = self.visible(&part).and_then(|rows| self.writer.write(&rows));
            written.map_err(failed)?;
            let bytes = self.take_written()?;
            self.rows = (part.num_rows() * BATCH_BYTES / bytes.max(1)).clamp(1, ROWS_MAX);
            begin += part.num_rows();
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<Bytes>, QueryError> {
        self.writer.finish().map_err(failed)?;
        self.take_written()?;
        self.bytes.finish()
    }

    fn visible(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).zip(self.schema.fields());
        let columns = columns.map(|((field, array), visible)| visible_column(field, array, visible));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns.collect::<Result<_, _>>()?, &options)
    }

    /// Counts what the writer has written, and says how much that is.
    fn take_written(&mut self) -> Result<usize, QueryError> {
        let written = self.writer.get_mut();
        let bytes = written.len();
        self.bytes.out().append(written);
        self.bytes.advance()?;
        Ok(bytes)
    }
}

fn failed(error: ArrowError) -> QueryError {
    QueryError::running(error.into())
}
