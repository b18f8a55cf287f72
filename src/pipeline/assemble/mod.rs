//! What a start begins with: generations that go on from the checkpoint, and those that are built.
//!
//! A projection whose definition changed, or that had failed, is built again; so is everything that reads it. One that
//! needs no event for that, because operators with equal identities keep their state, joins the others at once. The rest is
//! built beside them, from the start of its sources.

mod fresh;
mod groups;
mod indexes;
mod last_rows;
mod paused;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Build, Inherited, LiveCut};
use super::continuation::{BuildReason, Mismatch, check_store};
use super::engine::{Declared, Engine, EngineError, LEDGER_STORE, PARKED_STORE, ROLLOUTS};
use super::error::GenerationError;
use super::generation::Generation;
use super::intake::Intake;
use super::runner::now_us;
use crate::checkpoint::{Checkpointer, Content, Manifest, Restored};
use crate::circuit::Handles;
use crate::config::ParkedLimits;
use crate::identity::Identity;
use crate::lifecycle::{Actor, GenerationId, Ledger, ParkedEvents};
use crate::plan::{PlannedProjection, Program, ProgramSource};
use crate::progress::{Position, SourceName};
use crate::state::Stores;

pub use fresh::fresh;
use groups::groups;
pub use indexes::IndexRoot;
pub(in crate::pipeline) use indexes::empty_index;
use indexes::restored_index;
use last_rows::last_rows;
use paused::{paused, paused_entry};
use verdicts::{Verdicts, entry_of, verdicts};

