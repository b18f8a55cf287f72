//! Which documents a caller may see. What permits them is decided elsewhere, on the rows.

use datafusion::common::ScalarValue;
use tantivy::Term;
use tantivy::query::{Bm25StatisticsProvider, ConstScoreQuery, Query, TermSetQuery};
use tantivy::schema::Field;

use super::order::{KeyError, encode_key};

/// The keys of the documents that an answer may be computed from: its hits, counts and facets.
#[derive(Debug, Clone, Default)]
pub struct PermittedKeys {
    encoded: Vec<Vec<u8>>,
}

impl PermittedKeys {
    /// Each key with one value a key column, of the columns' types.
    ///
    /// # Errors
    /// If a value is of a type that no key has.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a [ScalarValue]>) -> Result<Self, KeyError> {
        Ok(Self { encoded: keys.into_iter().map(encode_key).collect::<Result<_, _>>()? })
    }

    pub(super) fn of_encoded(encoded: Vec<Vec<u8>>) -> Self {
        Self { encoded }
    }

    pub(super) fn includes(&self, encoded: &[u8]) -> bool {
        self.encoded.iter().any(|permitted| permitted == encoded)
    }

    pub(super) fn query(&self, key: Field) -> Box<dyn Query> {
        let terms = self.encoded.iter().map(|encoded| Term::from_field_bytes(key, encoded));
        Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 0.0))
    }
}

/// The same statistics for every index, so that a score tells nothing of documents that are not permitted: neither how
/// many there are nor how rare a word is among them.
pub(super) struct NoStatistics;

const DOCUMENTS: u64 = 1_000;
const WORDS_A_DOCUMENT: u64 = 100;

impl Bm25StatisticsProvider for NoStatistics {
    fn total_num_tokens(&self, _: Field) -> tantivy::Result<u64> {
        Ok(DOCUMENTS * WORDS_A_DOCUMENT)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(DOCUMENTS)
    }

    fn doc_freq(&self, _: &Term) -> tantivy::Result<u64> {
        Ok(1)
    }
}
