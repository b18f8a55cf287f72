//! The query language of users, made into Tantivy queries.
//!
//! Tantivy's own grammar reads it: words, phrases, prefixes, ranges, sets, boosts and boolean operators. Regular expressions
//! are refused here, as is everything that would match without a word that is looked for. Words without an operator between
//! them are alternatives.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, Query, TermQuery};
use tantivy::query_grammar::{UserInputAst, UserInputBound, UserInputLeaf, UserInputLiteral, parse_query};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TokenizerManager;

use super::layout::{IndexLayout, IndexedColumn};
use super::needle::{Needle, guard, invalid, unreadable};
use super::order::is_text_type;
use super::request::SearchError;
use super::spec::{FieldKind, Tokenizer};
use super::tokenizers::STEM;
use super::typed::{Lookup, Phrase, Place, Typos, Word};
use super::values::{any_of, exactly, is_ordered, keyword, prefix, range};

/// Words and phrases of one query.
const CLAUSES_MAX: usize = 64;
/// Levels of nesting.
const DEPTH_MAX: usize = 16;
const BOOST_MAX: f64 = 1_000.0;

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
            UserInputAst::Boost(child, boost) => {
                let boost = boost.into_inner();
                if !(boost > 0.0 && boost <= BOOST_MAX) {
                    return Err(invalid(format!(
                        "`^{boost}` is no boost: write a number above 0 and up to {BOOST_MAX}"
                    )));
                }
                let part = self.part(*child, depth)?;
                let boosted = |query| Box::new(BoostQuery::new(query, boost as f32));
                Ok(part.map(|part| Part { query: boosted(part.query), ..part }))
            }
            UserInputAst::Leaf(leaf) => match *leaf {
                UserInputLeaf::Literal(literal) => self.literal(literal),
                UserInputLeaf::All | UserInputLeaf::Exists { .. } => {
                    Err(invalid("a bare `*` matches everything: search for a word, or for a prefix such as `sto*`"))
                }
                UserInputLeaf::Range { field, lower, upper } => self.range(field, &lower, &upper),
                UserInputLeaf::Set { field, elements } => self.set(field, elements),
                UserInputLeaf::Regex { .. } => Err(invalid(
                    "`/../` (a regular expression) cannot be searched for: use a prefix such as `sto*`, or `word~1` for typing errors; \
                     put text with slashes in double quotes",
                )),
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

    fn range(
        &mut self,
        field: Option<String>,
        lower: &UserInputBound,
        upper: &UserInputBound,
    ) -> Result<Option<Part>, SearchError> {
        self.count(1)?;
        let Some(name) = field else {
            return Err(invalid("a range needs a field: write `total:[10 TO 50]` or `total:>=10`"));
        };
        let column = self.layout.find(&name, is_ordered).map_err(|names| {
            let index = &self.layout.spec.name;
            invalid(format!(
                "`{name}` has no range in `{index}`: {names} can be compared; what has `sort: true` or is a keyword of text can"
            ))
        })?;
        let (lower, upper) = (bound(lower), bound(upper));
        if let (Bound::Unbounded, Bound::Unbounded) = (lower, upper) {
            return Err(invalid(format!(
                "the range of `{name}` has no bound: write `{name}:>=10` or `{name}:[10 TO *]`"
            )));
        }
        Ok(Some(Part { query: range(column, lower, upper)?, selects: true }))
    }

    fn set(&mut self, field: Option<String>, elements: Vec<String>) -> Result<Option<Part>, SearchError> {
        self.count(elements.len())?;
        let Some(name) = field else {
            return Err(invalid("`IN [..]` needs a field: write `status: IN [NEW DONE]`"));
        };
        if elements.is_empty() {
            return Err(invalid(format!("`{name}: IN []` names no value: write some between the brackets")));
        }
        let column = self.searched(&name)?;
        if column.kind == FieldKind::Keyword {
            return Ok(Some(Part { query: any_of(column, &elements)?, selects: true }));
        }
        let needle = |text| Needle { text, prefix: false, slop: 0, typos: 0 };
        let found = elements.into_iter().map(|text| self.in_column(column, &needle(text)));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(self.alternatives(found)))
    }

    /// Counts words against their limit.
    fn count(&mut self, clauses: usize) -> Result<(), SearchError> {
        self.clauses += clauses;
        if self.clauses > CLAUSES_MAX {
            return Err(invalid(format!("the query has more than {CLAUSES_MAX} words: leave some out")));
        }
        Ok(())
    }

    fn literal(&mut self, literal: UserInputLiteral) -> Result<Option<Part>, SearchError> {
        self.count(1)?;
        let field = literal.field_name.clone();
        let needle = Needle::new(literal)?;
        let found = match &field {
            Some(name) => vec![self.in_field(name, &needle)?],
            None => {
                let columns = self.layout.searchable();
                let found = columns.map(|column| Ok(weighted(self.in_column(column, &needle)?, column.weight)));
                found.collect::<Result<Vec<_>, _>>()?
            }
        };
        if found.iter().all(|one| matches!(one, Occurrence::NoWord)) {
            return Err(invalid(format!(
                "`{}` has nothing to search for: leave it out, or write a word with letters or digits",
                needle.text
            )));
        }
        Ok(Some(self.alternatives(found)))
    }

    fn alternatives(&mut self, found: Vec<Occurrence>) -> Part {
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
        Part { query, selects: true }
    }

    fn searched(&self, name: &str) -> Result<&'a IndexedColumn, SearchError> {
        self.layout.find(name, |column| column.terms.is_some()).map_err(|names| {
            let index = &self.layout.spec.name;
            invalid(format!(
                "`{name}` is no field that can be searched in `{index}`: it has {names}; put text with a colon in double quotes"
            ))
        })
    }

    fn in_field(&self, name: &str, needle: &Needle) -> Result<Occurrence, SearchError> {
        let column = self.searched(name)?;
        if !needle.prefix && needle.typos == 0 && column.kind == FieldKind::Keyword {
            return keyword(column, &needle.text).map(|query| Occurrence::Of(query, None));
        }
        self.in_column(column, needle)
    }

    fn in_column(&self, column: &IndexedColumn, needle: &Needle) -> Result<Occurrence, SearchError> {
        let Some(field) = column.terms else { return Ok(Occurrence::Never) };
        let FieldKind::Text { tokenizer } = column.kind else {
            if needle.typos > 0 && is_text_type(&column.data_type) {
                return needle.fuzzy(field, needle.text.clone());
            }
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
        let by_stem = matches!(tokenizer, Tokenizer::Stem(_)) && !needle.prefix && needle.typos == 0;
        analyzer.token_stream(&needle.text).process(&mut |token| {
            if token.text.starts_with(STEM) == by_stem {
                tokens.push(token.text.clone());
            }
        });
        let Some(first) = tokens.first().cloned() else { return Ok(Occurrence::NoWord) };
        if needle.typos > 0 {
            return match tokens.len() {
                1 => needle.fuzzy(field, first),
                _ => Err(invalid(format!(
                    "`{}~{}` is several words in field `{}`: only a single word may have typing errors",
                    needle.text, needle.typos, column.name
                ))),
            };
        }
        Ok(match (tokens.len(), needle.prefix) {
            (1, true) => {
                let beginnings = column.beginnings_of_terms().and_then(|beginnings| beginnings.of(&first));
                let found = beginnings.map_or_else(
                    || prefix(field, &first),
                    |field| Box::new(ConstScoreQuery::new(exactly(field, &first), 1.0)),
                );
                Occurrence::Of(found, Some(Lookup::Word(Place::of(field), Word::beginning(first))))
            }
            (1, false) => {
                let term = TermQuery::new(Term::from_field_text(field, &first), IndexRecordOption::WithFreqs);
                Occurrence::Of(Box::new(term), Some(Lookup::Word(Place::of(field), Word::exactly(first))))
            }
            _ => {
                let phrase =
                    Phrase { at: Place::of(field), terms: tokens, is_beginning: needle.prefix, slop: needle.slop };
                Occurrence::Of(phrase.query(), Some(Lookup::Phrase(phrase)))
            }
        })
    }
}

fn weighted(found: Occurrence, weight: u8) -> Occurrence {
    match found {
        Occurrence::Of(query, lookup) if weight > 1 => {
            Occurrence::Of(Box::new(BoostQuery::new(query, f32::from(weight))), lookup)
        }
        other => other,
    }
}

fn bound(bound: &UserInputBound) -> Bound<&str> {
    match bound {
        UserInputBound::Inclusive(value) if value != "*" => Bound::Included(value),
        UserInputBound::Exclusive(value) if value != "*" => Bound::Excluded(value),
        _ => Bound::Unbounded,
    }
}

impl Needle {
    /// The words that are so close.
    fn fuzzy(&self, field: Field, term: String) -> Result<Occurrence, SearchError> {
        let typos = Typos::new(&term, self.typos, self.prefix).map(Arc::new);
        let word = if self.prefix { Word::beginning(term) } else { Word::exactly(term) };
        let lookup = Lookup::Word(Place::of(field), word.with_typos(typos));
        Ok(Occurrence::Of(lookup.query(), Some(lookup)))
    }
}
