//! The one writer of a place for checkpoints: opening it, and the steps of one checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::{ObjectStore, PutPayload};

use super::draft::Draft;
use super::error::{CheckpointError, OpenError, ReadStoresError, RestoreIndexError, StoreFailure};
use super::fence::{self, Claim, Writer};
use super::index::{self, KnownChecksums};
use super::location;
use super::manifest::Manifest;
use super::pack::{self, Names, Uploads};
use super::place::Place;
use super::restore::{self, LastCheckpoint, Restored, UnreadableCheckpoint};
use super::vault::{Created, MANIFESTS, Vault, numbered};
use super::{garbage, manifest};
use crate::state::Stores;

/// The right to write checkpoints to a place, until another writer opens it.
#[derive(Debug)]
pub struct Checkpointer {
    vault: Vault,
    writer: Writer,
    names: Names,
    /// The last checkpoint, and the one before it that is kept.
    current: Manifest,
    previous: Option<Manifest>,
    /// The number that the next manifest will try.
    next_number: u64,
    uploads: Uploads,
    hashes: KnownChecksums,
    /// Whether the last attempt failed or was cancelled.
    unfinished: bool,
    fenced: Option<Writer>,
}

/// What a checkpoint cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// The number of its manifest.
    pub number: u64,
    /// Objects written, the manifest included.
    pub objects: u64,
    pub bytes_written: u64,
    pub duration: Duration,
}

impl Stats {
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes_written += bytes;
    }
}

impl Checkpointer {
    /// Opens a local folder (created if need be) or an object store, and takes it over from
    /// the writer before it. `memory://` is a store of its own that ends with the checkpointer. `label` tells this
    /// daemon's writer from others in messages, such as the host's name.
    ///
    /// There is nothing restored if the place was empty.
    ///
    /// # Errors
    /// If the location is no address of a store, the store does not answer, or no checkpoint in it is whole and
    /// readable by this build.
    pub async fn open(place: impl Into<Place>, label: &str) -> Result<(Checkpointer, Option<Restored>), OpenError> {
        let place = place.into();
        let vault = Vault::new(location::open(&place)?);
        let vault = if place.is_remote() { vault.patient() } else { vault };
        let opened = Self::open_vault(vault, &location::writer_id(label)).await;
        let (checkpointer, restored) = opened.map_err(|error| error.at(&place))?;
        // A local folder is known to create only what is not there; of a server elsewhere that has to be seen.
        if place.is_remote()
            && !checkpointer.is_kept_apart().await.map_err(|failure| OpenError::from(failure).at(&place))?
        {
            return Err(OpenError::NoConditionalCreate { location: place.location });
        }
        Ok((checkpointer, restored))
    }

    /// Whether the store refuses to create what is there, by the claim of this writer itself.
    async fn is_kept_apart(&self) -> Result<bool, StoreFailure> {
        Ok(fence::create_claim(&self.vault, &self.writer).await? == Created::Taken)
    }

    /// Opens an object store. `writer` has to be unique to this call, in letters, digits, `-`, `.` and `_`.
    ///
    /// # Errors
    /// If the store fails, or no checkpoint in it is whole and readable by this build.
    pub async fn open_store(
        store: Arc<dyn ObjectStore>,
        writer: &str,
    ) -> Result<(Checkpointer, Option<Restored>), OpenError> {
        Self::open_vault(Vault::new(store), writer).await
    }

