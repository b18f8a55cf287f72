//! The search indexes that a start begins with: the checkpoint's, or empty ones.

use std::path::{Path, PathBuf};

use super::super::generation::Definition;
use super::AssembleError;
use crate::checkpoint::{Checkpointer, GenerationEntry, RestoreIndexError};
use crate::lifecycle::GenerationId;
use crate::plan::PlannedProjection;
use crate::progress::Cut;
use crate::read_model::search::{SearchIndex, WriterSettings};

/// Where the search indexes work, by projection and generation.
#[derive(Debug, Clone)]
pub struct IndexRoot(pub PathBuf);

impl IndexRoot {
    /// The folder of a generation's index.
    pub fn folder(&self, id: &GenerationId) -> PathBuf {
        self.directory(&id.projection, id.number)
    }

    /// Removes a generation's folder, and those that it had beside while its index was built again.
    pub fn remove(folder: &Path) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = folder.parent().and_then(|parent| std::fs::read_dir(parent).ok()).into_iter().flatten().flatten();
        let own = beside.filter(|entry| {
            let other = entry.file_name().to_string_lossy().into_owned();
            other == name || other.starts_with(&format!("{name}-"))
        });
        // If one cannot be removed, it only takes space until the next start.
        own.for_each(|entry| drop(std::fs::remove_dir_all(entry.path())));
    }

    pub(in crate::pipeline) fn directory(&self, projection: &str, generation: u64) -> PathBuf {
        self.0.join(projection).join(generation.to_string())
    }
}

/// An index without documents, if the projection has one.
pub(in crate::pipeline) fn empty_index(
    planned: &PlannedProjection,
    directory: &Path,
) -> Result<Option<SearchIndex>, AssembleError> {
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
pub(super) async fn restored_index(
    planned: &PlannedProjection,
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
