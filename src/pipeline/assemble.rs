//! What a start begins with: generations that go on from the checkpoint, and those that are built anew.
//!
//! A projection whose definition changed, or that had failed, is built from the start of its sources; so is everything
//! that reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::continuation::{BuildReason, Mismatch, Stores, Wanted, check_store, check_table};
use super::engine::{Engine, EngineError, PARKED_STORE};
use super::error::GenerationError;
use super::generation::{Definition, Generation};
use super::intake::Intake;
use super::runner::now_us;
use crate::checkpoint::{Checkpointer, Content, GenerationEntry, Manifest, RestoreIndexError, Restored, table_store};
use crate::circuit::{Handles, ZBatch};
use crate::config::ParkedLimits;
use crate::identity::Identity;
use crate::lifecycle::{GenerationId, GenerationState, Parked, ParkedEvents};
use crate::plan::{Planned, Program};
use crate::progress::{Cut, Position, SourceName};
use crate::read_model::ReadModel;
use crate::read_model::search::{SearchIndex, WriterSettings};
use crate::read_model::table::{Table, TableSpec};

/// Everything that a start needs before the loop runs.
pub struct Assembly {
    /// Generations that go on from the checkpoint's cut, and the last rows of those that are built again.
    pub live: Engine,
    /// Generations at the beginning, to be brought to the live cut; none if there is nothing to build.
    pub building: Option<Engine>,
    /// The projections in the order of a step.
    order: Vec<String>,
    /// Sources whose messages are read in another way than before.
    changed_sources: BTreeSet<SourceName>,
    /// Generations that are built without reading an event, by id, with those whose state they go on from.
    continued: BTreeMap<GenerationId, GenerationId>,
}

