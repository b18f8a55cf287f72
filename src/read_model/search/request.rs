//! What is asked of a search snapshot, within its limits, and what it answers.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;

use super::sorting::COLUMNS_MAX;

/// Characters of a query.
pub(super) const QUERY_CHARS_MAX: usize = 1_000;
const LIMIT_MAX: usize = 1_000;
/// Offset and limit together: hits before the offset have to be ranked too.
const DEPTH_MAX: usize = 10_000;
const FILTERS_MAX: usize = 64;
const FACETS_MAX: usize = 16;
/// Values between which a field is counted.
const CUTS_MAX: usize = 100;
/// Documents of each order that count where a vector is asked for.
const NEAREST_MAX: usize = 1_000;
/// Hits of a request with snippets, each of which reads its text again.
const HIGHLIGHTED_MAX: usize = 100;
const SNIPPET_CHARS_MAX: usize = 2_000;

#[derive(Debug, Clone, PartialEq)]
pub struct SearchRequest {
    /// Words, `"phrases"`, `"near words"~2`, `prefix*`, `"phrase pre"*`, `fuzzy~1`, `field:word`, `field:[a TO b]`, `field:>=a`,
    /// `field: IN [a b]`, `weighty^2`, `AND`, `OR`, `NOT`, `+must`, `-not`, parentheses;
    /// a document that has more of the words comes first. May be empty if there are filters.
    pub query: String,
    /// Free text, as it is typed into a search box. No text is refused: all words must be found, the last one as the beginning of
    /// a word unless white space follows it; an empty one finds all documents. Beside a query, both must hold.
    pub text: Option<String>,
    /// All must hold. They do not change the score.
    pub filters: Vec<SearchFilter>,
    /// What must hold too, in the language of `query`. It does not change the score.
    pub restriction: String,
    /// What is near to a vector, alone or beside words.
    pub nearest: Option<Nearest>,
    /// Keyword fields whose values are counted over all matches.
    pub facets: Vec<String>,
    /// Numbers, dates and times whose values are counted by ranges, over all matches.
    pub ranges: Vec<(String, Cuts)>,
    /// The key of a document that others are to be like, with a text for each of its columns.
    pub like: Option<Vec<String>>,
    /// Fields, and whether each descends; NULLs come last. By score where there is none. Ties are in the order of the key.
    pub sort: Vec<(String, bool)>,
    pub offset: usize,
    pub limit: usize,
    pub highlight: Option<Highlight>,
}

/// What must hold of a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchFilter {
    pub field: String,
    pub condition: Condition,
}

/// A condition on exact values of keyword fields, or on the order of values of fields that have one. No value fulfils none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Is(String),
    IsNot(String),
    AnyOf(Vec<String>),
    /// At least one bound is given.
    Between(Bound<String>, Bound<String>),
}

/// Where ranges of values begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cuts {
    /// At these values, which ascend.
    At(Vec<String>),
    Day,
    Month,
    Year,
}

/// Asks for what is nearest to a vector among the documents that pass all filters. Where words are asked for too (`query`, `text` with a
/// word in it, or `like`), a document need not have both: the two orders become one.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// May be none where the index has one field of vectors.
    pub field: Option<String>,
    pub vector: Vec<f32>,
    /// How many documents of each order count, at least 1.
    pub k: usize,
    pub fusion: Fusion,
}

/// How two orders become one: a document's score is the sum of `weight / (constant + rank)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    pub constant: u32,
    /// Above 0, as is the other.
    pub words_weight: f64,
    pub vector_weight: f64,
}

impl Default for Fusion {
    fn default() -> Self {
        Self { constant: 60, words_weight: 1.0, vector_weight: 1.0 }
    }
}

impl SearchFilter {
    pub fn is(field: impl Into<String>, value: impl Into<String>) -> Self {
        Self { field: field.into(), condition: Condition::Is(value.into()) }
    }
}

