//! The published snapshot: every relation of one cut, by name, swapped in atomically.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use super::search::SearchSnapshot;
use super::table::TableSnapshot;
use crate::circuit::OperatorReport;
use crate::progress::{Basis, Cut, Position, Reads, SourceName, SourceProgress};

/// Everything that an answer may be computed from. Immutable; cheap to clone behind its `Arc`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub cut: Cut,
    pub relations: BTreeMap<String, Arc<Relation>>,
    pub sources: BTreeMap<SourceName, SourceProgress>,
    pub projections: BTreeMap<String, ProjectionStatus>,
}

/// One relation that can be queried.
#[derive(Debug)]
pub struct Relation {
    pub data: RelationData,
    /// The sources and event types that it is computed from, through all projections below it.
    pub reads: Reads,
    /// The cut that its rows were computed at: the snapshot's own, unless it is paused, failed or a search index.
    pub cut: Cut,
    /// Events that it, or a projection below it, could not take, by source and event type.
    pub parked: BTreeMap<SourceName, BTreeMap<String, u64>>,
    /// When `cut` was last the live cut, microseconds since the epoch: the commit's time, for all but those.
    pub live_at_us: i64,
}

impl Relation {
    /// The rows, if they are kept and not computed at query time.
    pub fn table(&self) -> Option<&TableSnapshot> {
        match &self.data {
            RelationData::Table(table) => Some(table),
            RelationData::Search(search) => Some(search.table()),
            RelationData::View { .. } => None,
        }
    }

    /// What an answer from this relation alone is computed from.
    pub fn basis(&self) -> Basis {
        Basis {
            cut: self.cut.clone(),
            live_at_us: self.live_at_us,
            reads: self.reads.clone(),
            parked: self.parked.clone(),
        }
    }
}

#[derive(Debug)]
pub enum RelationData {
    Table(TableSnapshot),
    /// A search index with the table of its own cut.
    Search(SearchSnapshot),
    /// Computed at query time from its SQL.
    View {
        sql: String,
    },
}

/// What `projection status` shows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionStatus {
    pub name: String,
    /// `table`, `search` or `view`.
    pub kind: &'static str,
    pub owner: Option<String>,
    pub generation: u64,
    pub state: ProjectionState,
    /// Live rows, or documents.
    pub rows: u64,
    /// Bytes of state in memory, approximately: the rows', and those that its operators keep.
    pub state_bytes: u64,
    /// Most bytes of state before the projection fails.
    pub state_limit: u64,
    /// The operators that keep its rows up to date.
    pub operators: Vec<OperatorReport>,
    pub columns: Vec<ColumnStatus>,
    pub key: Vec<String>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    pub positions: BTreeMap<SourceName, Position>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnStatus {
    pub name: String,
    pub data_type: String,
    pub nullable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectionState {
    Building,
    Serving,
    Failed,
}

/// Where the runner publishes and readers look.
#[derive(Debug, Clone)]
pub struct Catalog {
    current: Arc<watch::Sender<Arc<Snapshot>>>,
}

impl Catalog {
    pub fn new(snapshot: Snapshot) -> Self {
        Self { current: Arc::new(watch::Sender::new(Arc::new(snapshot))) }
    }

    pub fn publish(&self, snapshot: Snapshot) {
        self.current.send_replace(Arc::new(snapshot));
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.borrow().clone()
    }

    /// For waiting until a snapshot satisfies a condition.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.current.subscribe()
    }
}
