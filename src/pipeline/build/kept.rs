//! Generations that were replaced and are kept: they go on from where a checkpoint has them, beside the live ones.

use std::collections::{BTreeMap, BTreeSet};

use super::super::assemble::{IndexRoot, empty_index};
use super::super::continuation::{BuildReason, RequiredStores};
use super::super::engine::Engine;
use super::super::generation::Generation;
use super::super::intake::Intake;
use super::{Build, LiveCut};
use crate::checkpoint::{GenerationEntry, KeptEntry, Restored, kept_parked_store};
use crate::circuit::Handles;
use crate::config::ParkedLimits;
use crate::lifecycle::ParkedEvents;
use crate::plan::{PlannedProjection, ProgramSource};
use crate::progress::{Cut, SourceName};
use crate::state::Stores;

/// What is needed to go on with generations that were replaced together.
#[derive(Debug, Default)]
pub struct Kept {
    pub rollout: u64,
    /// None until a checkpoint lists it.
    pub entry: Option<KeptEntry>,
    /// Where they stand, with the rows of the live projections that they read.
    pub at: LiveCut,
    pub(in crate::pipeline) changed_sources: BTreeSet<SourceName>,
    pub(in crate::pipeline) intakes: BTreeMap<SourceName, Intake>,
    pub(in crate::pipeline) parked: ParkedEvents,
    pub(in crate::pipeline) stores: Stores,
}

/// What goes on beside a build that replaces it.
#[derive(Debug, Default)]
pub struct Replaced {
    /// What has taken every commit until then; none if nothing did.
    pub running: Option<Box<Kept>>,
    /// What was paused: it goes on from where it stopped.
    pub paused: Vec<StoredRollout>,
}

/// A rollout that a checkpoint keeps, as a start finds it.
#[derive(Debug)]
pub struct StoredRollout {
    pub rollout: u64,
    pub entry: KeptEntry,
    stores: Stores,
    /// Of the cut of the checkpoint.
    revision: u64,
}

impl StoredRollout {
    /// One whose stores have yet to be read.
    pub(in crate::pipeline) fn without_stores(rollout: u64, entry: KeptEntry, revision: u64) -> Self {
        Self { rollout, entry, stores: Stores::new(), revision }
    }

    /// Takes builds that were under way out of what was read back.
    pub fn split_builds(restored: &mut Restored) -> Vec<Self> {
        let content = &restored.manifest.content;
        let revision = content.revision;
        let builds = content.builds.clone().into_iter().map(|(rollout, entry)| {
            let own = entry.stores(rollout).into_iter().filter_map(|name| restored.stores.remove_entry(&name));
            Self { rollout, stores: own.collect(), entry, revision }
        });
        builds.collect()
    }

    pub(super) fn into_parts(self) -> (u64, KeptEntry, Stores, u64) {
        (self.rollout, self.entry, self.stores, self.revision)
    }

    /// Takes what its stores hold.
    pub(in crate::pipeline) fn take_stores(&mut self, stores: &Stores) {
        let needed = self.entry.stores(self.rollout);
        let own = stores.iter().filter(|(name, _)| needed.contains(*name));
        self.stores = own.map(|(name, segments)| (name.clone(), segments.clone())).collect();
    }

    /// Takes what is kept beside the live generations out of what was read back. What was to be replaced, and was not, is not
    /// kept.
    pub fn split(restored: &mut Restored) -> Vec<Self> {
        let content = &restored.manifest.content;
        let revision = content.revision;
        let mut kept = Vec::new();
        for (rollout, entry) in content.kept.clone() {
            let own = entry.stores(rollout).into_iter().filter_map(|name| restored.stores.remove_entry(&name));
            let stores = own.collect();
            if entry.replaced {
                kept.push(Self { rollout, entry, stores, revision });
            }
        }
        kept
    }
}

/// Why what was replaced cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    #[error("`{projection}` cannot go on: {reason}")]
    Projection { projection: String, reason: BuildReason },
    #[error("it reads `{0}`, of whose rows at its cut nothing is known after a restart")]
    Inputs(String),
    #[error("its parked events cannot be read: {0}")]
    Parked(#[from] arrow::error::ArrowError),
    #[error("it cannot be set up: {0}")]
    Setup(String),
}

