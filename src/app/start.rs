//! What a start does before the loop runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

use super::AppError;
use super::builds::pace;
use super::earlier::{compiled, earlier};
use super::streams::{open, opener};
use crate::checkpoint::{CheckpointError, Checkpointer, Place};
use crate::config::Config;
use crate::pipeline::{Build, Commands, Definition, IndexRoot, Runner, RunnerStatus, StoredRollout, assemble, begin};
use crate::plan::{PlannedProjection, Program};
use crate::progress::{Position, SourceName};
use crate::query::now_us;
use crate::read_model::catalog::Catalog;
use crate::source::Source;

/// A loop that can run.
pub(super) struct Prepared {
    pub(super) runner: Runner,
    pub(super) status: watch::Receiver<RunnerStatus>,
    pub(super) parts: Parts,
}

/// What changes a loop that runs.
pub(super) struct Parts {
    pub(super) config: Config,
    /// Whether that is what the checkpoint says, and other files are to be taken by now.
    pub(super) is_earlier: bool,
    pub(super) commands: Commands,
    pub(super) indexes: IndexRoot,
    /// What the checkpoint does not have as it is declared.
    pub(super) build: Option<Build>,
    /// What was replaced before the start, and is kept.
    pub(super) kept: Vec<StoredRollout>,
    /// What was built before the start.
    pub(super) stored: Vec<StoredRollout>,
    /// Views, each with what it reads.
    pub(super) views: Vec<(String, Vec<String>)>,
    /// Projections that wait for a paused one.
    pub(super) blocked: BTreeSet<String>,
}

/// Opens the checkpoints, sorts out what goes on and what is built, and starts reading.
pub(super) async fn prepare(config: &Config, program: Program, catalog: &Catalog) -> Result<Prepared, AppError> {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "readside".to_owned());
    let place = Place::new(&config.data_dir, &config.object_store);
    let (mut checkpointer, mut restored) = Checkpointer::open(&place, &host).await?;
    for damage in restored.iter().flat_map(|restored| &restored.skipped) {
        tracing::error!(reason = %damage, "a damaged checkpoint was skipped; the previous one is used");
    }
    let kept = restored.as_mut().map(StoredRollout::split).unwrap_or_default();
    let stored = restored.as_mut().map(StoredRollout::split_builds).unwrap_or_default();
    let content = restored.as_ref().map(|restored| &restored.manifest.content);
    let earlier = content.and_then(|content| earlier(config, &program, content));
    let rolled_back = content.map(|content| content.rolled_back.clone()).unwrap_or_default();
    let awaited = content.map(|content| content.awaited.clone()).unwrap_or_default();
    let is_earlier = earlier.is_some();
    let mut expected = Vec::new();
    let (config, program) = match earlier {
        None => (config.clone(), program),
        Some((config, earlier)) => {
            let is_there = |planned: &PlannedProjection| {
                let mut same = earlier.projections.iter().filter(|one| one.config.name == planned.config.name);
                same.any(|one| one.compiled.schema.identity == planned.compiled.schema.identity)
            };
            let others = program.projections.iter().filter(|planned| !is_there(planned));
            expected.extend(others.map(Definition::of));
            (config, earlier)
        }
    };
    let config = &config;
    if is_earlier {
        tracing::info!("going on with the definitions of the checkpoint; what is declared by now is built beside");
    }
    let views = program.views.iter().map(|view| (view.config.name.clone(), view.upstream.clone())).collect();
    let indexes = index_root(&place, checkpointer.writer().epoch);
    let assembled = assemble(program, restored, &checkpointer, &indexes, config.parked.clone()).await;
    let mut assembly = match (assembled, checkpointer.confirm().await) {
        // A successor clears away what it finds, so that is the reason, whatever else failed.
        (_, Err(fenced @ CheckpointError::Fenced(_))) => return Err(AppError::Replaced(fenced)),
        (assembled, _) => assembled?,
    };
    if assembly.live.cut().positions.values().any(|position| *position > Position::START) {
        tracing::info!(cut = %assembly.live.cut(), "continuing from the last checkpoint");
    }
    begin(&mut assembly.live)?;
    let entries = kept.iter().map(|one| (one.rollout, one.entry.clone())).collect();
    assembly.live.keeps(entries, rolled_back, awaited);
    assembly.live.has_builds(stored.iter().map(|one| (one.rollout, one.entry.clone())).collect());
    for StoredRollout { rollout, entry, .. } in &kept {
        let documents = entry.documents.iter().chain(&entry.views).map(String::as_str);
        // Views over what the rollout does not have stay as they are when it comes back.
        if let Some((_, program)) = compiled(documents, config) {
            assembly.live.keeps_views(*rollout, program.views);
        }
    }
    assembly.live.expect(expected.into_iter());
    assembly.live.is_on_disk(Arc::new(checkpointer.manifest().disk_bytes()));
    catalog.publish(assembly.live.snapshot(now_us()));
    let mut sources: BTreeMap<SourceName, Box<dyn Source>> = BTreeMap::new();
    for (name, intake) in &assembly.live.intakes {
        let after = intake.progress.covered();
        sources.insert(name.clone(), open(config, name, after, intake)?);
    }
    let build = assembly.build;
    let blocked = assembly.live.blocked();
    let open = opener(Arc::new(config.clone()));
    let (runner, status, commands) =
        Runner::start(assembly.live, sources, checkpointer, catalog.clone(), pace(config), indexes.clone(), Some(open));
    Ok(Prepared {
        runner,
        status,
        parts: Parts { config: config.clone(), is_earlier, commands, indexes, build, kept, stored, views, blocked },
    })
}

/// Search indexes work in a local folder of this writer alone; what is durable of them is in the checkpoint. Beside an object store
/// it is below the system's folder for temporary files, under a name that the next daemon on this machine finds again.
fn index_root(place: &Place, epoch: u64) -> IndexRoot {
    let local = match (place.folder(), place.location.split_once("://")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(("memory", _))) => std::env::temp_dir().join(format!("readside-{}", std::process::id())),
        (None, _) => std::env::temp_dir().join(format!("readside-{:016x}", xxh3_64(place.location.as_bytes()))),
    };
    let indexes = local.join("indexes");
    for entry in std::fs::read_dir(&indexes).into_iter().flatten().flatten() {
        let is_old = entry.file_name().to_str().and_then(|name| name.parse().ok()).is_none_or(|of: u64| of < epoch);
        if is_old {
            // What an earlier writer left. If it cannot be removed, it only takes space.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    IndexRoot(indexes.join(epoch.to_string()))
}
