//! The reading side of a daemon: everything that a protocol needs to answer, each request from one snapshot.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use chrono::{DateTime, Utc};
use datafusion::common::{ScalarValue, TableReference};

use super::limits::Admission;
use super::results::{Asked, Found, Keeping, Place, Question, Results};
use super::session::{DescribedQuery, Sessions};
use super::sql_limits::check_text;
use super::wait::{met, wait};
use super::{
    ColumnNames, Demand, ErrorKind, Limits, ListRequest, NamedRequest, Offered, Page, Params, ParsedQuery, Promise,
    QueryError, ReadPoint, RelationShape, ResultCounts, RowBatches, SqlRequest, Streams, SystemTables, did_you_mean,
    list, named, relations, sql,
};
use crate::access::{Caller, Policies};
use crate::config::Query;
use crate::progress::Basis;
use crate::read_model::ReadView;
use crate::read_model::catalog::{Catalog, Snapshot};
use crate::read_model::search::{SearchAnswer, SearchError, SearchRequest};

/// Shared by all protocols, so that they share one admission control.
#[derive(Debug)]
pub struct QueryService {
    catalog: Catalog,
    admission: Arc<Admission>,
    sessions: Arc<Sessions>,
    queries: BTreeMap<String, Arc<Query>>,
    streams: Streams,
    rules: Arc<ArcSwap<Rules>>,
    results: Arc<Results>,
}

/// What is declared of relations for those who read them.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub policies: Policies,
    /// Of the relations that refuse stale answers, by name.
    pub promises: BTreeMap<String, Promise>,
}

impl QueryService {
    /// Starts the query threads.
    ///
    /// # Errors
    /// Where the threads cannot be started or DataFusion refuses the configuration of its sessions.
    pub fn new(catalog: Catalog, limits: Limits, queries: Vec<Query>, streams: Streams) -> io::Result<Self> {
        let results = Arc::new(Results::new(limits.result_cache_bytes));
        Self::with(catalog, Arc::new(Admission::new(limits)?), results, queries, streams, None)
    }

    /// A service for which it is always the same time, whose streams nobody names.
    ///
    /// # Errors
    /// As [`QueryService::new`].
    pub fn on_a_clock(catalog: Catalog, limits: Limits, queries: Vec<Query>, clock: DateTime<Utc>) -> io::Result<Self> {
        let results = Arc::new(Results::new(limits.result_cache_bytes));
        Self::with(catalog, Arc::new(Admission::new(limits)?), results, queries, Streams::default(), Some(clock))
    }

    /// The service of another configuration over the same catalog. What runs goes on under the limits that it began with; only
    /// where they change, new queries get threads of their own, and answers are kept from then on.
    ///
    /// # Errors
    /// As [`QueryService::new`].
    pub fn changed(&self, limits: Limits, queries: Vec<Query>, streams: Streams) -> io::Result<Self> {
        let (admission, results) = if limits == *self.limits() {
            (self.admission.clone(), self.results.clone())
        } else {
            let results = self.results.anew(limits.result_cache_bytes);
            (Arc::new(Admission::new(limits)?), Arc::new(results))
        };
        let changed = Self::with(self.catalog.clone(), admission, results, queries, streams, None)?;
        Ok(Self { rules: self.rules.clone(), ..changed })
    }

    fn with(
        catalog: Catalog,
        admission: Arc<Admission>,
        results: Arc<Results>,
        queries: Vec<Query>,
        streams: Streams,
        clock: Option<DateTime<Utc>>,
    ) -> io::Result<Self> {
        let Limits { memory_bytes, timeout, .. } = admission.limits().clone();
        let sessions = Sessions::new(memory_bytes, timeout, clock).map_err(io::Error::other)?;
        let queries = queries.into_iter().map(|query| (query.name.clone(), Arc::new(query))).collect();
        let (sessions, rules) = (Arc::new(sessions), Arc::default());
        Ok(QueryService { catalog, admission, sessions, queries, streams, rules, results })
    }