impl Kept {
    /// A rollout as a checkpoint has it, with its own stores. `sources` are read as they were declared.
    ///
    /// # Errors
    /// It reads live projections, or its parked events cannot be read.
    pub fn restored(stored: StoredRollout, sources: Vec<ProgramSource>) -> Result<Self, KeepError> {
        let StoredRollout { rollout, entry, mut stores, revision } = stored;
        if let Some(input) = entry.inputs.first() {
            return Err(KeepError::Inputs(input.clone()));
        }
        let mut intakes = BTreeMap::new();
        for source in sources {
            let name: SourceName = source.config.schema.source.as_str().into();
            let Some(stored) = entry.sources.get(&name) else { continue };
            let intake = Intake::new(source.decoder, source.identity);
            let mut intake = intake.declared_by(source.config.text);
            intake.resume(stored);
            intakes.insert(name, intake.read_on());
        }
        let positions = entry.generations.values().flat_map(|generation| generation.positions.clone()).collect();
        let at = LiveCut { cut: Cut { positions, revision }, ..LiveCut::default() };
        let parked = stores.remove(&kept_parked_store(rollout)).unwrap_or_default();
        let parked = ParkedEvents::restore(&parked, |_| 0)?;
        let changed_sources = entry.changed_sources.clone();
        Ok(Self { rollout, at, changed_sources, intakes, parked, stores, entry: Some(entry) })
    }

    /// The documents that declared it, and until when it is kept, microseconds since the epoch.
    pub fn declared(&self) -> (Vec<String>, i64) {
        self.entry.as_ref().map(|entry| (entry.documents.clone(), entry.until_us)).unwrap_or_default()
    }

    /// The stores that its generations go on with.
    pub(in crate::pipeline) fn stores_needed(&self) -> BTreeSet<String> {
        let mut names = self.entry.as_ref().map(|entry| entry.stores(self.rollout)).unwrap_or_default();
        names.remove(&kept_parked_store(self.rollout));
        names
    }

    /// Takes what its stores hold.
    pub(in crate::pipeline) fn take_stores(&mut self, stores: &Stores) {
        let needed = self.stores_needed();
        let own = stores.iter().filter(|(name, _)| needed.contains(*name));
        self.stores = own.map(|(name, segments)| (name.clone(), segments.clone())).collect();
    }
}

impl Build {
    /// Generations that go on as they were kept. `planned` is what they were declared as, compiled, each after those that it reads.
    ///
    /// # Errors
    /// A generation cannot go on: this build of Readside computes it in another way, or its state is not as it must be.
    pub fn kept(
        kept: Kept,
        planned: &[PlannedProjection],
        indexes: &IndexRoot,
        limits: ParkedLimits,
    ) -> Result<Self, KeepError> {
        let Kept { entry, at, changed_sources, intakes, parked, mut stores, .. } = kept;
        let mut engine = Engine::new(limits);
        let mut restored = Handles::default();
        let entries = entry.map(|entry| entry.generations).unwrap_or_default();
        for planned in planned {
            let Some(entry) = entries.get(&planned.config.name) else { continue };
            engine.generations.push(generation(planned, entry, &at.cut, &mut stores, &mut restored, indexes)?);
        }
        if let Some(missing) =
            entries.keys().find(|name| !engine.generations.iter().any(|one| one.projection() == *name))
        {
            return Err(KeepError::Projection { projection: missing.clone(), reason: BuildReason::OlderBuild });
        }
        engine.intakes = intakes;
        engine.parked = parked;
        engine.revision = at.cut.revision;
        engine.share();
        let mut build = Build::new(engine, changed_sources);
        build.taken.clone_from(&at.inputs);
        Ok(build)
    }
}

/// A generation as an entry has it. Takes its own out of `stores`.
pub(super) fn generation(
    planned: &PlannedProjection,
    entry: &GenerationEntry,
    cut: &Cut,
    stores: &mut Stores,
    restored: &mut Handles,
    indexes: &IndexRoot,
) -> Result<Generation, KeepError> {
    let projection = planned.config.name.clone();
    let (schema, circuit) = (&planned.compiled.schema, &planned.compiled.circuit);
    let cannot = |reason| KeepError::Projection { projection: projection.clone(), reason };
    let operators = circuit.stores().map_err(|error| cannot(BuildReason::Restore(error.to_string())))?;
    let sources = schema.reads.keys().collect();
    let required =
        RequiredStores { projection: &projection, rows: schema.identity, operators, sources, schema: &schema.schema };
    // What several share the first one has taken; it was whole then.
    let shared = restored.prefixes();
    let is_taken = |prefix: &String| shared.contains(prefix);
    if !entry.operators.values().any(|operator| is_taken(&operator.prefix)) {
        required.check(Some(entry), cut, stores).map_err(cannot)?;
    }
    let index = empty_index(planned, &indexes.directory(&projection, entry.generation));
    let index = index.map_err(|error| KeepError::Setup(error.to_string()))?;
    let generation = Generation::restore(planned, entry, cut.clone(), stores, restored, index);
    generation.map_err(|error| cannot(BuildReason::Restore(error.to_string())))
}
