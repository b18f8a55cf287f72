//! The immutable hash index of one segment: from a key's hash to the rows that may have that key.

/// Open addressing over the hashes of [`KeyMap`](crate::state::KeyMap). The caller of a look-up compares the keys themselves.
#[derive(Debug)]
pub(super) struct KeyIndex {
    /// By row.
    hashes: Box<[u32]>,
    /// Row + 1, or 0 for an empty bucket. There always is an empty one.
    buckets: Box<[u32]>,
}

impl KeyIndex {
    pub(super) fn new(hashes: Vec<u32>) -> Self {
        let mut buckets = vec![0u32; (hashes.len() + hashes.len() / 2 + 1).next_power_of_two()].into_boxed_slice();
        let mask = buckets.len() - 1;
        for (row, hash) in hashes.iter().enumerate() {
            let mut bucket = *hash as usize & mask;
            while buckets[bucket] != 0 {
                bucket = (bucket + 1) & mask;
            }
            buckets[bucket] = row as u32 + 1;
        }
        Self { hashes: hashes.into_boxed_slice(), buckets }
    }

    /// The rows whose keys have this hash.
    pub(super) fn candidates(&self, hash: u32) -> impl Iterator<Item = u32> + '_ {
        let mask = self.buckets.len() - 1;
        (0..self.buckets.len())
            .map(move |step| self.buckets[(hash as usize + step) & mask])
            .take_while(|&entry| entry != 0)
            .map(|entry| entry - 1)
            .filter(move |&row| self.hashes[row as usize] == hash)
    }

    pub(super) fn size(&self) -> usize {
        (self.hashes.len() + self.buckets.len()) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colliding_hashes_are_all_candidates() {
        let index = KeyIndex::new(vec![7, 7 + 1024, 9, 7]);
        let mut found: Vec<u32> = index.candidates(7).collect();
        found.sort_unstable();
        assert_eq!(found, [0, 3]);
        assert_eq!(index.candidates(7 + 1024).collect::<Vec<_>>(), [1]);
        assert_eq!(index.candidates(8).count(), 0);
        assert_eq!(KeyIndex::new(vec![]).candidates(0).count(), 0);
    }
}
