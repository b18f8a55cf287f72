//! A search index as readers see it: the searcher of one commit and the table of the same cut. Immutable.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::ScalarValue;
use tantivy::collector::sort_key::{SortByBytes, SortBySimilarityScore, SortByStaticFastValue};
use tantivy::collector::{Collector, Count, TopDocs};
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query};
use tantivy::{DocAddress, Order, Searcher};

use super::facets::{FacetCollector, FacetCounts, ranked};
use super::highlight::Highlighter;
use super::layout::{IndexLayout, IndexedColumn, KEY};
use super::order::{SortForm, decode_key};
use super::permitted::{NoStatistics, PermittedKeys};
use super::query::{QueryReader, keyword};
use super::request::{Hit, SearchAnswer, SearchError, SearchRequest, Snippet};
use super::spec::{FieldKind, SearchSpec};
use super::typed::{Lookup, TextReader};
use crate::progress::Cut;
use crate::read_model::table::TableSnapshot;

#[derive(Clone)]
pub struct SearchSnapshot {
    pub(super) searcher: Searcher,
    cut: Cut,
    pub(super) layout: Arc<IndexLayout>,
    table: TableSnapshot,
}

/// A hit as the index knows it.
struct Found {
    score: Option<f32>,
    key: Option<Vec<u8>>,
}

/// What a request looks for.
struct Wanted {
    query: Box<dyn Query>,
    /// What is marked where it is found.
    lookups: Vec<Lookup>,
    text_cut: bool,
}

/// Hits in order, matches in all, and counts by facet.
type Matches = (Vec<Found>, usize, Vec<FacetCounts>);

impl SearchSnapshot {
    pub(super) fn new(searcher: Searcher, cut: Cut, layout: Arc<IndexLayout>, table: TableSnapshot) -> Self {
        Self { searcher, cut, layout, table }
    }

    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    pub fn spec(&self) -> &SearchSpec {
        &self.layout.spec
    }

    /// The rows at this cut.
    pub fn table(&self) -> &TableSnapshot {
        &self.table
    }

    pub fn num_documents(&self) -> u64 {
        self.searcher.num_docs()
    }