    async fn open_vault(vault: Vault, writer: &str) -> Result<(Checkpointer, Option<Restored>), OpenError> {
        let writer = fence::claim(&vault, writer).await?;
        loop {
            let LastCheckpoint { greatest, good, previous, skipped } = restore::newest(&vault).await?;
            if let Claim::Taken(other) = fence::look(&vault, &writer).await? {
                return Err(OpenError::Fenced(other));
            }
            // The newest checkpoint is repeated under the next number. A predecessor that is still about to create that
            // number finds it taken; if it was quicker, its checkpoint is the newest and is read instead.
            let (manifest, stores) = good.unwrap_or_default();
            let current = Manifest { number: greatest + 1, writer: writer.id.clone(), epoch: writer.epoch, ..manifest };
            let text = PutPayload::from(current.encode()?);
            if vault.create(&numbered(MANIFESTS, current.number), text).await? == Created::Taken {
                continue;
            }
            let checkpointer = Checkpointer {
                names: Names::new(&writer),
                next_number: current.number + 1,
                uploads: Uploads::default(),
                hashes: KnownChecksums::default(),
                unfinished: false,
                fenced: None,
                vault,
                writer,
                current,
                previous,
            };
            if skipped.is_empty() {
                checkpointer.collect_garbage().await;
            }
            let nothing = checkpointer.current.is_blank() && skipped.is_empty();
            let manifest = checkpointer.current.clone();
            return Ok((checkpointer, (!nothing).then_some(Restored { manifest, stores, skipped })));
        }
    }

    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The last checkpoint: its content, and with [`Manifest::bytes`] its size.
    pub fn manifest(&self) -> &Manifest {
        &self.current
    }

    /// Makes a checkpoint. After an error the same draft can be passed again; the same holds if this future is dropped
    /// before it is done, as by a time-out. Once fenced, it stays fenced.
    ///
    /// # Errors
    /// `Fenced` if another writer has taken over, else what the store or the encoding of a segment failed with.
    pub async fn checkpoint(&mut self, draft: &Draft) -> Result<Stats, CheckpointError> {
        if let Some(other) = &self.fenced {
            return Err(CheckpointError::Fenced(other.clone()));
        }
        let outcome = self.attempt(draft).await;
        if let Err(CheckpointError::Fenced(other)) = &outcome {
            self.fenced = Some(other.clone());
        }
        outcome
    }

    /// Checks that this is still the one writer. A daemon with nothing to write calls it, lest it serve beside its
    /// successor for ever.
    ///
    /// # Errors
    /// `Fenced` if there is another writer, or what the store failed with.
    pub async fn confirm(&mut self) -> Result<(), CheckpointError> {
        if let Some(other) = &self.fenced {
            return Err(CheckpointError::Fenced(other.clone()));
        }
        let outcome = self.check_fence().await;
        if let Err(CheckpointError::Fenced(other)) = &outcome {
            self.fenced = Some(other.clone());
        }
        outcome
    }

    /// Restores the last checkpoint's files of an index into a local folder: exactly those, all other files there are
    /// removed. Files that are there already and whole are kept.
    ///
    /// # Errors
    /// If an object is missing or damaged, which is named, or the folder cannot be written.
    pub async fn restore_index(&self, name: &str, folder: &Path) -> Result<(), RestoreIndexError> {
        index::restore(&self.vault, &self.current, name, folder).await
    }

    /// Reads some stores of the last checkpoint back. One that it does not have is left out.
    ///
    /// # Errors
    /// If an object is missing or damaged, which is named, or cannot be read.
    pub async fn read_stores(&self, names: &BTreeSet<String>) -> Result<Stores, ReadStoresError> {
        let read = restore::read_stores(&self.vault, &self.current, |store| names.contains(store)).await;
        read.map_err(|unreadable| match unreadable {
            UnreadableCheckpoint::Damage(damage) => ReadStoresError::Damaged(damage),
            UnreadableCheckpoint::Store(StoreFailure { object, source, .. }) => {
                ReadStoresError::Store { object, source }
            }
            // Its own manifest is not read again.
            UnreadableCheckpoint::Version(_) => unreachable!("stores have no version"),
        })
    }

    async fn attempt(&mut self, draft: &Draft) -> Result<Stats, CheckpointError> {
        let started = Instant::now();
        let mut stats = Stats::default();
        check(draft, &self.current)?;
        self.check_fence().await?;

        // 1. A failed attempt may have left the disk full: what it left goes first.
        if std::mem::replace(&mut self.unfinished, true) {
            self.collect_garbage().await;
        }
        // 2. Objects, under names that no manifest knows yet. A crash here leaves only garbage.
        self.uploads.write_segments(&self.vault, &mut self.names, draft, &mut stats).await?;
        let mut next = Manifest { content: draft.content.clone(), ..self.current.clone() };
        self.uploads.apply(draft, &mut next);
        pack::condense(&self.vault, &mut self.names, &mut next, &mut stats).await?;
        next.indexes = self.write_indexes(draft, &mut stats).await?;

        // 3. The manifest goes last: until it is created, a crash leaves the previous checkpoint whole.
        let next = self.commit(next, &mut stats).await?;
        stats.number = next.number;
        stats.duration = started.elapsed();

        // 4. From here on the checkpoint holds, whatever happens.
        self.previous = Some(std::mem::replace(&mut self.current, next));
        self.uploads = Uploads::default();
        self.unfinished = false;
        self.collect_garbage().await;
        Ok(stats)
    }

