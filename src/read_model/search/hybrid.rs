//! Searches with a vector: what is nearest among the documents that pass the filters, alone or in one order with what words find.

use tantivy::Term;
use tantivy::query::{ConstScoreQuery, Query, TermSetQuery};

use super::layout::IndexedColumn;
use super::matching::KeyHashes;
use super::permitted::PermittedKeys;
use super::request::{Nearest, Parts, SearchError, SearchRequest, VectorPart};
use super::snapshot::{Counted, Found, Matches, SearchSnapshot, Words, all_of};
use super::spec::VectorSpec;
use super::vectors::{Fused, Measure, Near, Neighbours, fuse, nearest};

impl SearchSnapshot {
    /// The page of hits that is asked for, and what is counted over all that the page is of.
    ///
    /// # Errors
    /// `Invalid` if the request does not fit the index.
    pub(super) fn collect_near(
        &self,
        asked: &Nearest,
        words: &Words,
        request: &SearchRequest,
        counted: Counted<'_>,
        permitted: Option<&PermittedKeys>,
    ) -> Result<Matches, SearchError> {
        if !request.sort.is_empty() {
            return Err(SearchError::Invalid(
                "a search with `vector` has the nearest first: leave `sort` out, or leave `vector` out".to_owned(),
            ));
        }
        let (column, spec) = self.vector_column(asked)?;
        let measure = measure(asked, column, spec)?;
        let restrictions = self.restrictions(request, permitted)?;
        let passing = match restrictions.is_empty() {
            true => None,
            false => {
                let query = all_of(restrictions.iter().map(|one| one.box_clone()).collect());
                Some(self.searcher.search(&query, &KeyHashes).map_err(|error| self.internal(error))?)
            }
        };
        let found = nearest(self.table(), column.index, spec.dimensions, &measure, asked.k, passing.as_ref());
        let Neighbours { near, unfit } = found.map_err(|error| self.internal(error))?;
        let in_order = if words.clauses.is_empty() {
            alone(near, &measure)
        } else {
            fuse(self.best(&*words.within(restrictions), asked.k, permitted.is_some())?, near, &asked.fusion)
        };
        let mut matches = self.counted(&in_order, counted)?;
        matches.unfit_vectors = unfit;
        let found =
            |Fused { key, score, parts }| Found { score: Some(score as f32), parts: Some(parts), key: Some(key) };
        matches.hits = in_order.into_iter().skip(request.offset).take(request.limit).map(found).collect();
        Ok(matches)
    }

    /// The column of vectors that is asked for.
    fn vector_column(&self, asked: &Nearest) -> Result<(&IndexedColumn, VectorSpec), SearchError> {
        let vectors: Vec<(&IndexedColumn, VectorSpec)> = self.layout.vector_columns().collect();
        let index = &self.layout.spec.name;
        let names = || vectors.iter().map(|(column, _)| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ");
        let found = match (&asked.field, vectors.as_slice()) {
            (_, []) => {
                let message =
                    "has no field of vectors: declare one, as in `embedding: {type: vector, dimensions: 384}`";
                return Err(SearchError::Invalid(format!("`{index}` {message}")));
            }
            (None, [one]) => Some(*one),
            (None, _) => None,
            (Some(name), _) => vectors.iter().copied().find(|(column, _)| column.name == *name),
        };
        found.ok_or_else(|| {
            SearchError::Invalid(match &asked.field {
                Some(name) => format!("`{name}` is no field of vectors in `{index}`: it has {}", names()),
                None => format!("`{index}` has several fields of vectors: say which with `vectorField`: {}", names()),
            })
        })
    }

    /// The `k` documents that fit words best, with their scores.
    fn best(&self, query: &dyn Query, k: usize, is_permitted: bool) -> Result<Vec<(f32, Vec<u8>)>, SearchError> {
        let request = SearchRequest { limit: k, ..SearchRequest::default() };
        let hits = self.collect(query, &request, Counted::default(), is_permitted)?.hits;
        Ok(hits.into_iter().filter_map(|hit| Some((hit.score?, hit.key?))).collect())
    }

    /// Counts over these documents.
    fn counted(&self, documents: &[Fused], counted: Counted<'_>) -> Result<Matches, SearchError> {
        let terms = documents.iter().map(|document| Term::from_field_bytes(self.layout.key, &document.key));
        let query = ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 0.0);
        let request = SearchRequest { limit: 0, ..SearchRequest::default() };
        self.collect(&query, &request, counted, false)
    }
}

fn measure<'a>(asked: &'a Nearest, column: &IndexedColumn, spec: VectorSpec) -> Result<Measure<'a>, SearchError> {
    let (name, dimensions, given) = (&column.name, spec.dimensions, asked.vector.len());
    if asked.k == 0 {
        return Err(SearchError::Invalid("k is 0: ask for at least 1".to_owned()));
    }
    if given != dimensions {
        return Err(SearchError::Invalid(format!(
            "the vector has {given} numbers, and those of `{name}` have {dimensions}: ask with one of the same model"
        )));
    }
    if !asked.vector.iter().all(|number| number.is_finite()) {
        return Err(SearchError::Invalid("a number of the vector is not finite".to_owned()));
    }
    Measure::new(spec.distance, &asked.vector).ok_or_else(|| {
        SearchError::Invalid(format!("a vector of zeros has no direction, and `{name}` is compared by the cosine"))
    })
}

/// Neighbours in their own order.
fn alone(near: Vec<Near>, measure: &Measure<'_>) -> Vec<Fused> {
    let neighbours = (1..).zip(near).map(|(rank, Near { distance, key })| Fused {
        key,
        score: measure.similarity(distance),
        parts: Parts { words: None, vector: Some(VectorPart { rank, distance }) },
    });
    neighbours.collect()
}
