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
    /// What must hold of a document beside, and changes no score.
    pub(super) restrictions: Vec<Arc<dyn Query>>,
}

struct TypedWeight {
    words: Arc<Vec<Lookup>>,
    relevance: Option<Box<dyn Weight>>,
    restrictions: Vec<Box<dyn Weight>>,
}

/// The documents of a segment that are found.
pub(in super::super) struct TypedScorer {
    /// By document; 0 where it is not found, or was deleted.
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
                *sum = if *sum == 0 || *level == 0 { 0 } else { sum.saturating_add(*level) };
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

    /// All documents that are found, in ascending order.
    pub(in super::super) fn documents(&self) -> impl Iterator<Item = DocId> {
        (0..).zip(&self.levels).filter(|(_, level)| **level > 0).map(|(document, _)| document)
    }

    /// Offers documents with their scores, among them the `limit` with the highest scores and all whose score is that of the last
    /// of these. Says how many are found.
    ///
    /// Words that are typed are found in a large part of all documents, nearly all of them with too low a level to be among the
    /// first. Their scores are not computed: how well words fit moves a document by less than half a point.
    pub(in super::super) fn contenders(&mut self, limit: usize, mut offer: impl FnMut(DocId, Score)) -> usize {
        let numbers = numbers(&self.levels);
        let highest = (numbers.len() - 1) as Level;
        let levels = || (1..=highest).rev().filter(|level| numbers[usize::from(*level)] > 0);
        // 1. So many documents have this level or a higher one.
        let mut higher = 0;
        let enough = levels().find(|level| {
            higher += numbers[usize::from(*level)];
            higher >= limit
        });
        let enough = enough.unwrap_or(1);
        // 2. Documents with a lower one come before some of these where the words fit better.
        let least = score(enough, self.words, 0.0);
        let possible = levels().take_while(|level| score(*level, self.words, Score::INFINITY) >= least).last();
        if self.relevance.as_ref().is_some_and(|relevance| relevance.doc() == TERMINATED) {
            self.relevance = None;
        }
        let possible = if self.relevance.is_some() { possible.unwrap_or(enough) } else { enough };
        // 3. The scores of both.
        let mut document = 0;
        while let Some(ahead) = self.levels[document..].iter().position(|level| *level >= possible) {
            document += ahead;
            let level = self.levels[document];
            let relevance = self.relevance(document as DocId);
            if level >= enough || relevance > 0.0 {
                offer(document as DocId, score(level, self.words, relevance) * self.boost);
            }
            document += 1;
        }
        numbers[1..].iter().sum()
    }

    /// How well the words fit a document. Documents are asked for in ascending order.
    fn relevance(&mut self, document: DocId) -> Score {
        let Some(relevance) = &mut self.relevance else { return 0.0 };
        if relevance.doc() < document {
            relevance.seek(document);
        }
        if relevance.doc() == document { relevance.score() } else { 0.0 }
    }
}

/// How many documents have each level, up to the highest that one has.
fn numbers(levels: &[Level]) -> Vec<usize> {
    /// Neighbours often have one level. A counter that is raised again at once has to wait for itself.
    const LANES: usize = 4;
    let highest = levels.iter().copied().max().unwrap_or_default();
    let mut lanes = vec![[0_u32; LANES]; usize::from(highest) + 1];
    let (chunks, rest) = levels.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, level) in chunk.iter().enumerate() {
            lanes[usize::from(*level)][lane] += 1;
        }
    }
    for level in rest {
        lanes[usize::from(*level)][0] += 1;
    }
    lanes.into_iter().map(|lanes| lanes.into_iter().map(|number| number as usize).sum()).collect()
}

fn score(level: Level, words: usize, relevance: Score) -> Score {
    let (closeness, share) = parts(level, words);
    let fit = 1.0 - HALF / (relevance + HALF);
    closeness + (share + fit) / 2.0
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
        score(level, self.words, self.relevance(self.at)) * self.boost
    }
}

#[cfg(test)]
mod tests {
    use super::super::level::Place;
    use super::super::word::Closeness;
    use super::*;

    /// How well words fit, by document.
    struct Fits {
        fits: Vec<(DocId, Score)>,
        at: usize,
    }

    impl DocSet for Fits {
        fn advance(&mut self) -> DocId {
            self.at += 1;
            self.doc()
        }

        fn doc(&self) -> DocId {
            self.fits.get(self.at).map_or(TERMINATED, |(document, _)| *document)
        }

        fn size_hint(&self) -> u32 {
            self.fits.len() as u32
        }
    }

    impl Scorer for Fits {
        fn score(&mut self) -> Score {
            self.fits[self.at].1
        }
    }

    /// A scorer for documents at random, which finds few or many at few or many levels.
    fn scorer(seed: u64) -> TypedScorer {
        let mut random = fastrand::Rng::with_seed(seed);
        let field = tantivy::schema::Field::from_field_id(0);
        let closeness = [Closeness::TwoTypos, Closeness::OneTypo, Closeness::Beginning, Closeness::Exact];
        let places = [1, 3, 10].map(|weight| Place::weighing(field, weight, 10));
        let words = random.usize(1..4);
        let (found, fitting, kinds) = (random.f64(), random.f64(), random.usize(1..=4));
        let levels: Vec<Level> = (0..300)
            .map(|_| {
                let level =
                    |random: &mut fastrand::Rng| places[random.usize(0..3)].level(closeness[random.usize(0..kinds)]);
                if random.f64() < found { (0..words).map(|_| level(&mut random)).sum() } else { 0 }
            })
            .collect();
        let mut fits: Vec<(DocId, Score)> = Vec::new();
        for document in 0..300 {
            if random.f64() < fitting {
                fits.push((document, 40.0 * random.f32()));
            }
        }
        let relevance = random.bool().then(|| Box::new(Fits { fits, at: 0 }) as Box<dyn Scorer>);
        let mut scorer = TypedScorer { levels, words, at: 0, relevance, boost: 1.0 };
        scorer.go_to(0);
        scorer
    }

    #[test]
    fn the_first_documents_are_among_those_offered() {
        let start = fastrand::u64(..);
        let mut left_out = 0;
        for seed in (0..500).map(|number| start.wrapping_add(number)) {
            for limit in [0, 1, 3, 10, 1_000] {
                let mut all = Vec::new();
                let mut one_by_one = scorer(seed);
                while one_by_one.doc() != TERMINATED {
                    all.push((one_by_one.score(), one_by_one.doc()));
                    one_by_one.advance();
                }
                let mut offered = Vec::new();
                let mut at_once = scorer(seed);
                let number = at_once.contenders(limit, |document, score| offered.push((score, document)));
                assert_eq!(number, all.len(), "seed {seed}");
                assert!(at_once.documents().eq(all.iter().map(|(_, document)| *document)), "seed {seed}");
                left_out += all.len() - offered.len();
                for documents in [&mut all, &mut offered] {
                    documents.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
                    documents.truncate(limit);
                }
                assert_eq!(offered, all, "seed {seed}, limit {limit}");
            }
        }
        assert!(left_out > 0);
    }
}
