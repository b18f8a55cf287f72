//! A secondary index of one segment: its rows in the order of some columns, for equality on a prefix of them and a
//! range on the next.

use std::ops::Bound;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::encoding::Encoding;

/// Every so many rows a whole key is kept; between two of them keys are encoded again when they are needed.
const FENCE_ROWS: usize = 64;

#[derive(Debug)]
pub(super) struct SortedIndex {
    order: Box<[u32]>,
    fences: Box<[Box<[u8]>]>,
}

/// A contiguous stretch of encoded keys. A bound is the encoding of the first columns and stands for all keys that
/// start with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    start: Edge,
    end: Edge,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    key: Vec<u8>,
    /// Whether the edge lies before or behind the keys that start with `key`.
    behind: bool,
}

impl Span {
    /// The keys that start with `prefix` and whose next column is within the bounds, if there are any.
    ///
    /// `null` is the encoding of NULL in that column: no comparison holds for it.
    pub(super) fn new(prefix: &[u8], lower: Bound<&[u8]>, upper: Bound<&[u8]>, null: &[u8]) -> Self {
        let edge = |rest: &[u8], behind| Edge { key: [prefix, rest].concat(), behind };
        let start = match (lower, upper) {
            (Bound::Included(key), _) => edge(key, false),
            (Bound::Excluded(key), _) => edge(key, true),
            (Bound::Unbounded, Bound::Unbounded) => edge(&[], false),
            (Bound::Unbounded, _) => edge(null, true),
        };
        let end = match upper {
            Bound::Included(key) => edge(key, true),
            Bound::Excluded(key) => edge(key, false),
            Bound::Unbounded => edge(&[], true),
        };
        Self { start, end }
    }
}

impl Edge {
    /// Whether `key` lies before this edge.
    fn is_after(&self, key: &[u8]) -> bool {
        key < self.key.as_slice() || self.behind && key.starts_with(&self.key)
    }
}

impl SortedIndex {
    pub(super) fn new(rows: &RecordBatch, encoding: &Encoding) -> Result<Self, ArrowError> {
        let keys = encoding.encode(rows)?;
        let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
        order.sort_unstable_by(|&a, &b| keys.get(a as usize).cmp(keys.get(b as usize)).then(a.cmp(&b)));
        let fences = order.iter().step_by(FENCE_ROWS).map(|&row| keys.get(row as usize).into()).collect();
        Ok(Self { order: order.into_boxed_slice(), fences })
    }

    /// The rows whose keys are in the span, in key order, dead ones included.
    pub(super) fn find(&self, rows: &RecordBatch, encoding: &Encoding, span: &Span) -> Result<&[u32], ArrowError> {
        let start = self.before(rows, encoding, &span.start)?;
        let end = self.before(rows, encoding, &span.end)?;
        Ok(&self.order[start..end.max(start)])
    }

    pub(super) fn size(&self) -> usize {
        self.order.len() * 4 + self.fences.iter().map(|fence| fence.len() + 16).sum::<usize>()
    }

    /// How many keys lie before an edge.
    fn before(&self, rows: &RecordBatch, encoding: &Encoding, edge: &Edge) -> Result<usize, ArrowError> {
        let blocks = self.fences.partition_point(|fence| edge.is_after(fence));
        let Some(last) = blocks.checked_sub(1) else { return Ok(0) };
        let start = last * FENCE_ROWS;
        let block = &self.order[start..self.order.len().min(start + FENCE_ROWS)];
        let keys = encoding.encode_some(rows, block)?;
        let indices: Vec<usize> = (0..block.len()).collect();
        Ok(start + indices.partition_point(|&index| edge.is_after(keys.get(index))))
    }
}
