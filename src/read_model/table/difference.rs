//! The difference of two snapshots of one table: what a projection that is built beside the live ones has to take of
//! those that it reads.
//!
//! Segments are immutable and shared between snapshots, so only those that are not in both, or of which other rows live,
//! are looked at.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::error::ArrowError;

use super::segment::{Segment, View};
use super::snapshot::TableSnapshot;
use crate::circuit::ZBatch;

impl TableSnapshot {
    /// The rows of this snapshot that `earlier` lacks, and those that only `earlier` has, taken back. Rows that a
    /// compaction has moved are among both. Without an earlier snapshot all rows come, in batches of bounded size; else
    /// everything is one batch, because a part of a change may be a state that the table never had.
    pub(in crate::read_model) fn difference(&self, earlier: Option<&TableSnapshot>) -> Result<Vec<ZBatch>, ArrowError> {
        let Some(earlier) = earlier else {
            return self.scan().map(|rows| Ok(ZBatch::inserts(rows?))).collect();
        };
        let (was, is) = (by_segment(&earlier.views), by_segment(&self.views));
        let mut parts = Vec::new();
        for View { segment, liveness } in earlier.views.iter() {
            let now = is.get(&Arc::as_ptr(segment)).map(|view| &view.liveness);
            if now.is_none_or(|now| !Arc::ptr_eq(now, liveness)) {
                let died = liveness.live_rows().filter(|&row| now.is_none_or(|now| !now.is_live(row)));
                parts.extend(weighted(segment, died, -1)?);
            }
        }
        for View { segment, liveness } in self.views.iter() {
            let before = was.get(&Arc::as_ptr(segment)).map(|view| &view.liveness);
            // Of two snapshots of one table only the later one lacks rows of a segment; the earlier one gets them back.
            if before.is_none_or(|before| !Arc::ptr_eq(before, liveness)) {
                let came = liveness.live_rows().filter(|&row| before.is_none_or(|before| !before.is_live(row)));
                parts.extend(weighted(segment, came, 1)?);
            }
        }
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![ZBatch::concat(&self.schema(), &parts)?])
    }
}

fn by_segment(views: &[View]) -> HashMap<*const Segment, &View> {
    views.iter().map(|view| (Arc::as_ptr(&view.segment), view)).collect()
}

/// Some rows of a segment, each with the same weight.
fn weighted(segment: &Segment, rows: impl Iterator<Item = usize>, weight: i64) -> Result<Option<ZBatch>, ArrowError> {
    let rows: UInt32Array = rows.map(|row| row as u32).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let weights = Int64Array::from_value(weight, rows.len());
    let rows: RecordBatch = take_record_batch(segment.rows(), &rows)?;
    Ok(Some(ZBatch::new(rows, weights)))
}
