//! The specification of a search index: which columns are indexed, and how. Plain data; `layout` checks it.

use arrow::datatypes::SchemaRef;
pub(crate) use tantivy::tokenizer::Language;

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
    /// Words and phrases that mean the same in free text.
    pub synonyms: Vec<Vec<String>>,
    pub stop_words: StopWords,
}

impl SearchSpec {
    /// Indices of the columns that are vectors.
    pub(super) fn vector_columns(&self) -> impl Iterator<Item = usize> {
        let vectors = self.fields.iter().filter(|field| matches!(field.kind, FieldKind::Vector(_)));
        vectors.map(|field| field.column)
    }
}

/// Words of free text that need not be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopWords {
    None,
    /// A language's list.
    Of(Language),
    Words(Vec<String>),
}

/// How one column is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// Index of the column.
    pub column: usize,
    pub kind: FieldKind,
    /// How much a match counts where no column is named; at least 1.
    pub weight: u8,
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
    /// Found by how near it is to a vector: lists of floats.
    Vector(VectorSpec),
}

/// What the vectors of a column are, and how they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorSpec {
    /// Numbers of each vector; at least 1.
    pub dimensions: usize,
    pub distance: Distance,
}

/// How far apart two vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// One less the cosine of the angle between them.
    Cosine,
    /// The length of the straight line between them.
    L2,
    /// Their dot product, negated.
    Dot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// Words in lower case, Latin letters without accents; each character of what is written without spaces.
    Default,
    /// The whole text as one term.
    Raw,
    /// Like `Default`, but each syllable of Korean is a term too.
    Cjk,
    /// Like `Default`, with the stem of each word in this language beside it.
    Stem(Language),
    /// Split at white space only.
    Whitespace,
    /// Words as they are written.
    Simple,
}

/// Each language that words are stemmed in, with the tokenizer that does so.
const LANGUAGES: [(&str, &str, Language); 18] = [
    ("arabic", "ar_stem", Language::Arabic),
    ("danish", "da_stem", Language::Danish),
    ("dutch", "nl_stem", Language::Dutch),
    ("english", "en_stem", Language::English),
    ("finnish", "fi_stem", Language::Finnish),
    ("french", "fr_stem", Language::French),
    ("german", "de_stem", Language::German),
    ("greek", "el_stem", Language::Greek),
    ("hungarian", "hu_stem", Language::Hungarian),
    ("italian", "it_stem", Language::Italian),
    ("norwegian", "no_stem", Language::Norwegian),
    ("portuguese", "pt_stem", Language::Portuguese),
    ("romanian", "ro_stem", Language::Romanian),
    ("russian", "ru_stem", Language::Russian),
    ("spanish", "es_stem", Language::Spanish),
    ("swedish", "sv_stem", Language::Swedish),
    ("tamil", "ta_stem", Language::Tamil),
    ("turkish", "tr_stem", Language::Turkish),
];

/// The language that the configuration calls so.
pub fn language_named(name: &str) -> Option<Language> {
    LANGUAGES.into_iter().find(|(known, ..)| *known == name).map(|(.., language)| language)
}

impl Tokenizer {
    pub fn all() -> impl Iterator<Item = Tokenizer> {
        let plain = [Self::Default, Self::Cjk, Self::Raw, Self::Whitespace, Self::Simple];
        plain.into_iter().chain(LANGUAGES.map(|(.., language)| Self::Stem(language)))
    }

    /// The tokenizer that the configuration calls so.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|tokenizer| tokenizer.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Cjk => "cjk",
            Self::Raw => "raw",
            Self::Whitespace => "whitespace",
            Self::Simple => "simple",
            Self::Stem(language) => {
                LANGUAGES.iter().find(|(.., known)| *known == language).map_or("default", |(_, name, _)| name)
            }
        }
    }
}