    /// Answers by other rules from now on, also those who wait already.
    pub fn rule(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// What holds for readers.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// The declared queries, by name.
    pub fn queries(&self) -> &BTreeMap<String, Arc<Query>> {
        &self.queries
    }

    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// How often answers were found that had been kept.
    pub fn result_counts(&self) -> ResultCounts {
        self.results.counts()
    }

    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    pub fn limits(&self) -> &Limits {
        self.admission.limits()
    }

    /// The current snapshot as the caller reads it.
    pub fn view(&self, caller: Caller) -> ReadView {
        self.see(&caller, self.catalog.snapshot())
    }

    fn see(&self, caller: &Caller, snapshot: Arc<Snapshot>) -> ReadView {
        ReadView::new(snapshot, caller.clone(), self.rules.load().policies.clone())
    }

    /// The whole current snapshot, with everything that it reads.
    pub fn now(&self, caller: Caller) -> ReadPoint {
        ReadPoint::whole(self.view(caller))
    }

    /// The snapshot to read one relation from, as fresh as demanded.
    ///
    /// # Errors
    /// Where the relation is unknown or unavailable, the position is not reached in time, or too many requests wait.
    pub async fn at_relation(&self, caller: Caller, name: &str, demand: &Demand) -> Result<ReadPoint, QueryError> {
        let view = self.view(caller.clone());
        if !self.sessions.knows(&view, [name]) {
            let (sessions, name) = (self.sessions.clone(), name.to_owned());
            self.admission.run(async move { sessions.basis_of_relation(&view, &name).map(drop) }).await?;
        }
        self.at(caller, demand, &[name], |view| self.sessions.basis_of_relation(view, name)).await
    }

    /// Parses one query, on the query threads: they have the stack for it, and nothing else waits for them.
    ///
    /// # Errors
    /// Where the text is no SQL, has too much of something, or asks for something else than reading; where too many queries
    /// run.
    pub async fn parse(&self, sql: String) -> Result<ParsedQuery, QueryError> {
        if let Some(known) = self.results.parsed(&sql) {
            return Ok(known);
        }
        let sessions = self.sessions.clone();
        let parsed = self.admission.run(async move { sessions.parse(&sql) }).await?;
        self.results.keep_parsed(&parsed);
        Ok(parsed)
    }

    /// The same with its columns called apart, and what PostgreSQL calls them.
    ///
    /// # Errors
    /// As [`QueryService::parse`].
    pub async fn parse_named(&self, sql: String) -> Result<(ParsedQuery, ColumnNames), QueryError> {
        let sessions = self.sessions.clone();
        self.admission.run(async move { Ok(sessions.parse(&sql)?.named_as_in_postgres()) }).await
    }

    /// Parses a query of the configuration, once.
    ///
    /// # Errors
    /// As [`QueryService::parse`].
    pub async fn parse_declared(&self, query: &Arc<Query>) -> Result<Arc<ParsedQuery>, QueryError> {
        if let Some(known) = self.sessions.parsed(&query.sql) {
            return Ok(known);
        }
        let (sessions, query) = (self.sessions.clone(), query.clone());
        self.admission.run(async move { sessions.parse_declared(&query.sql) }).await
    }

    /// The snapshot to run SQL on.
    ///
    /// # Errors
    /// As [`QueryService::at_relation`] for each relation in it, and where they stand at different cuts and `allow_mixed`
    /// is not said.
    pub async fn at_sql(
        &self,
        caller: Caller,
        parsed: &ParsedQuery,
        allow_mixed: bool,
        demand: &Demand,
    ) -> Result<ReadPoint, QueryError> {
        let view = self.view(caller.clone());
        if !self.sessions.knows(&view, parsed.references.iter().map(TableReference::table)) {
            let (sessions, parsed) = (self.sessions.clone(), parsed.clone());
            self.admission.run(async move { sessions.basis_of(&view, &parsed, true).map(drop) }).await?;
        }
        let names: Vec<&str> = parsed.references.iter().map(TableReference::table).collect();
        self.at(caller, demand, &names, |view| self.sessions.basis_of(view, parsed, allow_mixed)).await
    }

    /// As [`QueryService::at_sql`], but on the snapshot of an earlier answer, which is as fresh as it is: what the caller may see of it
    /// is decided anew.
    ///
    /// # Errors
    /// As [`QueryService::at_sql`].
    pub async fn at_sql_again(
        &self,
        earlier: &ReadPoint,
        caller: Caller,
        parsed: &ParsedQuery,
        allow_mixed: bool,
        demand: &Demand,
    ) -> Result<ReadPoint, QueryError> {
        let view = earlier.view().seen_again(caller, self.rules.load().policies.clone());
        let names: Vec<&str> = parsed.references.iter().map(TableReference::table).collect();
        let demand = demand.and(&self.promised(&view, &names));
        let (sessions, parsed) = (self.sessions.clone(), parsed.clone());
        let work = async move { Ok((sessions.basis_of(&view, &parsed, allow_mixed)?, view)) };
        let (basis, view) = self.admission.run(work).await?;
        met(&demand, &view, &basis)?;
        Ok(ReadPoint::new(view, basis, demand.positions))
    }

    /// What a query needs and gives, as the caller sees its relations now.
    ///
    /// # Errors
    /// Where a relation is unknown or unavailable, or the SQL cannot be planned.
    pub async fn describe(&self, caller: Caller, parsed: &ParsedQuery) -> Result<DescribedQuery, QueryError> {
        let (sessions, view, parsed) = (self.sessions.clone(), self.view(caller), parsed.clone());
        self.admission.run(async move { sessions.open(view).describe(&sessions, &parsed).await }).await
    }

    /// What is made of a text and of what the relations that a caller sees are like; `make` runs on the query threads, which have the
    /// stack to parse the text.
    ///
    /// # Errors
    /// What `make` refuses; where the text has too much of something, or too many queries run.
    pub async fn of_shapes<T: Send + 'static>(
        &self,
        caller: Caller,
        sql: String,
        make: impl FnOnce(Vec<RelationShape>, &str) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let (sessions, view) = (self.sessions.clone(), self.view(caller));
        let work = async move {
            check_text(&sql)?;
            make(sessions.shapes(view).await, &sql)
        };
        self.admission.run(work).await
    }

