//! Reading checkpoints back: the newest one that is whole, and the name of everything that is not.
//!
//! An object that is missing or wrong is damage, and the checkpoint before is used. An object store that does not
//! answer is an error: falling back then would throw away good checkpoints.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use futures::TryFutureExt;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use xxhash_rust::xxh3::Xxh3;

use super::error::{OpenError, StoreFailure};
use super::manifest::{Checksum, FileEntry, Manifest, SegmentEntry, Unreadable};
use super::section;
use super::vault::{CONCURRENCY, MANIFESTS, OBJECTS, PIECE_BYTES, Vault, numbered};
use crate::state::{RowAddress, StoredSegment, Stores};

/// What was read back at opening.
#[derive(Debug, Clone)]
pub struct Restored {
    pub manifest: Manifest,
    /// Segments of every store, ascending by id.
    pub stores: Stores,
    /// Why newer checkpoints could not be used.
    pub skipped: Vec<Damage>,
}

/// An object that is missing or not what its checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Number of the manifest that is of no use because of it.
    pub manifest: u64,
    pub object: String,
    pub problem: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint {}: {}: {}", self.manifest, self.object, self.problem)
    }
}

/// What there is to go on from.
#[derive(Debug, Default)]
pub(super) struct LastCheckpoint {
    /// The greatest number in use, by an unreadable manifest too.
    pub(super) greatest: u64,
    pub(super) good: Option<(Manifest, Stores)>,
    /// The newest manifest before the good one with another content.
    pub(super) previous: Option<Manifest>,
    pub(super) skipped: Vec<Damage>,
}

/// Why one checkpoint could not be read.
#[derive(Debug)]
pub(super) enum UnreadableCheckpoint {
    Damage(Damage),
    /// Whole, but of a version that this build does not know.
    Version(u32),
    Store(StoreFailure),
}

impl From<StoreFailure> for UnreadableCheckpoint {
    fn from(failure: StoreFailure) -> Self {
        UnreadableCheckpoint::Store(failure)
    }
}

/// Finds the newest checkpoint that is whole.
pub(super) async fn newest(vault: &Vault) -> Result<LastCheckpoint, OpenError> {
    let numbers = vault.numbers(MANIFESTS).await?;
    let mut found = LastCheckpoint { greatest: numbers.last().copied().unwrap_or(0), ..LastCheckpoint::default() };
    for number in numbers.into_iter().rev() {
        let read = match &found.good {
            None => load(vault, number).await.map(|good| found.good = Some(good)),
            Some((good, _)) => read_manifest(vault, number).await.map(|manifest| {
                if manifest.origin != good.origin {
                    found.previous = Some(manifest);
                }
            }),
        };
        match read {
            Ok(()) if found.previous.is_some() => break,
            Ok(()) => {}
            Err(UnreadableCheckpoint::Store(failure)) => return Err(failure.into()),
            // What is wrong with an older checkpoint is of no interest as long as a newer one is good.
            Err(_) if found.good.is_some() => {}
            Err(UnreadableCheckpoint::Damage(damage)) => found.skipped.push(damage),
            Err(UnreadableCheckpoint::Version(version)) => {
                return Err(OpenError::Version { object: numbered(MANIFESTS, number), version });
            }
        }
    }
    // Without any object there never was any state: an opening of an empty place was cut short.
    if found.good.is_none() && !found.skipped.is_empty() && !vault.names(OBJECTS, 1, |_| true).await?.is_empty() {
        return Err(OpenError::NothingGood(found.skipped));
    }
    Ok(found)
}

/// The newest readable manifest; none if there is none. Nothing is claimed, and no state is read.
pub(super) async fn newest_manifest(vault: &Vault) -> Result<Option<Manifest>, OpenError> {
    for number in vault.numbers(MANIFESTS).await?.into_iter().rev() {
        match read_manifest(vault, number).await {
            Ok(manifest) => return Ok(Some(manifest)),
            Err(UnreadableCheckpoint::Store(failure)) => return Err(failure.into()),
            Err(UnreadableCheckpoint::Version(version)) => {
                return Err(OpenError::Version { object: numbered(MANIFESTS, number), version });
            }
            // As a start does, it falls back to the one before.
            Err(UnreadableCheckpoint::Damage(_)) => {}
        }
    }
    Ok(None)
}

