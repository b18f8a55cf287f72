//! One generation as the engine keeps it: its circuit, its read model, and how far both have come.

mod beginning;
mod committing;
mod definition;
mod held_changes;
mod in_error;
mod persisting;
mod search_spec;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use super::error::GenerationError;
use super::quota::Quota;
use crate::checkpoint::{
    GenerationEntry, HeldEntry, OperatorEntry, errors_store, held_store, store_prefix, table_store,
};
use crate::circuit::{Attributable, Circuit, Handles, OperatorReport, StepInput, ZBatch};
use crate::identity::Identity;
use crate::lifecycle::{GenerationId, GenerationState};
use crate::plan::PlannedProjection;
use crate::progress::{Cut, Losses, Phase, Position, SourceName, keep_most};
use crate::read_model::search::{IndexedTable, SearchIndex};
use crate::read_model::table::{ApplyError, Table};
use crate::read_model::{InputRows, ReadModel, TakeError};
use crate::state::{StoredSegment, Stores};

use held_changes::HeldChanges;
use in_error::InError;

pub use definition::Definition;

/// A cut at which a generation was not in error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct RowsCut {
    cut: Cut,
    /// When that was the live cut, microseconds since the epoch.
    live_at_us: i64,
}

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
    /// The last cut that it was computed at.
    cut: Cut,
    /// The cut of its rows: the last one at which it was not in error; none if there was none yet.
    rows_cut: Option<RowsCut>,
    /// Why the rows are not those of `cut`.
    in_error: Option<InError>,
    /// What the rows lack of `cut`.
    held: HeldChanges,
    /// Messages that had vanished from its sources when it was built.
    lost: BTreeMap<SourceName, Losses>,
    /// The first sequence that counts, of sources of which not all do.
    since: BTreeMap<SourceName, Position>,
    /// Events that it could not take, and that were given up.
    discarded: BTreeMap<SourceName, BTreeSet<u64>>,
    /// Whether it takes the rows of what it replaces in place of computing them. It has nothing to compute with until then.
    follows_rows: bool,
    /// Sequences a second when it was built, if that was in this process.
    pub(super) build_rate: Option<f64>,
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
        Ok(Self::running(id, definition, state, circuit, rows, cut, None))
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
        let rows_cut = entry.rows_cut(&cut).map(|cut| RowsCut { cut: cut.clone(), live_at_us: entry.live_at_us });
        let at = rows_cut.clone().unwrap_or_default();
        let rows = read_model(&definition, table, index, &at.cut)?;
        let state = GenerationState::Serving;
        let running = Self::running(id, definition, state, circuit, rows, cut, rows_cut);
        let mut generation = Self {
            lost: entry.lost.clone(),
            discarded: entry.discarded.clone(),
            since: entry.since.clone(),
            ..running
        };
        if let Some(held) = &entry.held {
            generation.restore_held(held, stores)?;
        }
        Ok(generation)
    }

    /// Goes on with the error that it was in.
    fn restore_held(&mut self, entry: &HeldEntry, stores: &mut Stores) -> Result<(), GenerationError> {
        let (projection, number) = (&self.id.projection, self.id.number);
        let held = stores.remove(&held_store(projection, number)).unwrap_or_default();
        self.held.restore(&held)?;
        let errors = stores.remove(&errors_store(projection, number)).unwrap_or_default();
        if let Some(circuit) = &mut self.circuit {
            circuit.restore_errors(&errors)?;
        }
        self.in_error = Some(InError::Computed { reason: entry.reason.clone() });
        Ok(())
    }

    fn running(
        id: GenerationId,
        definition: Definition,
        state: GenerationState,
        circuit: Circuit,
        rows: ReadModel,
        cut: Cut,
        rows_cut: Option<RowsCut>,
    ) -> Self {
        Self {
            held: HeldChanges::new(definition.table.schema.clone()),
            id,
            definition,
            state,
            circuit: Some(circuit),
            stored_operators: BTreeMap::new(),
            rows,
            cut,
            rows_cut,
            in_error: None,
            lost: BTreeMap::new(),
            since: BTreeMap::new(),
            discarded: BTreeMap::new(),
            build_rate: None,
            follows_rows: false,
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
            held: HeldChanges::new(definition.table.schema.clone()),
            id,
            definition,
            state,
            circuit: None,
            stored_operators: entry.operators.clone(),
            rows,
            rows_cut: Some(RowsCut { cut: cut.clone(), live_at_us: entry.live_at_us }),
            cut,
            in_error: None,
            lost: entry.lost.clone(),
            since: entry.since.clone(),
            discarded: entry.discarded.clone(),
            build_rate: None,
            follows_rows: false,
        }
    }

    /// One that takes nothing, with the rows that a checkpoint has of it, as `entry` says. A search projection needs an empty `index`.
    ///
    /// # Errors
    /// If the stored rows do not make up a table, or the index cannot be written.
    pub(super) fn paused(
        definition: Definition,
        state: GenerationState,
        stored: Vec<StoredSegment>,
        index: Option<SearchIndex>,
        cut: Cut,
        entry: &GenerationEntry,
    ) -> Result<Self, GenerationError> {
        let id = GenerationId::new(definition.table.name.as_str(), entry.generation);
        let table = Table::restore(definition.table.clone(), stored)?;
        let rows = read_model(&definition, table, index, &cut)?;
        Ok(Self::last_rows(id, definition, state, rows, cut, entry))
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

    /// Lets only what comes from these sequences on count, as in what it reads.
    pub(super) fn counts_since(&mut self, since: &BTreeMap<SourceName, Position>) {
        for (source, position) in since.iter().filter(|(source, _)| self.definition.reads.contains_key(*source)) {
            let known = self.since.entry(source.clone()).or_insert(*position);
            *known = (*known).max(*position);
        }
    }

    /// The first sequence that counts, of sources of which not all do.
    pub fn since(&self) -> &BTreeMap<SourceName, Position> {
        &self.since
    }

    /// Records what had vanished when the generation was built from whose state this one went on: it lacks the same.
    pub(super) fn lacks_what(&mut self, lost: &BTreeMap<SourceName, Losses>) {
        lost.iter().for_each(|(source, losses)| keep_most(&mut self.lost, source, losses));
    }

    /// Events that it could not take, and that were given up.
    pub(super) fn discarded(&self) -> &BTreeMap<SourceName, BTreeSet<u64>> {
        &self.discarded
    }

    /// Records that an event which it could not take was given up.
    pub(super) fn discard(&mut self, source: &SourceName, sequence: u64) {
        self.discarded.entry(source.clone()).or_default().insert(sequence);
    }

    /// Records what was given up of the generation from whose state this one went on: its state is without the same.
    pub(super) fn is_without(&mut self, discarded: &BTreeMap<SourceName, BTreeSet<u64>>) {
        discarded.iter().for_each(|(source, sequences)| {
            self.discarded.entry(source.clone()).or_default().extend(sequences);
        });
    }

    /// Stops the generation; its rows stay as they are.
    pub(super) fn fail(&mut self, reason: String) {
        self.state = GenerationState::Failed { reason };
    }

    /// Takes nothing any more and keeps nothing but its rows, which stay readable until a successor is built.
    pub(super) fn leave_last_rows(&mut self, reason: &str) {
        self.keep_rows_alone(GenerationState::Rebuilding { reason: reason.to_owned() });
    }

    /// Takes nothing any more and keeps nothing but its rows, until it is resumed or replaced.
    pub(super) fn pause(&mut self, reason: String) {
        // What no reader has seen yet of an index would never be seen.
        self.commit();
        self.keep_rows_alone(GenerationState::Paused { reason });
    }

    fn keep_rows_alone(&mut self, state: GenerationState) {
        self.state = state;
        // Of what was in error the rows are of an earlier cut than what was computed.
        if let Some(at) = &self.rows_cut {
            self.cut.clone_from(&at.cut);
        }
        self.circuit = None;
        self.held.clear();
        self.in_error = None;
    }

    /// Whether it has rows that were right at some cut.
    pub(super) fn has_right_rows(&self) -> bool {
        self.right_rows().is_some()
    }

    /// Where its rows were right for the last time; none if they never were. Of what has stopped at its very first events, no rows are no
    /// answer.
    fn right_rows(&self) -> Option<&RowsCut> {
        let at = self.rows_cut.as_ref()?;
        let began = |source: &SourceName| at.cut.position(source) > Position::START;
        let has_stopped = matches!(self.phase(), Phase::Failed | Phase::Rebuilding);
        (!has_stopped || self.definition.reads.keys().any(began)).then_some(at)
    }

    /// Marks the generation as one that has yet to come to the live cut.
    pub(super) fn is_building(&mut self) {
        self.state = GenerationState::Building;
    }

    /// Marks the generation as live: it takes every commit from now on.
    pub(super) fn serve(&mut self) {
        self.state = GenerationState::Serving;
    }

    /// Takes one step. `in_error` names a projection that it reads and that is in error, and `quota` is how many more events
    /// it may have that it cannot take.
    ///
    /// # Errors
    /// The generation has to be failed, alone: its rows are still those of the last cut.
    pub(super) fn step(
        &mut self,
        input: &StepInput<'_>,
        in_error: Option<&str>,
        quota: Quota,
        now_us: i64,
    ) -> Result<(ZBatch, Vec<Attributable>), GenerationError> {
        // Before anything is changed, so that the rows stay those of the last cut.
        self.check_state_limit()?;
        let circuit = self.circuit.as_mut().ok_or(GenerationError::NoCircuit)?;
        let (delta, rejected) = circuit.step(input)?;
        check_quota(&rejected, quota)?;
        let computed = InError::of(circuit).or_else(|| in_error.map(InError::of_input));
        let was_in_error = self.in_error.is_some();
        self.take(&delta, computed, now_us)?;
        self.tell_error(was_in_error);
        Ok((delta, rejected))
    }

    /// Lets the rows take a change and all that they lack; if there is an error now, they take nothing.
    fn take(&mut self, delta: &ZBatch, computed: Option<InError>, now_us: i64) -> Result<(), GenerationError> {
        let earlier = self.in_error.take();
        let in_error = match (computed, earlier) {
            (Some(in_error), _) => Some(in_error),
            (None, None) => match self.apply(delta, now_us)? {
                Some(in_error) => Some(in_error),
                None => return Ok(()),
            },
            // Everything that is held would be looked at in vain.
            (None, Some(InError::Key { key, reason })) if !self.touches(delta, &key)? => {
                Some(InError::Key { key, reason })
            }
            (None, Some(_)) => {
                self.held.add(delta)?;
                self.in_error = self.apply(&self.held.all()?, now_us)?;
                if self.in_error.is_none() {
                    self.held.clear();
                }
                return Ok(());
            }
        };
        self.held.add(delta)?;
        self.in_error = in_error;
        Ok(())
    }

    /// Applies a change to the rows, unless two of them would have one key.
    fn apply(&mut self, delta: &ZBatch, now_us: i64) -> Result<Option<InError>, GenerationError> {
        let was_writable = self.rows.failure().is_none();
        match self.rows.apply(delta, now_us) {
            Ok(()) => {}
            Err(TakeError::Table(ApplyError::KeyConflict(conflict))) => {
                return Ok(Some(InError::Key { reason: conflict.to_string(), key: conflict.key }));
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(error) = self.rows.failure().filter(|_| was_writable) {
            self.tell_broken_index(error);
        }
        Ok(None)
    }

    fn touches(&self, delta: &ZBatch, key: &str) -> Result<bool, GenerationError> {
        Ok(self.table().touches(delta, key).map_err(TakeError::Table)?)
    }

    /// The log has the beginning and the end of an error. While a projection is built, errors come and go with its history.
    fn tell_error(&self, was_in_error: bool) {
        match &self.in_error {
            _ if self.state != GenerationState::Serving => {}
            // The reason has rows in it, which belong into the status and not into a log.
            Some(_) if !was_in_error => {
                tracing::error!(
                    projection = self.projection(),
                    "projection is in error, as its status says; its rows stay as they were until the cause is corrected"
                );
            }
            None if was_in_error => {
                tracing::info!(projection = self.projection(), "projection is no longer in error");
            }
            _ => {}
        }
    }

    /// Whether it takes every commit, and its batch result is an error.
    pub(super) fn is_in_error(&self) -> bool {
        self.in_error.is_some() && self.state.steps()
    }

    /// Records that it was built of what is in error, so that its rows were never right.
    pub(super) fn was_built_of(&mut self, input: &str) {
        self.in_error = Some(InError::of_input(input));
        self.rows_cut = None;
    }

    /// Its rows at its cut, for a projection that is built over them; while it is in error, what can be computed of them.
    pub(super) fn input_rows(&self) -> InputRows {
        InputRows::of(self.table(), self.held.parts().to_vec())
    }

    fn state_bytes(&self) -> u64 {
        (self.circuit.as_ref().map_or(0, Circuit::size) + self.table().size() + self.held.size()) as u64
    }

    /// One step may pass the limit by what it adds; the next one does not happen.
    ///
    /// # Errors
    /// The state is beyond its limit.
    pub(super) fn check_state_limit(&self) -> Result<(), GenerationError> {
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

    /// Records that it is computed at `cut`. If it is not in error, its rows are those of that cut.
    pub(super) fn arrive(&mut self, cut: &Cut, now_us: i64) {
        let was_never_right = self.rows_cut.is_none() && self.cut != Cut::default();
        self.cut = cut.clone();
        if self.in_error.is_some() {
            return;
        }
        self.rows_cut = Some(RowsCut { cut: cut.clone(), live_at_us: now_us });
        self.rows.reach(cut, now_us);
        if was_never_right {
            // Until now an index has only what was not to be shown.
            self.commit();
        }
    }

    /// Whether what its operators keep is all right, so that others may go on from it. The errors of what an operator reads are
    /// not among its state, so nothing would tell when they are over.
    pub(super) fn may_donate(&self) -> bool {
        self.state == GenerationState::Serving && self.in_error.is_none()
    }

    /// Whether others may go on from what its operators keep: it is right, and all events count in it.
    pub(super) fn lends_state(&self) -> bool {
        self.may_donate() && self.since.is_empty()
    }

    /// What computes its rows; none if nothing does.
    pub(super) fn computes(&self) -> Option<&Circuit> {
        self.circuit.as_ref()
    }

    /// What it can share with others, and its name. In what it has computed of a part of the events the same operators have another
    /// state.
    pub(super) fn circuit(&mut self) -> Option<(&str, &mut Circuit)> {
        let shares = self.state.steps() && !self.follows_rows && self.since.is_empty();
        let circuit = self.circuit.as_mut().filter(|_| shares)?;
        Some((&self.id.projection, circuit))
    }

    /// What readers are told that it is doing. Of what is in error they see the last rows, as of what has failed.
    pub(super) fn phase(&self) -> Phase {
        match (&self.in_error, &self.state) {
            (Some(_), GenerationState::Serving) => Phase::Failed,
            _ => self.state.phase(),
        }
    }

    /// Why it is not doing what it is there for.
    fn reason(&self) -> Option<&str> {
        let in_error = self.in_error.as_ref().map(InError::reason).filter(|_| self.state.steps());
        self.state.reason().or(in_error)
    }
}

/// Whether so many events may be parked for a generation.
fn check_quota(rejected: &[Attributable], quota: Quota) -> Result<(), GenerationError> {
    match rejected.get(quota.events()) {
        None => Ok(()),
        Some(beyond) => {
            Err(GenerationError::ParkedLimit { events: rejected.len(), source_name: beyond.source.to_string() })
        }
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