/// Everything that a start needs before the loop runs.
pub struct Assembly {
    /// Generations at the checkpoint's cut, and the last rows of those that are built.
    pub live: Engine,
    /// Generations at the beginning, to be brought to the live cut; none if there is nothing to build.
    pub build: Option<Build>,
    /// Why projections do not go on from the checkpoint as they were, by name.
    pub reasons: BTreeMap<String, BuildReason>,
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
    #[error("the ledger in the checkpoint is not the one that it lists: {0}")]
    Ledger(String),
    #[error("the search index of `{name}` cannot be set up: {message}")]
    Index { name: String, message: String },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Sorts out what goes on and what is built.
///
/// # Errors
/// The parked events are not whole, a search index has no place to work in, or a generation cannot be set up.
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
    live.ledger = restored_ledger(content, &mut stores)?;
    live.had_numbers(numbers(&manifest));
    let mut declared = Declared::of(&program);
    let changed_sources = take_intakes(&mut live, program.sources, content);
    let cut = live.cut();
    // All are looked at before the first one takes its stores, because several may share one.
    let Verdicts { mut reasons, adoptable } = verdicts(&program.projections, content, &cut, &stores);
    let mut shared = Handles::default();
    // What is paused, and what cannot be built before that goes on, each with that.
    let mut stopped: BTreeMap<String, String> = BTreeMap::new();
    let mut rebuilt: Vec<PlannedProjection> = Vec::new();
    for planned in program.projections {
        let name = planned.config.name.clone();
        if let Some(entry) = paused_entry(content, &name, planned.compiled.schema.identity) {
            if let Some(generation) = paused(&planned, entry, &live, &mut stores, indexes)? {
                stopped.insert(name.clone(), name);
                live.generations.push(generation);
                continue;
            }
            reasons.insert(name.clone(), BuildReason::Unfinished);
        }
        if let Some(of) = planned.compiled.upstream.iter().find_map(|input| stopped.get(input)).cloned() {
            declared.blocked.insert(name.clone(), of.clone());
            let last = entry_of(content, &name);
            let reason = BuildReason::Input(of.clone());
            live.generations.extend(last.and_then(|last| last_rows(&planned, last, &reason, &cut, &mut stores)));
            stopped.insert(name, of);
            continue;
        }
        if let Some(input) = planned.compiled.upstream.iter().find(|input| reasons.contains_key(*input)) {
            reasons.entry(name.clone()).or_insert_with(|| BuildReason::Input(input.clone()));
        }
        if let (Some(entry), false) = (entry_of(content, &name), reasons.contains_key(&name)) {
            let at = entry.rows_cut(&cut).cloned().unwrap_or_default();
            let index = restored_index(&planned, entry, &at, checkpointer, indexes).await?;
            match Generation::restore(&planned, entry, cut.clone(), &mut stores, &mut shared, index) {
                Ok(generation) => {
                    live.generations.push(generation);
                    continue;
                }
                Err(error) => drop(reasons.insert(name.clone(), BuildReason::Restore(error.to_string()))),
            }
        }
        rebuilt.push(planned);
    }
    let nothing_applied = cut.positions.values().all(|position| *position == Position::START);
    let mut start = NewGenerations { manifest: &manifest, indexes, stores, shared, reasons, adoptable, live };
    let (at_once, beside) = start.divide(rebuilt, nothing_applied);
    let mut engine = Engine::new(limits.clone());
    engine.generations = start.join_at_once(at_once, nothing_applied, limits.clone())?;
    let (begun, adopts) = start.begin_beside(beside)?;
    engine.generations.extend(begun);
    let NewGenerations { mut live, reasons, .. } = start;
    live.forget_parked();
    let read = engine.generations.iter().filter(|generation| generation.needs_events());
    let read = read.flat_map(|generation| generation.definition.reads.keys().cloned());
    // A changed source is read anew even if nothing asks for it: what is parked of it may be right now.
    let read: BTreeSet<SourceName> = read.chain(changed_sources.iter().cloned()).collect();
    engine.intakes = read.into_iter().map(|source| (source.clone(), live.intakes[&source].begun_again())).collect();
    live.share();
    engine.share();
    let awaited = engine.generations.iter().map(|generation| generation.projection().to_owned());
    let awaited = awaited.chain(declared.blocked.keys().cloned()).collect();
    live.declare(Declared { awaited, ..declared }, limits);
    live.settle(&Actor::default(), now_us());
    if engine.generations.is_empty() && engine.intakes.is_empty() {
        return Ok(Assembly { live, build: None, reasons });
    }
    begin(&mut engine)?;
    let mut build = Build::new(engine, changed_sources);
    if adopts {
        build.begins_at(LiveCut::of(&live, &build.inputs()));
    }
    Ok(Assembly { live, build: Some(build), reasons })
}

/// What generations are made of that do not go on from the checkpoint as they are.
struct NewGenerations<'a> {
    manifest: &'a Manifest,
    indexes: &'a IndexRoot,
    stores: Stores,
    /// The operators that have taken their state from the checkpoint.
    shared: Handles,
    reasons: BTreeMap<String, BuildReason>,
    adoptable: BTreeMap<String, BTreeMap<Identity, String>>,
    live: Engine,
}

