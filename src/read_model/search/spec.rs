//! The specification of a search index: which columns are indexed, and how. Plain data; `layout` checks it.

use arrow::datatypes::SchemaRef;

/// A search projection as its index sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchSpec {
    pub name: String,
    /// Of the projection's rows.
    pub schema: SchemaRef,
    /// Indices of the key columns; at least one.
    pub key: Vec<usize>,
    /// One for each column that is indexed; columns not named are only in the table.
    pub fields: Vec<FieldSpec>,
}

/// How one column is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// Index of the column.
    pub column: usize,
    pub kind: FieldKind,
    /// Can be sorted by.
    pub sort: bool,
    /// Counted per value in answers; keywords only.
    pub facet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Tokenised full text, of strings and lists of strings.
    Text { tokenizer: Tokenizer },
    /// One exact term a value: the value's text form, of any scalar or a list of them.
    Keyword,
    /// Not searched.
    Stored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// Words in lower case, Latin letters without accents; each character of what is written without spaces.
    Default,
    /// The whole text as one term.
    Raw,
    /// Like `Default`, then stemmed as English.
    EnStem,
    /// Split at white space only.
    Whitespace,
    /// Words as they are written.
    Simple,
}

impl Tokenizer {
    pub const ALL: [Tokenizer; 5] = [Self::Default, Self::Raw, Self::EnStem, Self::Whitespace, Self::Simple];

    /// The tokenizer that the configuration calls so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Raw => "raw",
            Self::EnStem => "en_stem",
            Self::Whitespace => "whitespace",
            Self::Simple => "simple",
        }
    }
}
