//! Rows of a snapshot as batches, made one by one: whole segments pass in windows, found rows are gathered.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::access::Access;
use super::encoding::batch;
use super::segment::{View, pick};

/// Rows of one batch at most. A multiple of the rows of a liveness word.
pub(super) const BATCH_ROWS: usize = 8_192;

/// Reads some segments of a snapshot. Segments that are read are pinned, the batches are not kept.
#[derive(Debug)]
pub(super) struct SegmentReader {
    views: Arc<[View]>,
    segments: Range<usize>,
    access: Arc<Access>,
    columns: Arc<[usize]>,
    /// Of the columns.
    schema: SchemaRef,
    /// The next row of the first segment.
    window: usize,
    /// Rows that were found but not yet given out, by segment and row.
    found: Vec<(usize, usize)>,
    /// Rows that may still be found.
    unfound: usize,
}

impl SegmentReader {
    pub(super) fn new(
        views: Arc<[View]>,
        segments: Range<usize>,
        access: Arc<Access>,
        columns: Arc<[usize]>,
        schema: SchemaRef,
    ) -> Self {
        let unfound = access.rows_max();
        Self { views, segments, access, columns, schema, window: 0, found: Vec::new(), unfound }
    }

    /// The live rows of the next window that has any.
    fn next_window(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        while !self.segments.is_empty() {
            let View { segment, liveness } = &self.views[self.segments.start];
            let (start, rows) = (self.window, segment.rows());
            let length = BATCH_ROWS.min(rows.num_rows() - start);
            self.window += length;
            if self.window == rows.num_rows() {
                self.segments.start += 1;
                self.window = 0;
            }
            let live = liveness.window(start, length);
            let count = live.count_set_bits();
            if count == 0 {
                continue;
            }
            let columns = self.columns.iter().map(|&column| rows.column(column).slice(start, length)).collect();
            let window = batch(self.schema.clone(), columns, length)?;
            let whole = count == length;
            return Ok(Some(if whole { window } else { filter_record_batch(&window, &BooleanArray::from(live))? }));
        }
        Ok(None)
    }

    fn next_found(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        while self.found.len() < BATCH_ROWS && !self.segments.is_empty() {
            let number = self.segments.start;
            self.segments.start += 1;
            let rows = self.access.rows_in(&self.views[number])?;
            self.unfound = self.unfound.saturating_sub(rows.len());
            if self.unfound == 0 {
                // Of a table of many segments a look at each costs more than the row.
                self.segments.start = self.segments.end;
            }
            self.found.extend(rows.into_iter().map(|row| (number, row as usize)));
        }
        if self.found.is_empty() {
            return Ok(None);
        }
        let rest = self.found.split_off(self.found.len().min(BATCH_ROWS));
        let found = std::mem::replace(&mut self.found, rest);
        pick(&self.views, found, &self.columns, &self.schema).map(Some)
    }
}

impl Iterator for SegmentReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match *self.access {
            Access::All => self.next_window(),
            _ => self.next_found(),
        }
        .transpose()
    }
}
