//! One generation as the engine keeps it: its circuit, its read model, and how far both have come.

mod definition;
mod search_spec;
mod status;

use std::collections::BTreeMap;

use super::error::GenerationError;
use super::quota::Quota;
use crate::checkpoint::{GenerationEntry, OperatorEntry, store_prefix, table_store};
use crate::circuit::{Attributable, Circuit, CircuitError, Handles, OperatorReport, StepInput, ZBatch};
use crate::identity::Identity;
use crate::lifecycle::{GenerationId, GenerationState};
use crate::plan::PlannedProjection;
use crate::progress::{Cut, Losses, Phase, SourceName};
use crate::read_model::catalog::Relation;
use crate::read_model::search::{IndexedTable, PinnedFiles, SearchIndex};
use crate::read_model::table::Table;
use crate::read_model::{Published, ReadModel};
use crate::state::{StateDelta, Stores};

pub use definition::Definition;

/// One build of one definition of a projection.
pub struct Generation {
    pub id: GenerationId,
    pub definition: Definition,
    state: GenerationState,
    /// None of a generation whose rows alone were taken from a checkpoint.
    circuit: Option<Circuit>,
    /// What the checkpoint holds of the operators of such a generation, until a successor is there that may go on with it.
    stored_operators: BTreeMap<Identity, OperatorEntry>,
    rows: ReadModel,
    /// The last cut that its rows were computed at.
    cut: Cut,
    /// When that was the live cut, microseconds since the epoch.
    arrived_at_us: i64,
    /// Messages that had vanished from its sources when it was built.
    lost: BTreeMap<SourceName, Losses>,
}

impl Generation {
    /// A generation without rows, at the beginning of its sources. A search projection needs an empty `index`.
    ///
    /// # Errors
    /// The rows' types cannot be compared, or the index cannot be written.
    pub fn new(planned: PlannedProjection, number: u64, index: Option<SearchIndex>) -> Result<Self, GenerationError> {
        let definition = Definition::of(&planned);
        let table = Table::new(definition.table.clone())?;
        let id = GenerationId::new(planned.config.name, number);
        let mut circuit = planned.compiled.circuit;
        circuit.name_stores(&store_prefix(&id.projection, number), &BTreeMap::new());
        let rows = read_model(&definition, table, index, &Cut::default())?;
        let (state, cut) = (GenerationState::Building, Cut::default());
        Ok(Self::running(id, definition, state, circuit, rows, cut))
    }

    /// A generation that goes on from a checkpoint, which has all that `entry` lists. Takes its own out of `stores`; what
    /// it shares may be among `restored`. An index that is not at the cut has to be empty: it is built from the rows.
    ///
    /// # Errors
    /// If the stored rows do not make up the state; the caller has to build the generation again.
    pub fn restore(
        planned: &PlannedProjection,
        entry: &GenerationEntry,
        cut: Cut,
        stores: &mut Stores,
        restored: &mut Handles,
        index: Option<SearchIndex>,
    ) -> Result<Self, GenerationError> {
        let definition = Definition::of(planned);
        let id = GenerationId::new(planned.config.name.as_str(), entry.generation);
        // The planned one stays as it is, for the case that this one cannot be restored; so do the rows.
        let mut circuit = planned.compiled.circuit.afresh()?;
        let names = entry.operators.iter().map(|(identity, operator)| (*identity, operator.prefix.clone()));
        circuit.name_stores(&store_prefix(&id.projection, id.number), &names.collect());
        circuit.restore(stores, restored)?;
        let stored = stores.remove(&table_store(&id.projection, id.number)).unwrap_or_default();
        let table = Table::restore(definition.table.clone(), stored)?;
        let rows = read_model(&definition, table, index, &cut)?;
        let state = GenerationState::Serving;
        Ok(Self {
            lost: entry.lost.clone(),
            arrived_at_us: entry.live_at_us,
            ..Self::running(id, definition, state, circuit, rows, cut)
        })
    }

    /// Takes over the state of some operators of a predecessor, which stands at the cut that this generation is brought to.
    ///
    /// # Errors
    /// If the stored rows do not make up an operator's state. The generation then begins without any.
    pub(super) fn adopt(
        &mut self,
        adopted: &BTreeMap<Identity, String>,
        stores: &mut Stores,
        restored: &mut Handles,
    ) -> Result<(), GenerationError> {
        let Some(circuit) = &mut self.circuit else { return Ok(()) };
        let adopted = circuit.adopt(adopted, stores, restored);
        if adopted.is_err() {
            self.adopt_nothing()?;
        }
        Ok(adopted?)
    }

    /// Begins without the state of any predecessor.
    ///
    /// # Errors
    /// An operator cannot be made, which no accepted plan leads to.
    pub(super) fn adopt_nothing(&mut self) -> Result<(), GenerationError> {
        if let Some(circuit) = &mut self.circuit {
            *circuit = circuit.afresh()?;
            circuit.name_stores(&store_prefix(&self.id.projection, self.id.number), &BTreeMap::new());
        }
        Ok(())
    }

