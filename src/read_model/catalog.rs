//! The published snapshot: every relation of one cut, by name, swapped in atomically. Its rows are read elsewhere, through
//! a [`super::ReadView`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use serde::Serialize;
use tokio::sync::watch;

use super::comparison::Comparison;
use super::search::SearchSnapshot;
use super::table::TableSnapshot;
use crate::circuit::OperatorReport;
use crate::event::SourceSchema;
use crate::lifecycle::{Parked, Step};
use crate::progress::{Basis, Cut, Losses, Phase, Position, Reads, Slo, SourceName, SourceProgress};

/// Everything that an answer may be computed from. Immutable; cheap to clone behind its `Arc`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub cut: Cut,
    pub(super) relations: BTreeMap<String, Arc<Relation>>,
    pub sources: BTreeMap<SourceName, SourceProgress>,
    /// How the events of each source are declared.
    pub(super) schemas: BTreeMap<SourceName, Arc<SourceSchema>>,
    pub projections: BTreeMap<String, ProjectionStatus>,
    pub(super) parked: Arc<[Arc<Parked>]>,
    pub(super) ledger: Arc<[Arc<Step>]>,
}

impl Snapshot {
    /// A declared relation that has no rows to serve is among the projections alone.
    pub fn new(
        cut: Cut,
        relations: BTreeMap<String, Arc<Relation>>,
        sources: BTreeMap<SourceName, SourceProgress>,
        projections: BTreeMap<String, ProjectionStatus>,
    ) -> Self {
        let schemas = BTreeMap::new();
        Self { cut, relations, sources, schemas, projections, parked: Arc::default(), ledger: Arc::default() }
    }

    /// With how the events of each source are declared.
    pub fn with_schemas(self, schemas: BTreeMap<SourceName, Arc<SourceSchema>>) -> Self {
        Self { schemas, ..self }
    }

    /// Bytes of state in memory of all projections together, with what is kept for a rollback. What several share counts for each.
    pub fn state_bytes(&self) -> u64 {
        let statuses = self.projections.values();
        statuses.map(|one| one.state_bytes + one.kept.as_ref().map_or(0, |kept| kept.state_bytes)).sum()
    }

    /// With the parked events, by source and sequence.
    pub fn with_parked(self, parked: Arc<[Arc<Parked>]>) -> Self {
        Self { parked, ..self }
    }

    /// With the ledger, the oldest step first.
    pub fn with_ledger(self, ledger: Arc<[Arc<Step>]>) -> Self {
        Self { ledger, ..self }
    }
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
    /// Messages that had vanished from the sources when it, or a projection below it, was built.
    pub lost: BTreeMap<SourceName, Losses>,
    /// The first sequence that counts in it, or in a projection below it, of sources of which not all do.
    pub since: BTreeMap<SourceName, Position>,
    /// When `cut` was last the live cut, microseconds since the epoch: the commit's time, for all but those.
    pub live_at_us: i64,
    /// What its generation is doing.
    pub phase: Phase,
    /// Why that is not serving.
    pub reason: Option<String>,
}

impl Relation {
    /// What an answer from this relation alone is computed from.
    pub(super) fn basis(&self) -> Basis {
        Basis {
            cut: self.cut.clone(),
            live_at_us: self.live_at_us,
            phase: self.phase,
            reason: self.reason.clone(),
            reads: self.reads.clone(),
            parked: self.parked.clone(),
            lost: self.lost.clone(),
            since: self.since.clone(),
        }
    }
}

/// The data of a relation. Those that publish it make it; a [`super::ReadView`] alone looks inside.
#[derive(Debug)]
pub struct RelationData(pub(super) Stored);

#[derive(Debug)]
pub(super) enum Stored {
    Table(TableSnapshot),
    /// A search index with the table of its own cut.
    Search(SearchSnapshot),
    /// Computed at query time from its SQL.
    View {
        sql: String,
    },
}

impl RelationData {
    pub fn table(rows: TableSnapshot) -> Self {
        RelationData(Stored::Table(rows))
    }

    /// A table without a writer. The rows are taken as they are; their keys have to be distinct.
    #[cfg(test)]
    pub(crate) fn from_batches(spec: Arc<super::table::TableSpec>, batches: Vec<arrow::array::RecordBatch>) -> Self {
        Self::table(TableSnapshot::from_batches(spec, batches))
    }

    /// A search index with the table of its own cut.
    pub fn search(index: SearchSnapshot) -> Self {
        RelationData(Stored::Search(index))
    }

    /// Computed at query time from its SQL.
    pub fn view(sql: impl Into<String>) -> Self {
        RelationData(Stored::View { sql: sql.into() })
    }
}

/// What `projection status` shows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionStatus {
    pub name: String,
    /// `table`, `search` or `view`.
    pub kind: &'static str,
    pub owner: Option<String>,
    /// What its rows are selected by; none of rows that an older build computed.
    pub sql: Option<Arc<str>>,
    /// The relations that this names: `orders.placed`, `totals`.
    pub reads: Arc<[String]>,
    /// What is promised of its freshness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    pub generation: u64,
    pub state: Phase,
    /// Live rows, or documents.
    pub rows: u64,
    /// Bytes of state in memory, approximately: the rows', and those that its operators keep.
    pub state_bytes: u64,
    /// Bytes that it occupies in the last checkpoint, approximately, with what it has together with others; none if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Most bytes of state before the projection fails.
    pub state_limit: u64,
    /// The operators that keep its rows up to date.
    pub operators: Vec<OperatorReport>,
    pub columns: Vec<ColumnStatus>,
    pub key: Vec<String>,
    /// Why it failed or is in error, or is being built again, or cannot be searched.
    pub error: Option<String>,
    /// Rows, groups and partitions that cannot be computed at its cut.
    pub rows_in_error: u64,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub row_errors: Vec<RowErrorStatus>,
    pub positions: BTreeMap<SourceName, Position>,
    /// The first sequence that counts, of sources of which not all do.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<SourceName, Position>,
    /// The generation that is built beside the one that this describes, or in its place where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildStatus>,
    /// The generation that was replaced, while it can be rolled back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptStatus>,
    /// Whether what tells of its rows is left out, because some are hidden from whom this is shown to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

