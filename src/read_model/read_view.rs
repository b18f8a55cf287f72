//! The one way to rows: a snapshot as one caller reads it.
//!
//! Point reads, scans, searches and SQL begin here, and so does what tells of rows without showing them: how many there
//! are, their freshness, their keys and indexes. No other room sees the data of a relation. What a query may cost is
//! decided elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::Expr;

use super::catalog::{ProjectionStatus, Relation, Snapshot, Stored, WITHHELD};
use super::guarded::GuardedProvider;
use super::search::{FieldKind, FieldSpec, SearchAnswer, SearchError, SearchRequest, SearchSnapshot};
use super::table::{OrderedRead, OrderedRows, RowsVersion, TableSnapshot, TableSpec};
use crate::access::{Caller, Denied, Permit, Policies, Visibility};
use crate::event::SourceSchema;
use crate::lifecycle::{Parked, Step};
use crate::progress::{Basis, Cut, Phase, SourceName, SourceProgress};

/// A published snapshot, the caller that it is read for, and what is hidden from some callers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadView {
    snapshot: Arc<Snapshot>,
    caller: Caller,
    policies: Policies,
    decided: Arc<Decided>,
}

/// What was decided for the caller so far.
#[derive(Debug, Default)]
struct Decided {
    permits: Mutex<BTreeMap<String, Option<Arc<Permit>>>>,
    /// The status of all projections as the caller sees it.
    projections: OnceLock<BTreeMap<String, ProjectionStatus>>,
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
    /// Nothing of it is for this caller.
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl ReadView {
    pub fn new(snapshot: Arc<Snapshot>, caller: Caller, policies: Policies) -> Self {
        ReadView { snapshot, caller, policies, decided: Arc::default() }
    }

    /// The whole snapshot, for the daemon's own use.
    pub fn of_daemon(snapshot: Arc<Snapshot>) -> Self {
        Self::new(snapshot, Caller::Daemon, Policies::default())
    }

    /// The same snapshot for a caller of now, by what is hidden now.
    pub fn seen_again(&self, caller: Caller, policies: Policies) -> Self {
        Self::new(self.snapshot.clone(), caller, policies)
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

    /// Whether the caller may see what the daemon says of its work: in parked events, in errors and in counts stands what rows are
    /// made of. Where nothing is hidden from anybody, everybody may.
    pub fn sees_operations(&self) -> bool {
        self.policies.is_empty() || self.caller.sees_operations()
    }

    /// The status of all that is declared, whether or not it has rows to serve; without what tells of hidden rows.
    pub fn projections(&self) -> &BTreeMap<String, ProjectionStatus> {
        if self.sees_operations() {
            return &self.snapshot.projections;
        }
        self.decided.projections.get_or_init(|| {
            let seen = |(name, status): (&String, &ProjectionStatus)| {
                let hides = self.policies.guard(name);
                (name.clone(), if hides { status.withheld() } else { status.without_texts() })
            };
            self.snapshot.projections.iter().map(seen).collect()
        })
    }

    /// As [`Snapshot::state_bytes`].
    pub fn state_bytes(&self) -> u64 {
        self.snapshot.state_bytes()
    }

    /// The parked events, by source and sequence; none for whom they are not.
    pub fn parked(&self) -> Option<&Arc<[Arc<Parked>]>> {
        self.sees_operations().then_some(&self.snapshot.parked)
    }

    /// What was done to projections, sources and parked events, the oldest step first; none for whom it is not.
    pub fn ledger(&self) -> Option<&[Arc<Step>]> {
        self.sees_operations().then_some(&*self.snapshot.ledger)
    }

    /// A text in which values of rows may stand, as far as the caller may see it.
    fn told(&self, text: String) -> String {
        if self.sees_operations() { text } else { WITHHELD.to_owned() }
    }

    /// The relations that can be opened.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.snapshot.relations.keys().map(String::as_str)
    }

    /// The relation of this name. The one decision on what is served.
    ///
    /// # Errors
    /// [`NotServed::Unavailable`] for what is declared and has no rows to serve, [`NotServed::Denied`] for what this caller sees nothing
    /// of, [`NotServed::Unknown`] for everything else.
    pub fn open(&self, name: &str) -> Result<OpenRelation<'_>, NotServed> {
        if let Some((name, relation)) = self.snapshot.relations.get_key_value(name) {
            let permit = match &relation.data.0 {
                Stored::Table(table) => self.permit(name, &table.schema(), &table.spec().key)?,
                Stored::Search(search) => self.permit(name, &search.table().schema(), &search.spec().key)?,
                // What its rows are made of is known once they are planned.
                Stored::View { .. } => None,
            };
            return Ok(OpenRelation { view: self, name, relation, permit });
        }
        Err(match self.snapshot.projections.get(name) {
            Some(ProjectionStatus { state, error, .. }) => {
                let reason = error.clone().map(|error| self.told(error));
                NotServed::Unavailable { name: name.to_owned(), state: *state, reason }
            }
            None => NotServed::Unknown { name: name.to_owned() },
        })
    }