    /// What there is to ask for, with its columns.
    ///
    /// # Errors
    /// Where too many queries run.
    pub async fn offered(&self, caller: Caller) -> Result<Offered, QueryError> {
        let (sessions, seen) = (self.sessions.clone(), self.view(caller));
        let whole = seen.seen_again(Caller::Daemon, self.rules.load().policies.clone());
        let queries = self.queries.values().cloned().collect();
        self.admission.run(async move { Ok(sessions.offered(seen, whole, queries).await) }).await
    }

    /// What a question to a system's tables needs and gives.
    ///
    /// # Errors
    /// Where it is no SQL, or cannot be planned.
    pub async fn describe_system(
        &self,
        caller: Caller,
        system: &Arc<SystemTables>,
        sql: String,
    ) -> Result<DescribedQuery, QueryError> {
        let (sessions, view, system) = (self.sessions.clone(), self.view(caller), system.clone());
        self.admission.run(async move { sessions.describe_system(view, &system, &sql).await }).await
    }

    /// All rows that answer a question to a system's tables; `render` runs on the query threads too.
    ///
    /// # Errors
    /// What `render` refuses; where the SQL cannot be planned, or fails or exceeds its limits.
    pub async fn system<T, W>(
        &self,
        caller: Caller,
        system: &Arc<SystemTables>,
        sql: String,
        params: Params,
        render: impl FnOnce(RowBatches) -> W + Send + 'static,
    ) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let (sessions, view, rows_max) = (self.sessions.clone(), self.view(caller), self.limits().max_rows);
        let system = system.clone();
        let work = async move { render(sessions.run_system(view, &system, &sql, params, rows_max).await?).await };
        self.admission.run(work).await
    }

    /// Does what is left to do of an answer, and takes long, on the query threads.
    ///
    /// # Errors
    /// What `work` refuses.
    pub async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        self.admission.run_beside(async move { work() }).await
    }

    async fn at(
        &self,
        caller: Caller,
        demand: &Demand,
        names: &[&str],
        basis: impl Fn(&ReadView) -> Result<Basis, QueryError>,
    ) -> Result<ReadPoint, QueryError> {
        let see = |snapshot| self.see(&caller, snapshot);
        let demand = &demand.and(&self.promised(&see(self.catalog.snapshot()), names));
        let (view, basis) = wait(&self.catalog, &see, &self.admission, demand, basis).await?;
        Ok(ReadPoint::new(view, basis, demand.positions.clone()))
    }

    /// What these relations and those below them promise.
    fn promised(&self, view: &ReadView, names: &[&str]) -> Vec<Promise> {
        let rules = self.rules.load();
        if rules.promises.is_empty() {
            return Vec::new();
        }
        let read = self.sessions.at_and_below(view, names.iter().copied()).unwrap_or_default();
        read.iter().filter_map(|name| rules.promises.get(name).copied()).collect()
    }

    /// The key of a relation, column by column.
    ///
    /// # Errors
    /// Where the relation is unknown, unavailable, or a view, which has no key.
    pub fn key_columns(&self, at: &ReadPoint, name: &str) -> Result<Vec<FieldRef>, QueryError> {
        let spec = relations::table(at.view(), name)?.spec();
        Ok(spec.key.iter().map(|column| spec.schema.fields()[*column].clone()).collect())
    }

    /// One row by its key; none if there is no such row. It costs a look into an index, so it takes no turn among the
    /// queries.
    ///
    /// # Errors
    /// As [`QueryService::key_columns`], and where the key is not of their number and types.
    pub fn row(&self, at: &ReadPoint, name: &str, key: &[ScalarValue]) -> Result<Option<RecordBatch>, QueryError> {
        relations::table(at.view(), name)?.get(key).map_err(QueryError::running)
    }

    /// A page of a relation. `request` reads what is asked for once the columns are known; it and `render` run on the
    /// query threads too. `parameters` are those of the request as a text: with equal ones, `request` gives the same.
    ///
    /// # Errors
    /// What `request` and `render` refuse; where the relation is unknown or unavailable, no index serves the filters, the
    /// page token is not this request's, or the query fails or exceeds its limits.
    pub async fn list<T: Send + 'static>(
        &self,
        at: &ReadPoint,
        name: &str,
        parameters: String,
        request: impl FnOnce(&Schema) -> Result<ListRequest, QueryError> + Send + 'static,
        render: impl FnOnce(Page) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let started = Instant::now();
        let (sessions, at, limits) = (self.sessions.clone(), at.clone(), self.limits().clone());
        let name = name.to_owned();
        let asked = || Asked::List { relation: name.clone(), parameters };
        let place = match self.look(&at, &[TableReference::bare(name.as_str())], asked).await? {
            Found::Rows(rows) => {
                let again = async move { render(list::kept(&at, &name, request, &limits, &rows.one())?) };
                return self.admission.run_beside(again).await;
            }
            found => found.place(),
        };
        let work = async move |keeping: Option<Keeping>| {
            let session = sessions.open(at.view().clone());
            render(list::list(&sessions, &session, &at, &name, request, &limits, keeping).await?)
        };
        self.compute(started, place, work).await
    }

    /// All rows of a query; `render` runs on the query threads too.
    ///
    /// # Errors
    /// What `render` refuses; where the SQL cannot be planned, or the query fails or exceeds its limits.
    pub async fn sql<T, W>(
        &self,
        at: &ReadPoint,
        request: SqlRequest,
        render: impl FnOnce(RowBatches) -> W + Send + 'static,
    ) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let started = Instant::now();
        let (sessions, view, rows_max) = (self.sessions.clone(), at.view().clone(), self.limits().max_rows);
        let parsed = &request.parsed;
        let asked = || request.asked();
        let place = match parsed.is_steady.then_some(&*parsed.references) {
            Some(references) => match self.look(at, references, asked).await? {
                Found::Rows(rows) => {
                    let again = async move { render(RowBatches::kept(rows, rows_max)).await };
                    return self.admission.run_beside(again).await;
                }
                found => found.place(),
            },
            None => None,
        };
        let work = async move |keeping: Option<Keeping>| {
            render(sql::run(&sessions, &sessions.open(view), request, rows_max, keeping).await?).await
        };
        self.compute(started, place, work).await
    }

    /// What was kept of an answer from these relations, or the place for it.
    async fn look(
        &self,
        at: &ReadPoint,
        references: &[TableReference],
        asked: impl FnOnce() -> Asked,
    ) -> Result<Found<'_>, QueryError> {
        if !self.results.is_on() {
            return Ok(Found::Nothing);
        }
        let question: Option<Question> = self.sessions.question(at.view(), references, asked());
        self.admission.wait_for_answer(self.results.look(question)).await
    }

    /// Runs a query, and keeps its answer if there is a place for it. Those who wait for the place get the rows before this one has rendered
    /// them; where there are none to be had, they go on by themselves. Dropping the returned future leaves the place to the next of them.
    async fn compute<T, W>(
        &self,
        started: Instant,
        place: Option<Place<'_>>,
        work: impl FnOnce(Option<Keeping>) -> W,
    ) -> Result<T, QueryError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let Some(place) = place else { return self.admission.run_since(started, work(None)).await };
        let (keeping, mut outcome) = place.keeping();
        let mut running = pin!(self.admission.run_since(started, work(Some(keeping))));
        tokio::select! {
            biased;
            outcome = &mut outcome => {
                place.fill(outcome.ok());
                running.await
            }
            result = &mut running => {
                // A short one may have come to both since the outcome was looked at.
                place.fill(outcome.try_recv().ok());
                result
            }
        }
    }

    /// The text fields of a search index, which can be highlighted; empty for a table or a view.
    ///
    /// # Errors
    /// Where the relation is unknown or unavailable.
    pub fn text_fields(&self, at: &ReadPoint, name: &str) -> Result<Vec<String>, QueryError> {
        Ok(relations::open(at.view(), name)?.index().map(|index| index.text_fields()).unwrap_or_default())
    }

    /// Hits of a search index; none if `name` is not one. `render` runs on the query threads too.
    ///
    /// # Errors
    /// What `render` refuses; where the relation is unknown or unavailable, or the index refuses the request.
    pub async fn search<T: Send + 'static>(
        &self,
        at: &ReadPoint,
        name: &str,
        request: SearchRequest,
        render: impl FnOnce(SearchAnswer) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<Option<T>, QueryError> {
        if relations::open(at.view(), name)?.index().is_none() {
            return Ok(None);
        }
        let (view, name) = (at.view().clone(), name.to_owned());
        let work = async move {
            let Some(index) = relations::open(&view, &name)?.index() else { return Ok(None) };
            let answer = index.search(&request).map_err(|error| match error {
                SearchError::Invalid(detail) => QueryError::invalid(detail),
                SearchError::Internal { .. } => QueryError::new(ErrorKind::Internal, error.to_string()),
            })?;
            render(answer).map(Some)
        };
        self.admission.run(work).await
    }

    /// A named query.
    ///
    /// # Errors
    /// Where none has this name.
    pub fn query(&self, name: &str) -> Result<Arc<Query>, QueryError> {
        self.queries.get(name).cloned().ok_or_else(|| {
            QueryError::new(ErrorKind::UnknownRelation, format!("there is no query `{name}`"))
                .near(did_you_mean(name, self.queries.keys().map(String::as_str)))
        })
    }

    /// A page of a named query; `render` also learns whether the same cut gives the same rows.
    ///
    /// # Errors
    /// What `render` refuses; where the page token is not this request's, the SQL cannot be planned, or the query fails
    /// or exceeds its limits.
    pub async fn named<T: Send + 'static>(
        &self,
        at: &ReadPoint,
        query: Arc<Query>,
        request: NamedRequest,
        render: impl FnOnce(Page, bool) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let started = Instant::now();
        let (sessions, at) = (self.sessions.clone(), at.clone());
        let parsed = self.sessions.parsed(&query.sql).filter(|parsed| parsed.is_steady);
        let asked = || request.asked(&query);
        let place = match &parsed {
            Some(parsed) => match self.look(&at, &parsed.references, asked).await? {
                Found::Rows(rows) => {
                    let again = async move { render(named::kept(&query, &request, &rows.one(), at.cut())?, true) };
                    return self.admission.run_beside(again).await;
                }
                found => found.place(),
            },
            None => None,
        };
        let work = async move |keeping: Option<Keeping>| {
            let session = sessions.open(at.view().clone());
            let (page, repeatable) = named::run(&sessions, &session, &query, &request, at.cut(), keeping).await?;
            render(page, repeatable)
        };
        self.compute(started, place, work).await
    }
}

/// Microseconds since the epoch.
pub fn now_us() -> i64 {
    Utc::now().timestamp_micros()
}
