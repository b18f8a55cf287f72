//! One projection as the engine keeps it: its circuit, its read model, and how far both have come.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::GenerationEntry;
use crate::circuit::{Attributable, Circuit, Handles, OperatorReport, StepInput, ZBatch};
use crate::plan::Planned;
use crate::progress::{Cut, Reads, SourceName};
use crate::read_model::catalog::{ColumnStatus, ProjectionState, ProjectionStatus, Relation, RelationData};
use crate::read_model::search::{IndexError, PinnedFiles, SearchIndex, SearchSnapshot, SearchSpec, WriterSettings};
use crate::read_model::table::{Table, TableSpec};
use crate::state::{StateDelta, StoredSegment};

/// What is fixed about a projection.
#[derive(Debug, Clone)]
pub struct Definition {
    pub name: String,
    pub owner: Option<String>,
    /// Of everything that decides its rows.
    pub fingerprint: String,
    pub reads: Reads,
    /// Projections that it reads.
    pub upstream: Vec<String>,
    pub table: Arc<TableSpec>,
    /// Most bytes of state before it fails.
    pub state_limit: u64,
    /// Only of a search projection.
    pub search: Option<SearchSpec>,
}

/// A projection with its state.
pub struct Kept {
    pub definition: Definition,
    pub generation: u64,
    circuit: Circuit,
    table: Table,
    search: Option<Search>,
    /// The last cut that its rows were computed at.
    cut: Cut,
    /// When that was the live cut, microseconds since the epoch.
    arrived_at_us: i64,
    /// Why it stopped, if it did. Its rows stay as they were.
    failure: Option<String>,
}

struct Search {
    index: SearchIndex,
    /// The last commit, with the table of its own cut.
    published: SearchSnapshot,
    /// When that was, microseconds since the epoch.
    live_at_us: i64,
    /// Whether something was applied since.
    changed: bool,
    /// Why the index cannot be written. It is behind the rows until it is built again from them.
    broken: Option<String>,
}

impl Kept {
    /// A projection without rows, at the beginning of its sources.
    pub fn new(planned: Planned, generation: u64, index: Option<SearchIndex>) -> Result<Self, String> {
        let definition = definition(&planned);
        let table = Table::new(definition.table.clone()).map_err(|error| error.to_string())?;
        let mut circuit = planned.compiled.circuit;
        circuit.settle(&store_prefix(&definition.name, generation), &BTreeMap::new());
        Ok(Self::with_table(definition, circuit, generation, table, index, Cut::default()))
    }

    /// A projection as a checkpoint kept it, with a circuit that is settled. Takes its own out of `stores`, by the names
    /// that [`Kept::capture`] gave; what it shares may be among `restored`. An index that is not at the cut has to be
    /// empty: it is built from the rows.
    pub fn restore(
        planned: Planned,
        generation: u64,
        cut: Cut,
        stores: &mut BTreeMap<String, Vec<StoredSegment>>,
        restored: &mut Handles,
        index: Option<SearchIndex>,
    ) -> Result<Self, String> {
        let definition = definition(&planned);
        let prefix = store_prefix(&definition.name, generation);
        let rows = stores.remove(&format!("{prefix}{TABLE_STORE}")).unwrap_or_default();
        let table = Table::restore(definition.table.clone(), rows).map_err(|error| error.to_string())?;
        let mut index = index;
        if let Some(index) = index.as_mut().filter(|index| *index.cut() != cut) {
            fill(index, &table, &cut).map_err(|error| error.to_string())?;
        }
        let mut circuit = planned.compiled.circuit;
        circuit.restore(stores, restored).map_err(|error| error.to_string())?;
        Ok(Self::with_table(definition, circuit, generation, table, index, cut))
    }

    fn with_table(
        definition: Definition,
        circuit: Circuit,
        generation: u64,
        table: Table,
        index: Option<SearchIndex>,
        cut: Cut,
    ) -> Self {
        let search = index.map(|index| {
            let published = index.snapshot(table.snapshot());
            Search { index, published, live_at_us: 0, changed: false, broken: None }
        });
        Self { definition, generation, circuit, table, search, cut, arrived_at_us: 0, failure: None }
    }

    pub fn name(&self) -> &str {
        &self.definition.name
    }

    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Stops the projection; its rows stay as they are.
    pub(super) fn fail(&mut self, failure: String) {
        self.failure = Some(failure);
    }

    /// Takes one step. On an error the projection has failed, alone.
    pub(super) fn step(&mut self, input: &StepInput<'_>) -> Result<(ZBatch, Vec<Attributable>), String> {
        // Before anything is changed, so that the rows stay those of the last cut.
        self.check_state_limit()?;
        let (delta, rejected) = self.circuit.step(input).map_err(|error| error.to_string())?;
        self.take(&delta)?;
        Ok((delta, rejected))
    }

