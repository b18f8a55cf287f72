//! What a start begins with: generations that go on from the checkpoint, and those that are built anew.
//!
//! A projection whose definition changed, or that had failed, is built from the start of its sources; so is everything
//! that reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::{Engine, EngineError, PARKED_STORE};
use super::intake::Intake;
use super::kept::{Kept, store_prefix};
use super::runner::now_us;
use super::search_spec::search_spec;
use crate::checkpoint::{Checkpointer, Content, GenerationEntry, Manifest, RestoreIndexError, Restored};
use crate::circuit::{Handles, ZBatch};
use crate::config::ParkedLimits;
use crate::lifecycle::{Parked, ParkedEvents};
use crate::plan::{Planned, Program};
use crate::progress::{Cut, Position, SourceName};
use crate::read_model::search::{SearchIndex, WriterSettings};

/// Everything that a start needs before the loop runs.
pub struct Assembly {
    /// Generations that go on from the checkpoint's cut.
    pub live: Engine,
    /// Generations at the beginning, to be brought to the live cut; none if there is nothing to build.
    pub building: Option<Engine>,
    /// Stores of generations that are no more.
    pub forget: BTreeSet<String>,
    /// The projections in the order of a step.
    order: Vec<String>,
    /// Sources whose messages are read in another way than before.
    changed_sources: BTreeSet<SourceName>,
}

#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("projection `{name}` cannot be set up: {message}")]
    Projection { name: String, message: String },
    #[error("the parked events in the checkpoint cannot be read: {0}")]
    Parked(arrow::error::ArrowError),
    #[error("the search index of `{name}` cannot be restored: {message}")]
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
pub async fn assemble(
    mut program: Program,
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
    live.revision = content.revision;
    live.parked =
        ParkedEvents::restore(&stores.remove(PARKED_STORE).unwrap_or_default()).map_err(AssembleError::Parked)?;
    let mut changed_sources = BTreeSet::new();
    for source in program.sources {
        let name: SourceName = source.config.schema.source.as_str().into();
        let mut intake = Intake::new(Arc::new(source.decoder), source.fingerprint.clone());
        if let Some(entry) = content.sources.get(&name) {
            intake.resume(entry);
            if entry.schema_fingerprint != source.fingerprint {
                changed_sources.insert(name.clone());
            }
        }
        live.intakes.insert(name, intake);
    }
    live.views = program.views.into_iter().map(Arc::new).collect();
    let cut = live.cut();
    settle(&mut program.projections, content);
    let rebuilt = to_build(&program.projections, content, &cut);
    let order: Vec<String> = program.projections.iter().map(|planned| planned.config.name.clone()).collect();
    let mut building = Engine::new(limits);
    let forget = stale_stores(&manifest, &program.projections, &rebuilt);
    let mut shared = Handles::default();
    for planned in program.projections {
        let name = planned.config.name.clone();
        let known = content.generations.get(&name).and_then(|entries| entries.first());
        if rebuilt.contains(&name) {
            let generation = newest_generation(&name, &manifest) + 1;
            let _ = live.parked.take(|parked| parked.projection.as_ref() == Some(&name));
            let index = empty_index(&planned, &indexes.directory(&name, generation))?;
            let kept = Kept::new(planned, generation, index);
            building.projections.push(kept.map_err(|message| AssembleError::Projection { name, message })?);
        } else if let Some(entry) = known {
            let index = restored_index(&planned, entry, &cut, checkpointer, indexes).await?;
            let kept = Kept::restore(planned, entry.generation, cut.clone(), &mut stores, &mut shared, index);
            live.projections.push(kept.map_err(|message| AssembleError::Projection { name, message })?);
        }
    }
    // Of what is configured no more, nothing can be mended.
    let is_known = |parked: &Parked| {
        live.intakes.contains_key(&parked.source) && parked.projection.as_ref().is_none_or(|name| order.contains(name))
    };
    let _ = live.parked.take(|parked| !is_known(parked));
    live.tell_parked();
    // With nothing applied and nothing to read of others, there is nothing to catch up with.
    if live.projections.is_empty() && cut.positions.values().all(|position| *position == Position::START) {
        live.projections.append(&mut building.projections);
    }
    let read = building.projections.iter().flat_map(|kept| kept.definition.reads.keys().cloned());
    // A changed source is read anew even if nobody asks: what is parked of it may be right now.
    let read: BTreeSet<SourceName> = read.chain(changed_sources.iter().cloned()).collect();
    building.intakes = read.into_iter().map(|source| (source.clone(), fresh_intake(&source, &live))).collect();
    live.share();
    building.share();
    let idle = building.projections.is_empty() && building.intakes.is_empty();
    let building = (!idle).then_some(building);
    Ok(Assembly { live, building, forget, order, changed_sources })
}

