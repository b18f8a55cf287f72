//! Free text, as people type it into a search box: any characters, no syntax.
//!
//! The text is split at white space. Each word must be found in some column, the last one as the beginning of a word unless a
//! space follows it. A text column finds a word as it splits it: what it splits it into must stand together, or, where no
//! digit is in it, may stand apart. A keyword finds it among the words of its value.

mod blocks;
mod level;
mod lookup;
mod query;
mod scorer;
mod word;

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::tokenizer::TokenizerManager;

pub(super) use self::level::Place;
pub(super) use self::lookup::{Lookup, Phrase, Spot};
pub(super) use self::query::TypedQuery;
pub(super) use self::scorer::TypedScorer;
pub(super) use self::word::{Typos, Word};
use super::layout::{IndexLayout, IndexedColumn};
use super::request::SearchError;
use super::tokenizers::{FOLDED, STEM};
use super::vocabulary::Vocabulary;

/// Characters of a text that count. What follows is not looked for.
pub(super) const CHARS_MAX: usize = 500;
/// Words of a text that count.
const WORDS_MAX: usize = 32;
/// Words of a text from the first that may have typing errors: what is longer was pasted.
const TYPO_WORDS_MAX: usize = 10;
/// Parts of a word with punctuation in it that may stand apart.
const APART_MAX: usize = 8;

/// What a text asks for.
pub(super) struct Typed {
    pub(super) query: Box<dyn Query>,
    /// What is marked in the documents that are found.
    pub(super) lookups: Arc<Vec<Lookup>>,
    /// Whether the text is longer than what counts.
    pub(super) is_cut: bool,
}

/// Reads texts for the columns of one index.
pub(super) struct TextReader<'a> {
    layout: &'a IndexLayout,
    tokenizers: &'a TokenizerManager,
    /// By word, and whether it is a beginning: several columns look for one word.
    typos: HashMap<(String, bool), Option<Arc<Typos>>>,
    relevance: Vec<Box<dyn Query>>,
}

/// A word of the text.
struct Part<'a> {
    text: &'a str,
    is_beginning: bool,
    may_have_typos: bool,
}

/// What a column's tokenizer makes of a word of the text.
struct Token {
    start: usize,
    end: usize,
    term: String,
    stem: Option<String>,
}

impl<'a> TextReader<'a> {
    pub(super) fn new(layout: &'a IndexLayout, tokenizers: &'a TokenizerManager) -> Self {
        Self { layout, tokenizers, typos: HashMap::new(), relevance: Vec::new() }
    }