impl NewGenerations<'_> {
    /// Separates the projections that can join at once, because they need no event to come to the live cut, from those that
    /// have to be built beside. What reads each other stays together.
    fn divide(
        &self,
        rebuilt: Vec<PlannedProjection>,
        nothing_applied: bool,
    ) -> (Vec<Vec<PlannedProjection>>, Vec<PlannedProjection>) {
        let needs_events = |planned: &PlannedProjection| {
            let adopted = self.adopted(planned).into_keys().collect();
            planned.compiled.circuit.would_need_events(&adopted)
        };
        let (at_once, beside): (Vec<_>, Vec<_>) = groups(rebuilt).into_iter().partition(|group| {
            // Without adopted state there is no hurry: the rows of the projections that it reads are taken beside.
            let adopts = group.iter().any(|planned| !self.adopted(planned).is_empty());
            nothing_applied || adopts && !group.iter().any(needs_events)
        });
        (at_once, beside.into_iter().flatten().collect())
    }

    /// The operators of a projection whose state in the checkpoint is as good as new: what begins the names of their stores.
    fn adopted(&self, planned: &PlannedProjection) -> BTreeMap<Identity, String> {
        let name = &planned.config.name;
        // What could not be restored is used up.
        let is_whole = !matches!(self.reasons.get(name), Some(BuildReason::Restore(_)));
        self.adoptable.get(name).filter(|_| is_whole).cloned().unwrap_or_default()
    }

    /// Brings projections that need no event to the live cut. Gives back those that need some after all, because the state
    /// that they were to adopt cannot be read.
    fn join_at_once(
        &mut self,
        groups: Vec<Vec<PlannedProjection>>,
        nothing_applied: bool,
        limits: ParkedLimits,
    ) -> Result<Vec<Generation>, AssembleError> {
        let (mut engine, mut continued, mut left) = (Engine::new(limits), BTreeMap::new(), Vec::new());
        for group in groups {
            let mut generations = Vec::new();
            for planned in group {
                let adopted = self.adopted(&planned);
                let mut generation = self.new_generation(planned, "the state that it had")?;
                self.adopt(&mut generation, &adopted);
                generations.push(generation);
            }
            if !nothing_applied && generations.iter().any(Generation::needs_events) {
                for generation in &mut generations {
                    generation.adopt_nothing().map_err(|error| setting_up(generation.projection(), error))?;
                }
                left.append(&mut generations);
            }
            engine.generations.append(&mut generations);
        }
        if engine.generations.is_empty() {
            return Ok(left);
        }
        for GenerationId { projection, number } in engine.generations.iter().map(|generation| &generation.id) {
            if let Some(entry) = entry_of(&self.manifest.content, projection) {
                let predecessor = GenerationId::new(projection.clone(), entry.generation);
                let (lost, discarded) = (entry.lost.clone(), entry.discarded.clone());
                let inherited = Inherited { lost, discarded, ..Inherited::of(&self.live, &predecessor) };
                continued.insert(GenerationId::new(projection.clone(), *number), inherited);
            }
        }
        engine.share();
        begin(&mut engine)?;
        let mut build = Build::new(engine, BTreeSet::new());
        build.continues(continued);
        let at = LiveCut::of(&self.live, &build.inputs());
        build.begins_at(at.clone());
        build.arrive(&at, now_us())?;
        if build.join(&mut self.live, None, now_us()).is_err() {
            unreachable!("nothing has moved since the build came to the live cut");
        }
        Ok(left)
    }

    /// Generations that have to read events, and whether some go on from state of the checkpoint. They do only from what no live
    /// generation has, because that moves on.
    fn begin_beside(&mut self, projections: Vec<PlannedProjection>) -> Result<(Vec<Generation>, bool), AssembleError> {
        let live = self.shared.prefixes();
        let (mut generations, mut adopts) = (Vec::new(), false);
        for planned in projections {
            let mut adopted = self.adopted(&planned);
            adopted.retain(|_, prefix| !live.contains(prefix));
            let mut generation = self.new_generation(planned, "the start of its sources")?;
            // Only its last rows keep the adopted state in the checkpoints until the generation has joined.
            if self.live.generations.iter().any(|last| last.projection() == generation.projection()) {
                self.adopt(&mut generation, &adopted);
                adopts |= !adopted.is_empty();
            }
            generations.push(generation);
        }
        Ok((generations, adopts))
    }

    fn adopt(&mut self, generation: &mut Generation, adopted: &BTreeMap<Identity, String>) {
        if let Err(error) = generation.adopt(adopted, &mut self.stores, &mut self.shared) {
            tracing::warn!(projection = generation.projection(), %error, "no operator keeps its state");
        }
    }

    /// A generation without rows. Its predecessor's last rows become part of the live engine until it is there.
    fn new_generation(&mut self, planned: PlannedProjection, from: &str) -> Result<Generation, AssembleError> {
        let (name, content) = (planned.config.name.clone(), &self.manifest.content);
        let reason = self.reasons.get(&name).cloned().unwrap_or(BuildReason::New);
        if reason != BuildReason::New {
            tracing::warn!(projection = %name, %reason, from, "projection is built again");
        }
        let cut = self.live.cut();
        let last = entry_of(content, &name);
        let last = last.and_then(|entry| last_rows(&planned, entry, &reason, &cut, &mut self.stores));
        let number = self.live.next_number(&name);
        let index = empty_index(&planned, &self.indexes.directory(&name, number))?;
        let generation = Generation::new(planned, number, index).map_err(|error| setting_up(&name, error))?;
        match last {
            Some(last) => self.live.generations.push(last),
            None => self.live.announce(generation.status()),
        }
        Ok(generation)
    }
}

