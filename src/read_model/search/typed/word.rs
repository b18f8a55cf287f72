//! A word that is looked for among the terms of a field, and how close a term comes to it.

use std::fmt;
use std::sync::{Arc, LazyLock};

use levenshtein_automata::{DFA, Distance, LevenshteinAutomatonBuilder, SINK_STATE};
use tantivy::index::{InvertedIndexReader, SegmentReader};
use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::schema::IndexRecordOption;
use tantivy_fst::Automaton;

use super::super::tokenizers::STEM;
use super::level::{Level, Place};

/// How close a term is to a word, the closest greatest. The numbers are parts of the score, and at most 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(in super::super) enum Closeness {
    TwoTypos = 1,
    OneTypo = 2,
    /// It begins with the word.
    Beginning = 3,
    /// Another form of the word, of one stem.
    Form = 4,
    Exact = 5,
}

/// Letters from which on a word may have one typing error, and two.
const ONE_TYPO_FROM: usize = 5;
const TWO_TYPOS_FROM: usize = 8;
/// Nobody types longer words, and their automata are large.
const TYPOS_UP_TO: usize = 40;

static ONE_TYPO: LazyLock<LevenshteinAutomatonBuilder> = LazyLock::new(|| LevenshteinAutomatonBuilder::new(1, true));
static TWO_TYPOS: LazyLock<LevenshteinAutomatonBuilder> = LazyLock::new(|| LevenshteinAutomatonBuilder::new(2, true));

#[derive(Clone)]
pub(in super::super) struct Word {
    term: String,
    stem: Option<String>,
    is_beginning: bool,
    typos: Option<Arc<Typos>>,
}

/// Knows the words that are a few typing errors away: a letter too many, left out, another, or two that changed places.
pub(in super::super) struct Typos(DFA);

/// Reads the documents of one term after the other. A beginning has thousands of terms, most with a few documents: to make room for
/// each anew would take longer than to read them.
struct Postings<'a> {
    index: &'a InvertedIndexReader,
    opened: Option<BlockSegmentPostings>,
}

impl Word {
    /// The term itself and nothing else.
    pub(in super::super) fn exactly(term: String) -> Self {
        Self { term, stem: None, is_beginning: false, typos: None }
    }

    /// Terms that begin so.
    pub(in super::super) fn beginning(term: String) -> Self {
        Self { is_beginning: true, ..Self::exactly(term) }
    }

    pub(in super::super) fn with_stem(self, stem: Option<String>) -> Self {
        Self { stem, ..self }
    }

    pub(in super::super) fn with_typos(self, typos: Option<Arc<Typos>>) -> Self {
        Self { typos, ..self }
    }

    /// None if the term is not meant by the word.
    pub(in super::super) fn closeness(&self, term: &str) -> Option<Closeness> {
        if term == self.term {
            return Some(Closeness::Exact);
        }
        if term.starts_with(STEM) {
            return (self.stem.as_deref() == Some(term)).then_some(Closeness::Form);
        }
        if self.is_beginning && term.starts_with(&self.term) {
            return Some(Closeness::Beginning);
        }
        match self.typos.as_ref()?.0.eval(term) {
            Distance::Exact(0 | 1) => Some(Closeness::OneTypo),
            Distance::Exact(_) => Some(Closeness::TwoTypos),
            Distance::AtLeast(_) => None,
        }
    }

    /// Raises the level of each document that has a term which is meant to how close that is.
    pub(in super::super) fn raise(
        &self,
        segment: &SegmentReader,
        at: Place,
        levels: &mut [Level],
    ) -> tantivy::Result<()> {
        let index = segment.inverted_index(at.field)?;
        let terms = index.terms();
        let mut postings = Postings { index: &index, opened: None };
        let mut raise = |info: &TermInfo, closeness| postings.raise(info, at.level(closeness), levels);
        if let Some(stem) = &self.stem
            && let Some(info) = terms.get(stem)?
        {
            raise(&info, Closeness::Form)?;
        }
        if let Some(typos) = &self.typos {
            let mut stream = terms.search(typos.as_ref()).into_stream()?;
            while let Some((term, info)) = stream.next() {
                let closeness = std::str::from_utf8(term).ok().and_then(|term| self.closeness(term));
                closeness.map_or(Ok(()), |closeness| raise(info, closeness))?;
            }
            return Ok(());
        }
        if let Some(info) = terms.get(&self.term)? {
            raise(&info, Closeness::Exact)?;
        }
        if self.is_beginning {
            if let Some(field) = at.beginnings.and_then(|beginnings| beginnings.of(&self.term)) {
                let index = segment.inverted_index(field)?;
                let beginning = index.terms().get(&self.term)?;
                let mut postings = Postings { index: &index, opened: None };
                return beginning.map_or(Ok(()), |info| postings.raise(&info, at.level(Closeness::Beginning), levels));
            }
            let mut stream = terms.range().gt(&self.term).into_stream()?;
            while let Some((term, info)) = stream.next() {
                if !term.starts_with(self.term.as_bytes()) {
                    break;
                }
                raise(info, Closeness::Beginning)?;
            }
        }
        Ok(())
    }
}

