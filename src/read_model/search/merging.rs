//! Which segments of an index are merged.
//!
//! Each segment has a dictionary of its own. To look a beginning or a typing error up takes nearly as long in the dictionary of a
//! small segment as in that of a large one, so that few segments make free text fast; yet each merge writes its documents again.
//! Here a segment is merged once those smaller than it have as many documents together: with each merge a document's
//! segment doubles, and n documents are in about log2(n) segments at most, of which few are large.

use std::cmp::Reverse;

use tantivy::SegmentMeta;
use tantivy::indexer::{MergeCandidate, MergePolicy};

/// A segment with a greater share of deleted documents is written again without them.
const DELETED_SHARE_MAX: f64 = 0.3;

/// Segments with fewer documents wait until there are so many of them: commits that follow each other within milliseconds leave them.
const SMALL: u32 = 1_000;
const SMALL_ONES_MAX: usize = 8;

/// A merge never makes a larger segment: it would take minutes, and more disk for as long.
const DOCUMENTS_MAX: u64 = 10_000_000;

/// Merges a segment with all smaller ones once these are as large together.
#[derive(Debug)]
pub(super) struct MergesOfEqualHalves;

impl MergePolicy for MergesOfEqualHalves {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut by_size: Vec<&SegmentMeta> = segments.iter().collect();
        by_size.sort_by_key(|segment| (Reverse(segment.num_docs()), segment.id()));
        let sizes: Vec<u32> = by_size.iter().map(|segment| segment.num_docs()).collect();
        let (kept, merged) = by_size.split_at(first_merged(&sizes));
        let together = MergeCandidate(merged.iter().map(|segment| segment.id()).collect());
        let alone =
            kept.iter().filter(|segment| has_many_deleted(segment)).map(|segment| MergeCandidate(vec![segment.id()]));
        alone.chain((!merged.is_empty()).then_some(together)).collect()
    }
}

/// Of segments by their sizes, the greatest first: the place from which on all are merged. The number of segments if none are.
fn first_merged(sizes: &[u32]) -> usize {
    let small_ones = sizes.iter().filter(|size| **size < SMALL).count();
    let mut rest: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
    for (place, size) in sizes.iter().enumerate() {
        let together = rest;
        rest -= u64::from(*size);
        let counts = *size >= SMALL || small_ones >= SMALL_ONES_MAX;
        // The last one has none that is smaller, even if it is empty.
        if counts && place + 1 < sizes.len() && rest >= u64::from(*size) && together <= DOCUMENTS_MAX {
            return place;
        }
    }
    sizes.len()
}

/// Small ones are merged with others soon, or have no documents left before they could be written again.
fn has_many_deleted(segment: &SegmentMeta) -> bool {
    let share = f64::from(segment.num_deleted_docs()) / f64::from(segment.max_doc().max(1));
    segment.max_doc() >= SMALL && share > DELETED_SHARE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_waits_until_the_smaller_ones_are_as_large() {
        let cases: [(&[u32], usize); 12] = [
            (&[], 0),
            (&[5_000], 1),
            (&[5_000, 4_999], 2),
            (&[5_000, 5_000], 0),
            (&[5_000, 3_000, 2_000], 0),
            (&[9_000, 4_000, 3_000, 1_000], 1),
            (&[5_000, 999, 1, 1, 1, 1, 1, 1], 8),
            (&[5_000, 999, 1, 1, 1, 1, 1, 1, 1], 2),
            (&[5_000, 6, 1, 1, 1, 1, 1, 1], 8),
            (&[5_000, 6, 1, 1, 1, 1, 1, 1, 1], 1),
            (&[5_000, 0, 0], 3),
            (&[6_000_000, 6_000_000, 2_000, 2_000], 2),
        ];
        for (sizes, first) in cases {
            assert_eq!(first_merged(sizes), first, "{sizes:?}");
        }
    }

    #[test]
    fn few_segments_are_left_and_few_documents_are_written_again() {
        for commit in [3, 700, 20_000] {
            let (mut sizes, mut written, mut most) = (Vec::new(), 0, 0);
            let commits = 2_000;
            for _ in 0..commits {
                sizes.push(commit);
                loop {
                    sizes.sort_unstable_by_key(|size| Reverse(*size));
                    let merged = sizes.split_off(first_merged(&sizes));
                    if merged.is_empty() {
                        break;
                    }
                    let together = merged.iter().sum::<u32>();
                    written += u64::from(together);
                    sizes.push(together);
                }
                most = most.max(sizes.len());
            }
            let documents = u64::from(commit) * commits;
            assert_eq!(sizes.iter().map(|size| u64::from(*size)).sum::<u64>(), documents);
            assert!(most <= 14, "commits of {commit}: {most} segments");
            assert!(written <= 6 * documents, "commits of {commit}: each document {} times", written / documents);
        }
    }
}
