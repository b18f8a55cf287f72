//! The reader's side of a daemon: everything a protocol needs to answer, each request from one snapshot.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::wait::wait;
use super::{
    Admission, Demand, Kind, Limits, ListRequest, NamedRequest, Page, Parsed, QueryError, Sessions, SqlAnswer,
    SqlRequest, Streams, did_you_mean, named, session, sql, table_query,
};
use crate::config::Query;
use crate::progress::{Basis, Freshness, Position, SourceName};
use crate::read_model::catalog::{Catalog, RelationData, Snapshot};
use crate::read_model::search::{SearchAnswer, SearchError, SearchRequest};

/// Shared by all protocols, so that they share one admission control.
#[derive(Debug)]
pub struct Reader {
    catalog: Catalog,
    admission: Admission,
    sessions: Arc<Sessions>,
    queries: BTreeMap<String, Arc<Query>>,
    streams: Streams,
}

/// The snapshot that answers a request, and what of it the answer is computed from.
#[derive(Debug, Clone)]
pub struct At {
    pub snapshot: Arc<Snapshot>,
    pub basis: Basis,
    requested: BTreeMap<SourceName, Position>,
}

impl At {
    pub fn freshness(&self) -> Freshness {
        Freshness::of(&self.basis, &self.snapshot.sources, &self.requested, now_us())
    }

    /// Which build of a projection answers.
    pub fn generation(&self, name: &str) -> u64 {
        self.snapshot.projections.get(name).map_or(0, |status| status.generation)
    }

    /// One number for the builds of all projections: it grows with any of them.
    pub fn generations(&self) -> u64 {
        self.snapshot.projections.values().map(|status| status.generation).sum()
    }
}

impl Reader {
    /// Starts the query threads.
    pub fn new(catalog: Catalog, limits: Limits, queries: Vec<Query>, streams: Streams) -> io::Result<Self> {
        let sessions = Sessions::new(limits.memory_bytes).map_err(io::Error::other)?;
        Ok(Reader {
            catalog,
            admission: Admission::new(limits)?,
            sessions: Arc::new(sessions),
            queries: queries.into_iter().map(|query| (query.name.clone(), Arc::new(query))).collect(),
            streams,
        })
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    pub fn limits(&self) -> &Limits {
        self.admission.limits()
    }

    /// The whole current snapshot, with everything that it reads.
    pub fn now(&self) -> At {
        let snapshot = self.catalog.snapshot();
        let reads = snapshot.sources.keys().map(|name| (name.clone(), Vec::new())).collect();
        let basis = Basis { cut: snapshot.cut.clone(), live_at_us: now_us(), reads, parked: BTreeMap::new() };
        At { snapshot, basis, requested: BTreeMap::new() }
    }

    /// The snapshot to read one relation from, as fresh as demanded.
    pub async fn at_relation(&self, name: &str, demand: &Demand) -> Result<At, QueryError> {
        self.at(demand, |snapshot| self.sessions.basis_of_relation(snapshot, name)).await
    }

    /// The snapshot to run SQL on.
    pub async fn at_sql(&self, parsed: &Parsed, allow_mixed: bool, demand: &Demand) -> Result<At, QueryError> {
        self.at(demand, |snapshot| self.sessions.basis_of(snapshot, parsed, allow_mixed)).await
    }

    async fn at(
        &self,
        demand: &Demand,
        basis: impl Fn(&Snapshot) -> Result<Basis, QueryError>,
    ) -> Result<At, QueryError> {
        let (snapshot, basis) = wait(&self.catalog, &self.admission, demand, basis).await?;
        Ok(At { snapshot, basis, requested: demand.positions.clone() })
    }

    /// One row by its key. It costs a look into an index, so it takes no turn among the queries.
    pub fn row(&self, at: &At, name: &str, key: &[String]) -> Result<RecordBatch, QueryError> {
        table_query::row(&at.snapshot, name, key).map_err(|error| match error.kind {
            Kind::NotFound => error.with_freshness(at.freshness()),
            _ => error,
        })
    }

    /// A page of a relation; `render` runs on the query threads too.
    pub async fn list<T: Send + 'static>(
        &self,
        at: &At,
        name: &str,
        request: ListRequest,
        render: impl FnOnce(Page) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let (sessions, at, limits) = (self.sessions.clone(), at.clone(), self.limits().clone());
        let name = name.to_owned();
        let work = async move {
            let session = sessions.open(at.snapshot);
            render(table_query::list(&sessions, &session, &name, &request, &at.basis.cut, &limits).await?)
        };
        self.admission.run(work).await
    }

    /// All rows of a query.
    pub async fn sql(&self, at: &At, request: SqlRequest) -> Result<SqlAnswer, QueryError> {
        let (sessions, snapshot, limits) = (self.sessions.clone(), at.snapshot.clone(), self.limits().clone());
        let work = async move { sql::run(&sessions, &sessions.open(snapshot), &request, &limits).await };
        self.admission.run(work).await
    }

    /// Hits of a search index; none if `name` is not one. `render` runs on the query threads too.
    pub async fn search<T: Send + 'static>(
        &self,
        at: &At,
        name: &str,
        request: SearchRequest,
        render: impl FnOnce(SearchAnswer) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<Option<T>, QueryError> {
        let RelationData::Search(search) = &session::relation(&at.snapshot, name)?.data else { return Ok(None) };
        let search = search.clone();
        let work = async move {
            let answer = search.search(&request).map_err(|error| match error {
                SearchError::Invalid(detail) => QueryError::invalid(detail),
                SearchError::Internal { .. } => QueryError::new(Kind::Internal, error.to_string()),
            })?;
            render(answer).map(Some)
        };
        self.admission.run(work).await
    }

    /// A named query.
    pub fn query(&self, name: &str) -> Result<Arc<Query>, QueryError> {
        self.queries.get(name).cloned().ok_or_else(|| {
            QueryError::new(Kind::UnknownRelation, format!("there is no query `{name}`"))
                .near(did_you_mean(name, self.queries.keys().map(String::as_str)))
        })
    }

    /// A page of a named query; `render` also learns whether the same cut gives the same rows.
    pub async fn named<T: Send + 'static>(
        &self,
        at: &At,
        query: Arc<Query>,
        request: NamedRequest,
        render: impl FnOnce(Page, bool) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let (sessions, at) = (self.sessions.clone(), at.clone());
        let work = async move {
            let session = sessions.open(at.snapshot);
            let (page, repeatable) = named::run(&sessions, &session, &query, &request, &at.basis.cut).await?;
            render(page, repeatable)
        };
        self.admission.run(work).await
    }

    /// Whether a relation is a table, whose rows depend on nothing but its cut.
    pub fn is_table(&self, at: &At, name: &str) -> Result<bool, QueryError> {
        Ok(session::relation(&at.snapshot, name)?.table().is_some())
    }
}

/// Microseconds since the epoch.
pub fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