/// A request for snippets of text fields with the words that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Highlight {
    pub fields: Vec<String>,
    pub max_chars: usize,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            query: String::new(),
            text: None,
            filters: Vec::new(),
            restriction: String::new(),
            nearest: None,
            facets: Vec::new(),
            ranges: Vec::new(),
            like: None,
            sort: Vec::new(),
            offset: 0,
            limit: 20,
            highlight: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct SearchAnswer {
    /// In order, without those before the offset.
    pub hits: Vec<Hit>,
    /// The row of each hit, from the table of the same cut.
    pub rows: RecordBatch,
    /// Indices of the columns of `rows` that are vectors.
    pub vector_columns: Vec<usize>,
    /// Matches in all. Where a vector is asked for, what counts of both orders.
    pub total: usize,
    /// Where a vector is asked for: documents that pass the filters and have a vector that cannot be compared, because of its length
    /// or its numbers.
    pub unfit_vectors: usize,
    /// Whether the text was longer than what is looked for: its first 500 characters and 32 words.
    pub text_cut: bool,
    /// The most frequent values of each facet (at most 100) with the number of matches that have them; the greatest
    /// number first, then by value.
    pub facets: BTreeMap<String, Vec<(String, u64)>>,
    /// In the order of the values.
    pub ranges: BTreeMap<String, Vec<RangeCount>>,
}

impl SearchAnswer {
    /// The rows without their vectors, which are long and which nobody reads.
    ///
    /// # Errors
    /// Never: the columns are those of the rows.
    pub fn shown_rows(&self) -> Result<RecordBatch, ArrowError> {
        let columns = 0..self.rows.num_columns();
        self.rows.project(&columns.filter(|column| !self.vector_columns.contains(column)).collect::<Vec<_>>())
    }
}

/// How many matches have a value from one on and below the other; none is no bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeCount {
    pub from: Option<String>,
    pub to: Option<String>,
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// One value a key column.
    pub key: Vec<ScalarValue>,
    /// None if a sort was asked for. Depends on how often words occur in the rows at this cut, and on nothing else, so it compares
    /// only within one answer. Where a vector alone is asked for, how alike the vectors are; beside words, the sum of what its ranks
    /// count.
    pub score: Option<f32>,
    /// Only where a vector is asked for.
    pub parts: Option<Parts>,
    /// By field; only fields in which a word of the query was found.
    pub snippets: BTreeMap<String, Snippet>,
}

/// Where a document stands in each order, from 1. At least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Parts {
    pub words: Option<WordsPart>,
    pub vector: Option<VectorPart>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WordsPart {
    pub rank: usize,
    /// As without a vector.
    pub score: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VectorPart {
    pub rank: usize,
    /// The smaller, the nearer.
    pub distance: f64,
}

/// A piece of a field's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    pub text: String,
    /// Byte ranges of the words that matched, ascending and apart.
    pub marks: Vec<Range<usize>>,
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The request is at fault.
    #[error("{0}")]
    Invalid(String),
    /// The index is at fault.
    #[error("search index `{name}`: {cause}")]
    Internal { name: String, cause: String },
}

impl SearchRequest {
    /// Refuses what is beyond the limits.
    pub(super) fn check_limits(&self) -> Result<(), SearchError> {
        let within = |what: &str, value: usize, max: usize| {
            if value <= max {
                return Ok(());
            }
            Err(SearchError::Invalid(format!("{what} is {value}: at most {max} is possible")))
        };
        within("the length of the query", self.query.chars().count(), QUERY_CHARS_MAX)?;
        within("the length of the filter", self.restriction.chars().count(), QUERY_CHARS_MAX)?;
        within("the limit", self.limit, LIMIT_MAX)?;
        within("the offset and the limit together", self.offset.saturating_add(self.limit), DEPTH_MAX)?;
        within("the number of filters", self.filters.len(), FILTERS_MAX)?;
        within("the number of facets", self.facets.len() + self.ranges.len(), FACETS_MAX)?;
        within("the number of columns to sort by", self.sort.len(), COLUMNS_MAX)?;
        for (name, cuts) in &self.ranges {
            if let Cuts::At(values) = cuts {
                within(&format!("the number of values that `{name}` is counted between"), values.len(), CUTS_MAX)?;
            }
        }
        if let Some(nearest) = &self.nearest {
            within("k", nearest.k, NEAREST_MAX)?;
        }
        if let Some(highlight) = &self.highlight {
            within("the limit of a search with snippets", self.limit, HIGHLIGHTED_MAX)?;
            within("the length of a snippet", highlight.max_chars, SNIPPET_CHARS_MAX)?;
        }
        Ok(())
    }
}