    /// Answers from all documents.
    ///
    /// # Errors
    /// `Invalid` if the request cannot be answered by this index; else what Tantivy failed with.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchAnswer, SearchError> {
        self.answer(request, None)
    }

    /// Answers as if the index held the permitted documents alone. Scores leave out how rare a word is, because that
    /// would tell of the others.
    ///
    /// # Errors
    /// As [`SearchSnapshot::search`].
    pub fn search_permitted(
        &self,
        request: &SearchRequest,
        permitted: &PermittedKeys,
    ) -> Result<SearchAnswer, SearchError> {
        self.answer(request, Some(permitted))
    }

    fn answer(&self, request: &SearchRequest, permitted: Option<&PermittedKeys>) -> Result<SearchAnswer, SearchError> {
        request.check_limits()?;
        let wanted = self.wanted(request, permitted)?;
        let facets = request.facets.iter().map(|name| self.facet(name)).collect::<Result<Vec<_>, _>>()?;
        let (found, total, counts) = self.collect(&wanted.query, request, &facets, permitted.is_some())?;
        let types = self.layout.key_types();
        let keys = found.iter().map(|hit| decode_key(hit.key.as_deref().unwrap_or_default(), &types));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|error| self.internal(error))?;
        let rows = self.rows(&keys)?;
        let snippets = self.snippets(&wanted.lookups, request, &rows)?;
        let hits = found.into_iter().zip(keys).zip(snippets);
        Ok(SearchAnswer {
            hits: hits.map(|((found, key), snippets)| Hit { key, score: found.score, snippets }).collect(),
            rows,
            total,
            text_cut: wanted.text_cut,
            facets: named(&facets, counts)?,
        })
    }

    fn wanted(&self, request: &SearchRequest, permitted: Option<&PermittedKeys>) -> Result<Wanted, SearchError> {
        let tokenizers = self.searcher.index().tokenizers();
        let mut clauses: Vec<Box<dyn Query>> = Vec::new();
        let (mut lookups, mut text_cut) = (Vec::new(), false);
        if let Some(asked) = QueryReader::new(&self.layout, tokenizers).read(&request.query)? {
            clauses.push(asked.query);
            lookups = asked.lookups;
        }
        if let Some(text) = &request.text {
            let typed = TextReader::new(&self.layout, tokenizers).read(text)?;
            clauses.push(typed.query);
            lookups.extend(typed.lookups.iter().cloned());
            text_cut = typed.is_cut;
        }
        for (name, value) in &request.filters {
            let column = self.find(name, "filtered by", |column| column.kind == FieldKind::Keyword)?;
            clauses.push(Box::new(ConstScoreQuery::new(keyword(column, value)?, 0.0)));
        }
        if clauses.is_empty() {
            return Err(SearchError::Invalid("the search is empty: give a query, a text or a filter".to_owned()));
        }
        clauses.extend(permitted.map(|permitted| permitted.query(self.layout.key)));
        let query = match clauses.len() {
            1 => clauses.swap_remove(0),
            _ => Box::new(BooleanQuery::new(clauses.into_iter().map(|clause| (Occur::Must, clause)).collect())),
        };
        Ok(Wanted { query, lookups, text_cut })
    }

    fn facet(&self, name: &str) -> Result<&IndexedColumn, SearchError> {
        self.find(name, "counted as a facet", |column| column.facet)
    }

    fn find(
        &self,
        name: &str,
        purpose: &str,
        fits: impl Fn(&IndexedColumn) -> bool,
    ) -> Result<&IndexedColumn, SearchError> {
        self.layout.find(name, fits).map_err(|names| {
            let index = &self.layout.spec.name;
            SearchError::Invalid(format!("`{name}` cannot be {purpose} in `{index}`: {names} can"))
        })
    }

    fn collect(
        &self,
        query: &dyn Query,
        request: &SearchRequest,
        facets: &[&IndexedColumn],
        permitted: bool,
    ) -> Result<Matches, SearchError> {
        // Tantivy has no empty ranking: a request for none ranks one and leaves it out.
        let top = TopDocs::with_limit(request.limit.max(1)).and_offset(request.offset);
        let by_key = (SortByBytes::for_field(KEY), Order::Asc);
        let sort = match &request.sort {
            None => None,
            Some((name, descending)) => {
                let column = self.find(name, "sorted by", |column| column.sort.is_some())?;
                let order = if *descending { Order::Desc } else { Order::Asc };
                column.sort.map(|(_, form)| (form, column.sort_name(), order))
            }
        };
        let mut outcome = match sort {
            None => {
                let top = top.order_by((SortBySimilarityScore, by_key));
                self.run(query, top, facets, permitted, |((score, key), _)| Found { score: Some(score), key })
            }
            Some((SortForm::Integer, name, order)) => {
                let top = top.order_by(((SortByStaticFastValue::<i64>::for_field(name), order), by_key));
                self.run(query, top, facets, permitted, unscored)
            }
            Some((SortForm::Bytes, name, order)) => {
                let top = top.order_by(((SortByBytes::for_field(name), order), by_key));
                self.run(query, top, facets, permitted, unscored)
            }
        }?;
        outcome.0.truncate(request.limit);
        Ok(outcome)
    }

    fn run<K, C: Collector<Fruit = Vec<(K, DocAddress)>>>(
        &self,
        query: &dyn Query,
        top: C,
        facets: &[&IndexedColumn],
        permitted: bool,
        found: impl Fn((K, DocAddress)) -> Found,
    ) -> Result<Matches, SearchError> {
        let facets = FacetCollector { fields: facets.iter().map(|column| column.terms_name()).collect() };
        let collectors = (top, Count, facets);
        let result = if permitted {
            self.searcher.search_with_statistics_provider(query, &collectors, &NoStatistics)
        } else {
            self.searcher.search(query, &collectors)
        };
        let (top, total, counts) = result.map_err(|error| self.internal(error))?;
        Ok((top.into_iter().map(found).collect(), total, counts))
    }

    fn rows(&self, keys: &[Vec<ScalarValue>]) -> Result<RecordBatch, SearchError> {
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            let row = self.table.get(key).map_err(|error| self.internal(error))?;
            rows.push(row.ok_or_else(|| {
                let cut = &self.cut;
                self.internal(format!(
                    "key {key:?} is not in the table of cut {cut}: rebuild the projection, which makes both anew"
                ))
            })?);
        }
        concat_batches(&self.table.schema(), &rows).map_err(|error| self.internal(error))
    }

    fn snippets(
        &self,
        lookups: &[Lookup],
        request: &SearchRequest,
        rows: &RecordBatch,
    ) -> Result<Vec<BTreeMap<String, Snippet>>, SearchError> {
        let mut snippets = vec![BTreeMap::new(); rows.num_rows()];
        let Some(highlight) = &request.highlight else { return Ok(snippets) };
        for name in &highlight.fields {
            let is_text = |column: &IndexedColumn| matches!(column.kind, FieldKind::Text { .. });
            let column = self.find(name, "highlighted", is_text)?;
            let tokenizers = self.searcher.index().tokenizers();
            if let Some(mut highlighter) = Highlighter::new(tokenizers, lookups, column, highlight.max_chars) {
                highlighter.mark(rows, &mut snippets).map_err(|error| self.internal(error))?;
            }
        }
        Ok(snippets)
    }

    pub(super) fn internal(&self, cause: impl fmt::Display) -> SearchError {
        SearchError::Internal { name: self.layout.spec.name.clone(), cause: cause.to_string() }
    }
}

impl fmt::Debug for SearchSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SearchSnapshot");
        debug.field("name", &self.layout.spec.name).field("cut", &self.cut);
        debug.field("documents", &self.num_documents()).finish_non_exhaustive()
    }
}

fn unscored<K>(((_, key), _): ((K, Option<Vec<u8>>), DocAddress)) -> Found {
    Found { score: None, key }
}

fn named(
    facets: &[&IndexedColumn],
    counts: Vec<FacetCounts>,
) -> Result<BTreeMap<String, Vec<(String, u64)>>, SearchError> {
    let named = facets.iter().zip(counts).map(|(column, counts)| match counts {
        Some(counts) => Ok((column.name.clone(), ranked(counts))),
        None => Err(SearchError::Invalid(format!(
            "facet `{}` has too many values among the matches: narrow the query",
            column.name
        ))),
    });
    named.collect()
}
