//! The one way to rows: a snapshot as one caller reads it.
//!
//! Point reads, scans, searches and SQL begin here, and so does what tells of rows without showing them: how many there
//! are, their freshness, their keys and indexes. No other room sees the data of a relation. What a query may cost is
//! decided elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, ScalarValue};

use super::caller::Caller;
use super::catalog::{ProjectionStatus, Relation, Snapshot, Stored};
use super::search::{FieldKind, SearchAnswer, SearchError, SearchRequest, SearchSnapshot};
use super::table::{TableSnapshot, TableSpec};
use crate::event::SourceSchema;
use crate::lifecycle::{Parked, Step};
use crate::progress::{Basis, Cut, Phase, SourceName, SourceProgress};

/// A published snapshot and the caller that it is read for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadView {
    snapshot: Arc<Snapshot>,
    caller: Caller,
}

/// Why a name has no rows to serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// No projection and no view is declared by this name.
    #[error("there is no relation `{name}`")]
    Unknown { name: String },
    /// It is declared, but nothing of it can be served in this state.
    #[error("{}", unavailable(name, *state, reason.as_deref()))]
    Unavailable { name: String, state: Phase, reason: Option<String> },
}

impl ReadView {
    pub fn new(snapshot: Arc<Snapshot>, caller: Caller) -> Self {
        ReadView { snapshot, caller }
    }

    /// The live cut: relations that are paused, failed or a search index may stand at an earlier one.
    pub fn cut(&self) -> &Cut {
        &self.snapshot.cut
    }

    pub fn sources(&self) -> &BTreeMap<SourceName, SourceProgress> {
        &self.snapshot.sources
    }

    /// How the events of a source are declared; none where that is not known yet.
    pub fn schema(&self, source: &str) -> Option<&SourceSchema> {
        self.snapshot.schemas.get(source).map(|schema| &**schema)
    }

    /// The status of all that is declared, whether or not it has rows to serve.
    pub fn projections(&self) -> &BTreeMap<String, ProjectionStatus> {
        &self.snapshot.projections
    }

    /// As [`Snapshot::state_bytes`].
    pub fn state_bytes(&self) -> u64 {
        self.snapshot.state_bytes()
    }

    /// The parked events, by source and sequence.
    pub fn parked(&self) -> &Arc<[Arc<Parked>]> {
        let Caller::Anonymous = self.caller;
        &self.snapshot.parked
    }

    /// What was done to projections, sources and parked events, the oldest step first.
    pub fn ledger(&self) -> &[Arc<Step>] {
        let Caller::Anonymous = self.caller;
        &self.snapshot.ledger
    }

    /// The relations that can be opened.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.snapshot.relations.keys().map(String::as_str)
    }

    /// The relation of this name. The one decision on what is served.
    ///
    /// # Errors
    /// [`NotServed::Unavailable`] for what is declared and has no rows to serve, [`NotServed::Unknown`] for everything else.
    pub fn open(&self, name: &str) -> Result<OpenRelation<'_>, NotServed> {
        // Every relation is open to the one kind of caller that there is. Another kind has to be decided on here.
        let Caller::Anonymous = self.caller;
        if let Some(relation) = self.snapshot.relations.get(name) {
            return Ok(OpenRelation(relation));
        }
        Err(match self.snapshot.projections.get(name) {
            Some(ProjectionStatus { state, error, .. }) => {
                NotServed::Unavailable { name: name.to_owned(), state: *state, reason: error.clone() }
            }
            None => NotServed::Unknown { name: name.to_owned() },
        })
    }
}

fn unavailable(name: &str, state: Phase, reason: Option<&str>) -> String {
    match state {
        Phase::Failed => format!("`{name}` has failed: {}", reason.unwrap_or("the log has the reason")),
        Phase::Building | Phase::Rebuilding | Phase::Serving | Phase::Paused => {
            format!("`{name}` is being built and has nothing to serve yet")
        }
    }
}

/// A relation that the caller may read.
#[derive(Debug, Clone, Copy)]
pub struct OpenRelation<'a>(&'a Relation);

impl<'a> OpenRelation<'a> {
    /// What an answer from this relation alone is computed from.
    pub fn basis(&self) -> Basis {
        self.0.basis()
    }

    /// Where its rows come from; those of a search index are kept too.
    pub fn rows(&self) -> RelationRows<'a> {
        match &self.0.data.0 {
            Stored::Table(table) => RelationRows::Kept(OpenTable(table)),
            Stored::Search(search) => RelationRows::Kept(OpenTable(search.table())),
            Stored::View { sql } => RelationRows::Computed { sql },
        }
    }

    /// The kept rows; none for a view.
    pub fn table(&self) -> Option<OpenTable<'a>> {
        match self.rows() {
            RelationRows::Kept(table) => Some(table),
            RelationRows::Computed { .. } => None,
        }
    }

    /// The search index; none for tables and views.
    pub fn index(&self) -> Option<OpenIndex<'a>> {
        match &self.0.data.0 {
            Stored::Search(search) => Some(OpenIndex(search)),
            Stored::Table(_) | Stored::View { .. } => None,
        }
    }
}

