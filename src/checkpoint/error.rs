//! What can go wrong with a checkpoint, told so that a person knows the object and the next step.

use std::fmt;
use std::path::PathBuf;

use super::fence::Writer;
use super::manifest::READABLE;
use super::place::Place;
use super::restore::Damage;
use super::store_error::StoreError;

/// Why a place for checkpoints could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("checkpoints cannot be kept in `{location}`: {problem}")]
    Location { location: String, problem: String },
    /// Another daemon opened the same place at the same moment, and goes on.
    #[error("{0} took over while this one was opening; only one daemon may use the place")]
    Fenced(Writer),
    #[error(
        "{object} has format version {version}, and this build reads {}; run the build that wrote it, or empty the place \
         to build everything again",
        readable()
    )]
    Version { object: String, version: u32 },
    #[error(
        "no checkpoint can be read: {}; restore these objects, or empty the place to build everything again",
        DamageList(.0)
    )]
    NothingGood(Vec<Damage>),
    /// Nothing of what is there has been touched.
    #[error(
        "{object} cannot be written; make room, or see to it that this daemon may write there, and start again, which goes on from \
         the last checkpoint"
    )]
    Unwritable { object: String, source: StoreError },
    #[error("{object} cannot be read; see to it that it can be, and try again")]
    Store { object: String, source: StoreError },
    /// An object store elsewhere, of which the place is what a person knows.
    #[error("checkpoints cannot be kept in `{location}`: {object} cannot be read or written: {error}; {}", error.advice())]
    Remote { location: String, object: String, error: StoreError },
    #[error(
        "checkpoints cannot be kept in `{location}`: it writes over what it was asked to create only if it is not there, so that two \
         daemons would not be kept apart; use a server that heeds `If-None-Match: *`"
    )]
    NoConditionalCreate { location: String },
    #[error("the manifest cannot be encoded")]
    Encode(#[from] serde_json::Error),
}

/// Why a checkpoint was not made. Unless it is fenced or contradicts itself, the draft can be passed again.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Stop intake and serving, and leave: nothing of this writer will be kept any more.
    #[error("{0} has taken over this place for checkpoints; this daemon must stop")]
    Fenced(Writer),
    /// Nothing is written where the daemon's own checkpoints are not: another daemon may have begun there.
    #[error(
        "the place for checkpoints was deleted or replaced while this daemon ran, so nothing is written there; start the daemon \
         again, which goes on from what is there"
    )]
    Displaced,
    #[error("{object} cannot be written or read")]
    Store { object: String, source: StoreError },
    #[error("index file {} cannot be read", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("store `{store}`: segment {segment} cannot be encoded: {problem}")]
    Encode { store: String, segment: u64, problem: String },
    #[error("the manifest cannot be encoded")]
    Manifest(#[from] serde_json::Error),
    /// A bug in the caller: the checkpoint would not be readable.
    #[error("store `{store}`: {problem}; the draft does not follow the last checkpoint")]
    Draft { store: String, problem: String },
    #[error("index `{index}`: `{file}` is not the name of a file")]
    FileName { index: String, file: String },
}

/// Why an index could not be restored into its folder.
#[derive(Debug, thiserror::Error)]
pub enum RestoreIndexError {
    #[error("the checkpoint holds no index `{0}`")]
    Unknown(String),
    #[error("{0}")]
    Damaged(Damage),
    #[error("{object} cannot be read")]
    Store { object: String, source: StoreError },
    #[error("{} cannot be written", path.display())]
    File { path: PathBuf, source: std::io::Error },
}

/// Why stores of the last checkpoint could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadStoresError {
    #[error("{0}")]
    Damaged(Damage),
    #[error("{object} cannot be read")]
    Store { object: String, source: StoreError },
}

/// An operation of the object store that failed, with the object's name.
#[derive(Debug)]
pub(super) struct StoreFailure {
    pub(super) object: String,
    pub(super) source: StoreError,
    /// Whether it was to be written.
    pub(super) is_write: bool,
}

impl OpenError {
    /// Says where that was, if it is an object store elsewhere.
    pub(super) fn at(self, place: &Place) -> Self {
        let location = place.location.clone();
        match self {
            OpenError::Unwritable { object, source } | OpenError::Store { object, source } if place.is_remote() => {
                OpenError::Remote { location, object, error: source }
            }
            other => other,
        }
    }
}

impl From<StoreFailure> for OpenError {
    fn from(StoreFailure { object, source, is_write }: StoreFailure) -> Self {
        match is_write {
            true => OpenError::Unwritable { object, source },
            false => OpenError::Store { object, source },
        }
    }
}

impl From<StoreFailure> for CheckpointError {
    fn from(StoreFailure { object, source, .. }: StoreFailure) -> Self {
        CheckpointError::Store { object, source }
    }
}

impl From<StoreFailure> for RestoreIndexError {
    fn from(StoreFailure { object, source, .. }: StoreFailure) -> Self {
        RestoreIndexError::Store { object, source }
    }
}

fn readable() -> String {
    READABLE.map(|version| version.to_string()).join(" and ")
}

struct DamageList<'a>(&'a [Damage]);

impl fmt::Display for DamageList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, damage) in self.0.iter().enumerate() {
            write!(f, "{}{damage}", if place == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
