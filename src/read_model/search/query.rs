//! The query language of users, made into Tantivy queries.
//!
//! Tantivy's own grammar reads it; what it knows beyond words, phrases, prefixes and boolean operators is refused
//! here, as is everything that would match without a word that is looked for. Words without an operator between them
//! are alternatives.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, InvertedIndexRangeQuery, Occur, Query, TermQuery,
};
use tantivy::query_grammar::{
    Delimiter, UserInputAst, UserInputLeaf, UserInputLiteral, parse_query, parse_query_lenient,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TokenizerManager;

use super::layout::{IndexLayout, IndexedColumn};
use super::request::SearchError;
use super::spec::{FieldKind, Tokenizer};
use super::tokenizers::STEM;
use super::typed::{Lookup, Phrase, Word};

/// Words and phrases of one query.
const CLAUSES_MAX: usize = 64;
/// Levels of nesting.
const DEPTH_MAX: usize = 16;
/// Opening parentheses of one query, wherever they stand: the grammar recurses on them before its result can be
/// looked at.
const PARENTHESES_MAX: usize = 32;
const SLOP_MAX: u32 = 16;

/// Reads queries against the fields of one index.
pub(super) struct QueryReader<'a> {
    layout: &'a IndexLayout,
    tokenizers: &'a TokenizerManager,
    clauses: usize,
    /// What is marked in the documents that are found.
    lookups: Vec<Lookup>,
}

/// What a text in the query language asks for.
pub(super) struct Asked {
    pub(super) query: Box<dyn Query>,
    pub(super) lookups: Vec<Lookup>,
}

/// A part of a query.
struct Part {
    query: Box<dyn Query>,
    /// Whether a match must have something that the query names: not so for `NOT late`.
    selects: bool,
}

/// How a part of a query may occur in one column.
enum Occurrence {
    /// The column's tokenizer finds no word in it.
    NoWord,
    /// No value of the column is like it.
    Never,
    Of(Box<dyn Query>, Option<Lookup>),
}

/// The terms that one part of a query looks for.
struct Needle {
    text: String,
    prefix: bool,
    slop: u32,
}

impl<'a> QueryReader<'a> {
    pub(super) fn new(layout: &'a IndexLayout, tokenizers: &'a TokenizerManager) -> Self {
        Self { layout, tokenizers, clauses: 0, lookups: Vec::new() }
    }

