//! Rows of a snapshot one after the other in an order that its segments are sorted in: of each segment the next ones, of all segments
//! together the first of those.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;

use super::ordered_access::OrderedAccess;
use super::segment::{View, pick};
use super::segments::SEGMENT_ROWS;
use crate::access::Permitted;

/// One reader sorts segments until it has sorted so many rows, which takes some tens of milliseconds.
const SORTED_ROWS: usize = 4 * SEGMENT_ROWS;

/// Rows of a segment whose keys are read at once: few at first, because most segments have few of the first rows of all.
const READ_MIN: usize = 4;
const READ_MAX: usize = 64;

/// Rows that are visited in an order. The segments that they are in are pinned.
#[derive(Debug)]
pub struct OrderedRows {
    views: Arc<[View]>,
    access: OrderedAccess,
    cursors: Vec<Cursor>,
    /// The next row of each cursor that has one.
    next: BinaryHeap<Reverse<Next>>,
    columns: Vec<usize>,
    /// Of the columns.
    schema: SchemaRef,
    permitted: Option<Permitted>,
}

/// How far the rows of one segment have been read.
#[derive(Debug)]
struct Cursor {
    view: usize,
    /// The places in the segment's order that are to be read.
    places: Range<usize>,
    /// What was read and is not visited yet, the first row last.
    read: Vec<(Rank, u32)>,
    /// How many rows are read at once.
    at_once: usize,
}

/// Bytes that compare as the rows come.
type Rank = Box<[u8]>;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    rank: Rank,
    row: u32,
    cursor: usize,
}

impl OrderedRows {
    /// None where too many rows are not sorted yet. Each reader sorts some of them.
    pub(super) fn new(
        views: Arc<[View]>,
        schema: &SchemaRef,
        access: OrderedAccess,
        permitted: Option<Permitted>,
    ) -> Result<Option<Self>, ArrowError> {
        if !sort(&views, &access)? {
            return Ok(None);
        }
        let (mut cursors, mut next) = (Vec::new(), BinaryHeap::new());
        for (number, view) in views.iter().enumerate() {
            let sorted = view.segment.sorted(access.order, &access.encoding)?;
            let places = sorted.places(view.segment.rows(), &access.encoding, &access.span)?;
            let mut cursor = Cursor { view: number, places, read: Vec::new(), at_once: READ_MIN };
            if let Some((rank, row)) = cursor.next(&access, &views)? {
                next.push(Reverse(Next { rank, row, cursor: cursors.len() }));
                cursors.push(cursor);
            }
        }
        let columns: Vec<usize> = match &permitted {
            Some(permitted) => permitted.columns.clone(),
            None => (0..schema.fields().len()).collect(),
        };
        let schema = Arc::new(schema.project(&columns)?);
        Ok(Some(Self { views, access, cursors, next, columns, schema, permitted }))
    }

    /// Visits so many rows, and gives those of them that the caller sees; none once all were visited.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn visit(&mut self, rows: usize) -> Result<Option<RecordBatch>, DataFusionError> {
        let mut places = Vec::with_capacity(rows);
        while places.len() < rows {
            let Some(Reverse(first)) = self.next.pop() else { break };
            let cursor = &mut self.cursors[first.cursor];
            places.push((cursor.view, first.row as usize));
            if let Some((rank, row)) = cursor.next(&self.access, &self.views)? {
                self.next.push(Reverse(Next { rank, row, ..first }));
            }
        }
        if places.is_empty() {
            return Ok(None);
        }
        let rows = pick(&self.views, places, &self.columns, &self.schema)?;
        match &self.permitted {
            Some(permitted) => permitted.look_at(&rows).map(Some),
            None => Ok(Some(rows)),
        }
    }
}

/// Sorts some of the segments that are not sorted in the order; tells whether all are then.
fn sort(views: &[View], access: &OrderedAccess) -> Result<bool, ArrowError> {
    let mut rows = 0;
    for segment in views.iter().map(|view| &view.segment).filter(|segment| !segment.is_sorted(access.order)) {
        if rows >= SORTED_ROWS {
            return Ok(false);
        }
        rows += segment.rows().num_rows();
        segment.sorted(access.order, &access.encoding)?;
    }
    Ok(true)
}

impl Cursor {
    /// The next live row.
    fn next(&mut self, access: &OrderedAccess, views: &[View]) -> Result<Option<(Rank, u32)>, ArrowError> {
        if self.read.is_empty() {
            self.read(access, &views[self.view])?;
        }
        Ok(self.read.pop())
    }

    fn read(&mut self, access: &OrderedAccess, View { segment, liveness }: &View) -> Result<(), ArrowError> {
        let sorted = segment.sorted(access.order, &access.encoding)?;
        let mut live = Vec::with_capacity(self.at_once);
        while live.len() < self.at_once {
            let place = if access.backward { self.places.next_back() } else { self.places.next() };
            let Some(row) = place.map(|place| sorted.row(place)) else { break };
            if liveness.is_live(row as usize) {
                live.push(row);
            }
        }
        if live.is_empty() {
            return Ok(());
        }
        self.at_once = (2 * self.at_once).min(READ_MAX);
        let keys = access.encoding.encode_some(segment.rows(), &live)?;
        // Keys delimit themselves, so that the complements of their bytes compare the other way round.
        let rank =
            |key: &[u8]| -> Rank { if access.backward { key.iter().map(|byte| !byte).collect() } else { key.into() } };
        self.read = live.iter().enumerate().rev().map(|(index, &row)| (rank(keys.get(index)), row)).collect();
        Ok(())
    }
}
