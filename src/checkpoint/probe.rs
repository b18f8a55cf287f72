//! Tries all that checkpoints need of a place, beside what is there, and removes it again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use object_store::PutPayload;

use super::error::OpenError;
use super::location;
use super::place::Place;
use super::vault::{Created, EPOCHS, Vault, numbered};

const TEXT: &str = "readside check";

/// Opens what a daemon would open, creates an object durably, tries to create it again, reads, lists and deletes it. Gives how long the
/// first took. What is there is not touched: all of it happens in a folder, or below a prefix, of its own.
///
/// # Errors
/// What a daemon would fail with.
pub async fn probe(place: &Place) -> Result<Duration, OpenError> {
    let own = location::writer_id(".readside-check");
    let folder = place.folder().map(|folder| nearest(Path::new(folder)).join(&own));
    let location = match &folder {
        Some(folder) => folder.display().to_string(),
        None => format!("{}/{own}", place.location.trim_end_matches('/')),
    };
    let tried = attempt(&Place { location, access: place.access.clone() }).await;
    if let Some(folder) = folder {
        // What was not created cannot be removed.
        let _ = std::fs::remove_dir_all(folder);
    }
    tried.map_err(|error| match error {
        OpenError::Location { problem, .. } => OpenError::Location { location: place.location.clone(), problem },
        OpenError::NoConditionalCreate { .. } => OpenError::NoConditionalCreate { location: place.location.clone() },
        other => other.at(place),
    })
}

async fn attempt(place: &Place) -> Result<Duration, OpenError> {
    let vault = Vault::new(location::open(place)?);
    let object = numbered(EPOCHS, 1);
    let began = Instant::now();
    vault.create(&object, PutPayload::from(TEXT)).await?;
    let took = began.elapsed();
    let again = vault.create(&object, PutPayload::from(TEXT)).await?;
    if again != Created::Taken {
        return Err(OpenError::NoConditionalCreate { location: place.location.clone() });
    }
    let read = vault.read(&object).await?;
    let listed = vault.names(EPOCHS, 1, |_| true).await?;
    let left = vault.delete(vec![object.clone()]).await;
    if read.is_none_or(|text| text != TEXT.as_bytes()) || listed.len() != 1 || left > 0 {
        let problem = "an object that was written there cannot be read, listed and deleted again".to_owned();
        return Err(OpenError::Location { location: place.location.clone(), problem });
    }
    Ok(took)
}

/// The folder itself, or the nearest one above it that is there: where it would be created.
fn nearest(folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = folder.ancestors().find(|one| one.exists());
    there.unwrap_or(&folder).to_owned()
}