impl Postings<'_> {
    /// Raises the level of each document that has a term.
    fn raise(&mut self, info: &TermInfo, to: Level, levels: &mut [Level]) -> tantivy::Result<()> {
        let postings = match &mut self.opened {
            Some(postings) => {
                self.index.reset_block_postings_from_terminfo(info, postings)?;
                postings
            }
            opened => opened.insert(self.index.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?),
        };
        loop {
            let documents = postings.docs();
            if documents.is_empty() {
                return Ok(());
            }
            for &document in documents {
                let level = &mut levels[document as usize];
                *level = (*level).max(to);
            }
            postings.advance();
        }
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { term, stem, is_beginning, typos } = self;
        let mut word = f.debug_struct("Word");
        word.field("term", term).field("stem", stem).field("is_beginning", is_beginning);
        word.field("typos", &typos.is_some()).finish()
    }
}

impl Typos {
    /// How many a word may have: none up to 4 letters or with a digit in it, which numbers and ids have; else one up to 7
    /// letters, and two from 8 on.
    pub(in super::super) fn allowed(word: &str) -> u8 {
        let letters = word.chars().count();
        if !(ONE_TYPO_FROM..=TYPOS_UP_TO).contains(&letters) || word.chars().any(char::is_numeric) {
            0
        } else if letters < TWO_TYPOS_FROM {
            1
        } else {
            2
        }
    }

    /// Words that are at most so many typing errors away, or that begin with such a one. None for none.
    pub(in super::super) fn new(word: &str, most: u8, is_beginning: bool) -> Option<Self> {
        let builder = match most {
            0 => return None,
            1 => &*ONE_TYPO,
            _ => &*TWO_TYPOS,
        };
        Some(Self(if is_beginning { builder.build_prefix_dfa(word) } else { builder.build_dfa(word) }))
    }
}

impl Automaton for &Typos {
    type State = u32;

    fn start(&self) -> u32 {
        self.0.initial_state()
    }

    fn is_match(&self, state: &u32) -> bool {
        matches!(self.0.distance(*state), Distance::Exact(_))
    }

    fn can_match(&self, state: &u32) -> bool {
        *state != SINK_STATE
    }

    fn accept(&self, state: &u32, byte: u8) -> u32 {
        // Stems are no words.
        if byte == STEM as u8 { SINK_STATE } else { self.0.transition(*state, byte) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closeness(word: &str, is_beginning: bool, term: &str) -> Option<Closeness> {
        let typos = Typos::new(word, Typos::allowed(word), is_beginning).map(Arc::new);
        let whole = Word::exactly(word.to_owned());
        let word = if is_beginning { Word::beginning(word.to_owned()) } else { whole };
        word.with_typos(typos).closeness(term)
    }

    #[test]
    fn typos_are_tolerated_by_length() {
        use Closeness::*;
        let cases = [
            ("late", "lates", None),
            ("later", "late", Some(OneTypo)),
            ("later", "lated", Some(OneTypo)),
            ("alter", "later", Some(OneTypo)),
            ("laetr", "later", Some(OneTypo)),
            ("advcie", "advice", Some(OneTypo)),
            ("advxxe", "advice", None),
            ("delviery", "delivery", Some(OneTypo)),
            ("dleviery", "delivery", Some(TwoTypos)),
            ("dlevierx", "delivery", None),
            ("stra\u{fc}se", "strasse", Some(OneTypo)),
            ("order2024", "order2025", None),
        ];
        for (word, term, expected) in cases {
            assert_eq!(closeness(word, false, term), expected, "{word} {term}");
        }
    }

    #[test]
    fn a_beginning_may_have_typos_too() {
        use Closeness::*;
        let cases = [
            ("deli", "deli", Some(Exact)),
            ("deli", "delivery", Some(Beginning)),
            ("dlei", "delivery", None),
            ("delvi", "delivery", Some(OneTypo)),
            ("delievri", "deliveries", Some(OneTypo)),
            ("dleievri", "deliveries", Some(TwoTypos)),
            ("delivery", "deliver", Some(OneTypo)),
            ("delivery", "derivatives", None),
        ];
        for (word, term, expected) in cases {
            assert_eq!(closeness(word, true, term), expected, "{word} {term}");
        }
    }
}