/// Reads one checkpoint whole; its index files are only verified.
pub(super) async fn load(vault: &Vault, number: u64) -> Result<(Manifest, Stores), UnreadableCheckpoint> {
    let manifest = read_manifest(vault, number).await?;
    let stores = read_stores(vault, &manifest, |_| true).await?;
    let files = manifest.indexes.values().flat_map(|index| &index.files).map(|file| async move {
        let read = pieces(vault, file).try_for_each(|_| std::future::ready(Ok(()))).await;
        read.map_err(|wrong| wrong.of(number, &file.object))
    });
    stream::iter(files.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    Ok((manifest, stores))
}

/// Reads some stores of a checkpoint.
pub(super) async fn read_stores(
    vault: &Vault,
    manifest: &Manifest,
    wanted: impl Fn(&str) -> bool,
) -> Result<Stores, UnreadableCheckpoint> {
    let number = manifest.number;
    let mut packs: BTreeMap<&str, Vec<(&str, &SegmentEntry)>> = BTreeMap::new();
    for (store, entries) in manifest.stores.iter().filter(|(store, _)| wanted(store)) {
        for entry in entries {
            packs.entry(&entry.object).or_default().push((store, entry));
        }
    }
    let packs = packs.into_iter().map(|(object, entries)| {
        let length = manifest.packs.get(object).copied().unwrap_or(0);
        read_pack(vault, object, length, entries).map_err(move |wrong| wrong.of(number, object))
    });
    let read: Vec<_> = stream::iter(packs).buffer_unordered(CONCURRENCY).try_collect().await?;
    let mut stores = Stores::new();
    for (store, segment) in read.into_iter().flatten() {
        stores.entry(store).or_default().push(segment);
    }
    for (name, segments) in &mut stores {
        segments.sort_unstable_by_key(|segment| segment.id);
        bury(segments)
            .map_err(|problem| ObjectError::Object(problem.to_string()).of(number, &format!("store {name}")))?;
    }
    Ok(stores)
}

pub(super) async fn read_manifest(vault: &Vault, number: u64) -> Result<Manifest, UnreadableCheckpoint> {
    let object = numbered(MANIFESTS, number);
    let damage = |problem: String| ObjectError::Object(problem).of(number, &object);
    let text = vault.read(&object).await?.ok_or_else(|| damage("missing".to_owned()))?;
    match Manifest::decode(&text) {
        Ok(manifest) if manifest.number == number => Ok(manifest),
        Ok(manifest) => Err(damage(format!("it says that it is number {}", manifest.number))),
        Err(Unreadable::Damaged(problem)) => Err(damage(problem)),
        Err(Unreadable::Version(version)) => Err(UnreadableCheckpoint::Version(version)),
    }
}

/// Why an object could not be read.
#[derive(Debug)]
pub(super) enum ObjectError {
    /// It is missing, or not what it should be.
    Object(String),
    Store(StoreFailure),
}

impl From<StoreFailure> for ObjectError {
    fn from(failure: StoreFailure) -> Self {
        ObjectError::Store(failure)
    }
}

impl ObjectError {
    fn of(self, manifest: u64, object: &str) -> UnreadableCheckpoint {
        match self {
            ObjectError::Object(problem) => {
                UnreadableCheckpoint::Damage(Damage { manifest, object: object.to_owned(), problem })
            }
            ObjectError::Store(failure) => UnreadableCheckpoint::Store(failure),
        }
    }
}

/// The segments that lie in one object, each with its store.
pub(super) async fn read_pack(
    vault: &Vault,
    object: &str,
    length: u64,
    entries: Vec<(&str, &SegmentEntry)>,
) -> Result<Vec<(String, StoredSegment)>, ObjectError> {
    expect_length(vault, object, length).await?;
    let ranges: Vec<_> = entries.iter().map(|(_, entry)| entry.offset..entry.offset + entry.length).collect();
    if let Some(range) = ranges.iter().find(|range| range.end > length) {
        return Err(ObjectError::Object(format!("a segment ends at byte {}, the object at {length}", range.end)));
    }
    let sections = vault.read_ranges(object, &ranges).await?.ok_or_else(missing)?;
    let entries: Vec<_> = entries.into_iter().map(|(store, entry)| (store.to_owned(), entry.clone())).collect();
    let decode = move || {
        let segments = entries.into_iter().zip(sections).map(|((store, entry), bytes)| {
            let (rows, dead) = section::decode(&entry, &bytes).map_err(|problem| {
                ObjectError::Object(format!("segment {} of store `{store}`: {problem}", entry.id))
            })?;
            let live = vec![true; rows.num_rows()];
            Ok((store, StoredSegment { id: entry.id, rows, live, dead }))
        });
        segments.collect::<Result<Vec<_>, ObjectError>>()
    };
    let decoded = tokio::task::spawn_blocking(decode).await;
    decoded.map_err(|error| ObjectError::Object(error.to_string()))?
}

/// A dead address of a row that its segment does not have.
#[derive(Debug, thiserror::Error)]
#[error("row {} of segment {} is dead, but there is none", .0.row, .0.segment)]
pub(super) struct NoSuchRow(RowAddress);

/// Marks the rows that died, by the addresses that all segments record. An address in a segment that is gone is of no
/// account any more.
pub(super) fn bury(segments: &mut [StoredSegment]) -> Result<(), NoSuchRow> {
    let index_of: BTreeMap<u64, usize> =
        segments.iter().enumerate().map(|(index, segment)| (segment.id, index)).collect();
    for recording in 0..segments.len() {
        for address in std::mem::take(&mut segments[recording].dead) {
            segments[recording].dead.push(address);
            let Some(&index) = index_of.get(&address.segment) else { continue };
            match segments[index].live.get_mut(address.row as usize) {
                Some(live) => *live = false,
                None => return Err(NoSuchRow(address)),
            }
        }
    }
    Ok(())
}

/// A file of an index, piece by piece. If it is not what the checkpoint says, an error comes at the latest at its end.
pub(super) fn pieces<'a>(vault: &'a Vault, file: &'a FileEntry) -> impl Stream<Item = Result<Bytes, ObjectError>> + 'a {
    stream::try_unfold((0, Xxh3::new()), move |(offset, mut hash)| async move {
        if offset == 0 {
            expect_length(vault, &file.object, file.length).await?;
        }
        if offset == file.length {
            let whole = Checksum(hash.digest()) == file.checksum;
            return if whole { Ok(None) } else { Err(ObjectError::Object("checksum mismatch".to_owned())) };
        }
        let end = file.length.min(offset + PIECE_BYTES);
        let piece = vault.read_range(&file.object, offset..end).await?.ok_or_else(missing)?;
        hash.update(&piece);
        Ok(Some((piece, (end, hash))))
    })
}

/// The length is checked first, because a range beyond the end looks like a failure of the object store.
async fn expect_length(vault: &Vault, object: &str, length: u64) -> Result<(), ObjectError> {
    match vault.length(object).await? {
        Some(found) if found == length => Ok(()),
        Some(found) => Err(ObjectError::Object(format!("it is {found} bytes long, not {length}"))),
        None => Err(missing()),
    }
}

fn missing() -> ObjectError {
    ObjectError::Object("missing".to_owned())
}