    /// What decides which rows, and what of them, the caller sees of these relations: where it is equal for two views, they show the
    /// same of the same rows. None where all is seen.
    pub fn visibility<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<Visibility> {
        let Caller::Reader { claims, .. } = &self.caller else { return None };
        let sql = |name: &str| self.snapshot.projections.get(name).and_then(|status| status.sql.clone());
        self.policies.visibility(names.into_iter().map(|name| (name, sql(name))), claims)
    }

    fn permit(&self, name: &str, schema: &SchemaRef, key: &[usize]) -> Result<Option<Arc<Permit>>, Denied> {
        let Caller::Reader { claims, .. } = &self.caller else { return Ok(None) };
        // Points are read by thousands a second, most of them where there is nothing to decide.
        if self.policies.hide_nothing() {
            return Ok(None);
        }
        let mut permits = self.decided.permits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = permits.get(name) {
            return Ok(known.clone());
        }
        let sql = self.snapshot.projections.get(name).and_then(|status| status.sql.as_deref());
        let permit = self.policies.permit(name, sql, claims, schema)?;
        let permit = permit.map(|permit| permit.over_key(name, key)).transpose()?.map(Arc::new);
        permits.insert(name.to_owned(), permit.clone());
        Ok(permit)
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

/// A relation that the caller may read, and what of it.
#[derive(Debug, Clone)]
pub struct OpenRelation<'a> {
    view: &'a ReadView,
    name: &'a str,
    relation: &'a Relation,
    /// Of kept rows.
    permit: Option<Arc<Permit>>,
}

impl<'a> OpenRelation<'a> {
    /// What an answer from this relation alone is computed from.
    pub fn basis(&self) -> Basis {
        let basis = self.relation.basis();
        Basis { reason: basis.reason.map(|reason| self.view.told(reason)), ..basis }
    }

    /// Where its rows come from; those of a search index are kept too.
    pub fn rows(&self) -> RelationRows<'a> {
        match &self.relation.data.0 {
            Stored::Table(table) => RelationRows::Kept(self.open_table(table)),
            Stored::Search(search) => RelationRows::Kept(self.open_table(search.table())),
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
        match &self.relation.data.0 {
            Stored::Search(search) => Some(OpenIndex { search, permit: self.permit.clone() }),
            Stored::Table(_) | Stored::View { .. } => None,
        }
    }

    /// The rows of a view as the caller sees them. `computed` gives all of them.
    ///
    /// # Errors
    /// [`NotServed::Denied`] if the caller sees nothing of it.
    pub fn seen(&self, computed: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>, NotServed> {
        let permit = self.view.permit(self.name, &computed.schema(), &[])?;
        Ok(match permit {
            None => computed,
            Some(permit) => Arc::new(GuardedProvider::new(self.name, computed, permit)),
        })
    }

    /// Whether a view's rows are looked at before a reader has them, so that its plan must not become one with a reader's.
    pub fn is_guarded(&self) -> bool {
        matches!(self.view.caller, Caller::Reader { .. }) && self.view.policies.guard(self.name)
    }

    fn open_table(&self, table: &'a TableSnapshot) -> OpenTable<'a> {
        OpenTable { table, permit: self.permit.clone() }
    }
}

/// Where the rows of a relation come from.
#[derive(Debug, Clone)]
pub enum RelationRows<'a> {
    Kept(OpenTable<'a>),
    /// A view: computed at query time.
    Computed {
        sql: &'a str,
    },
}

/// Kept rows, of which the caller sees some.
#[derive(Debug, Clone)]
pub struct OpenTable<'a> {
    table: &'a TableSnapshot,
    permit: Option<Arc<Permit>>,
}

impl<'a> OpenTable<'a> {
    /// Columns, key and indexes.
    pub fn spec(&self) -> &'a TableSpec {
        self.table.spec()
    }

    /// The columns of its rows as the caller sees them.
    pub fn schema(&self) -> SchemaRef {
        self.permit.as_ref().map_or_else(|| self.table.schema(), |permit| permit.schema())
    }

    /// Where two of one name have it in common, they have the same columns and the same rows, of which callers may see different ones.
    pub fn version(&self) -> RowsVersion {
        self.table.version()
    }

