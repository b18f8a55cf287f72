//! An answer as `DataRow` messages, within a limit of bytes.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use bytes::BytesMut;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldFormat, FieldInfo};
use pgwire::messages::data::DataRow;

use super::errors::told;
use super::types::{modifier, postgres_type, size};
use super::values::Values;
use crate::query::{ErrorKind, QueryError};
use crate::serve::byte_budget::Reserved;
use crate::serve::json::AnswerLimits;

/// The columns of an answer as they are described.
pub(super) fn columns(schema: &Schema, format: &Format) -> Vec<FieldInfo> {
    let fields = schema.fields().iter().enumerate();
    let column = |(place, field): (usize, &arrow::datatypes::FieldRef)| {
        let of = postgres_type(field);
        let format = if is_binary(format, place) { FieldFormat::Binary } else { FieldFormat::Text };
        let column = FieldInfo::new(told(field.name().clone()), None, None, of.clone(), format);
        column.with_type_size(size(&of)).with_type_modifier(modifier(field.data_type()))
    };
    fields.map(column).collect()
}

/// Whether a client asked for a column in binary. A client may name fewer formats than there are columns.
fn is_binary(format: &Format, place: usize) -> bool {
    match format {
        Format::UnifiedText => false,
        Format::UnifiedBinary => true,
        Format::Individual(codes) => codes.get(place) == Some(&1),
    }
}

/// Rows that are rendered, in the order of the answer, and the bytes that they hold of the budget of all answers.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<DataRow>,
    pub(super) held: Vec<Reserved>,
}

/// Renders an answer batch by batch.
pub(super) struct Rendering {
    limits: AnswerLimits,
    format: Format,
    bytes: usize,
    rendered: Rows,
}

impl Rendering {
    pub(super) fn new(limits: AnswerLimits, format: Format) -> Self {
        Self { limits, format, bytes: 0, rendered: Rows::default() }
    }

    /// Appends the rows of a batch.
    ///
    /// # Errors
    /// If a value cannot be written, or there are too many bytes of this answer or of all.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let failed = |error: arrow::error::ArrowError| QueryError::new(ErrorKind::Failed, error.to_string());
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns = columns.enumerate().map(|(place, (field, array))| {
            Ok((Values::new(field, array).map_err(failed)?, is_binary(&self.format, place)))
        });
        let columns = columns.collect::<Result<Vec<_>, QueryError>>()?;
        let (mut out, mut ends) = (Vec::new(), Vec::with_capacity(batch.num_rows()));
        for row in 0..batch.num_rows() {
            for (values, is_binary) in &columns {
                values.sized(&mut out, row, *is_binary).map_err(failed)?;
            }
            ends.push(out.len());
            self.limits.check(self.bytes + out.len())?;
        }
        self.bytes += out.len();
        self.rendered.held.extend(self.limits.reserve(out.len())?);
        let (mut rest, mut begin) = (BytesMut::from(bytes::Bytes::from(out)), 0);
        for end in ends {
            self.rendered.rows.push(DataRow::new(rest.split_to(end - begin), columns.len() as i16));
            begin = end;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Rows {
        self.rendered
    }
}