impl Assembly {
    /// Takes the built generations over into the live engine, once they have reached its cut.
    pub fn join(&mut self, mut built: Engine) -> Result<(), EngineError> {
        self.feed_inputs(&mut built)?;
        let cut = self.live.cut();
        for (name, intake) in built.intakes {
            if self.changed_sources.contains(&name) {
                let _ = self.live.parked.take(|parked| parked.source == name && parked.projection.is_none());
                for parked in built.parked.take(|parked| parked.source == name && parked.projection.is_none()) {
                    self.live.parked.park(parked);
                }
                self.live.intakes.insert(name, intake);
            }
        }
        for parked in built.parked.take(|parked| parked.projection.is_some()) {
            self.live.parked.park(parked);
        }
        built
            .projections
            .iter_mut()
            .filter(|kept| kept.failure().is_none())
            .for_each(|kept| kept.arrive(&cut, now_us()));
        self.live.projections.append(&mut built.projections);
        // Those that were live come first, so that theirs is what a checkpoint has already.
        self.live.share();
        sort(&mut self.live.projections, &self.order);
        self.live.tell_parked();
        Ok(())
    }

    /// Gives built projections the rows of those that they read and that were not built.
    fn feed_inputs(&self, built: &mut Engine) -> Result<(), EngineError> {
        let read: BTreeSet<String> =
            built.projections.iter().flat_map(|kept| kept.definition.upstream.iter().cloned()).collect();
        let mut inputs: Vec<(&str, Vec<ZBatch>)> = Vec::new();
        for kept in self.live.projections.iter().filter(|kept| read.contains(kept.name())) {
            let rows = kept.rows().map_err(|error| EngineError::Capture(error.to_string()))?;
            inputs.push((kept.name(), rows));
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

/// Tells the circuits where the checkpoint has their state.
fn settle(projections: &mut [Planned], content: &Content) {
    for planned in projections {
        let name = &planned.config.name;
        if let Some(entry) = content.generations.get(name).and_then(|entries| entries.first()) {
            planned.compiled.circuit.settle(&store_prefix(name, entry.generation), &entry.borrowed);
        }
    }
}

/// Projections that cannot go on from the checkpoint, with all that read them.
fn to_build(projections: &[Planned], content: &Content, cut: &Cut) -> BTreeSet<String> {
    let mut build = BTreeSet::new();
    let mut shared: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for planned in projections {
        let name = &planned.config.name;
        let known = content.generations.get(name).and_then(|entries| entries.first());
        let resumes = known.is_some_and(|entry| {
            let reads = planned.compiled.schema.reads.keys();
            let there =
                |source: &SourceName| entry.positions.get(source).copied().unwrap_or_default() == cut.position(source);
            entry.state == "serving" && entry.fingerprint == planned.fingerprint && reads.into_iter().all(there)
        });
        // What was shared may not be alike any more to a build that knows better.
        let mut homes = planned.compiled.circuit.homes();
        let is_alike = homes.all(|(home, alike)| shared.get(home).is_none_or(|other| *other == alike));
        if !resumes || !is_alike || planned.compiled.upstream.iter().any(|input| build.contains(input)) {
            build.insert(name.clone());
        } else {
            shared.extend(planned.compiled.circuit.homes());
        }
    }
    build
}

/// Stores in the manifest that no generation goes on with.
fn stale_stores(manifest: &Manifest, projections: &[Planned], rebuilt: &BTreeSet<String>) -> BTreeSet<String> {
    let names = projections.iter().map(|planned| &planned.config.name).filter(|name| !rebuilt.contains(*name));
    let going_on = names.filter_map(|name| Some((name, manifest.content.generations.get(name)?.first()?)));
    let kept: Vec<String> = going_on
        .flat_map(|(name, entry)| {
            [store_prefix(name, entry.generation)].into_iter().chain(entry.borrowed.values().cloned())
        })
        .collect();
    let stale =
        |store: &&String| *store != PARKED_STORE && !kept.iter().any(|prefix| store.starts_with(prefix.as_str()));
    manifest.stores.keys().filter(stale).cloned().collect()
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
    let mut intake = Intake::new(decoder, known.fingerprint().to_owned());
    intake.identity = known.identity.clone();
    intake
}

fn empty_index(planned: &Planned, directory: &Path) -> Result<Option<SearchIndex>, AssembleError> {
    let Some(spec) = search_spec(&planned.config, &planned.compiled.schema) else { return Ok(None) };
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
    let Some(spec) = search_spec(&planned.config, &planned.compiled.schema) else { return Ok(None) };
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

fn sort(projections: &mut [Kept], order: &[String]) {
    projections.sort_by_key(|kept| order.iter().position(|name| name == kept.name()));
}

/// Brings a fresh start's global aggregates to their first row, and the search indexes to the same cut.
pub fn begin(engine: &mut Engine) -> Result<(), EngineError> {
    engine.commit(Vec::new(), now_us())?;
    engine.commit_search();
    Ok(())
}
