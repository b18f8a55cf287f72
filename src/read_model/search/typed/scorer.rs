//! The documents of a segment that a typed text finds, with their scores.
//!
//! A score is how close a document comes, summed over the words, and below the point how much the columns weigh and how well the
//! words fit as BM25 has it: an exact word comes before a beginning, and that before a typing error, however rare the words are.

use tantivy::query::Scorer;
use tantivy::{DocId, DocSet, Score, TERMINATED};

use super::blocks::Blocks;
use super::level::{Level, parts};

/// The sum of BM25 that counts half a point.
const HALF: Score = 8.0;

/// The documents of a segment that are found.
pub(in super::super) struct TypedScorer {
    /// By document; 0 where it is not found, or was deleted.
    levels: Vec<Level>,
    words: usize,
    at: DocId,
    relevance: Option<Box<dyn Scorer>>,
    boost: Score,
}

impl TypedScorer {
    pub(super) fn new(levels: Vec<Level>, words: usize, relevance: Option<Box<dyn Scorer>>, boost: Score) -> Self {
        let mut scorer = Self { levels, words, at: 0, relevance, boost };
        scorer.go_to(0);
        scorer
    }

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
    /// How well words fit moves a document by less than half a point. Nearly all documents have too low a level to be among the
    /// first even so, and their scores are not computed.
    pub(in super::super) fn contenders(&mut self, limit: usize, mut offer: impl FnMut(DocId, Score)) -> usize {
        let Self { levels, words, relevance, boost, .. } = self;
        let blocks = Blocks::new(levels);
        if limit == 0 {
            return blocks.found();
        }
        // 1. So many documents have this level or a higher one.
        let enough = blocks.level_of_first(limit);
        // 2. Documents with a lower one come before some of these where the words fit better.
        let mut relevance = relevance.as_deref_mut().filter(|relevance| relevance.doc() != TERMINATED);
        let least = score(enough, *words, 0.0);
        let comes_before = |level: &Level| score(*level, *words, Score::INFINITY) >= least;
        let possible = (1..=enough).rev().take_while(comes_before).last().filter(|_| relevance.is_some());
        // 3. The scores of both.
        let mut unfit = (enough, least * *boost);
        for (document, level) in blocks.at_or_above(possible.unwrap_or(enough)) {
            let fit = relevance.as_deref_mut().map_or(0.0, |relevance| relevance_of(relevance, document));
            if fit > 0.0 {
                offer(document, score(level, *words, fit) * *boost);
            } else if level >= enough {
                // Thousands of documents in a row have one level.
                if level != unfit.0 {
                    unfit = (level, score(level, *words, 0.0) * *boost);
                }
                offer(document, unfit.1);
            }
        }
        blocks.found()
    }
}

/// How well the words fit a document. Documents are asked for in ascending order.
fn relevance_of(relevance: &mut dyn Scorer, document: DocId) -> Score {
    if relevance.doc() < document {
        relevance.seek(document);
    }
    if relevance.doc() == document { relevance.score() } else { 0.0 }
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
        let fit = self.relevance.as_deref_mut().map_or(0.0, |relevance| relevance_of(relevance, self.at));
        score(level, self.words, fit) * self.boost
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
        TypedScorer::new(levels, words, relevance, 1.0)
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
