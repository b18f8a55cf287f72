//! A typed text as a Tantivy query: a document is found if it has something for each word.

use std::sync::Arc;

use tantivy::index::SegmentReader;
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, TantivyError};

use super::level::Level;
use super::lookup::Lookup;
use super::scorer::TypedScorer;

#[derive(Debug, Clone)]
pub(in super::super) struct TypedQuery {
    /// At least one, and at most 32, so that the sum of their levels can be taken apart.
    pub(super) words: Arc<Vec<Lookup>>,
    /// The words as they are written, where that can be scored.
    pub(super) relevance: Option<Arc<dyn Query>>,
    /// What must hold of a document beside, and changes no score.
    pub(super) restrictions: Vec<Arc<dyn Query>>,
}

struct TypedWeight {
    words: Arc<Vec<Lookup>>,
    relevance: Option<Box<dyn Weight>>,
    restrictions: Vec<Box<dyn Weight>>,
}

impl Query for TypedQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let scored = self.relevance.as_ref().filter(|_| scoring.is_scoring_enabled());
        let relevance = scored.map(|query| query.weight(scoring)).transpose()?;
        let schema = EnableScoring::disabled_from_schema(scoring.schema());
        let unscored = scoring.searcher().map_or(schema, EnableScoring::disabled_from_searcher);
        let restrictions = self.restrictions.iter().map(|query| query.weight(unscored));
        let restrictions = restrictions.collect::<tantivy::Result<_>>()?;
        Ok(Box::new(TypedWeight { words: self.words.clone(), relevance, restrictions }))
    }
}

impl TypedQuery {
    /// The same among the documents that others hold of too.
    pub(in super::super) fn within(&self, restrictions: impl IntoIterator<Item = Box<dyn Query>>) -> Self {
        let mut within = self.clone();
        within.restrictions.extend(restrictions.into_iter().map(Arc::from));
        within
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
                // Without branches, so that several documents are added at once.
                let has_both = Level::from((*sum > 0) & (*level > 0)).wrapping_neg();
                *sum = sum.saturating_add(*level) & has_both;
            }
        }
        if let Some(alive) = segment.alive_bitset() {
            keep(&mut sums, |document| alive.is_alive(document));
        }
        for restriction in &self.restrictions {
            let mut permitted = restriction.scorer(segment, 1.0)?;
            keep(&mut sums, |document| {
                if permitted.doc() < document {
                    permitted.seek(document);
                }
                permitted.doc() == document
            });
        }
        Ok(sums)
    }
}

/// Leaves out the documents, asked for in ascending order, that are not to be found.
fn keep(levels: &mut [Level], mut is_kept: impl FnMut(DocId) -> bool) {
    for (document, level) in (0..).zip(levels) {
        if *level > 0 && !is_kept(document) {
            *level = 0;
        }
    }
}

impl Weight for TypedWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let levels = self.levels(segment)?;
        let relevance = self.relevance.as_ref().map(|relevance| relevance.scorer(segment, 1.0)).transpose()?;
        Ok(Box::new(TypedScorer::new(levels, self.words.len(), relevance, boost)))
    }

    fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(segment, 1.0)?;
        if scorer.doc() > document || scorer.seek(document) != document {
            return Err(TantivyError::InvalidArgument(format!("document {document} is not found")));
        }
        Ok(Explanation::new("how close its words come", scorer.score()))
    }
}