    /// Lets go of the adopted state once its cut is reached: the next step emits what follows from it.
    pub(super) fn release(&mut self) {
        if let Some(circuit) = &mut self.circuit {
            circuit.release();
        }
    }

    /// Whether events have to be read to bring it to the live cut.
    pub(super) fn needs_events(&self) -> bool {
        self.circuit.as_ref().is_some_and(Circuit::needs_events)
    }

    fn running(
        id: GenerationId,
        definition: Definition,
        state: GenerationState,
        circuit: Circuit,
        rows: ReadModel,
        cut: Cut,
    ) -> Self {
        let stored_operators = BTreeMap::new();
        Self {
            id,
            definition,
            state,
            circuit: Some(circuit),
            stored_operators,
            rows,
            cut,
            arrived_at_us: 0,
            lost: BTreeMap::new(),
        }
    }

    /// The rows that a checkpoint had of a generation, as `entry` says, to be read until a successor is built.
    pub(super) fn last_rows(
        id: GenerationId,
        definition: Definition,
        state: GenerationState,
        rows: ReadModel,
        cut: Cut,
        entry: &GenerationEntry,
    ) -> Self {
        Self {
            id,
            definition,
            state,
            circuit: None,
            stored_operators: entry.operators.clone(),
            rows,
            cut,
            arrived_at_us: entry.live_at_us,
            lost: entry.lost.clone(),
        }
    }

    pub fn projection(&self) -> &str {
        &self.id.projection
    }

    pub fn state(&self) -> &GenerationState {
        &self.state
    }

    pub fn table(&self) -> &Table {
        self.rows.table()
    }

    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Messages that had vanished from its sources when it was built.
    pub(super) fn lost(&self) -> &BTreeMap<SourceName, Losses> {
        &self.lost
    }

    /// Records what had vanished from a source when the generation was built.
    pub(super) fn built_without(&mut self, source: &SourceName, lost: &Losses) {
        if !lost.is_empty() && self.definition.reads.contains_key(source) {
            self.lost.insert(source.clone(), lost.clone());
        }
    }

    /// Stops the generation; its rows stay as they are.
    pub(super) fn fail(&mut self, reason: String) {
        self.state = GenerationState::Failed { reason };
    }

    /// Marks the generation as live: it takes every commit from now on.
    pub(super) fn serve(&mut self) {
        self.state = GenerationState::Serving;
    }

    /// Takes one step. `quota` is how many more events it may have that it cannot take.
    ///
    /// # Errors
    /// The generation has to be failed, alone: its rows are still those of the last cut.
    pub(super) fn step(
        &mut self,
        input: &StepInput<'_>,
        quota: Quota,
        now_us: i64,
    ) -> Result<(ZBatch, Vec<Attributable>), GenerationError> {
        // Before anything is changed, so that the rows stay those of the last cut.
        self.check_state_limit()?;
        let circuit = self.circuit.as_mut().ok_or(GenerationError::NoCircuit)?;
        let (delta, rejected) = circuit.step(input)?;
        check_quota(&rejected, quota)?;
        let was_writable = self.rows.failure().is_none();
        self.rows.apply(&delta, now_us)?;
        if let Some(error) = self.rows.failure().filter(|_| was_writable) {
            self.tell_broken_index(error);
        }
        Ok((delta, rejected))
    }

    fn state_bytes(&self) -> u64 {
        (self.circuit.as_ref().map_or(0, Circuit::size) + self.table().size()) as u64
    }

    /// One step may pass the limit by what it adds; the next one does not happen.
    fn check_state_limit(&self) -> Result<(), GenerationError> {
        let (bytes, limit) = (self.state_bytes(), self.definition.state_limit);
        if bytes <= limit {
            return Ok(());
        }
        let largest = self.operators().into_iter().max_by_key(|operator| operator.bytes);
        let most = largest.filter(|operator| operator.bytes > bytes / 2).and_then(|operator| {
            let OperatorReport { name, rows, bytes, .. } = operator;
            Some(format!("`{name}` keeps {bytes} of them in {rows} rows, which grow with {}", operator.grows_with?))
        });
        let most = most.unwrap_or_else(|| format!("most are the projection's own {} rows", self.table().num_rows()));
        Err(GenerationError::StateLimit { bytes, limit, most })
    }

    fn operators(&self) -> Vec<OperatorReport> {
        self.circuit.as_ref().map(Circuit::report).unwrap_or_default()
    }

    /// Records that the rows are those of `cut`.
    pub(super) fn arrive(&mut self, cut: &Cut, now_us: i64) {
        self.cut = cut.clone();
        self.arrived_at_us = now_us;
    }