/// Where the rows of a relation come from.
#[derive(Debug, Clone, Copy)]
pub enum RelationRows<'a> {
    Kept(OpenTable<'a>),
    /// A view: computed at query time.
    Computed {
        sql: &'a str,
    },
}

/// Kept rows.
#[derive(Debug, Clone, Copy)]
pub struct OpenTable<'a>(&'a TableSnapshot);

impl<'a> OpenTable<'a> {
    /// Columns, key and indexes.
    pub fn spec(&self) -> &'a TableSpec {
        self.0.spec()
    }

    pub fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether equality on these columns is served by the key or a secondary index; else every row is visited.
    pub fn serves(&self, equality_columns: &[usize]) -> bool {
        self.0.serves(equality_columns)
    }

    /// The row with this key (one value a key column), as a batch of one row. NULL finds NULL.
    ///
    /// # Errors
    /// Where the values are not as many as the key has columns, or one cannot be cast to its column's type.
    pub fn get(&self, key: &[ScalarValue]) -> Result<Option<RecordBatch>, DataFusionError> {
        self.0.get(key)
    }

    /// All rows, in no particular order, in batches of bounded size made one by one.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn scan(&self) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + use<> {
        self.0.scan()
    }

    /// For SQL: filters on the key and on secondary indexes are served by them.
    ///
    /// # Errors
    /// Where DataFusion refuses the table.
    pub fn provider(&self) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        self.0.provider()
    }
}

/// The documents of a search index, each with its row.
#[derive(Debug, Clone, Copy)]
pub struct OpenIndex<'a>(&'a SearchSnapshot);

impl OpenIndex<'_> {
    pub fn num_documents(&self) -> u64 {
        self.0.num_documents()
    }

    /// The fields that can be highlighted.
    pub fn text_fields(&self) -> Vec<String> {
        let spec = self.0.spec();
        let text = spec.fields.iter().filter(|field| matches!(field.kind, FieldKind::Text { .. }));
        text.map(|field| spec.schema.field(field.column).name().clone()).collect()
    }

    /// Hits with their rows.
    ///
    /// # Errors
    /// [`SearchError::Invalid`] where the request is at fault, [`SearchError::Internal`] where the index is.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchAnswer, SearchError> {
        self.0.search(request)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::catalog::RelationData;
    use super::*;

    fn declared(name: &str, state: Phase, error: Option<&str>) -> (String, ProjectionStatus) {
        let status = ProjectionStatus {
            name: name.to_owned(),
            kind: "table",
            owner: None,
            sql: None,
            reads: Arc::default(),
            slo: None,
            generation: 1,
            state,
            rows: 0,
            state_bytes: 0,
            disk_bytes: None,
            state_limit: 0,
            operators: Vec::new(),
            columns: Vec::new(),
            key: Vec::new(),
            error: error.map(str::to_owned),
            rows_in_error: 0,
            row_errors: Vec::new(),
            positions: BTreeMap::new(),
            since: BTreeMap::new(),
            build: None,
            kept: None,
        };
        (name.to_owned(), status)
    }

    fn view() -> ReadView {
        let relation = Relation {
            data: RelationData::view("SELECT 1"),
            reads: BTreeMap::new(),
            cut: Cut::default(),
            live_at_us: 0,
            phase: Phase::Failed,
            reason: None,
            parked: BTreeMap::new(),
            lost: BTreeMap::new(),
            since: BTreeMap::new(),
        };
        let relations = BTreeMap::from([("stopped".to_owned(), Arc::new(relation))]);
        let projections = BTreeMap::from([
            declared("stopped", Phase::Failed, Some("two rows have one key")),
            declared("broken", Phase::Failed, Some("two rows have one key")),
            declared("silent", Phase::Failed, None),
            declared("new", Phase::Building, None),
        ]);
        ReadView::new(
            Arc::new(Snapshot::new(Cut::default(), relations, BTreeMap::new(), projections)),
            Caller::Anonymous,
        )
    }

    #[test]
    fn what_is_declared_is_never_unknown() {
        let view = view();
        let refused = |name: &str| view.open(name).unwrap_err();
        let unavailable = |name: &str, state, reason: Option<&str>| NotServed::Unavailable {
            name: name.to_owned(),
            state,
            reason: reason.map(str::to_owned),
        };
        assert_eq!(refused("broken"), unavailable("broken", Phase::Failed, Some("two rows have one key")));
        assert_eq!(refused("new"), unavailable("new", Phase::Building, None));
        assert_eq!(refused("nwe"), NotServed::Unknown { name: "nwe".to_owned() });
        assert_eq!(refused("broken").to_string(), "`broken` has failed: two rows have one key");
        assert_eq!(refused("silent").to_string(), "`silent` has failed: the log has the reason");
        assert_eq!(refused("new").to_string(), "`new` is being built and has nothing to serve yet");
        assert_eq!(refused("nwe").to_string(), "there is no relation `nwe`");
    }

    #[test]
    fn the_rows_of_what_has_failed_stay_readable() {
        let view = view();
        assert!(matches!(view.open("stopped").unwrap().rows(), RelationRows::Computed { sql: "SELECT 1" }));
        assert_eq!(view.names().collect::<Vec<_>>(), ["stopped"]);
    }
}