    /// # Errors
    /// Only if the index lacks a tokenizer.
    pub(super) fn read(mut self, text: &str) -> Result<Typed, SearchError> {
        let counted = text.char_indices().nth(CHARS_MAX).map_or(text, |(end, _)| &text[..end]);
        let mut parts: Vec<&str> = counted.split(is_space).filter(|part| !part.is_empty()).collect();
        let has_more = parts.len() > WORDS_MAX;
        parts.truncate(WORDS_MAX);
        let is_cut = has_more || counted.len() < text.len();
        let goes_on = !has_more && !counted.ends_with(is_space);
        let last = parts.len().saturating_sub(1);
        let parts = parts.into_iter().enumerate();
        let part = |(place, text)| Part {
            text,
            is_beginning: goes_on && place == last,
            may_have_typos: place < TYPO_WORDS_MAX,
        };
        let parts: Vec<Part<'_>> = parts.map(part).collect();
        let words = self.words(&without_stop_words(parts, &self.layout.vocabulary))?;
        let words = Arc::new(words);
        let query: Box<dyn Query> = if words.is_empty() {
            Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))
        } else {
            let relevance = match self.relevance.len() {
                0 => None,
                _ => Some(Arc::new(BooleanQuery::union(self.relevance)) as Arc<dyn Query>),
            };
            Box::new(TypedQuery { words: words.clone(), relevance, restrictions: Vec::new() })
        };
        Ok(Typed { query, lookups: words, is_cut })
    }

    /// What is looked for instead of each word, or of several together that have a meaning.
    fn words(&mut self, parts: &[Part<'_>]) -> Result<Vec<Lookup>, SearchError> {
        let vocabulary = &self.layout.vocabulary;
        let mut words = Vec::with_capacity(parts.len());
        let mut rest = parts;
        while !rest.is_empty() {
            let lengths = (1..=vocabulary.longest().min(rest.len())).rev();
            let meanings = lengths.map(|length| {
                let texts: Vec<&str> = rest[..length].iter().map(|part| part.text).collect();
                (length, vocabulary.synonyms(&texts))
            });
            let (length, synonyms) =
                meanings.into_iter().find(|(_, synonyms)| !synonyms.is_empty()).unwrap_or((1, Vec::new()));
            let (these, others) = rest.split_at(length);
            rest = others;
            let own = these.iter().map(|part| self.part(part)).collect::<Result<Vec<_>, _>>()?;
            let own: Vec<Lookup> = own.into_iter().flatten().collect();
            let mut alternatives = if own.len() > 1 { vec![Lookup::Apart(own)] } else { own };
            for synonym in synonyms {
                let meant = self.synonym(synonym)?;
                alternatives.push(Lookup::Meaning(Box::new(Lookup::Any(meant))));
            }
            if !alternatives.is_empty() {
                words.push(Lookup::Any(alternatives));
            }
        }
        Ok(words)
    }

    /// A synonym, as it is written, in each column.
    fn synonym(&mut self, synonym: &str) -> Result<Vec<Lookup>, SearchError> {
        let layout = self.layout;
        let part = Part { text: synonym, is_beginning: false, may_have_typos: false };
        let mut lookups = Vec::new();
        for column in layout.searchable() {
            match (column.typed, column.terms) {
                (Some(field), _) => {
                    let at = Place::in_column(column, field, layout.heaviest());
                    let words = self.split(FOLDED, synonym)?;
                    let words: Vec<Lookup> =
                        words.into_iter().map(|token| Lookup::Word(at, self.word(token, &part))).collect();
                    lookups.push(Lookup::Apart(words));
                }
                (None, Some(field)) => {
                    let tokens = self.tokens(column, synonym)?;
                    let at = Place::in_column(column, field, layout.heaviest());
                    match tokens.len() {
                        0 => {}
                        1 => lookups.extend(tokens.into_iter().map(|token| Lookup::Word(at, self.word(token, &part)))),
                        _ => lookups.push(phrase(at, &tokens, false)),
                    }
                }
                (None, None) => {}
            }
        }
        Ok(lookups)
    }

    /// None for what has no word in it, such as a dash.
    fn part(&mut self, part: &Part<'_>) -> Result<Option<Lookup>, SearchError> {
        let layout = self.layout;
        let mut alternatives = Vec::new();
        let mut has_word = false;
        for column in layout.searchable() {
            match (column.typed, column.terms) {
                (Some(field), _) => {
                    has_word |= part.text.chars().any(char::is_alphanumeric);
                    let at = Place::in_column(column, field, layout.heaviest());
                    alternatives.extend(self.in_values(at, part)?);
                }
                (None, Some(field)) => {
                    let tokens = self.tokens(column, part.text)?;
                    has_word |= !tokens.is_empty();
                    let at = Place::in_column(column, field, layout.heaviest());
                    alternatives.extend(self.in_text(at, column.weight, tokens, part));
                }
                (None, None) => {}
            }
        }
        Ok(has_word.then_some(Lookup::Any(alternatives)))
    }

    /// Among the words of whole values: as it is, and without the punctuation around it.
    fn in_values(&mut self, at: Place, part: &Part<'_>) -> Result<Vec<Lookup>, SearchError> {
        let trimmed = part.text.trim_matches(|letter: char| !letter.is_alphanumeric());
        let texts = [Some(part.text), Some(trimmed).filter(|trimmed| !trimmed.is_empty() && *trimmed != part.text)];
        let mut lookups = Vec::new();
        for text in texts.into_iter().flatten() {
            let tokens = self.split(FOLDED, text)?;
            lookups.extend(tokens.into_iter().map(|token| Lookup::Word(at, self.word(token, part))));
        }
        Ok(lookups)
    }

    fn in_text(&mut self, at: Place, weight: u8, mut tokens: Vec<Token>, part: &Part<'_>) -> Option<Lookup> {
        for token in &tokens {
            let terms = [Some(&token.term), token.stem.as_ref()].into_iter().flatten();
            let terms =
                terms.map(|term| TermQuery::new(Term::from_field_text(at.field, term), IndexRecordOption::WithFreqs));
            self.relevance.extend(
                terms.map(|query| Box::new(BoostQuery::new(Box::new(query), f32::from(weight))) as Box<dyn Query>),
            );
        }
        if tokens.len() < 2 {
            return tokens.pop().map(|token| Lookup::Word(at, self.word(token, part)));
        }
        let together = phrase(at, &tokens, part.is_beginning);
        let has_digit = tokens.iter().any(|token| token.term.chars().any(char::is_numeric));
        let runs = runs(tokens);
        if has_digit || runs.len() < 2 || runs.len() > APART_MAX {
            return Some(together);
        }
        let last = runs.len() - 1;
        let apart = runs.into_iter().enumerate().map(|(place, mut run)| {
            let part = Part { is_beginning: part.is_beginning && place == last, ..*part };
            match run.len() {
                1 => Lookup::Word(at, self.word(run.remove(0), &part)),
                _ => phrase(at, &run, part.is_beginning),
            }
        });
        let apart = apart.collect();
        Some(Lookup::Any(vec![together, Lookup::Apart(apart)]))
    }

    fn word(&mut self, token: Token, part: &Part<'_>) -> Word {
        let Token { term, stem, .. } = token;
        let is_beginning = part.is_beginning;
        let typos = if part.may_have_typos {
            let known = self.typos.entry((term.clone(), is_beginning));
            known.or_insert_with(|| Typos::new(&term, Typos::allowed(&term), is_beginning).map(Arc::new)).clone()
        } else {
            None
        };
        let word = if is_beginning { Word::beginning(term) } else { Word::exactly(term) };
        word.with_stem(stem).with_typos(typos)
    }

    fn tokens(&self, column: &IndexedColumn, text: &str) -> Result<Vec<Token>, SearchError> {
        column.tokenizer().map_or(Ok(Vec::new()), |tokenizer| self.split(tokenizer, text))
    }

    fn split(&self, tokenizer: &str, text: &str) -> Result<Vec<Token>, SearchError> {
        let mut analyzer = self.tokenizers.get(tokenizer).ok_or_else(|| SearchError::Internal {
            name: self.layout.spec.name.clone(),
            cause: format!("tokenizer `{tokenizer}` is not registered"),
        })?;
        let mut tokens: Vec<Token> = Vec::new();
        analyzer.token_stream(text).process(&mut |token| match tokens.last_mut() {
            Some(last) if token.text.starts_with(STEM) => last.stem = Some(token.text.clone()),
            _ => {
                let (start, end) = (token.offset_from, token.offset_to);
                tokens.push(Token { start, end, term: token.text.clone(), stem: None });
            }
        });
        Ok(tokens)
    }
}

/// Stop words need not be found where there are others. What is still typed may become another word.
fn without_stop_words<'a>(parts: Vec<Part<'a>>, vocabulary: &Vocabulary) -> Vec<Part<'a>> {
    let counts = |part: &Part<'_>| part.is_beginning || !vocabulary.is_stop_word(part.text);
    let has_others = parts.iter().any(|part| counts(part) && part.text.chars().any(char::is_alphanumeric));
    parts.into_iter().filter(|part| !has_others || counts(part)).collect()
}

/// What parts words: white space, and characters that nobody sees.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || letter == '\u{200B}'
}

fn phrase(at: Place, tokens: &[Token], is_beginning: bool) -> Lookup {
    let terms = tokens.iter().map(|token| token.term.clone()).collect();
    Lookup::Phrase(Phrase { at, terms, is_beginning, slop: 0 })
}

/// Tokens with nothing between them, as in scripts without spaces, belong together.
fn runs(tokens: Vec<Token>) -> Vec<Vec<Token>> {
    let mut runs: Vec<Vec<Token>> = Vec::new();
    for token in tokens {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| last.end == token.start) => run.push(token),
            _ => runs.push(vec![token]),
        }
    }
    runs
}
