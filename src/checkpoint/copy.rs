//! Copies the newest checkpoint of a place into an empty one, while its daemon goes on or not.
//!
//! What comes of it is a place like any other: a daemon can be started there.

use std::collections::BTreeSet;
use std::path::Path;

use object_store::PutPayload;

use super::error::{OpenError, StoreFailure};
use super::fence::{self, Writer};
use super::inspect::inspect_vault;
use super::location;
use super::manifest::{Manifest, Unreadable};
use super::place::Place;
use super::restore::Damage;
use super::vault::{CONCURRENCY, Created, EPOCHS, MANIFESTS, OBJECTS, PIECE_BYTES, Vault, numbered};

/// How often the checkpoint may be superseded while it is copied. Each time only what is new is copied, so that few are enough.
const ROUNDS: usize = 50;

/// A checkpoint that was copied.
#[derive(Debug)]
pub struct Copied {
    pub manifest: Manifest,
    /// Objects, the manifest and the claim among them.
    pub objects: u64,
    pub bytes: u64,
}

/// Why nothing was copied. What had been written was removed again.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("`{0}` is not empty; name a place that is, or empty it if nobody needs what is there")]
    NotEmpty(String),
    #[error("there is no checkpoint in `{0}`; name the data directory of a daemon that has made one, or an export")]
    Nothing(String),
    #[error("`{from}`: {damage}; `readside checkpoint verify` says what is wrong, and which checkpoint is whole")]
    Damaged { from: String, damage: Damage },
    #[error("the copy in `{to}` is not what was read: {damage}; try again")]
    Unlike { to: String, damage: Damage },
    #[error(
        "`{0}` makes checkpoints faster than they can be copied; make `checkpoint.interval` longer, or stop the daemon meanwhile"
    )]
    TooFast(String),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Copies the newest checkpoint of `from` into `to`, and reads the copy once more. `told` learns the bytes that were copied, and of
/// how many.
///
/// # Errors
/// If `to` is not empty, `from` has no checkpoint that is whole, or either cannot be read or written.
pub async fn copy(from: &Place, to: &Place, told: &(dyn Fn(u64, u64) + Sync)) -> Result<Copied, CopyError> {
    let source = Vault::new(location::open_existing(from)?);
    if to.folder().is_some_and(|folder| holds_files(Path::new(folder))) {
        return Err(CopyError::NotEmpty(to.location.clone()));
    }
    let target = Vault::new(location::open(to)?);
    if !is_empty(&target).await.map_err(|failure| OpenError::from(failure).at(to))? {
        return Err(CopyError::NotEmpty(to.location.clone()));
    }
    let mut copying = Copying { source, target, copied: BTreeSet::new(), written: Vec::new(), told };
    let copied = copying.run(from, to).await;
    if copied.is_err() {
        copying.clear().await;
    }
    copied
}

/// Whether a folder has what is no part of a data directory, or of the volume that one lies on.
fn holds_files(folder: &Path) -> bool {
    let own = [EPOCHS, MANIFESTS, OBJECTS, "indexes", "lost+found"];
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.file_name().to_str().is_none_or(|name| !own.contains(&name)))
}

