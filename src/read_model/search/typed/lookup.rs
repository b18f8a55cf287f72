//! What is looked for in fields: words, words that stand together, and alternatives. It finds documents by the terms of an
//! index, and the places in their texts to be marked.

use std::ops::Range;

use tantivy::index::SegmentReader;
use tantivy::query::{EnableScoring, PhrasePrefixQuery, PhraseQuery, Query};
use tantivy::schema::Field;
use tantivy::{DocSet, TERMINATED, Term};

use super::word::{Closeness, Word};

/// Terms that the last word of a phrase may begin.
pub(in super::super) const PHRASE_ENDS_MAX: u32 = 1_000;

#[derive(Debug, Clone)]
pub(in super::super) enum Lookup {
    Word(Field, Word),
    Phrase(Phrase),
    /// The closest of several.
    Any(Vec<Lookup>),
    /// All of several, apart from each other.
    Apart(Vec<Lookup>),
}

/// Words that stand together in this order.
#[derive(Debug, Clone)]
pub(in super::super) struct Phrase {
    pub(in super::super) field: Field,
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
    /// Raises the level of each document that has what is looked for to how close it comes.
    pub(in super::super) fn raise(&self, segment: &SegmentReader, levels: &mut [u8]) -> tantivy::Result<()> {
        match self {
            Lookup::Word(field, word) => word.raise(segment, *field, levels),
            Lookup::Phrase(phrase) => phrase.raise(segment, levels),
            Lookup::Any(lookups) => lookups.iter().try_for_each(|lookup| lookup.raise(segment, levels)),
            Lookup::Apart(lookups) => {
                let mut all = vec![u8::MAX; levels.len()];
                for lookup in lookups {
                    let mut one = vec![0; levels.len()];
                    lookup.raise(segment, &mut one)?;
                    all.iter_mut().zip(one).for_each(|(all, one)| *all = (*all).min(one));
                }
                // Less close than if they stood together.
                let most = Closeness::Beginning as u8;
                levels.iter_mut().zip(all).for_each(|(level, all)| *level = (*level).max(all.min(most)));
                Ok(())
            }
        }
    }

    /// Adds the places in a text of `field`, in bytes.
    pub(in super::super) fn mark(&self, field: Field, spots: &[Spot], marks: &mut Vec<Range<usize>>) {
        match self {
            Lookup::Word(of, word) if *of == field => {
                let meant = spots.iter().filter(|spot| spot.terms.iter().any(|term| word.closeness(term).is_some()));
                marks.extend(meant.map(|spot| spot.range.clone()));
            }
            Lookup::Phrase(phrase) if phrase.field == field => phrase.mark(spots, marks),
            Lookup::Word(..) | Lookup::Phrase(_) => {}
            Lookup::Any(lookups) | Lookup::Apart(lookups) => {
                lookups.iter().for_each(|lookup| lookup.mark(field, spots, marks));
            }
        }
    }
}

impl Phrase {
    pub(in super::super) fn query(&self) -> Box<dyn Query> {
        let terms = self.terms.iter().map(|term| Term::from_field_text(self.field, term));
        if self.is_beginning {
            let mut query = PhrasePrefixQuery::new(terms.collect());
            query.set_max_expansions(PHRASE_ENDS_MAX);
            return Box::new(query);
        }
        Box::new(PhraseQuery::new_with_offset_and_slop(terms.enumerate().collect(), self.slop))
    }

    fn raise(&self, segment: &SegmentReader, levels: &mut [u8]) -> tantivy::Result<()> {
        if self.is_beginning {
            raise_found(&*self.query(), Closeness::Beginning, segment, levels)?;
        }
        let whole = Self { is_beginning: false, ..self.clone() };
        raise_found(&*whole.query(), Closeness::Exact, segment, levels)
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

fn raise_found(
    query: &dyn Query,
    closeness: Closeness,
    segment: &SegmentReader,
    levels: &mut [u8],
) -> tantivy::Result<()> {
    let weight = query.weight(EnableScoring::disabled_from_schema(segment.schema()))?;
    let mut found = weight.scorer(segment, 1.0)?;
    let mut document = found.doc();
    while document != TERMINATED {
        let level = &mut levels[document as usize];
        *level = (*level).max(closeness as u8);
        document = found.advance();
    }
    Ok(())
}