/// Why a start cannot go on. What concerns one generation alone is no such reason: it is built again.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("projection `{name}` cannot be set up: {error}")]
    Projection { name: String, error: GenerationError },
    #[error("the parked events in the checkpoint cannot be read: {0}")]
    Parked(#[from] arrow::error::ArrowError),
    #[error("the parked events in the checkpoint are not those that it lists: {0}")]
    ParkedStore(#[from] Mismatch),
    #[error("the search index of `{name}` cannot be set up: {message}")]
    Index { name: String, message: String },
}

/// Where the search indexes work, by projection and generation.
#[derive(Debug, Clone)]
pub struct IndexRoot(pub PathBuf);

impl IndexRoot {
    fn directory(&self, projection: &str, generation: u64) -> PathBuf {
        self.0.join(projection).join(generation.to_string())
    }
}

/// Sorts out what goes on and what is built.
///
/// # Errors
/// The parked events are not whole, or a search index has no place to work in.
pub async fn assemble(
    program: Program,
    restored: Option<Restored>,
    checkpointer: &Checkpointer,
    indexes: &IndexRoot,
    limits: ParkedLimits,
) -> Result<Assembly, AssembleError> {
    let (manifest, mut stores) = match restored {
        Some(Restored { manifest, stores, .. }) => (manifest, stores),
        None => (Manifest::default(), BTreeMap::new()),
    };
    let content = &manifest.content;
    let mut live = Engine::new(limits.clone());
    live.holds(manifest.stores.keys().cloned());
    live.revision = content.revision;
    live.parked = restored_parked(content, &mut stores)?;
    let mut changed_sources = BTreeSet::new();
    for source in program.sources {
        let name: SourceName = source.config.schema.source.as_str().into();
        let mut intake = Intake::new(Arc::new(source.decoder), source.identity);
        if let Some(entry) = content.sources.get(&name) {
            intake.resume(entry);
            if entry.admission != Some(source.identity) {
                changed_sources.insert(name.clone());
            }
        }
        live.intakes.insert(name, intake);
    }
    live.views = program.views.into_iter().map(Arc::new).collect();
    let cut = live.cut();
    let order: Vec<String> = program.projections.iter().map(|planned| planned.config.name.clone()).collect();
    let mut building = Engine::new(limits);
    // All are looked at before the first one takes its stores, because several may share one.
    let Verdicts { mut reasons, adoptable } = verdicts(&program.projections, content, &cut, &stores);
    let mut continued = BTreeMap::new();
    let mut shared = Handles::default();
    for planned in program.projections {
        let name = planned.config.name.clone();
        let entry = entry_of(content, &name);
        if let Some(input) = planned.compiled.upstream.iter().find(|input| reasons.contains_key(*input)) {
            reasons.entry(name.clone()).or_insert_with(|| BuildReason::Input(input.clone()));
        }
        if let (Some(entry), false) = (entry, reasons.contains_key(&name)) {
            let index = restored_index(&planned, entry, &cut, checkpointer, indexes).await?;
            match Generation::restore(&planned, entry, cut.clone(), &mut stores, &mut shared, index) {
                Ok(generation) => {
                    live.generations.push(generation);
                    continue;
                }
                Err(error) => drop(reasons.insert(name.clone(), BuildReason::Restore(error.to_string()))),
            }
        }
        let reason = reasons.get(&name).cloned().unwrap_or(BuildReason::New);
        let last = entry.and_then(|entry| last_rows(&planned, entry, &reason, &cut, &mut stores));
        let number = newest_generation(&name, &manifest) + 1;
        let index = empty_index(&planned, &indexes.directory(&name, number))?;
        let generation = Generation::new(planned, number, index);
        let mut generation = generation.map_err(|error| AssembleError::Projection { name: name.clone(), error })?;
        // What could not be restored is used up.
        let is_whole = !matches!(reason, BuildReason::Restore(_));
        let adopted = adoptable.get(&name).filter(|_| is_whole).cloned().unwrap_or_default();
        if let Err(error) = generation.adopt(&adopted, &mut stores, &mut shared) {
            tracing::warn!(projection = %name, %error, "no operator keeps its state");
        }
        if let (Some(entry), false) = (entry, generation.needs_events()) {
            continued.insert(generation.id.clone(), GenerationId::new(name.as_str(), entry.generation));
        }
        if reason != BuildReason::New {
            let from = if generation.needs_events() { "the start of its sources" } else { "the state that it had" };
            tracing::warn!(projection = %name, %reason, from, "projection is built again");
        }
        match last {
            Some(last) => live.generations.push(last),
            None => live.announce(generation.status()),
        }
        building.generations.push(generation);
    }
    // Of what is neither configured nor kept any more, nothing can be mended.
    let kept = live.generations.iter().map(|generation| generation.id.clone());
    let kept: BTreeSet<GenerationId> = kept.chain(continued.values().cloned()).collect();
    let is_known = |parked: &Parked| {
        live.intakes.contains_key(&parked.source) && parked.generation.as_ref().is_none_or(|id| kept.contains(id))
    };
    let _ = live.parked.take(|parked| !is_known(parked));
    live.tell_parked();
    // With nothing applied and nothing to read of others, there is nothing to catch up with.
    if live.generations.is_empty() && cut.positions.values().all(|position| *position == Position::START) {
        live.take_over(std::mem::take(&mut building.generations));
    }
    let reading = building.generations.iter().filter(|generation| generation.needs_events());
    let read = reading.flat_map(|generation| generation.definition.reads.keys().cloned());
    // A changed source is read anew even if nothing asks for it: what is parked of it may be right now.
    let read: BTreeSet<SourceName> = read.chain(changed_sources.iter().cloned()).collect();
    building.intakes = read.into_iter().map(|source| (source.clone(), fresh_intake(&source, &live))).collect();
    live.share();
    building.share();
    let idle = building.generations.is_empty() && building.intakes.is_empty();
    let building = (!idle).then_some(building);
    Ok(Assembly { live, building, order, changed_sources, continued })
}

impl Assembly {
    /// Takes the built generations over into the live engine, once they have reached its cut. A generation whose build has
    /// failed leaves the last rows of its predecessor, if there are any, which then says why it stopped.
    ///
    /// # Errors
    /// The rows that a built generation reads cannot be read.
    pub fn join(&mut self, mut built: Engine) -> Result<(), EngineError> {
        self.feed_inputs(&mut built)?;
        // What was adopted stands at this cut too. What it gives comes in one step, in which all that read it take it.
        built.generations.iter_mut().for_each(Generation::release);
        built.feed(BTreeMap::new(), now_us())?;
        let cut = self.live.cut();
        for (name, intake) in std::mem::take(&mut built.intakes) {
            if self.changed_sources.contains(&name) {
                let _ = self.live.parked.take(|parked| parked.source == name && parked.generation.is_none());
                for parked in built.parked.take(|parked| parked.source == name && parked.generation.is_none()) {
                    self.live.parked.park(parked);
                }
                self.live.intakes.insert(name, intake);
            }
        }
        for generation in &mut built.generations {
            if generation.state().steps() {
                generation.arrive(&cut, now_us());
                for parked in built.parked.take(|parked| parked.generation.as_ref() == Some(&generation.id)) {
                    self.live.parked.park(parked);
                }
            }
        }
        self.keep_parked(&built);
        self.live.take_over(built.generations);
        // Those that were live come first, so that theirs is what a checkpoint has already.
        self.live.share();
        let order = &self.order;
        self.live.generations.sort_by_key(|one| order.iter().position(|name| name == one.projection()));
        self.live.tell_parked();
        Ok(())
    }

    /// Parks for generations that read no event what their predecessors could not take: they reject the same events, or
    /// the state that they went on from would have another identity.
    fn keep_parked(&mut self, built: &Engine) {
        for (id, predecessor) in &self.continued {
            if built.generations.iter().any(|generation| generation.id == *id && generation.state().steps()) {
                for parked in self.live.parked.take(|parked| parked.generation.as_ref() == Some(predecessor)) {
                    self.live.parked.park(Parked { generation: Some(id.clone()), ..parked });
                }
            }
        }
    }

    /// Gives built projections the rows of those that they read and that were not built.
    fn feed_inputs(&self, built: &mut Engine) -> Result<(), EngineError> {
        let read: BTreeSet<String> =
            built.generations.iter().flat_map(|generation| generation.definition.upstream.iter().cloned()).collect();
        let mut inputs: Vec<(&str, Vec<ZBatch>)> = Vec::new();
        let serving = self.live.generations.iter().filter(|generation| generation.state().steps());
        for generation in serving.filter(|generation| read.contains(generation.projection())) {
            let rows = generation.inserts();
            let rows = rows.map_err(|error| EngineError::Inputs { id: generation.id.clone(), error })?;
            inputs.push((generation.projection(), rows));
        }
        built.feed(BTreeMap::new(), now_us())?;
        for (name, batches) in &inputs {
            for batch in batches {
                built.feed(BTreeMap::from([(*name, batch)]), now_us())?;
            }
        }
        Ok(())
    }
}

fn restored_parked(content: &Content, stores: &mut Stores) -> Result<ParkedEvents, AssembleError> {
    if let Some(shape) = &content.parked {
        check_store(PARKED_STORE, shape, stores)?;
    }
    let number = |projection: &str| entry_of(content, projection).map_or(0, |entry| entry.generation);
    Ok(ParkedEvents::restore(&stores.remove(PARKED_STORE).unwrap_or_default(), number)?)
}

/// The generation of a projection that a start can do most with: the one in the best phase, and of those the newest.
fn entry_of<'a>(content: &'a Content, name: &str) -> Option<&'a GenerationEntry> {
    let entries = content.generations.get(name).into_iter().flatten();
    entries.min_by_key(|entry| (entry.state, std::cmp::Reverse(entry.generation)))
}