async fn is_empty(vault: &Vault) -> Result<bool, StoreFailure> {
    for folder in [EPOCHS, MANIFESTS, OBJECTS] {
        if !vault.names(folder, 1, |_| true).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

struct Copying<'a> {
    source: Vault,
    target: Vault,
    /// Names of objects that the target has.
    copied: BTreeSet<String>,
    /// Names of all that was put there, or may have been.
    written: Vec<String>,
    told: &'a (dyn Fn(u64, u64) + Sync),
}

/// What became of one round.
enum Round {
    Done(Box<Manifest>, Vec<u8>),
    /// The checkpoint was superseded, and what it alone needed has gone.
    Superseded,
}

impl Copying<'_> {
    async fn run(&mut self, from: &Place, to: &Place) -> Result<Copied, CopyError> {
        let at = |place: &Place| {
            let place = place.clone();
            move |failure: StoreFailure| OpenError::from(failure).at(&place)
        };
        for _ in 0..ROUNDS {
            let Some((manifest, text)) = self.newest(from).await? else {
                return Err(CopyError::Nothing(from.location.clone()));
            };
            let Round::Done(manifest, text) = self.round(from, to, manifest, text).await? else { continue };
            self.forget_others(&manifest).await;
            let bytes = manifest.bytes();
            let bytes = bytes.stores + bytes.indexes + text.len() as u64;
            let writer = Writer { id: manifest.writer.clone(), epoch: manifest.epoch };
            let claim = fence::create_claim(&self.target, &writer).await.map_err(at(to))?;
            self.created(claim, numbered(EPOCHS, writer.epoch), to)?;
            // The manifest goes last: until it is there, the copy is no checkpoint.
            let name = numbered(MANIFESTS, manifest.number);
            let created = self.target.create(&name, PutPayload::from(text)).await.map_err(at(to))?;
            self.created(created, name, to)?;
            let mut inspected = inspect_vault(&self.target, None).await.map_err(|error| error.at(to))?;
            if let Some(damage) = inspected.iter_mut().find_map(|one| one.damage.pop()) {
                return Err(CopyError::Unlike { to: to.location.clone(), damage });
            }
            return Ok(Copied { objects: self.copied.len() as u64 + 2, bytes, manifest: *manifest });
        }
        Err(CopyError::TooFast(from.location.clone()))
    }

    /// Notes what was created. Where it was there already, a daemon has begun there meanwhile.
    fn created(&mut self, created: Created, name: String, to: &Place) -> Result<(), CopyError> {
        match created {
            Created::Yes => self.written.push(name),
            Created::Taken => return Err(CopyError::NotEmpty(to.location.clone())),
        }
        Ok(())
    }

    /// The newest manifest and its bytes. None if there is none, or only that of a daemon that has made no checkpoint yet.
    async fn newest(&self, from: &Place) -> Result<Option<(Manifest, Vec<u8>)>, CopyError> {
        let failed = |failure: StoreFailure| OpenError::from(failure).at(from);
        loop {
            let Some(number) = self.source.numbers(MANIFESTS).await.map_err(failed)?.pop() else { return Ok(None) };
            let object = numbered(MANIFESTS, number);
            // Superseded since it was listed.
            let Some(text) = self.source.read(&object).await.map_err(failed)? else { continue };
            return match Manifest::decode(&text) {
                Ok(manifest) if manifest.is_blank() => Ok(None),
                Ok(manifest) => Ok(Some((manifest, text.to_vec()))),
                Err(Unreadable::Version(version)) => Err(OpenError::Version { object, version }.into()),
                Err(Unreadable::Damaged(problem)) => Err(CopyError::Damaged {
                    from: from.location.clone(),
                    damage: Damage { manifest: number, object, problem },
                }),
            };
        }
    }

    async fn round(&mut self, from: &Place, to: &Place, manifest: Manifest, text: Vec<u8>) -> Result<Round, CopyError> {
        let files =
            manifest.indexes.values().flat_map(|index| &index.files).map(|file| (file.object.clone(), file.length));
        let objects = manifest.packs.iter().map(|(object, length)| (object.clone(), *length)).chain(files);
        let objects: Vec<(String, u64)> = objects.collect();
        let total = objects.iter().map(|(_, length)| length).sum();
        let mut done = 0;
        for (object, length) in objects {
            if !self.copied.contains(&object) {
                self.written.push(object.clone());
                if let Err(problem) = self.object(from, to, &object, length).await? {
                    let name = numbered(MANIFESTS, manifest.number);
                    let is_there =
                        self.source.length(&name).await.map_err(|failure| OpenError::from(failure).at(from))?;
                    if is_there.is_none() {
                        return Ok(Round::Superseded);
                    }
                    let damage = Damage { manifest: manifest.number, object, problem };
                    return Err(CopyError::Damaged { from: from.location.clone(), damage });
                }
                self.copied.insert(object);
            }
            done += length;
            (self.told)(done, total);
        }
        Ok(Round::Done(Box::new(manifest), text))
    }

    /// Copies one object, in pieces if it is long. What is wrong with it is given as a sentence.
    async fn object(
        &self,
        from: &Place,
        to: &Place,
        object: &str,
        length: u64,
    ) -> Result<Result<(), String>, OpenError> {
        let (reading, writing) = (
            |failure: StoreFailure| OpenError::from(failure).at(from),
            |failure: StoreFailure| OpenError::from(failure).at(to),
        );
        match self.source.length(object).await.map_err(reading)? {
            Some(found) if found == length => {}
            Some(found) => return Ok(Err(format!("it is {found} bytes long, not {length}"))),
            None => return Ok(Err("missing".to_owned())),
        }
        if length <= PIECE_BYTES {
            let Some(bytes) = self.source.read(object).await.map_err(reading)? else {
                return Ok(Err("missing".to_owned()));
            };
            self.target.write(object, PutPayload::from(bytes)).await.map_err(writing)?;
            return Ok(Ok(()));
        }
        let unwritten = |source| writing(super::vault::failure(object, source));
        let mut upload = self.target.begin(object).await.map_err(writing)?;
        let mut offset = 0;
        while offset < length {
            let end = length.min(offset + PIECE_BYTES);
            let Some(piece) = self.source.read_range(object, offset..end).await.map_err(reading)? else {
                // Nothing of it is seen.
                let _ = upload.abort().await;
                return Ok(Err("missing".to_owned()));
            };
            upload.wait_for_capacity(CONCURRENCY).await.map_err(unwritten)?;
            upload.put(piece);
            offset = end;
        }
        upload.finish().await.map_err(unwritten)?;
        Ok(Ok(()))
    }

    /// Removes what was copied for a checkpoint that was superseded. What cannot be removed is garbage for the next daemon there.
    async fn forget_others(&mut self, manifest: &Manifest) {
        let needed = manifest.objects();
        let others: Vec<String> =
            self.copied.iter().filter(|object| !needed.contains(object.as_str())).cloned().collect();
        self.copied.retain(|object| needed.contains(object.as_str()));
        self.target.delete(others).await;
    }

    /// Removes what was written, and nothing else: a daemon may have begun there meanwhile.
    async fn clear(&mut self) {
        let mut written = std::mem::take(&mut self.written);
        // The manifest first, so that none is ever seen that lacks objects.
        written.reverse();
        self.target.delete(written).await;
    }
}