    async fn write_indexes(
        &mut self,
        draft: &Draft,
        stats: &mut Stats,
    ) -> Result<BTreeMap<String, manifest::IndexEntry>, CheckpointError> {
        let (current, uploads) = (&self.current, &mut self.uploads);
        index::upload(&self.vault, &mut self.names, draft, current, uploads, &mut self.hashes, stats).await
    }

    /// Creates the manifest under the next number that is free. Numbers can be taken by earlier attempts of ours that
    /// seemed to fail, or that were torn; if by another writer, we are fenced.
    async fn commit(&mut self, mut next: Manifest, stats: &mut Stats) -> Result<Manifest, CheckpointError> {
        loop {
            self.check_fence().await?;
            next.number = self.next_number;
            next.origin = next.number;
            next.writer.clone_from(&self.writer.id);
            next.epoch = self.writer.epoch;
            let text = next.encode()?;
            let length = text.len() as u64;
            // Whatever becomes of this create, the objects must stay until its number is known to be taken.
            self.uploads.unsettled.extend(next.objects().into_iter().map(str::to_owned));
            let object = numbered(MANIFESTS, next.number);
            let created = self.vault.create(&object, PutPayload::from(text)).await?;
            if created == Created::Yes {
                stats.wrote(length);
                self.next_number += 1;
                return Ok(next);
            }
            let text = self.vault.read(&object).await?.unwrap_or_default();
            if let Ok(other) = Manifest::decode(&text)
                && other.epoch != self.writer.epoch
            {
                return Err(CheckpointError::Fenced(Writer { id: other.writer, epoch: other.epoch }));
            }
            self.next_number += 1;
        }
    }

    async fn check_fence(&self) -> Result<(), CheckpointError> {
        match fence::look(&self.vault, &self.writer).await? {
            Claim::Held => Ok(()),
            Claim::Taken(other) => Err(CheckpointError::Fenced(other)),
            Claim::Gone => Err(CheckpointError::Displaced),
        }
    }

    async fn collect_garbage(&self) {
        let kept: Vec<&Manifest> = std::iter::once(&self.current).chain(&self.previous).collect();
        garbage::collect(&self.vault, &self.writer, &kept, &self.uploads.objects()).await;
    }
}

/// The manifest of the newest readable checkpoint of a place; none if there is none. The place is not taken over.
///
/// # Errors
/// If the location is no address of a store, the store does not answer, or a checkpoint is of a version that this build does
/// not know.
pub async fn newest_manifest(place: impl Into<Place>) -> Result<Option<Manifest>, OpenError> {
    let place = place.into();
    restore::newest_manifest(&Vault::new(location::open_existing(&place)?)).await.map_err(|error| error.at(&place))
}

/// Refuses a draft that would make a checkpoint which cannot be read.
fn check(draft: &Draft, current: &Manifest) -> Result<(), CheckpointError> {
    for (name, store) in &draft.stores {
        let before = draft.renames.get(name).unwrap_or(name);
        let kept = current.stores.get(before).filter(|_| !store.afresh);
        let mut last = kept.and_then(|entries| entries.last()).map(|entry| entry.id);
        if let Some(segment) = &store.segment {
            if last.is_some_and(|last| segment.id <= last) {
                let problem = format!("segment {} comes after segment {}", segment.id, last.unwrap_or_default());
                return Err(CheckpointError::Draft { store: name.clone(), problem });
            }
            last = Some(segment.id);
        }
    }
    Ok(())
}
