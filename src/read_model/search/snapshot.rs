//! A search index as readers see it: the searcher of one commit and the table of the same cut. Immutable.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::ScalarValue;
use tantivy::Searcher;
use tantivy::collector::{Collector, Count, TopDocs};
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, Query};

use super::facets::{FacetCollector, FacetCounts, ranked};
use super::highlight::Highlighter;
use super::layout::{IndexLayout, IndexedColumn};
use super::order::decode_key;
use super::permitted::{NoStatistics, PermittedKeys};
use super::query::QueryReader;
use super::ranges::{RangeCollector, Ranges};
use super::ranking::{Ranked, Ranking};
use super::request::{Condition, Cuts, Hit, Parts, SearchAnswer, SearchError, SearchFilter, SearchRequest, Snippet};
use super::sorting::{ByColumns, Rank};
use super::spec::{FieldKind, SearchSpec};
use super::statistics::{Lengths, Living};
use super::typed::{Lookup, TextReader, TypedQuery};
use super::values::{any_of, is_ordered, keyword, none_of, range};
use crate::progress::Cut;
use crate::read_model::table::TableSnapshot;

#[derive(Clone)]
pub struct SearchSnapshot {
    pub(super) searcher: Searcher,
    cut: Cut,
    pub(super) layout: Arc<IndexLayout>,
    table: TableSnapshot,
    pub(super) lengths: Arc<Lengths>,
}

/// A hit as the index knows it.
pub(super) struct Found {
    pub(super) score: Option<f32>,
    pub(super) parts: Option<Parts>,
    pub(super) key: Option<Vec<u8>>,
}

/// The words that a request looks for.
pub(super) struct Words {
    /// All must hold. Empty where nothing is looked for, and all documents are meant.
    pub(super) clauses: Vec<Box<dyn Query>>,
    /// What is marked where it is found.
    pub(super) lookups: Vec<Lookup>,
    pub(super) text_cut: bool,
}

/// What is counted over all matches.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted<'a> {
    facets: &'a [&'a IndexedColumn],
    ranges: &'a [Ranges],
}

pub(super) struct Matches {
    /// In order.
    pub(super) hits: Vec<Found>,
    pub(super) total: usize,
    pub(super) unfit_vectors: usize,
    pub(super) facets: Vec<FacetCounts>,
    pub(super) ranges: Vec<BTreeMap<i64, u64>>,
}

