//! The rows whose vectors are nearest to one, by looking at all of them.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

use arrow::array::ArrayRef;
use xxhash_rust::xxh3::xxh3_128;

use super::column::{Vector, Vectors};
use super::distance::{Apart, Measure};
use crate::read_model::search::document::{DocumentError, encode_row};
use crate::read_model::table::TableSnapshot;

/// A row, by its encoded key, and how far away it is. The nearest comes first, and of equally near ones the first key.
#[derive(Debug, Clone)]
pub(in crate::read_model::search) struct Near {
    pub(in crate::read_model::search) distance: f64,
    pub(in crate::read_model::search) key: Vec<u8>,
}

/// What is near.
#[derive(Debug)]
pub(in crate::read_model::search) struct Neighbours {
    /// In order.
    pub(in crate::read_model::search) near: Vec<Near>,
    /// Rows that could be found, and have a vector that cannot be compared.
    pub(in crate::read_model::search) unfit: usize,
}

/// The `k` nearest of the live rows, or of those among them whose encoded keys have these hashes. `column` holds the vectors.
///
/// # Errors
/// If a key cannot be encoded.
pub(in crate::read_model::search) fn nearest(
    table: &TableSnapshot,
    column: usize,
    dimensions: usize,
    measure: &Measure<'_>,
    k: usize,
    passing: Option<&HashSet<u128>>,
) -> Result<Neighbours, DocumentError> {
    let passes = |key: &[u8]| passing.is_none_or(|passing| passing.contains(&xxh3_128(key)));
    // The farthest of those that were kept is on top.
    let mut kept: BinaryHeap<Near> = BinaryHeap::with_capacity(k + 1);
    let mut unfit = 0;
    for (rows, live) in table.live_segments() {
        let key: Vec<&ArrayRef> = table.spec().key.iter().map(|index| rows.column(*index)).collect();
        let Some(mut vectors) = Vectors::new(rows.column(column), dimensions) else { continue };
        for row in live {
            let apart = match vectors.get(row) {
                Vector::None => continue,
                Vector::Unfit => Apart::NotFinite,
                Vector::Of(vector) => measure.to(vector),
            };
            let distance = match apart {
                Apart::By(distance) => distance,
                Apart::NoDirection | Apart::NotFinite => {
                    unfit += usize::from(passes(&encode_row(&key, row)?));
                    continue;
                }
            };
            // Keys cost more than distances: most rows are too far away for theirs to matter.
            if kept.len() == k && kept.peek().is_some_and(|farthest| distance > farthest.distance) {
                continue;
            }
            let near = Near { distance, key: encode_row(&key, row)? };
            if passes(&near.key) {
                kept.push(near);
                if kept.len() > k {
                    kept.pop();
                }
            }
        }
    }
    Ok(Neighbours { near: kept.into_sorted_vec(), unfit })
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then_with(|| self.key.cmp(&other.key))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}
