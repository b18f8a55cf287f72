//! What is looked for in fields: words, words that stand together, and alternatives. It finds documents by the terms of an
//! index, and the places in their texts to be marked.

use std::ops::Range;
use std::sync::Arc;

use tantivy::index::SegmentReader;
use tantivy::query::{BoostQuery, EnableScoring, PhrasePrefixQuery, PhraseQuery, Query};
use tantivy::schema::Field;
use tantivy::{DocSet, TERMINATED, Term};

use super::level::{Level, Place, at_most};
use super::query::TypedQuery;
use super::word::{Closeness, Word};

/// Terms that the last word of a phrase may begin.
pub(in super::super) const PHRASE_ENDS_MAX: u32 = 1_000;

#[derive(Debug, Clone)]
pub(in super::super) enum Lookup {
    Word(Place, Word),
    Phrase(Phrase),
    /// The closest of several.
    Any(Vec<Lookup>),
    /// All of several, apart from each other.
    Apart(Vec<Lookup>),
    /// What means the same.
    Meaning(Box<Lookup>),
}

/// Words that stand together in this order.
#[derive(Debug, Clone)]
pub(in super::super) struct Phrase {
    pub(in super::super) at: Place,
    /// At least two.
    pub(in super::super) terms: Vec<String>,
    /// Whether the last one may go on.
    pub(in super::super) is_beginning: bool,
    /// How far they may be from their places.
    pub(in super::super) slop: u32,
}

/// Where a text has a word, with its terms.
pub(in super::super) struct Spot {
    pub(in super::super) range: Range<usize>,
    pub(in super::super) terms: Vec<String>,
}

impl Lookup {
    /// What is found by this alone, scored by how close it comes: an exact word counts 1.
    pub(in super::super) fn query(&self) -> Box<dyn Query> {
        let query = TypedQuery { words: Arc::new(vec![self.clone()]), relevance: None, restrictions: Vec::new() };
        Box::new(BoostQuery::new(Box::new(query), 1.0 / f32::from(Closeness::Exact as u8)))
    }

    /// Raises the level of each document that has what is looked for to how close it comes.
    pub(in super::super) fn raise(&self, segment: &SegmentReader, levels: &mut [Level]) -> tantivy::Result<()> {
        match self {
            Lookup::Word(at, word) => word.raise(segment, *at, levels),
            Lookup::Phrase(phrase) => phrase.raise(segment, levels),
            Lookup::Any(lookups) => lookups.iter().try_for_each(|lookup| lookup.raise(segment, levels)),
            Lookup::Apart(lookups) => {
                let mut all = vec![Level::MAX; levels.len()];
                for lookup in lookups {
                    let mut one = vec![0; levels.len()];
                    lookup.raise(segment, &mut one)?;
                    all.iter_mut().zip(one).for_each(|(all, one)| *all = (*all).min(one));
                }
                // Less close than if they stood together.
                raise_to(levels, &all, Closeness::Beginning);
                Ok(())
            }
            Lookup::Meaning(lookup) => {
                let mut one = vec![0; levels.len()];
                lookup.raise(segment, &mut one)?;
                raise_to(levels, &one, Closeness::Form);
                Ok(())
            }
        }
    }

    /// Adds the places in a text of `field`, in bytes.
    pub(in super::super) fn mark(&self, field: Field, spots: &[Spot], marks: &mut Vec<Range<usize>>) {
        match self {
            Lookup::Word(at, word) if at.field == field => {
                let meant = spots.iter().filter(|spot| spot.terms.iter().any(|term| word.closeness(term).is_some()));
                marks.extend(meant.map(|spot| spot.range.clone()));
            }
            Lookup::Phrase(phrase) if phrase.at.field == field => phrase.mark(spots, marks),
            Lookup::Word(..) | Lookup::Phrase(_) => {}
            Lookup::Any(lookups) | Lookup::Apart(lookups) => {
                lookups.iter().for_each(|lookup| lookup.mark(field, spots, marks));
            }
            Lookup::Meaning(lookup) => lookup.mark(field, spots, marks),
        }
    }
}

impl Phrase {
    pub(in super::super) fn query(&self) -> Box<dyn Query> {
        let terms = self.terms.iter().map(|term| Term::from_field_text(self.at.field, term));
        if self.is_beginning {
            let mut query = PhrasePrefixQuery::new(terms.collect());
            query.set_max_expansions(PHRASE_ENDS_MAX);
            return Box::new(query);
        }
        Box::new(PhraseQuery::new_with_offset_and_slop(terms.enumerate().collect(), self.slop))
    }

    fn raise(&self, segment: &SegmentReader, levels: &mut [Level]) -> tantivy::Result<()> {
        if self.is_beginning {
            raise_found(&*self.query(), self.at.level(Closeness::Beginning), segment, levels)?;
        }
        let whole = Self { is_beginning: false, ..self.clone() };
        raise_found(&*whole.query(), self.at.level(Closeness::Exact), segment, levels)
    }

    fn mark(&self, spots: &[Spot], marks: &mut Vec<Range<usize>>) {
        if self.slop > 0 {
            let near = spots.iter().filter(|spot| self.terms.iter().any(|term| spot.terms.contains(term)));
            marks.extend(near.map(|spot| spot.range.clone()));
            return;
        }
        let last = self.terms.len() - 1;
        let meant = |place: usize, spot: &Spot| {
            let word = &self.terms[place];
            let goes_on = self.is_beginning && place == last;
            spot.terms.iter().any(|term| term == word || goes_on && term.starts_with(word.as_str()))
        };
        for spots in spots.windows(self.terms.len()) {
            if spots.iter().enumerate().all(|(place, spot)| meant(place, spot)) {
                marks.extend(spots.iter().map(|spot| spot.range.clone()));
            }
        }
    }
}

/// Raises levels to others, which count as at most so close.
fn raise_to(levels: &mut [Level], others: &[Level], closeness: Closeness) {
    levels.iter_mut().zip(others).for_each(|(level, other)| *level = (*level).max(at_most(*other, closeness)));
}

fn raise_found(query: &dyn Query, to: Level, segment: &SegmentReader, levels: &mut [Level]) -> tantivy::Result<()> {
    let weight = query.weight(EnableScoring::disabled_from_schema(segment.schema()))?;
    let mut found = weight.scorer(segment, 1.0)?;
    let mut document = found.doc();
    while document != TERMINATED {
        let level = &mut levels[document as usize];
        *level = (*level).max(to);
        document = found.advance();
    }
    Ok(())
}