    /// Since when there are changes that no reader sees before a commit, microseconds since the epoch.
    pub(super) fn uncommitted_since_us(&self) -> Option<i64> {
        self.rows.uncommitted_since_us().filter(|_| self.state.steps())
    }

    /// Makes what was applied visible, as the state at the generation's cut.
    pub(super) fn commit(&mut self) {
        if self.state.steps()
            && let Err(error) = self.rows.commit(&self.cut, self.arrived_at_us)
        {
            self.tell_broken_index(&error.to_string());
        }
    }

    /// Whether a part of the read model has to be built again.
    pub(super) fn awaits_mending(&self) -> bool {
        self.state.steps() && self.rows.failure().is_some()
    }

    /// Builds again what could not be written, as on a full disk.
    pub(super) fn mend(&mut self) {
        if !self.awaits_mending() {
            return;
        }
        match self.rows.mend(&self.cut, self.arrived_at_us) {
            Ok(()) => tracing::info!(projection = self.projection(), "search index was built again"),
            Err(error) => {
                tracing::warn!(projection = self.projection(), %error, "search index cannot be built again yet");
            }
        }
    }

    /// The files of the last commit, if there are any.
    pub(super) fn pin(&mut self) -> Option<PinnedFiles> {
        if !self.state.steps() {
            return None;
        }
        self.rows.pin().unwrap_or_else(|error| {
            self.tell_broken_index(&error.to_string());
            None
        })
    }

    fn tell_broken_index(&self, error: &str) {
        tracing::error!(projection = self.projection(), %error, "search index cannot be written; it will be built again");
    }

    /// What changed in its state since the last call, by store name. Of a generation that has stopped these are the rows
    /// alone: they are those of its last cut, and what its operators hold is of no more use.
    ///
    /// # Errors
    /// State cannot be gathered into columns.
    pub(super) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, GenerationError> {
        let mut deltas = match &mut self.circuit {
            Some(circuit) if self.state.steps() => circuit.capture()?,
            _ => Vec::new(),
        };
        let rows = self.rows.capture()?;
        deltas.extend(rows.map(|delta| (table_store(&self.id.projection, self.id.number), delta)));
        Ok(deltas)
    }

    pub(super) fn relation(
        &self,
        parked: BTreeMap<SourceName, BTreeMap<String, u64>>,
        lost: BTreeMap<SourceName, Losses>,
    ) -> Relation {
        let Published { data, cut, live_at_us } = self.rows.published(&self.cut, self.arrived_at_us);
        Relation { data, reads: self.definition.reads.clone(), cut, live_at_us, phase: self.phase(), parked, lost }
    }

    /// What a checkpoint lists of it, right after a capture.
    ///
    /// # Errors
    /// Columns of an operator cannot be made.
    pub(super) fn entry(&self) -> Result<GenerationEntry, CircuitError> {
        let operators = match &self.circuit {
            Some(circuit) if self.state.steps() => circuit.stores()?,
            _ => Vec::new(),
        };
        let running = operators.into_iter().map(|operator| {
            let entry =
                OperatorEntry { name: operator.name.to_owned(), prefix: operator.prefix, stores: operator.stores };
            (operator.identity, entry)
        });
        Ok(GenerationEntry {
            generation: self.id.number,
            rows: self.definition.rows,
            positions: self.cut.positions.clone(),
            state: self.state.phase(),
            kind: self.rows.kind().to_owned(),
            key: self.definition.table.key.clone(),
            table: Some(self.rows.shape()),
            operators: running.chain(self.stored_operators.clone()).collect(),
            lost: self.lost.clone(),
            live_at_us: self.arrived_at_us,
        })
    }

    /// What it can share with others, and its name.
    pub(super) fn circuit(&mut self) -> Option<(&str, &mut Circuit)> {
        let circuit = self.circuit.as_mut().filter(|_| self.state.steps())?;
        Some((&self.id.projection, circuit))
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.phase()
    }
}

/// Whether so many events may be parked for a generation.
fn check_quota(rejected: &[Attributable], quota: Quota) -> Result<(), GenerationError> {
    match rejected.get(quota.events()) {
        None => Ok(()),
        Some(beyond) => Err(GenerationError::ParkedLimit {
            events: rejected.len(),
            source_name: beyond.source.to_string(),
            detail: beyond.message.clone(),
        }),
    }
}

fn read_model(
    definition: &Definition,
    table: Table,
    index: Option<SearchIndex>,
    cut: &Cut,
) -> Result<ReadModel, GenerationError> {
    match (&definition.search, index) {
        (Some(spec), Some(index)) => {
            Ok(ReadModel::Search(Box::new(IndexedTable::new(table, index, spec.clone(), cut)?)))
        }
        _ => Ok(ReadModel::Table(Box::new(table))),
    }
}