impl SearchSnapshot {
    pub(super) fn new(searcher: Searcher, cut: Cut, layout: Arc<IndexLayout>, table: TableSnapshot) -> Self {
        Self { searcher, cut, layout, table, lengths: Arc::default() }
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

    /// Parts of the index, each with a dictionary of its own.
    pub fn num_segments(&self) -> usize {
        self.searcher.segment_readers().len()
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

    pub(super) fn with_layout(&self, layout: Arc<IndexLayout>) -> Self {
        Self { layout, ..self.clone() }
    }

    fn answer(&self, request: &SearchRequest, permitted: Option<&PermittedKeys>) -> Result<SearchAnswer, SearchError> {
        request.check_limits()?;
        let words = self.sought(request, permitted)?;
        let facets = request.facets.iter().map(|name| self.facet(name)).collect::<Result<Vec<_>, _>>()?;
        let ranges =
            request.ranges.iter().map(|(name, cuts)| self.ranges(name, cuts)).collect::<Result<Vec<_>, _>>()?;
        let counted = Counted { facets: &facets, ranges: &ranges };
        let Matches { hits: found, total, unfit_vectors, facets: counts, ranges: in_ranges } = match &request.nearest {
            Some(nearest) => self.collect_near(nearest, &words, request, counted, permitted)?,
            None => {
                let query = words.within(self.restrictions(request, permitted)?);
                self.collect(&*query, request, counted, permitted.is_some())?
            }
        };
        let in_ranges = request.ranges.iter().zip(&ranges).zip(in_ranges);
        let in_ranges = in_ranges.map(|(((name, _), ranges), counts)| Ok((name.clone(), ranges.named(name, &counts)?)));
        let types = self.layout.key_types();
        let keys = found.iter().map(|hit| decode_key(hit.key.as_deref().unwrap_or_default(), &types));
        let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|error| self.internal(error))?;
        let rows = self.rows(&keys)?;
        let snippets = self.snippets(&words.lookups, request, &rows)?;
        let hits = found.into_iter().zip(keys).zip(snippets);
        Ok(SearchAnswer {
            hits: hits
                .map(|((found, key), snippets)| Hit { key, score: found.score, parts: found.parts, snippets })
                .collect(),
            rows,
            vector_columns: self.layout.spec.vector_columns().collect(),
            total,
            unfit_vectors,
            text_cut: words.text_cut,
            facets: named(&facets, counts)?,
            ranges: in_ranges.collect::<Result<_, SearchError>>()?,
        })
    }

    fn sought(&self, request: &SearchRequest, permitted: Option<&PermittedKeys>) -> Result<Words, SearchError> {
        let tokenizers = self.searcher.index().tokenizers();
        let mut clauses: Vec<Box<dyn Query>> = Vec::new();
        let (mut lookups, mut text_cut) = (Vec::new(), false);
        if let Some(asked) = QueryReader::new(&self.layout, tokenizers).read(&request.query)? {
            clauses.push(asked.query);
            lookups = asked.lookups;
        }
        if let Some(text) = &request.text {
            let typed = TextReader::new(&self.layout, tokenizers).read(text)?;
            if !typed.lookups.is_empty() {
                clauses.push(typed.query);
            }
            lookups.extend(typed.lookups.iter().cloned());
            text_cut = typed.is_cut;
        }
        if let Some(key) = &request.like {
            clauses.push(self.like(key, permitted)?);
        }
        Ok(Words { clauses, lookups, text_cut })
    }

    /// What must hold of each document, and changes no score.
    pub(super) fn restrictions(
        &self,
        request: &SearchRequest,
        permitted: Option<&PermittedKeys>,
    ) -> Result<Vec<Box<dyn Query>>, SearchError> {
        let tokenizers = self.searcher.index().tokenizers();
        let asked = QueryReader::new(&self.layout, tokenizers).read(&request.restriction)?.map(|asked| asked.query);
        let filters = request.filters.iter().map(|filter| self.filter(filter)).collect::<Result<Vec<_>, _>>()?;
        let unscored = |query| Box::new(ConstScoreQuery::new(query, 0.0)) as Box<dyn Query>;
        let restrictions = asked.into_iter().chain(filters).map(unscored);
        Ok(restrictions.chain(permitted.map(|permitted| permitted.query(self.layout.key))).collect())
    }

    fn filter(&self, filter: &SearchFilter) -> Result<Box<dyn Query>, SearchError> {
        let keywords = || self.find(&filter.field, "filtered by", |column| column.kind == FieldKind::Keyword);
        match &filter.condition {
            Condition::Is(value) => keyword(keywords()?, value),
            Condition::IsNot(value) => none_of(keywords()?, value),
            Condition::AnyOf(values) => any_of(keywords()?, values),
            Condition::Between(lower, upper) => {
                let column = self.find(&filter.field, "compared", is_ordered)?;
                range(column, lower.as_ref().map(String::as_str), upper.as_ref().map(String::as_str))
            }
        }
    }

    fn facet(&self, name: &str) -> Result<&IndexedColumn, SearchError> {
        self.find(name, "counted as a facet", |column| column.facet)
    }

    fn ranges(&self, name: &str, cuts: &Cuts) -> Result<Ranges, SearchError> {
        let column = self.find(name, "counted by ranges", |column| column.sort.is_some())?;
        Ranges::new(column, cuts)
    }

    pub(super) fn find(
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

    pub(super) fn collect(
        &self,
        query: &dyn Query,
        request: &SearchRequest,
        counted: Counted<'_>,
        permitted: bool,
    ) -> Result<Matches, SearchError> {
        let facets = FacetCollector { fields: counted.facets.iter().map(|column| column.terms_name()).collect() };
        let counters = (facets, RangeCollector(counted.ranges.to_vec()));
        if request.sort.is_empty() {
            let counters = (!counted.facets.is_empty() || !counted.ranges.is_empty()).then_some(counters);
            let limit = request.limit.saturating_add(request.offset);
            let ranking = Ranking { limit, counters, is_typed: query.is::<TypedQuery>() };
            let Ranked { first, total, counted } = self.run(query, ranking, permitted)?;
            let (facets, ranges) = counted.unwrap_or_default();
            let found = |(score, key)| Found { score: Some(score), parts: None, key: Some(key) };
            let hits = first.into_iter().skip(request.offset).map(found).collect();
            return Ok(Matches { hits, total, unfit_vectors: 0, facets, ranges });
        }
        let columns = request.sort.iter().map(|(name, descends)| {
            let column = self.find(name, "sorted by", |column| column.sort.is_some())?;
            Ok(column.sort.map(|(_, form)| (column.sort_name(), form, *descends)))
        });
        let columns: Vec<_> = columns.collect::<Result<Vec<_>, SearchError>>()?.into_iter().flatten().collect();
        // Tantivy has no empty list of first documents: a request for none ranks one and leaves it out.
        let first = TopDocs::with_limit(request.limit.max(1)).and_offset(request.offset);
        let (first, total, (facets, ranges)) =
            self.run(query, (first.order_by(ByColumns(columns)), Count, counters), permitted)?;
        let found =
            |(mut ranks, _): (Vec<Rank>, _)| Found { score: None, parts: None, key: ranks.pop().and_then(Rank::key) };
        let hits = first.into_iter().take(request.limit).map(found).collect();
        Ok(Matches { hits, total, unfit_vectors: 0, facets, ranges })
    }

    fn run<C: Collector>(&self, query: &dyn Query, collector: C, permitted: bool) -> Result<C::Fruit, SearchError> {
        let result = if permitted {
            self.searcher.search_with_statistics_provider(query, &collector, &NoStatistics)
        } else {
            let living = Living { searcher: &self.searcher, lengths: &self.lengths };
            self.searcher.search_with_statistics_provider(query, &collector, &living)
        };
        result.map_err(|error| self.internal(error))
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

impl Words {
    /// What they find of the documents that others hold of too.
    pub(super) fn within(&self, restrictions: Vec<Box<dyn Query>>) -> Box<dyn Query> {
        match self.clauses.as_slice() {
            [one] if let Some(typed) = one.downcast_ref::<TypedQuery>() => Box::new(typed.within(restrictions)),
            clauses => all_of(clauses.iter().map(|clause| clause.box_clone()).chain(restrictions).collect()),
        }
    }
}

/// What all of these hold of; without any, all documents, as to count them.
pub(super) fn all_of(mut clauses: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match clauses.len() {
        0 => Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0)),
        1 => clauses.swap_remove(0),
        _ => Box::new(BooleanQuery::new(clauses.into_iter().map(|clause| (Occur::Must, clause)).collect())),
    }
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