    fn state_bytes(&self) -> u64 {
        (self.circuit.size() + self.table.size()) as u64
    }

    /// One step may pass the limit by what it adds; the next one does not happen.
    fn check_state_limit(&self) -> Result<(), String> {
        let (bytes, limit) = (self.state_bytes(), self.definition.state_limit);
        if bytes <= limit {
            return Ok(());
        }
        let largest = self.circuit.report().into_iter().max_by_key(|operator| operator.bytes);
        let most = largest.filter(|operator| operator.bytes > bytes / 2).and_then(|operator| {
            let OperatorReport { name, rows, bytes, .. } = operator;
            Some(format!("`{name}` keeps {bytes} of them in {rows} rows, which grow with {}", operator.grows_with?))
        });
        let most = most.unwrap_or_else(|| format!("most are the projection's own {} rows", self.table.num_rows()));
        Err(format!(
            "its state takes {bytes} bytes, and `state_limit` is {limit}; {most}; keep less, or raise the limit"
        ))
    }

    fn take(&mut self, delta: &ZBatch) -> Result<(), String> {
        if delta.is_empty() {
            return Ok(());
        }
        let changes = self.table.apply(delta).map_err(|error| error.to_string())?;
        if let Some(search) = &mut self.search
            && !changes.is_empty()
        {
            search.changed = true;
            if search.broken.is_none()
                && let Err(error) = search.index.apply(&changes.inserted, &changes.updated, &changes.deleted_keys)
            {
                match error {
                    IndexError::Tantivy { .. } | IndexError::Io { .. } => self.break_index(&error),
                    _ => return Err(error.to_string()),
                }
            }
        }
        Ok(())
    }

    /// Says that the rows are those of `cut`.
    pub(super) fn arrive(&mut self, cut: &Cut, now_us: i64) {
        self.cut = cut.clone();
        self.arrived_at_us = now_us;
    }

    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Makes what was applied to the search index visible, as the state at the projection's cut.
    pub(super) fn commit_search(&mut self) {
        let Some(search) = &mut self.search else { return };
        if search.broken.is_some() || !search.changed && *search.index.cut() == self.cut {
            return;
        }
        match search.index.commit(&self.cut) {
            Ok(()) => self.publish_index(),
            Err(error) => self.break_index(&error),
        }
    }

    /// Builds a broken index again from the rows, beside the old one, which is searched until then.
    pub(super) fn mend_search(&mut self) {
        let Some(search) = &mut self.search else { return };
        let Some(spec) = self.definition.search.clone() else { return };
        let old = search.index.directory().to_owned();
        let directory = beside(&old);
        let built = SearchIndex::open(&directory, spec, WriterSettings::default()).and_then(|mut index| {
            fill(&mut index, &self.table, &self.cut)?;
            Ok(index)
        });
        match built {
            Ok(index) => {
                search.index = index;
                search.broken = None;
                self.publish_index();
                tracing::info!(projection = self.name(), "search index was built again");
                // What cannot be removed now is removed at the next start.
                let _ = std::fs::remove_dir_all(old);
            }
            Err(error) => {
                tracing::warn!(projection = self.name(), %error, "search index cannot be built again yet");
                let _ = std::fs::remove_dir_all(directory);
            }
        }
    }

    fn publish_index(&mut self) {
        if let Some(search) = &mut self.search {
            search.changed = false;
            search.live_at_us = self.arrived_at_us;
            search.published = search.index.snapshot(self.table.snapshot());
        }
    }

    /// Leaves the index as it is until it is built again: the rows are right, and the old commit can be searched.
    fn break_index(&mut self, error: &IndexError) {
        tracing::error!(projection = self.name(), %error, "search index cannot be written; it will be built again");
        if let Some(search) = &mut self.search {
            search.broken = Some(error.to_string());
        }
    }

    /// The files of the index's last commit; none if this is not a search projection, or its index is broken.
    pub(super) fn pin_index(&mut self) -> Option<PinnedFiles> {
        let search = self.search.as_mut().filter(|search| search.broken.is_none())?;
        match search.index.pin() {
            Ok(pinned) => Some(pinned),
            Err(error) => {
                self.break_index(&error);
                None
            }
        }
    }

    /// Whether there are changes that no search sees yet, and that a commit would show.
    pub(super) fn awaits_search_commit(&self) -> bool {
        self.failure.is_none() && self.search.as_ref().is_some_and(|search| search.changed && search.broken.is_none())
    }

    /// Whether the index has to be built again.
    pub(super) fn awaits_mending(&self) -> bool {
        self.failure.is_none() && self.search.as_ref().is_some_and(|search| search.broken.is_some())
    }

    /// What changed in its state since the last call, by store name.
    pub(super) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, String> {
        let mut deltas = self.circuit.capture().map_err(|error| error.to_string())?;
        let table = self.table.capture().map_err(|error| error.to_string())?;
        let prefix = store_prefix(self.name(), self.generation);
        deltas.extend(table.map(|delta| (format!("{prefix}{TABLE_STORE}"), delta)));
        Ok(deltas)
    }

