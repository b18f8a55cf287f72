//! The formats in which rows are answered, and one way to render in each of them. What stands around rows is the protocol's own.

mod arrow_stream;
mod csv;
mod visible;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::answer_bytes::AnswerLimits;
use super::json::JsonRows;
use crate::query::QueryError;
use arrow_stream::ArrowRows;
use csv::CsvRows;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// Objects in an envelope.
    Json,
    /// An object a line.
    Lines,
    /// RFC 4180, with a line of names.
    Csv,
    /// Arrow's IPC stream.
    Arrow,
}

impl Format {
    /// The one that is given where nobody says which comes first.
    pub(super) const ALL: [Format; 4] = [Format::Json, Format::Lines, Format::Csv, Format::Arrow];

    /// Its name as a media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Lines => "application/x-ndjson",
            Format::Csv => "text/csv",
            Format::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The media type with what it says of the content.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            format => format.media_type(),
        }
    }
}

/// Rows that are rendered batch by batch.
pub(super) enum FormattedRows {
    Json(JsonRows),
    Csv(CsvRows),
    Arrow(Box<ArrowRows>),
}

impl FormattedRows {
    /// Of JSON, the items without the brackets of their list.
    ///
    /// # Errors
    /// Where the names of the columns alone are too many bytes.
    pub(super) fn new(format: Format, schema: &SchemaRef, limits: AnswerLimits) -> Result<Self, QueryError> {
        Ok(match format {
            Format::Json => FormattedRows::Json(JsonRows::items(limits)),
            Format::Lines => FormattedRows::Json(JsonRows::lines(limits)),
            Format::Csv => FormattedRows::Csv(CsvRows::new(schema, limits)?),
            Format::Arrow => FormattedRows::Arrow(Box::new(ArrowRows::new(schema, limits)?)),
        })
    }

    /// Appends the rows of a batch.
    ///
    /// # Errors
    /// If a value has no form in this format, or there are too many bytes of this answer or of all.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        match self {
            FormattedRows::Json(rows) => rows.write(batch),
            FormattedRows::Csv(rows) => rows.write(batch),
            FormattedRows::Arrow(rows) => rows.write(batch),
        }
    }

    /// # Errors
    /// Where there are too many bytes of this answer or of all.
    pub(super) fn finish(self) -> Result<Vec<Bytes>, QueryError> {
        match self {
            FormattedRows::Json(rows) => rows.finish(),
            FormattedRows::Csv(rows) => rows.finish(),
            FormattedRows::Arrow(rows) => rows.finish(),
        }
    }
}

/// All rows of one batch.
///
/// # Errors
/// As [`FormattedRows::write`].
pub(super) fn render(format: Format, batch: &RecordBatch, limits: AnswerLimits) -> Result<Vec<Bytes>, QueryError> {
    let mut rows = FormattedRows::new(format, &batch.schema(), limits)?;
    rows.write(batch)?;
    rows.finish()
}