fn setting_up(projection: &str, error: GenerationError) -> AssembleError {
    AssembleError::Projection { name: projection.to_owned(), error }
}

fn restored_parked(content: &Content, stores: &mut Stores) -> Result<ParkedEvents, AssembleError> {
    if let Some(shape) = &content.parked {
        check_store(PARKED_STORE, shape, stores)?;
    }
    let number = |projection: &str| entry_of(content, projection).map_or(0, |entry| entry.generation);
    Ok(ParkedEvents::restore(&stores.remove(PARKED_STORE).unwrap_or_default(), number)?)
}

fn restored_ledger(content: &Content, stores: &mut Stores) -> Result<Ledger, AssembleError> {
    if let Some(shape) = &content.ledger {
        check_store(LEDGER_STORE, shape, stores).map_err(|error| AssembleError::Ledger(error.to_string()))?;
    }
    let stored = stores.remove(LEDGER_STORE).unwrap_or_default();
    Ledger::restore(&stored).map_err(|error| AssembleError::Ledger(error.to_string()))
}

/// The numbers of all generations that a checkpoint knows of. What another one has borrowed of a generation outlives it, and
/// keeps its name.
fn numbers(manifest: &Manifest) -> impl Iterator<Item = (String, u64)> {
    let entries = manifest.content.generations.iter();
    let listed = entries.flat_map(|(name, entries)| entries.iter().map(|entry| (name.clone(), entry.generation)));
    let kept = manifest.content.kept.iter().chain(&manifest.content.builds).flat_map(|(rollout, kept)| {
        let generations = kept.generations.iter().map(|(name, entry)| (name.clone(), entry.generation));
        generations.chain([(ROLLOUTS.to_owned(), *rollout)])
    });
    let of_store = |store: &String| {
        let (name, rest) = store.split_once('/')?;
        Some((name.to_owned(), rest.split('/').next()?.parse().ok()?))
    };
    listed.chain(kept).chain(manifest.stores.keys().filter_map(of_store))
}

/// Makes the live intakes, each where the checkpoint left its source, and gives the sources whose messages are read in
/// another way than before.
fn take_intakes(live: &mut Engine, sources: Vec<ProgramSource>, content: &Content) -> BTreeSet<SourceName> {
    let mut changed = BTreeSet::new();
    for source in sources {
        let name: SourceName = source.config.schema.source.as_str().into();
        let intake = Intake::new(source.decoder, source.identity);
        let mut intake = intake.declared_by(source.config.text);
        if let Some(entry) = content.sources.get(&name) {
            intake.resume(entry);
            if !intake.is_read_as_declared() {
                changed.insert(name.clone());
            }
        }
        live.intakes.insert(name, intake);
    }
    changed
}

/// Brings a fresh start's global aggregates to their first row, and the search indexes to the same cut.
///
/// # Errors
/// If an operator fails on no rows at all, or an index cannot be written.
pub fn begin(engine: &mut Engine) -> Result<(), EngineError> {
    engine.commit(Vec::new(), now_us())?;
    engine.commit_read_models();
    Ok(())
}