    /// The whole table as inserts: what a projection built later reads of this one.
    pub(super) fn rows(&self) -> Result<Vec<ZBatch>, arrow::error::ArrowError> {
        self.table.snapshot().scan().map(|batch| Ok(ZBatch::inserts(batch?))).collect()
    }

    pub(super) fn relation(&self, parked: BTreeMap<SourceName, BTreeMap<String, u64>>) -> Relation {
        let (data, cut, live_at_us) = match &self.search {
            Some(search) if search.changed => {
                (RelationData::Search(search.published.clone()), search.published.cut().clone(), search.live_at_us)
            }
            // Nothing has changed since the index's last commit, so that it stands for the present cut too.
            Some(search) => (RelationData::Search(search.published.clone()), self.cut.clone(), self.arrived_at_us),
            None => (RelationData::Table(self.table.snapshot()), self.cut.clone(), self.arrived_at_us),
        };
        Relation { data, reads: self.definition.reads.clone(), cut, live_at_us, parked }
    }

    pub(super) fn entry(&self) -> GenerationEntry {
        GenerationEntry {
            generation: self.generation,
            fingerprint: self.definition.fingerprint.clone(),
            positions: self.cut.positions.clone(),
            state: if self.failure.is_some() { "failed" } else { "serving" }.to_owned(),
            kind: self.kind().to_owned(),
            borrowed: self.circuit.borrowed(&store_prefix(self.name(), self.generation)),
        }
    }

    /// What it can share with others, and its name.
    pub(super) fn circuit(&mut self) -> (&str, &mut Circuit) {
        (&self.definition.name, &mut self.circuit)
    }

    fn kind(&self) -> &'static str {
        if self.definition.search.is_some() { "search" } else { "table" }
    }

    pub(super) fn status(&self) -> ProjectionStatus {
        let table = &self.definition.table;
        let columns = table.schema.fields().iter().map(|field| ColumnStatus {
            name: field.name().clone(),
            data_type: field.data_type().to_string(),
            nullable: field.is_nullable(),
        });
        let key = table.key.iter().map(|&place| table.schema.field(place).name().clone());
        ProjectionStatus {
            name: self.definition.name.clone(),
            kind: self.kind(),
            owner: self.definition.owner.clone(),
            generation: self.generation,
            state: if self.failure.is_some() { ProjectionState::Failed } else { ProjectionState::Serving },
            rows: self.table.num_rows() as u64,
            state_bytes: self.state_bytes(),
            state_limit: self.definition.state_limit,
            operators: self.circuit.report(),
            columns: columns.collect(),
            key: key.collect(),
            error: self.failure.clone().or_else(|| self.search.as_ref()?.broken.clone()),
            positions: self.cut.positions.clone(),
        }
    }
}

/// Puts all rows into an empty index, as the state at `cut`.
fn fill(index: &mut SearchIndex, table: &Table, cut: &Cut) -> Result<(), IndexError> {
    let snapshot = table.snapshot();
    let failed =
        |error: arrow::error::ArrowError| IndexError::Row { name: table.spec().name.clone(), cause: error.to_string() };
    for batch in snapshot.scan() {
        let rows = batch.map_err(failed)?;
        let nothing = rows.slice(0, 0);
        let no_keys = nothing.project(&table.spec().key).map_err(failed)?;
        index.apply(&rows, &nothing, &no_keys)?;
    }
    index.commit(cut)
}

/// A directory of another name for the same index: `3`, `3-1`, `3-2`.
fn beside(directory: &Path) -> PathBuf {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (base, number) = name.rsplit_once('-').unwrap_or((&name, "0"));
    let number: u64 = number.parse().unwrap_or(0);
    directory.with_file_name(format!("{base}-{}", number + 1))
}

/// The store of the table's rows; the names of the circuit's begin with a number.
const TABLE_STORE: &str = "rows";

/// What the names of one generation's stores begin with.
pub(super) fn store_prefix(projection: &str, generation: u64) -> String {
    format!("{projection}/{generation}/")
}

fn definition(planned: &Planned) -> Definition {
    let config = &planned.config;
    let schema = &planned.compiled.schema;
    let table = TableSpec {
        name: config.name.clone(),
        schema: schema.schema.clone(),
        key: schema.key.clone(),
        key_proven: schema.key_proven,
        indexes: planned.indexes.clone(),
    };
    Definition {
        name: config.name.clone(),
        owner: config.owner.clone(),
        fingerprint: planned.fingerprint.clone(),
        reads: schema.reads.clone(),
        upstream: planned.compiled.upstream.clone(),
        table: Arc::new(table),
        state_limit: config.state_limit,
        search: super::search_spec::search_spec(config, schema),
    }
}
