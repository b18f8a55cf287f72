//! Rows as CSV (RFC 4180): a line of names, lines that end with CR LF, quotes where they are needed.
//!
//! Values look as in JSON, without the quotes of strings. NULL is nothing, and an empty text is `""`. What is made of other values,
//! and what is JSON, is its JSON as a text.

use std::str;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;

use crate::query::QueryError;
use crate::serve::answer_bytes::{AnswerBytes, AnswerLimits};
use crate::serve::json::JsonValues;

pub(in crate::serve) struct CsvRows {
    bytes: AnswerBytes,
    /// A value's JSON, before it is quoted.
    json: Vec<u8>,
}

impl CsvRows {
    /// Begins with the names of the columns.
    ///
    /// # Errors
    /// Where they are too many bytes.
    pub(super) fn new(schema: &SchemaRef, limits: AnswerLimits) -> Result<Self, QueryError> {
        let mut bytes = AnswerBytes::new(limits);
        for (place, field) in schema.fields().iter().enumerate() {
            begin_field(bytes.out(), place);
            write_text(bytes.out(), field.name());
        }
        bytes.out().extend_from_slice(LINE_END);
        bytes.advance()?;
        Ok(CsvRows { bytes, json: Vec::new() })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let failed = |error: ArrowError| QueryError::running(error.into());
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns: Vec<JsonValues> =
            columns.map(|(field, array)| JsonValues::new(field, array)).collect::<Result<_, _>>().map_err(failed)?;
        for row in 0..batch.num_rows() {
            for (place, values) in columns.iter().enumerate() {
                begin_field(self.bytes.out(), place);
                self.write_value(values, row).map_err(failed)?;
            }
            self.bytes.out().extend_from_slice(LINE_END);
            self.bytes.advance()?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<Bytes>, QueryError> {
        self.bytes.finish()
    }

    fn write_value(&mut self, values: &JsonValues, row: usize) -> Result<(), ArrowError> {
        if values.is_null(row) {
            return Ok(());
        }
        if values.is_plain() {
            return values.write_as(self.bytes.out(), row, write_text);
        }
        self.json.clear();
        values.write(&mut self.json, row)?;
        // As in JSON, what is NULL and what is JSON's null are one.
        if self.json != b"null" {
            let text = str::from_utf8(&self.json).map_err(|error| ArrowError::CsvError(error.to_string()))?;
            write_text(self.bytes.out(), text);
        }
        Ok(())
    }
}

const LINE_END: &[u8] = b"\r\n";

fn begin_field(out: &mut Vec<u8>, place: usize) {
    if place > 0 {
        out.push(b',');
    }
}

/// Quoted where it would be taken for something else: for NULL, or for the end of the field or the line. Some readers take spaces around a
/// field for none of it.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let is_edge = |byte: Option<&u8>| matches!(byte, None | Some(b' ' | b'\t'));
    let bytes = text.as_bytes();
    let needs_quotes = is_edge(bytes.first())
        || is_edge(bytes.last())
        || bytes.iter().any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    if !needs_quotes {
        return out.extend_from_slice(bytes);
    }
    out.push(b'"');
    for part in text.split_inclusive('"') {
        out.extend_from_slice(part.as_bytes());
        if part.ends_with('"') {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_there_where_they_are_needed() {
        let written = |text: &str| {
            let mut out = Vec::new();
            write_text(&mut out, text);
            String::from_utf8_lossy(&out).into_owned()
        };
        let same = ["a", "1.5", "a b", "é;'", "=1+1"];
        assert_eq!(same.map(written), same);
        let quoted = ["", "a,b", "say \"so\"", "\"", "a\r\nb", "a\nb", " a", "a ", "\t"];
        let expected = [
            "\"\"",
            "\"a,b\"",
            "\"say \"\"so\"\"\"",
            "\"\"\"\"",
            "\"a\r\nb\"",
            "\"a\nb\"",
            "\" a\"",
            "\"a \"",
            "\"\t\"",
        ];
        assert_eq!(quoted.map(written), expected);
    }
}
