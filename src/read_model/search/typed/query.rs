//! A typed text as a Tantivy query.
//!
//! A document is found if it has something for each word. Its score is how close that comes, summed over the words, and
//! below the point how much the columns weigh and how well the words fit as BM25 has it: an exact word comes before a beginning, and that before a typing
//! error, however rare the words are.

use std::sync::Arc;

use tantivy::index::SegmentReader;
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, TERMINATED, TantivyError};

use super::level::{Level, parts};
use super::lookup::Lookup;

/// The sum of BM25 that counts half a point.
const HALF: Score = 8.0;

#[derive(Debug, Clone)]
pub(in super::super) struct TypedQuery {
    /// At least one, and at most 32, so that the sum of their levels can be taken apart.
    pub(super) words: Arc<Vec<Lookup>>,
    /// The words as they are written, where that can be scored.
    pub(super) relevance: Option<Arc<dyn Query>>,
}

struct TypedWeight {
    words: Arc<Vec<Lookup>>,
    relevance: Option<Box<dyn Weight>>,
}

struct TypedScorer {
    /// By document; 0 where it is not found.
    levels: Vec<Level>,
    words: usize,
    at: DocId,
    relevance: Option<Box<dyn Scorer>>,
    boost: Score,
}

impl Query for TypedQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let scored = self.relevance.as_ref().filter(|_| scoring.is_scoring_enabled());
        let relevance = scored.map(|query| query.weight(scoring)).transpose()?;
        Ok(Box::new(TypedWeight { words: self.words.clone(), relevance }))
    }
}

impl TypedWeight {
    fn levels(&self, segment: &SegmentReader) -> tantivy::Result<Vec<Level>> {
        let mut sums = vec![0; segment.max_doc() as usize];
        let mut one = Vec::new();
        for (place, word) in self.words.iter().enumerate() {
            if place == 0 {
                word.raise(segment, &mut sums)?;
                continue;
            }
            if sums.iter().all(|sum| *sum == 0) {
                break;
            }
            one.clear();
            one.resize(sums.len(), 0);
            word.raise(segment, &mut one)?;
            for (sum, level) in sums.iter_mut().zip(&one) {
                *sum = if *sum == 0 || *level == 0 { 0 } else { sum.saturating_add(*level) };
            }
        }
        Ok(sums)
    }
}

impl Weight for TypedWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let levels = self.levels(segment)?;
        let relevance = self.relevance.as_ref().map(|relevance| relevance.scorer(segment, 1.0)).transpose()?;
        let mut scorer = TypedScorer { levels, words: self.words.len(), at: 0, relevance, boost };
        scorer.go_to(0);
        Ok(Box::new(scorer))
    }

    fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(segment, 1.0)?;
        if scorer.doc() > document || scorer.seek(document) != document {
            return Err(TantivyError::InvalidArgument(format!("document {document} is not found")));
        }
        Ok(Explanation::new("how close its words come", scorer.score()))
    }
}

impl TypedScorer {
    /// Goes to the first document that is found from `document` on.
    fn go_to(&mut self, document: DocId) -> DocId {
        let rest = self.levels.get(document as usize..).unwrap_or_default();
        self.at = match rest.iter().position(|level| *level > 0) {
            Some(ahead) => document + ahead as DocId,
            None => TERMINATED,
        };
        self.at
    }
}

impl DocSet for TypedScorer {
    fn advance(&mut self) -> DocId {
        if self.at == TERMINATED { TERMINATED } else { self.go_to(self.at + 1) }
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target > self.at { self.go_to(target) } else { self.at }
    }

    fn doc(&self) -> DocId {
        self.at
    }

    fn size_hint(&self) -> u32 {
        // A guess between few and all: to count them takes longer than what is decided by it.
        self.levels.len() as u32 / 8
    }
}

impl Scorer for TypedScorer {
    fn score(&mut self) -> Score {
        let level = self.levels.get(self.at as usize).copied().unwrap_or_default();
        let relevance = match &mut self.relevance {
            Some(relevance) => {
                if relevance.doc() < self.at {
                    relevance.seek(self.at);
                }
                if relevance.doc() == self.at { relevance.score() } else { 0.0 }
            }
            None => 0.0,
        };
        let (closeness, share) = parts(level, self.words);
        (closeness + (share + relevance / (relevance + HALF)) / 2.0) * self.boost
    }
}
