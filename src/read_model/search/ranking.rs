//! The documents with the highest scores, those with equal ones in the order of their keys, and how many there are.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::BytesColumn;
use tantivy::query::Weight;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};

use super::facets::FacetCollector;
use super::layout::KEY;
use super::ranges::RangeCollector;
use super::typed::TypedScorer;

/// What is counted over all documents.
pub(super) type Counters = (FacetCollector, RangeCollector);

/// Finds the first documents.
pub(super) struct Ranking {
    pub(super) limit: usize,
    /// None if there is nothing to count, so that no document is looked at for it.
    pub(super) counters: Option<Counters>,
    /// Whether the query is a `TypedQuery`: it scores no document that cannot be among the first.
    pub(super) is_typed: bool,
}

pub(super) struct Ranked {
    /// In order: the score and the encoded key.
    pub(super) first: Vec<(Score, Vec<u8>)>,
    pub(super) total: usize,
    /// None if nothing was to be counted.
    pub(super) counted: Option<<Counters as Collector>::Fruit>,
}

/// The first documents of a segment.
pub(super) struct SegmentRanking {
    keys: Option<BytesColumn>,
    limit: usize,
    /// The last one on top.
    first: BinaryHeap<Candidate>,
    total: usize,
    counters: Option<<Counters as Collector>::Child>,
}

/// The first documents of a segment, and what was counted over all of them.
type SegmentRanked =
    (Vec<(Score, Vec<u8>)>, usize, Option<<<Counters as Collector>::Child as SegmentCollector>::Fruit>);

/// A document that may be among the first. It is less than another one if it comes before it.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: Score,
    /// The place of its key among the keys of the segment.
    key: u64,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.key.cmp(&other.key))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl Collector for Ranking {
    type Fruit = Ranked;
    type Child = SegmentRanking;

    fn for_segment(&self, ordinal: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentRanking> {
        Ok(SegmentRanking {
            keys: segment.fast_fields().bytes(KEY)?,
            limit: self.limit,
            first: BinaryHeap::new(),
            total: 0,
            counters: self.counters.as_ref().map(|counters| counters.for_segment(ordinal, segment)).transpose()?,
        })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn collect_segment(
        &self,
        weight: &dyn Weight,
        ordinal: SegmentOrdinal,
        segment: &SegmentReader,
    ) -> tantivy::Result<tantivy::Result<SegmentRanked>> {
        let mut ranking = self.for_segment(ordinal, segment)?;
        let scorer = self.is_typed.then(|| weight.scorer(segment, 1.0)).transpose()?;
        if let Some(mut typed) = scorer.and_then(|scorer| scorer.downcast::<TypedScorer>().ok()) {
            if let Some(counters) = &mut ranking.counters {
                typed.documents().for_each(|document| counters.collect(document, 0.0));
            }
            ranking.total = typed.contenders(self.limit, |document, score| ranking.offer(document, score));
        } else {
            let alive = segment.alive_bitset();
            weight.for_each(segment, &mut |document, score| {
                if alive.is_none_or(|alive| alive.is_alive(document)) {
                    ranking.collect(document, score);
                }
            })?;
        }
        Ok(ranking.harvest())
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<SegmentRanked>>) -> tantivy::Result<Ranked> {
        let (mut first, mut total, mut counted) = (Vec::new(), 0, Vec::new());
        for segment in segments {
            let (of_segment, number, counts) = segment?;
            first.extend(of_segment);
            total += number;
            counted.extend(counts);
        }
        first.sort_unstable_by(|(score, key), (other, other_key)| {
            other.total_cmp(score).then_with(|| key.cmp(other_key))
        });
        first.truncate(self.limit);
        let counted = self.counters.as_ref().map(|counters| counters.merge_fruits(counted)).transpose()?;
        Ok(Ranked { first, total, counted })
    }
}

impl SegmentRanking {
    fn offer(&mut self, document: DocId, score: Score) {
        let keys = &self.keys;
        // A document without a key has a place that no key has.
        let key = || keys.as_ref().and_then(|keys| keys.ords().first(document)).unwrap_or(u64::MAX);
        if self.first.len() < self.limit {
            self.first.push(Candidate { score, key: key() });
        } else if let Some(mut last) = self.first.peek_mut()
            && score >= last.score
        {
            let candidate = Candidate { score, key: key() };
            if candidate < *last {
                *last = candidate;
            }
        }
    }
}

impl SegmentCollector for SegmentRanking {
    type Fruit = tantivy::Result<SegmentRanked>;

    fn collect(&mut self, document: DocId, score: Score) {
        self.total += 1;
        self.offer(document, score);
        if let Some(counters) = &mut self.counters {
            counters.collect(document, score);
        }
    }

    fn harvest(self) -> Self::Fruit {
        let mut first = self.first.into_vec();
        first.sort_unstable_by_key(|candidate| candidate.key);
        let mut ranked = Vec::with_capacity(first.len());
        if let Some(keys) = &self.keys {
            let places: Vec<u64> = first.iter().map(|candidate| candidate.key).collect();
            let mut scores = first.iter().map(|candidate| candidate.score);
            keys.dictionary().sorted_ords_to_term_cb(&places, |key| {
                ranked.extend(scores.next().map(|score| (score, key.to_vec())))
            })?;
        }
        if ranked.len() < first.len() {
            return Err(TantivyError::InternalError("a document has no key".to_owned()));
        }
        Ok((ranked, self.total, self.counters.map(SegmentCollector::harvest)))
    }
}
