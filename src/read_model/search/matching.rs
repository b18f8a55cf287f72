//! Which documents a query matches, by their keys: so that what is found elsewhere can be held to it.

use std::collections::HashSet;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::BytesColumn;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};
use xxhash_rust::xxh3::xxh3_128;

use super::layout::KEY;

/// Gathers the hashes of the encoded keys of all matches: 16 bytes for each, and what a set needs beside.
pub(super) struct KeyHashes;

pub(super) struct SegmentKeys {
    keys: Option<BytesColumn>,
    /// The places of the matches' keys among all keys of the segment.
    ordinals: Vec<u64>,
}

impl Collector for KeyHashes {
    type Fruit = HashSet<u128>;
    type Child = SegmentKeys;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentKeys> {
        Ok(SegmentKeys { keys: segment.fast_fields().bytes(KEY)?, ordinals: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<Vec<u128>>>) -> tantivy::Result<HashSet<u128>> {
        let mut all = HashSet::new();
        for hashes in segments {
            all.extend(hashes?);
        }
        Ok(all)
    }
}

impl SegmentCollector for SegmentKeys {
    type Fruit = tantivy::Result<Vec<u128>>;

    fn collect(&mut self, document: DocId, _: Score) {
        if let Some(keys) = &self.keys {
            self.ordinals.extend(keys.term_ords(document));
        }
    }

    fn harvest(mut self) -> Self::Fruit {
        let Some(keys) = &self.keys else { return Ok(Vec::new()) };
        self.ordinals.sort_unstable();
        let mut hashes = Vec::with_capacity(self.ordinals.len());
        keys.dictionary().sorted_ords_to_term_cb(&self.ordinals, |key| hashes.push(xxh3_128(key)))?;
        Ok(hashes)
    }
}
