//! One order of two: reciprocal rank fusion. What is ranked counts, not the scores, which are on no common scale.

use std::collections::BTreeMap;

use super::nearest::Near;
use crate::read_model::search::request::{Fusion, Parts, VectorPart, WordsPart};

/// A document, by its encoded key, and where it stands in each order.
#[derive(Debug, PartialEq)]
pub(in crate::read_model::search) struct Fused {
    pub(in crate::read_model::search) key: Vec<u8>,
    pub(in crate::read_model::search) score: f64,
    pub(in crate::read_model::search) parts: Parts,
}

/// The documents of both, each in its order. A document's score is the sum of `weight / (constant + rank)` over the orders that it is in;
/// the greatest comes first, and of equal ones the first key.
pub(in crate::read_model::search) fn fuse(words: Vec<(f32, Vec<u8>)>, near: Vec<Near>, fusion: &Fusion) -> Vec<Fused> {
    let share = |weight: f64, rank: usize| weight / (f64::from(fusion.constant) + rank as f64);
    let mut fused: BTreeMap<Vec<u8>, (f64, Parts)> = BTreeMap::new();
    for (rank, (score, key)) in (1..).zip(words) {
        let of_key = fused.entry(key).or_default();
        of_key.0 += share(fusion.words_weight, rank);
        of_key.1.words = Some(WordsPart { rank, score });
    }
    for (rank, Near { distance, key }) in (1..).zip(near) {
        let of_key = fused.entry(key).or_default();
        of_key.0 += share(fusion.vector_weight, rank);
        of_key.1.vector = Some(VectorPart { rank, distance });
    }
    let mut fused: Vec<Fused> = fused.into_iter().map(|(key, (score, parts))| Fused { key, score, parts }).collect();
    // They are in the order of their keys, which a stable sort keeps among equals.
    fused.sort_by(|one, other| other.score.total_cmp(&one.score));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(words: &[&str], near: &[&str], fusion: &Fusion) -> String {
        let words = words.iter().map(|key| (1.0, key.as_bytes().to_vec())).collect();
        let near = near.iter().map(|key| Near { distance: 0.5, key: key.as_bytes().to_vec() }).collect();
        let fused = fuse(words, near, fusion);
        let told = fused.iter().map(|one| format!("{} {:.5}", String::from_utf8_lossy(&one.key), one.score));
        told.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_order_is_that_of_the_sums_by_hand() {
        // a: 1/61 + 1/63, b: 1/62, c: 1/63 + 1/61, d: 1/62.
        let both = order(&["a", "b", "c"], &["c", "d", "a"], &Fusion::default());
        assert_eq!(both, "a 0.03227, c 0.03227, b 0.01613, d 0.01613");
        // a: 3/11 + 1/13, c: 3/13 + 1/11, b: 3/12, d: 1/12.
        let weighed = Fusion { constant: 10, words_weight: 3.0, vector_weight: 1.0 };
        let both = order(&["a", "b", "c"], &["c", "d", "a"], &weighed);
        assert_eq!(both, "a 0.34965, c 0.32168, b 0.25000, d 0.08333");
    }
}