    /// The query that `text` asks for; none if it is blank.
    pub(super) fn read(mut self, text: &str) -> Result<Option<Asked>, SearchError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let guarded = guard(text)?;
        let tree = parse_query(&guarded).map_err(|_| unreadable(&guarded))?;
        match self.part(tree, 0)? {
            None => Err(invalid(format!("the query `{text}` has nothing to search for: add a word"))),
            Some(part) if !part.selects => {
                Err(invalid(format!("the query `{text}` only says what to leave out: add a word to search for")))
            }
            Some(part) => Ok(Some(Asked { query: part.query, lookups: self.lookups })),
        }
    }

    fn part(&mut self, tree: UserInputAst, depth: usize) -> Result<Option<Part>, SearchError> {
        match tree {
            UserInputAst::Clause(_) if depth == DEPTH_MAX => {
                Err(invalid(format!("the query nests more than {DEPTH_MAX} levels deep: simplify it")))
            }
            UserInputAst::Clause(children) => self.clause(children, depth),
            UserInputAst::Boost(..) => Err(unsupported("`^` (a boost)")),
            UserInputAst::Leaf(leaf) => match *leaf {
                UserInputLeaf::Literal(literal) => self.literal(literal),
                UserInputLeaf::All | UserInputLeaf::Exists { .. } => {
                    Err(invalid("a bare `*` matches everything: search for a word, or for a prefix such as `sto*`"))
                }
                UserInputLeaf::Range { .. } => Err(unsupported("a range")),
                UserInputLeaf::Set { .. } => Err(unsupported("`IN [..]` (a set)")),
                UserInputLeaf::Regex { .. } => Err(unsupported("`/../` (a regular expression)")),
            },
        }
    }

    fn clause(
        &mut self,
        children: Vec<(Option<Occur>, UserInputAst)>,
        depth: usize,
    ) -> Result<Option<Part>, SearchError> {
        let mut queries: Vec<(Occur, Box<dyn Query>)> = Vec::with_capacity(children.len());
        let (mut some_must_selects, mut has_must, mut has_should, mut all_should_select) = (false, false, false, true);
        for (occur, child) in children {
            let occur = occur.unwrap_or(Occur::Should);
            let marked = self.lookups.len();
            let Some(part) = self.part(child, depth + 1)? else { continue };
            if occur == Occur::MustNot {
                self.lookups.truncate(marked);
            }
            match occur {
                Occur::Must => {
                    has_must = true;
                    some_must_selects |= part.selects;
                }
                Occur::Should => {
                    has_should = true;
                    all_should_select &= part.selects;
                }
                Occur::MustNot => {}
            }
            queries.push((occur, part.query));
        }
        if queries.is_empty() {
            return Ok(None);
        }
        if !has_must && !has_should {
            // Tantivy matches nothing where a clause only excludes; here it means all the others.
            queries.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))));
        }
        let selects = if has_must { some_must_selects } else { has_should && all_should_select };
        Ok(Some(Part { query: Box::new(BooleanQuery::new(queries)), selects }))
    }

    fn literal(&mut self, literal: UserInputLiteral) -> Result<Option<Part>, SearchError> {
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            return Err(invalid(format!("the query has more than {CLAUSES_MAX} words: leave some out")));
        }
        let field = literal.field_name.clone();
        let needle = Needle::new(literal)?;
        let found = match &field {
            Some(name) => vec![self.in_field(name, &needle)?],
            None => {
                let columns = self.layout.searchable();
                columns.map(|column| self.in_column(column, &needle)).collect::<Result<Vec<_>, _>>()?
            }
        };
        if found.iter().all(|one| matches!(one, Occurrence::NoWord)) {
            return Err(invalid(format!(
                "`{}` has nothing to search for: leave it out, or write a word with letters or digits",
                needle.text
            )));
        }
        let mut queries: Vec<Box<dyn Query>> = Vec::new();
        for occurrence in found {
            let Occurrence::Of(query, lookup) = occurrence else { continue };
            queries.push(query);
            self.lookups.extend(lookup);
        }
        let query = match queries.len() {
            // It is looked for all the same: to leave it out would give a wider answer than was asked for.
            0 => Box::new(EmptyQuery),
            1 => queries.swap_remove(0),
            _ => Box::new(BooleanQuery::union(queries)),
        };
        Ok(Some(Part { query, selects: true }))
    }

    fn in_field(&self, name: &str, needle: &Needle) -> Result<Occurrence, SearchError> {
        let column = self.layout.find(name, |column| column.terms.is_some()).map_err(|names| {
            let index = &self.layout.spec.name;
            invalid(format!(
                "`{name}` is no field that can be searched in `{index}`: it has {names}; put text with a colon in double quotes"
            ))
        })?;
        if !needle.prefix && column.kind == FieldKind::Keyword {
            return keyword(column, &needle.text).map(|query| Occurrence::Of(query, None));
        }
        self.in_column(column, needle)
    }

    fn in_column(&self, column: &IndexedColumn, needle: &Needle) -> Result<Occurrence, SearchError> {
        let Some(field) = column.terms else { return Ok(Occurrence::Never) };
        let FieldKind::Text { tokenizer } = column.kind else {
            let keyword = match needle.prefix {
                true => Some(prefix(field, &needle.text)),
                false => column.canonical_keyword(&needle.text).map(|value| exactly(field, &value)),
            };
            return Ok(keyword.map_or(Occurrence::Never, |query| Occurrence::Of(query, None)));
        };
        let mut analyzer = self.tokenizers.get(tokenizer.name()).ok_or_else(|| SearchError::Internal {
            name: self.layout.spec.name.clone(),
            cause: format!("tokenizer `{}` is not registered", tokenizer.name()),
        })?;
        let mut tokens: Vec<String> = Vec::new();
        // Words are looked for by their stems, where there are any, and prefixes among the words.
        let by_stem = tokenizer == Tokenizer::EnStem && !needle.prefix;
        analyzer.token_stream(&needle.text).process(&mut |token| {
            if token.text.starts_with(STEM) == by_stem {
                tokens.push(token.text.clone());
            }
        });
        let Some(first) = tokens.first().cloned() else { return Ok(Occurrence::NoWord) };
        let is_without_spaces = !needle.text.contains(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
        Ok(match (tokens.len(), needle.prefix) {
            (1, true) => Occurrence::Of(prefix(field, &first), Some(Lookup::Word(field, Word::beginning(first)))),
            (1, false) => {
                let term = TermQuery::new(Term::from_field_text(field, &first), IndexRecordOption::WithFreqs);
                Occurrence::Of(Box::new(term), Some(Lookup::Word(field, Word::exactly(first))))
            }
            (_, true) if !is_without_spaces => {
                return Err(invalid(format!(
                    "`{}*` is several words in field `{}`: only a single word may end with `*`; or name a keyword field",
                    needle.text, column.name
                )));
            }
            _ => {
                let phrase = Phrase { field, terms: tokens, is_beginning: false, slop: needle.slop };
                Occurrence::Of(phrase.query(), Some(Lookup::Phrase(phrase)))
            }
        })
    }
}

