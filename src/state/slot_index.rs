//! Slots by the hashes of their keys.

/// Buckets of the smallest index that holds anything.
const BUCKETS_MIN: usize = 8;
/// No slot is so great.
const EMPTY: u64 = u64::MAX;

/// Open addressing with linear probing: a hash and its slot lie in one bucket, and like ones side by side, so that looking
/// one up among a million waits for memory once.
#[derive(Debug, Default)]
pub struct SlotIndex {
    /// The hash in the upper half, the slot in the lower one. Their number is a power of two, at most three quarters of
    /// which are taken.
    buckets: Vec<u64>,
    len: usize,
}

impl SlotIndex {
    /// The hash for a table that takes its buckets from one end of 64 bits and its tags from the other.
    pub fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All slots, in no order.
    pub fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.buckets.iter().filter(|&&taken| taken != EMPTY).map(|&taken| taken as u32)
    }

    /// Approximate bytes in memory.
    pub fn size(&self) -> usize {
        self.buckets.capacity() * size_of::<u64>()
    }

    /// The first slot with this hash that `is_wanted`.
    pub fn find(&self, hash: u32, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        if self.buckets.is_empty() {
            return None;
        }
        let mut bucket = self.start(hash);
        loop {
            let found = self.buckets[bucket];
            if found == EMPTY {
                return None;
            }
            if hash_of(found) == hash && is_wanted(found as u32) {
                return Some(found as u32);
            }
            bucket = self.after(bucket);
        }
    }

    /// Loads where looking for a hash begins. A caller that looks for many does this for all first, because it decides nothing:
    /// they wait for memory together then.
    pub fn load(&self, hash: u32) -> u64 {
        if self.buckets.is_empty() { EMPTY } else { self.buckets[self.start(hash)] }
    }

    /// Adds a slot that is not there.
    pub fn insert(&mut self, hash: u32, slot: u32) {
        if (self.len + 1) * 4 > self.buckets.len() * 3 {
            let grown = (self.buckets.len() * 2).max(BUCKETS_MIN);
            let old = std::mem::replace(&mut self.buckets, vec![EMPTY; grown]);
            old.into_iter().filter(|&taken| taken != EMPTY).for_each(|taken| self.put(taken));
        }
        self.put(u64::from(hash) << 32 | u64::from(slot));
        self.len += 1;
    }

    /// Takes out a slot, if it is there.
    pub fn remove(&mut self, hash: u32, slot: u32) {
        let wanted = u64::from(hash) << 32 | u64::from(slot);
        if self.buckets.is_empty() {
            return;
        }
        let mut hole = self.start(hash);
        while self.buckets[hole] != wanted {
            if self.buckets[hole] == EMPTY {
                return;
            }
            hole = self.after(hole);
        }
        self.len -= 1;
        // Whatever follows without a gap moves up, unless that were before its own start.
        let mut next = self.after(hole);
        while self.buckets[next] != EMPTY {
            let start = self.start(hash_of(self.buckets[next]));
            if self.distance(start, next) >= self.distance(hole, next) {
                self.buckets[hole] = self.buckets[next];
                hole = next;
            }
            next = self.after(next);
        }
        self.buckets[hole] = EMPTY;
    }

    fn put(&mut self, taken: u64) {
        let mut bucket = self.start(hash_of(taken));
        while self.buckets[bucket] != EMPTY {
            bucket = self.after(bucket);
        }
        self.buckets[bucket] = taken;
    }

    /// Where to look for a hash first. All its bits count, whatever the number of buckets.
    fn start(&self, hash: u32) -> usize {
        (Self::spread(hash) >> (u64::BITS - self.buckets.len().trailing_zeros())) as usize
    }

    fn after(&self, bucket: usize) -> usize {
        (bucket + 1) & (self.buckets.len() - 1)
    }

    /// How many buckets lie between two, round the end.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.buckets.len() - 1)
    }
}

fn hash_of(taken: u64) -> u32 {
    (taken >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn slots_are_found_whatever_comes_and_goes() {
        for (seed, hashes) in [(1, 10), (2, 3_000), (3, u32::MAX)] {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut index, mut model) = (SlotIndex::default(), BTreeMap::new());
            for share in [80, 50, 10] {
                for _ in 0..3_000 {
                    let slot = random.u32(..2_000);
                    if random.u32(..100) < share {
                        let hash = random.u32(..hashes);
                        model.entry(slot).or_insert_with(|| {
                            index.insert(hash, slot);
                            hash
                        });
                    } else if let Some(hash) = model.remove(&slot) {
                        index.remove(hash, slot);
                    }
                }
                assert_eq!(index.len(), model.len());
                for slot in 0..2_000 {
                    let hash = model.get(&slot).copied();
                    let found = index.find(hash.unwrap_or(0), |other| other == slot);
                    assert_eq!(found, hash.map(|_| slot));
                }
            }
        }
    }
}
