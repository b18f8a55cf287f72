//! The rows of one segment in an order of some columns: for equality on a prefix of them and a range on the next, and to be read
//! one after the other.

use std::ops::{Bound, Range};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    start: Edge,
    end: Edge,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    key: Vec<u8>,
    /// Whether the edge lies before or behind the keys that start with `key`.
    behind: bool,
}

impl Span {
    /// The keys that start with `prefix` and go on within these bounds.
    pub(super) fn new(prefix: &[u8], start: Bound<&[u8]>, end: Bound<&[u8]>) -> Self {
        let edge = |rest: &[u8], behind| Edge { key: [prefix, rest].concat(), behind };
        let start = match start {
            Bound::Included(key) => edge(key, false),
            Bound::Excluded(key) => edge(key, true),
            Bound::Unbounded => edge(&[], false),
        };
        let end = match end {
            Bound::Included(key) => edge(key, true),
            Bound::Excluded(key) => edge(key, false),
            Bound::Unbounded => edge(&[], true),
        };
        Self { start, end }
    }

    /// What of it comes after a key.
    pub(super) fn after(self, key: Vec<u8>) -> Self {
        let edge = Edge { key, behind: true };
        let start = if edge.lies_behind(&self.start) { edge } else { self.start };
        Self { start, ..self }
    }

    /// What of it comes before a key.
    pub(super) fn before(self, key: Vec<u8>) -> Self {
        let edge = Edge { key, behind: false };
        let end = if self.end.lies_behind(&edge) { edge } else { self.end };
        Self { end, ..self }
    }
}

impl Edge {
    /// Whether `key` lies before this edge.
    fn is_after(&self, key: &[u8]) -> bool {
        key < self.key.as_slice() || self.behind && key.starts_with(&self.key)
    }

    fn lies_behind(&self, other: &Edge) -> bool {
        if self.key == other.key {
            return self.behind && !other.behind;
        }
        if self.key.starts_with(&other.key) {
            return !other.behind;
        }
        if other.key.starts_with(&self.key) {
            return self.behind;
        }
        self.key > other.key
    }
}

impl SortedIndex {
    pub(super) fn new(rows: &RecordBatch, encoding: &Encoding) -> Result<Self, ArrowError> {
        let keys = encoding.encode(rows)?;
        let key = |row: u32| keys.get(row as usize);
        let mut sorted: Vec<(u128, u32)> = (0..rows.num_rows() as u32).map(|row| (beginning(key(row)), row)).collect();
        // The beginnings decide most comparisons, and lie where they are compared.
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))).then(a.1.cmp(&b.1)));
        let fences = sorted.iter().step_by(FENCE_ROWS).map(|&(_, row)| key(row).into()).collect();
        Ok(Self { order: sorted.into_iter().map(|(_, row)| row).collect(), fences })
    }

    /// The rows whose keys are in the span, in key order, dead ones included.
    pub(super) fn find(&self, rows: &RecordBatch, encoding: &Encoding, span: &Span) -> Result<&[u32], ArrowError> {
        Ok(&self.order[self.places(rows, encoding, span)?])
    }

    /// The places in the order of the rows whose keys are in the span.
    pub(super) fn places(
        &self,
        rows: &RecordBatch,
        encoding: &Encoding,
        span: &Span,
    ) -> Result<Range<usize>, ArrowError> {
        let start = self.before(rows, encoding, &span.start)?;
        let end = self.before(rows, encoding, &span.end)?;
        Ok(start..end.max(start))
    }

    /// The row at a place in the order.
    pub(super) fn row(&self, place: usize) -> u32 {
        self.order[place]
    }

    /// How many keys lie before an edge.
    fn before(&self, rows: &RecordBatch, encoding: &Encoding, edge: &Edge) -> Result<usize, ArrowError> {
        if edge.key.is_empty() {
            return Ok(if edge.behind { self.order.len() } else { 0 });
        }
        let blocks = self.fences.partition_point(|fence| edge.is_after(fence));
        let Some(last) = blocks.checked_sub(1) else { return Ok(0) };
        let start = last * FENCE_ROWS;
        let block = &self.order[start..self.order.len().min(start + FENCE_ROWS)];
        let keys = encoding.encode_some(rows, block)?;
        let indices: Vec<usize> = (0..block.len()).collect();
        Ok(start + indices.partition_point(|&index| edge.is_after(keys.get(index))))
    }
}

/// The first bytes of a key: where they differ, they compare as the keys do.
fn beginning(key: &[u8]) -> u128 {
    let mut bytes = [0; size_of::<u128>()];
    let length = key.len().min(bytes.len());
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_lies_behind_others_as_the_keys_between_them_say() {
        let keys: Vec<Vec<u8>> = [&[1][..], &[1, 1], &[1, 2], &[2], &[2, 1, 1]].map(<[u8]>::to_vec).into();
        let edges = |key: &Vec<u8>| [false, true].map(|behind| Edge { key: key.clone(), behind });
        let all: Vec<Edge> = [vec![Vec::new()], keys.clone()].concat().iter().flat_map(edges).collect();
        let before = |edge: &Edge| keys.iter().filter(|key| edge.is_after(key)).count();
        for one in &all {
            for other in &all {
                assert!(!(one.lies_behind(other) && other.lies_behind(one)), "{one:?} {other:?}");
                if before(one) > before(other) {
                    assert!(one.lies_behind(other), "{one:?} {other:?}");
                }
            }
        }
    }

    #[test]
    fn beginnings_compare_as_keys_do_or_are_equal() {
        let keys: [&[u8]; 6] = [b"", b"\0", b"a", b"a\0", b"a23456789012345", b"a2345678901234567"];
        for pair in keys.windows(2) {
            assert!(pair[0] < pair[1] && beginning(pair[0]) <= beginning(pair[1]), "{pair:?}");
        }
        assert!(beginning(b"a") < beginning(b"b"));
    }
}
