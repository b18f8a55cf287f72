//! How many integers of a multiset have each bit set: what `bit_and`, `bit_or` and `bit_xor` follow from.

/// Counts by bit. Equal multisets give equal counts and equal bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BitCounts {
    /// From the lowest bit to the highest that any of them has set.
    counts: Vec<i64>,
}

/// A bitwise aggregate of all integers of a multiset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitOperation {
    And,
    Or,
    Xor,
}

impl BitCounts {
    /// Adds `weight` copies of an integer, or takes them back if it is negative.
    pub(super) fn add(&mut self, bits: u64, weight: i64) {
        let needed = (u64::BITS - bits.leading_zeros()) as usize;
        if needed > self.counts.len() {
            self.counts.resize(needed, 0);
        }
        for (index, count) in self.counts.iter_mut().enumerate() {
            *count += weight * (bits >> index & 1) as i64;
        }
        let used = self.counts.iter().rposition(|&count| count != 0).map_or(0, |last| last + 1);
        self.counts.truncate(used);
    }

    /// The result over all of them, whose number is `total`.
    pub(super) fn value(&self, operation: BitOperation, total: i64) -> u64 {
        let is_set = |count: i64| match operation {
            BitOperation::And => count == total,
            BitOperation::Or => count > 0,
            BitOperation::Xor => count % 2 != 0,
        };
        let set = self.counts.iter().enumerate().filter(|(_, count)| is_set(**count));
        set.fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// Bytes in memory beside itself.
    pub(super) fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.counts.iter().flat_map(|count| count.to_le_bytes()).collect()
    }

    /// What `to_bytes` wrote; None for anything else.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (counts, rest) = bytes.as_chunks();
        let fits = rest.is_empty() && counts.len() <= u64::BITS as usize;
        fits.then(|| Self { counts: counts.iter().map(|count| i64::from_le_bytes(*count)).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_follow_what_comes_and_goes() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut values, mut counts) = (Vec::new(), BitCounts::default());
        for _ in 0..1_000 {
            if !values.is_empty() && random.u8(..9) < 4 {
                counts.add(values.swap_remove(random.usize(..values.len())), -1);
            } else {
                let value = random.u64(..) >> random.u32(..64);
                values.push(value);
                counts.add(value, 1);
            }
            let folded = [
                (BitOperation::And, values.iter().copied().reduce(|left, right| left & right)),
                (BitOperation::Or, values.iter().copied().reduce(|left, right| left | right)),
                (BitOperation::Xor, values.iter().copied().reduce(|left, right| left ^ right)),
            ];
            for (operation, expected) in folded {
                let found = (!values.is_empty()).then(|| counts.value(operation, values.len() as i64));
                assert_eq!(found, expected, "{operation:?} of {values:?}");
            }
            assert_eq!(BitCounts::from_bytes(&counts.to_bytes()).as_ref(), Some(&counts));
        }
        values.iter().for_each(|&value| counts.add(value, -1));
        assert_eq!(counts, BitCounts::default());
    }
}