impl Needle {
    fn new(literal: UserInputLiteral) -> Result<Self, SearchError> {
        let UserInputLiteral { phrase, delimiter, slop, prefix, .. } = literal;
        if slop > SLOP_MAX {
            return Err(invalid(format!("`~{slop}` is too far apart: at most `~{SLOP_MAX}` is possible")));
        }
        if delimiter != Delimiter::None {
            return Ok(Self { text: phrase, prefix, slop });
        }
        // The grammar leaves the star of an unquoted prefix in the word.
        let (text, starred) = match phrase.strip_suffix('*') {
            Some(text) => (text.to_owned(), true),
            None => (phrase, prefix),
        };
        if text.contains('*') {
            return Err(invalid(format!(
                "`{text}`: `*` may only end a word; put it in double quotes to search for it"
            )));
        }
        Ok(Self { text, prefix: starred, slop })
    }
}

/// The documents whose keyword is exactly `value`.
pub(super) fn keyword(column: &IndexedColumn, value: &str) -> Result<Box<dyn Query>, SearchError> {
    match (column.terms, column.canonical_keyword(value)) {
        (Some(field), Some(value)) => Ok(exactly(field, &value)),
        _ => Err(invalid(format!("`{value}` is no value of `{}`, which is a {}", column.name, column.data_type))),
    }
}

fn exactly(field: Field, value: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

/// The documents with a term that begins so. Every such term counts the same.
fn prefix(field: Field, start: &str) -> Box<dyn Query> {
    let from = Bound::Included(Term::from_field_text(field, start));
    let to = successor(start).map_or(Bound::Unbounded, |end| Bound::Excluded(Term::from_field_text(field, &end)));
    Box::new(InvertedIndexRangeQuery::new(from, to))
}

/// The least text that is greater than every text that begins with `start`.
fn successor(start: &str) -> Option<String> {
    let mut text = start.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// Refuses what would make the grammar recurse deeply, and escapes apostrophes within words, which it would take for
/// quotes.
fn guard(text: &str) -> Result<String, SearchError> {
    if text.matches('(').count() > PARENTHESES_MAX {
        return Err(invalid(format!("the query has more than {PARENTHESES_MAX} parentheses: simplify it")));
    }
    let mut after_not = false;
    for word in text.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty()) {
        let is_not = word.trim_start_matches(['+', '-']) == "NOT";
        if is_not && after_not {
            return Err(invalid("the query says NOT twice in a row: leave both out"));
        }
        after_not = is_not;
    }
    let mut guarded = String::with_capacity(text.len() + 8);
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let within_word = previous.is_alphanumeric() && characters.peek().is_some_and(|next| next.is_alphanumeric());
        if character == '\'' && within_word {
            guarded.push('\\');
        }
        guarded.push(character);
        previous = character;
    }
    Ok(guarded)
}

fn unreadable(text: &str) -> SearchError {
    let why = match parse_query_lenient(text).1.first() {
        Some(error) => {
            let characters = text.bytes().take(error.pos).filter(|byte| byte & 0xC0 != 0x80).count();
            format!("{} after {characters} characters", error.message)
        }
        None => "an operator or a quote is out of place".to_owned(),
    };
    invalid(format!("the query `{text}` cannot be read ({why}): put text with special characters in double quotes"))
}

fn unsupported(what: &str) -> SearchError {
    invalid(format!(
        "{what} cannot be searched for: use words, `\"phrases\"`, `prefix*`, `field:word`, AND, OR and NOT"
    ))
}

fn invalid(message: impl Into<String>) -> SearchError {
    SearchError::Invalid(message.into())
}