/// What a start finds out of all projections before anything is taken.
#[derive(Default)]
struct Verdicts {
    /// Why projections cannot go on from the checkpoint, by name, as far as their own definition and state tell.
    reasons: BTreeMap<String, BuildReason>,
    /// The operators of such projections whose state can be adopted: what begins the names of their stores.
    adoptable: BTreeMap<String, BTreeMap<Identity, String>>,
}

fn verdicts(projections: &[Planned], content: &Content, cut: &Cut, stores: &Stores) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for planned in projections {
        let (name, schema) = (planned.config.name.clone(), &planned.compiled.schema);
        let circuit = &planned.compiled.circuit;
        let (operators, candidates) = match circuit.stores().and_then(|stores| Ok((stores, circuit.adoptable()?))) {
            Ok(found) => found,
            Err(error) => {
                verdicts.reasons.insert(name, BuildReason::Restore(error.to_string()));
                continue;
            }
        };
        let sources = schema.reads.keys().collect();
        let wanted = Wanted { projection: &name, rows: schema.identity, operators, sources, schema: &schema.schema };
        let entry = entry_of(content, &name);
        if let Some(entry) = entry {
            verdicts.adoptable.insert(name.clone(), wanted.adoptable(entry, cut, stores, &candidates));
        }
        if let Err(reason) = wanted.check(entry, cut, stores) {
            verdicts.reasons.insert(name.clone(), reason);
        }
    }
    verdicts
}

