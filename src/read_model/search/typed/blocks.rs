//! The levels of a segment's documents, with the highest one of each block of them.
//!
//! Words that are typed are found in a large part of all documents, and few of those come close enough to be among the first. A
//! block in which none does is passed over after one comparison.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tantivy::DocId;

use super::level::Level;

/// Documents of a block: few enough that a block with a close one is read quickly, and that their number fits a level.
const BLOCK: usize = 256;

pub(super) struct Blocks<'a> {
    /// By document; 0 where it is not found.
    levels: &'a [Level],
    /// By block.
    highest: Vec<Level>,
    found: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(levels: &'a [Level]) -> Self {
        let (mut highest, mut found) = (Vec::with_capacity(levels.len().div_ceil(BLOCK)), 0);
        for block in levels.chunks(BLOCK) {
            highest.push(block.iter().copied().max().unwrap_or_default());
            found += usize::from(block.iter().map(|level| Level::from(*level > 0)).sum::<Level>());
        }
        Self { levels, highest, found }
    }

    /// Documents that are found.
    pub(super) fn found(&self) -> usize {
        self.found
    }

    /// The greatest level that so many documents have or exceed; 1 if fewer are found.
    pub(super) fn level_of_first(&self, number: usize) -> Level {
        let mut first: BinaryHeap<Reverse<Level>> = BinaryHeap::with_capacity(number.min(self.found));
        for (block, highest) in self.levels.chunks(BLOCK).zip(&self.highest) {
            let least = first.peek().filter(|_| first.len() == number).map_or(0, |Reverse(least)| *least);
            if *highest <= least {
                continue;
            }
            for level in block.iter().filter(|level| **level > least) {
                if first.len() < number {
                    first.push(Reverse(*level));
                } else if let Some(mut last) = first.peek_mut()
                    && *level > last.0
                {
                    *last = Reverse(*level);
                }
            }
        }
        first.peek().filter(|_| first.len() == number).map_or(1, |Reverse(least)| *least)
    }

    /// The documents with this level or a higher one, in ascending order.
    pub(super) fn at_or_above(&self, least: Level) -> impl Iterator<Item = (DocId, Level)> {
        let blocks = self.levels.chunks(BLOCK).zip(&self.highest).enumerate();
        let blocks = blocks.filter(move |(_, (_, highest))| **highest >= least);
        blocks.flat_map(move |(place, (block, _))| {
            let documents = ((place * BLOCK) as DocId..).zip(block.iter().copied());
            documents.filter(move |(_, level)| *level >= least)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_sorting_all() {
        let start = fastrand::u64(..);
        for seed in (0..200).map(|number| start.wrapping_add(number)) {
            let mut random = fastrand::Rng::with_seed(seed);
            let (highest, share) = (random.u16(1..50), random.f64());
            let number = random.usize(0..2_000);
            let levels: Vec<Level> =
                (0..number).map(|_| if random.f64() < share { random.u16(0..=highest) } else { 0 }).collect();
            let blocks = Blocks::new(&levels);
            let mut sorted: Vec<Level> = levels.iter().copied().filter(|level| *level > 0).collect();
            sorted.sort_unstable_by_key(|level| Reverse(*level));
            assert_eq!(blocks.found(), sorted.len(), "seed {seed}");
            for number in [1, 2, 10, 300] {
                let expected = sorted.get(number - 1).copied().unwrap_or(1);
                assert_eq!(blocks.level_of_first(number), expected, "seed {seed}, {number}");
            }
            let least = random.u16(1..=highest);
            let expected = (0..).zip(levels.iter().copied()).filter(|(_, level)| *level >= least);
            assert!(blocks.at_or_above(least).eq(expected), "seed {seed}");
        }
    }
}