    /// Whether there are more rows than that. What the caller does not see does not count.
    ///
    /// # Errors
    /// If the rows cannot be looked at.
    pub fn has_more_than(&self, rows: usize) -> Result<bool, DataFusionError> {
        if self.table.num_rows() <= rows {
            return Ok(false);
        }
        let Some(permit) = self.permit.as_ref().filter(|permit| !permit.sees_every_row()) else { return Ok(true) };
        let mut seen = 0;
        for batch in self.table.permitted(permit, Some(&[]))? {
            seen += batch?.num_rows();
            if seen > rows {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether equality on these columns is served by the key or a secondary index; else every row is visited.
    pub fn serves(&self, equality_columns: &[usize]) -> bool {
        let is_seen = |column: &&usize| self.permit.as_ref().is_none_or(|permit| !permit.masks(**column));
        let seen: Vec<usize> = equality_columns.iter().filter(is_seen).copied().collect();
        self.table.serves(&seen)
    }

    /// The row with this key (one value a key column), as a batch of one row. NULL finds NULL.
    ///
    /// # Errors
    /// Where the values are not as many as the key has columns, or one cannot be cast to its column's type.
    pub fn get(&self, key: &[ScalarValue]) -> Result<Option<RecordBatch>, DataFusionError> {
        let found = self.table.get(key)?;
        let Some(permit) = &self.permit else { return Ok(found) };
        // Also where there is no row: else the time would tell a key that nobody has from one whose row is hidden.
        let rows = found.unwrap_or_else(|| RecordBatch::new_empty(self.table.schema()));
        let permitted = permit.over(None)?;
        let seen = permitted.look_at(&rows.project(&permitted.columns)?)?;
        Ok((seen.num_rows() > 0).then_some(seen))
    }

    /// All rows that the caller sees, in no particular order, in batches of bounded size made one by one.
    ///
    /// # Errors
    /// If a column outgrows Arrow's offsets (2 GiB of text or bytes in one batch).
    pub fn scan(&self) -> Result<impl Iterator<Item = Result<RecordBatch, DataFusionError>> + use<>, DataFusionError> {
        let (all, seen) = match &self.permit {
            None => (Some(self.table.scan()), None),
            Some(permit) => (None, Some(self.table.permitted(permit, None)?)),
        };
        let all = all.into_iter().flatten().map(|rows| Ok(rows?));
        Ok(all.chain(seen.into_iter().flatten()))
    }

    /// The rows that the caller sees in an order; none where the table keeps no order that serves it, or has not sorted it yet: all rows
    /// have to be sorted then. How many are visited is up to who reads.
    ///
    /// # Errors
    /// If DataFusion cannot compute what the rows are looked at by, or a value to begin behind is not of its column.
    pub fn in_order(&self, read: &OrderedRead<'_>) -> Result<Option<OrderedRows>, DataFusionError> {
        let Some(permit) = &self.permit else { return self.table.in_order(read, None) };
        // Where what is seen comes in the order of what is not, it tells of that.
        if read.order.iter().any(|sort| permit.masks(sort.column)) {
            return Ok(None);
        }
        let schema = self.table.schema();
        let is_seen = |filter: &&Expr| {
            let columns = filter.column_refs();
            columns.iter().all(|column| schema.index_of(column.name()).is_ok_and(|column| !permit.masks(column)))
        };
        let filters: Vec<Expr> = read.filters.iter().filter(is_seen).cloned().collect();
        self.table.in_order(&OrderedRead { filters: &filters, ..*read }, Some(permit))
    }

    /// For SQL: filters on the key and on secondary indexes are served by them.
    ///
    /// # Errors
    /// Where DataFusion refuses the table.
    pub fn provider(&self) -> Result<Arc<dyn TableProvider>, DataFusionError> {
        let all = self.table.provider()?;
        Ok(match &self.permit {
            None => all,
            Some(permit) => Arc::new(GuardedProvider::new(&self.spec().name, all, permit.clone())),
        })
    }
}

/// The documents of a search index, each with its row.
#[derive(Debug, Clone)]
pub struct OpenIndex<'a> {
    search: &'a SearchSnapshot,
    permit: Option<Arc<Permit>>,
}

impl OpenIndex<'_> {
    /// The columns of hits: vectors are found by, and not shown.
    pub fn shown_columns(&self) -> Vec<usize> {
        let spec = self.search.spec();
        let vectors = spec.fields.iter().filter(|field| matches!(field.kind, FieldKind::Vector(_)));
        let vectors: Vec<usize> = vectors.map(|field| field.column).collect();
        (0..spec.schema.fields().len()).filter(|column| !vectors.contains(column)).collect()
    }

    /// What can be asked for, without columns that are masked from the caller.
    pub fn fields(&self) -> Vec<FieldSpec> {
        let is_seen = |field: &&FieldSpec| self.permit.as_ref().is_none_or(|permit| !permit.masks(field.column));
        self.search.spec().fields.iter().filter(is_seen).cloned().collect()
    }

    /// The fields that can be highlighted.
    pub fn text_fields(&self) -> Vec<String> {
        let spec = self.search.spec();
        let is_seen = |column: usize| self.permit.as_ref().is_none_or(|permit| !permit.masks(column));
        let text = spec.fields.iter().filter(|field| matches!(field.kind, FieldKind::Text { .. }));
        let text = text.filter(|field| is_seen(field.column));
        text.map(|field| spec.schema.field(field.column).name().clone()).collect()
    }

    /// Hits with their rows, as if the index held nothing but what the caller sees.
    ///
    /// # Errors
    /// [`SearchError::Invalid`] where the request is at fault, [`SearchError::Internal`] where the index is.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchAnswer, SearchError> {
        match &self.permit {
            None => self.search.search(request),
            Some(permit) => self.search.search_as(request, permit),
        }
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
            withheld: false,
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
        ReadView::of_daemon(Arc::new(Snapshot::new(Cut::default(), relations, BTreeMap::new(), projections)))
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