/// The rows that the checkpoint has of a generation which is built again, if they are whole.
fn last_rows(
    planned: &Planned,
    entry: &GenerationEntry,
    reason: &BuildReason,
    cut: &Cut,
    stores: &mut Stores,
) -> Option<Generation> {
    let name = planned.config.name.as_str();
    let store = table_store(name, entry.generation);
    let (schema, key) = match check_table(name, entry, stores) {
        Ok(shape) => (shape.schema.clone(), entry.key.clone()),
        // An older build lists nothing. Under the columns of today, its rows are as good as they were.
        Err(Mismatch::NoTable) => {
            let schema = &planned.compiled.schema;
            let fits = stores.get(&store)?.iter().all(|segment| segment.rows.schema() == schema.schema);
            fits.then(|| (schema.schema.clone(), schema.key.clone()))?
        }
        Err(mismatch) => {
            tracing::warn!(projection = name, %mismatch, "the rows of the last checkpoint cannot be served meanwhile");
            return None;
        }
    };
    let definition = Definition::of(planned);
    let table = TableSpec { name: name.to_owned(), schema, key, key_proven: false, indexes: Vec::new() };
    let table = Arc::new(table);
    let rows = match Table::restore(table.clone(), stores.remove(&store).unwrap_or_default()) {
        Ok(rows) => ReadModel::Table(Box::new(rows)),
        Err(error) => {
            tracing::warn!(projection = name, %error, "the rows of the last checkpoint cannot be served meanwhile");
            return None;
        }
    };
    let reads = definition.reads.keys();
    let positions =
        reads.map(|source| (source.clone(), entry.positions.get(source).copied().unwrap_or_default())).collect();
    let state = GenerationState::Rebuilding { reason: reason.to_string() };
    let definition = Definition { rows: entry.rows, table, ..definition };
    let cut = Cut { positions, revision: cut.revision };
    let id = GenerationId::new(name, entry.generation);
    Some(Generation::last_rows(id, definition, state, entry.operators.clone(), rows, cut))
}

/// The last generation of a projection, 0 if there was none. What another one has borrowed of it outlives it, and keeps its
/// name.
fn newest_generation(name: &str, manifest: &Manifest) -> u64 {
    let entries = manifest.content.generations.get(name).into_iter().flatten().map(|entry| entry.generation);
    let generation = |store: &String| store.strip_prefix(name)?.strip_prefix('/')?.split('/').next()?.parse().ok();
    entries.chain(manifest.stores.keys().filter_map(generation)).max().unwrap_or(0)
}

/// A source at its beginning.
fn fresh_intake(source: &SourceName, live: &Engine) -> Intake {
    let known = &live.intakes[source];
    let decoder = known.decoder().clone();
    let mut intake = Intake::new(decoder, known.admission());
    intake.identity = known.identity.clone();
    intake
}

fn empty_index(planned: &Planned, directory: &Path) -> Result<Option<SearchIndex>, AssembleError> {
    let Some(spec) = Definition::of(planned).search else { return Ok(None) };
    let failed = |message: String| AssembleError::Index { name: planned.config.name.clone(), message };
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error.to_string())),
        _ => {}
    }
    std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
    SearchIndex::open(directory, spec, WriterSettings::default()).map(Some).map_err(|error| failed(error.to_string()))
}

/// The checkpoint's index; an empty one if it has none that fits, because the rows are enough to build it.
async fn restored_index(
    planned: &Planned,
    entry: &GenerationEntry,
    cut: &Cut,
    checkpointer: &Checkpointer,
    indexes: &IndexRoot,
) -> Result<Option<SearchIndex>, AssembleError> {
    let Some(spec) = Definition::of(planned).search else { return Ok(None) };
    let name = &planned.config.name;
    let failed = |message: String| AssembleError::Index { name: name.clone(), message };
    let directory = indexes.directory(name, entry.generation);
    std::fs::create_dir_all(&directory).map_err(|error| failed(error.to_string()))?;
    match checkpointer.restore_index(name, &directory).await {
        Ok(()) => {}
        Err(error @ (RestoreIndexError::Unknown(_) | RestoreIndexError::Damaged(_))) => {
            tracing::warn!(projection = name, %error, "the search index is built again from its rows");
            return empty_index(planned, &directory);
        }
        Err(error) => return Err(failed(error.to_string())),
    }
    match SearchIndex::open(&directory, spec, WriterSettings::default()) {
        Ok(index) if index.cut() == cut => Ok(Some(index)),
        Ok(index) => {
            tracing::warn!(projection = name, at = %index.cut(), %cut, "the search index is built again from its rows");
            drop(index);
            empty_index(planned, &directory)
        }
        // Written by another build, or not whole although its files are.
        Err(error) => {
            tracing::warn!(projection = name, %error, "the search index is built again from its rows");
            empty_index(planned, &directory)
        }
    }
}

/// Brings a fresh start's global aggregates to their first row, and the search indexes to the same cut.
pub fn begin(engine: &mut Engine) -> Result<(), EngineError> {
    engine.commit(Vec::new(), now_us())?;
    engine.commit_read_models();
    Ok(())
}
