//! The rows of one type on their way: decoded version by version, then merged at the current version.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::interleave_record_batch;
use arrow::error::ArrowError;

use super::decode::RowsBuilder;
use super::schema::VersionSchema;
use super::shape::ObjectLayout;

/// Decoded rows of one version.
pub(super) struct VersionRows {
    pub(super) version: u32,
    pub(super) rows: RowsBuilder,
    /// For each row its index in the metadata, ascending.
    pub(super) indices: Vec<usize>,
}

/// Rows at the current version.
pub(super) struct Admitted {
    /// For each row its index in the metadata, ascending.
    pub(super) indices: Vec<usize>,
    pub(super) rows: RecordBatch,
}

impl VersionRows {
    pub(super) fn new(version: u32, layout: &Arc<ObjectLayout>) -> Self {
        Self { version, rows: RowsBuilder::new(layout), indices: Vec::new() }
    }

    pub(super) fn finish(self, schema: &VersionSchema) -> Result<(Vec<usize>, RecordBatch), ArrowError> {
        let count = RecordBatchOptions::new().with_row_count(Some(self.indices.len()));
        Ok((self.indices, RecordBatch::try_new_with_options(schema.to_arrow(), self.rows.finish()?, &count)?))
    }
}

impl Admitted {
    /// One run of rows in stream order from one for each version. None if there was no version.
    pub(super) fn merge(mut pieces: Vec<Admitted>) -> Result<Option<Admitted>, ArrowError> {
        if pieces.len() < 2 {
            return Ok(pieces.pop());
        }
        let rows = pieces.iter().enumerate().flat_map(|(piece, admitted)| {
            admitted.indices.iter().enumerate().map(move |(row, &index)| (index, (piece, row)))
        });
        let mut rows: Vec<(usize, (usize, usize))> = rows.collect();
        rows.sort_unstable();
        let (indices, sources): (Vec<usize>, Vec<(usize, usize)>) = rows.into_iter().unzip();
        let batches: Vec<&RecordBatch> = pieces.iter().map(|admitted| &admitted.rows).collect();
        let rows = match batches[0].num_columns() {
            0 => {
                let count = RecordBatchOptions::new().with_row_count(Some(indices.len()));
                RecordBatch::try_new_with_options(batches[0].schema(), vec![], &count)?
            }
            _ => interleave_record_batch(&batches, &sources)?,
        };
        Ok(Some(Admitted { indices, rows }))
    }
}