/// In the place of a text in which values of rows may stand.
pub(super) const WITHHELD: &str = "for administrators: policies hide rows from some readers";

/// A generation that was replaced and keeps up beside.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptStatus {
    pub generation: u64,
    pub state: KeptState,
    /// Sequences between it and the live cut, when that was last looked at.
    pub lag_events: u64,
    pub rows: u64,
    pub state_bytes: u64,
    /// Bytes that it occupies in the last checkpoint, with what it has together with what serves; none if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Until when it is kept, microseconds since the epoch.
    #[serde(rename = "untilUs")]
    pub until_us: i64,
    /// Why it cannot be rolled back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeptState {
    /// It is on its way to the live cut.
    CatchingUp,
    /// It can be rolled back to at once.
    Ready,
    Failed,
}

/// How far a build of a projection has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildStatus {
    pub generation: u64,
    pub state: BuildState,
    /// How far its sources are read, and how far they have to be.
    pub sources: BTreeMap<SourceName, BuildProgress>,
    /// Sequences that are taken in a second, since it began; none before anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequences_per_second: Option<f64>,
    /// Seconds until it is done, as far as the rate tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_seconds: Option<f64>,
    /// Why nothing moves, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Since when it follows the live cut and waits, microseconds since the epoch.
    #[serde(rename = "waitingSinceUs", skip_serializing_if = "Option::is_none")]
    pub waiting_since_us: Option<i64>,
    /// How its rows differ from those that serve, at one cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

impl ProjectionStatus {
    /// Without texts in which values of its rows may stand, or of those that it reads.
    pub(super) fn without_texts(&self) -> Self {
        Self {
            error: self.error.as_ref().map(|_| WITHHELD.to_owned()),
            row_errors: Vec::new(),
            build: self.build.as_ref().map(|build| BuildStatus {
                message: build.message.as_ref().map(|_| WITHHELD.to_owned()),
                comparison: None,
                ..build.clone()
            }),
            kept: self
                .kept
                .as_ref()
                .map(|kept| KeptStatus { message: kept.message.as_ref().map(|_| WITHHELD.to_owned()), ..kept.clone() }),
            ..self.clone()
        }
    }

    /// Without what tells of its rows: how many there are, what they take, and what is wrong with which of them.
    pub(super) fn withheld(&self) -> Self {
        Self {
            rows: 0,
            state_bytes: 0,
            disk_bytes: None,
            operators: Vec::new(),
            rows_in_error: 0,
            kept: self.kept.as_ref().map(|kept| KeptStatus {
                rows: 0,
                state_bytes: 0,
                disk_bytes: None,
                message: kept.message.as_ref().map(|_| WITHHELD.to_owned()),
                ..kept.clone()
            }),
            withheld: true,
            ..self.without_texts()
        }
    }
}

impl BuildStatus {
    /// A build that has not begun.
    pub fn waiting() -> Self {
        Self {
            generation: 0,
            state: BuildState::Waiting,
            sources: BTreeMap::new(),
            sequences_per_second: None,
            remaining_seconds: None,
            message: None,
            waiting_since_us: None,
            comparison: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildState {
    Building,
    /// It waits until other builds are done.
    Waiting,
    /// Nothing has come for some time.
    Stalled,
    /// It follows the live cut, and waits to be promoted.
    Shadowing,
    /// What is declared was rolled back from, and is not built by itself.
    RolledBack,
    /// It has ended without a result; what was there before goes on.
    Failed,
}

impl KeptState {
    pub const ALL: [KeptState; 3] = [KeptState::CatchingUp, KeptState::Ready, KeptState::Failed];

    /// In a word, as in JSON.
    pub fn label(self) -> &'static str {
        match self {
            KeptState::CatchingUp => "catching-up",
            KeptState::Ready => "ready",
            KeptState::Failed => "failed",
        }
    }
}

impl BuildState {
    pub const ALL: [BuildState; 6] = [
        BuildState::Building,
        BuildState::Waiting,
        BuildState::Stalled,
        BuildState::Shadowing,
        BuildState::RolledBack,
        BuildState::Failed,
    ];

    /// In a word, as in JSON.
    pub fn label(self) -> &'static str {
        match self {
            BuildState::Building => "building",
            BuildState::Waiting => "waiting",
            BuildState::Stalled => "stalled",
            BuildState::Shadowing => "shadowing",
            BuildState::RolledBack => "rolled-back",
            BuildState::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BuildProgress {
    pub position: Position,
    pub target: Position,
}

/// What an operator cannot compute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowErrorStatus {
    pub operator: &'static str,
    /// The row at fault, or the key of its group or partition.
    pub row: String,
    pub message: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnStatus {
    pub name: String,
    pub data_type: String,
    pub nullable: bool,
}

impl ColumnStatus {
    pub fn all(schema: &Schema) -> Vec<Self> {
        let fields = schema.fields().iter();
        let column = |field: &FieldRef| ColumnStatus {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        };
        fields.map(column).collect()
    }
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
