//! Looks at the checkpoints of a place without taking it over: which there are, and whether one is whole.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use futures::stream::{self, StreamExt};

use super::error::{OpenError, StoreFailure};
use super::location;
use super::manifest::{Manifest, SegmentEntry};
use super::place::Place;
use super::restore::{self, Damage, ObjectError, UnreadableCheckpoint};
use super::vault::{CONCURRENCY, MANIFESTS, Vault, numbered};
use crate::state::StoredSegment;

/// How often a checkpoint may be superseded by its daemon while it is read.
const TRIES: usize = 10;

/// What lies under the number of a checkpoint.
#[derive(Debug)]
pub enum Found {
    Whole(Box<Manifest>),
    Damaged(Damage),
    /// It is whole, but only another build can read it.
    OtherVersion {
        number: u64,
        version: u32,
    },
}

/// What reading every byte of a checkpoint has shown.
#[derive(Debug)]
pub struct Inspected {
    pub number: u64,
    pub objects: u64,
    pub bytes: u64,
    /// Empty if it is whole.
    pub damage: Vec<Damage>,
}

/// The checkpoints of a place, ascending. State is not read.
///
/// # Errors
/// If the place is none or cannot be read.
pub async fn list(place: &Place) -> Result<Vec<Found>, OpenError> {
    let vault = Vault::new(location::open_existing(place)?);
    found(&vault).await.map_err(|error| error.at(place))
}

/// Reads every object of the checkpoints of a place, or of one of them, and compares it with its checksum. A daemon may go on
/// meanwhile: a checkpoint that it has superseded is none any more, and the next one is read in its place.
///
/// # Errors
/// If the place is none or cannot be read.
pub async fn inspect(place: &Place, only: Option<u64>) -> Result<Vec<Inspected>, OpenError> {
    let vault = Vault::new(location::open_existing(place)?);
    inspect_vault(&vault, only).await.map_err(|error| error.at(place))
}

pub(super) async fn inspect_vault(vault: &Vault, only: Option<u64>) -> Result<Vec<Inspected>, OpenError> {
    let mut tries = 0;
    loop {
        let mut inspected = Vec::new();
        let mut is_superseded = false;
        for found in found(vault).await? {
            let number = found.number();
            if only.is_some_and(|only| only != number) {
                continue;
            }
            let one = match found {
                Found::Whole(manifest) => inspect_manifest(vault, &manifest).await?,
                Found::Damaged(damage) => Inspected { number, objects: 1, bytes: 0, damage: vec![damage] },
                Found::OtherVersion { version, .. } => {
                    return Err(OpenError::Version { object: numbered(MANIFESTS, number), version });
                }
            };
            if !one.damage.is_empty() && vault.length(&numbered(MANIFESTS, number)).await?.is_none() {
                is_superseded = true;
                continue;
            }
            inspected.push(one);
        }
        tries += 1;
        if !is_superseded || !inspected.is_empty() || tries == TRIES {
            return Ok(inspected);
        }
    }
}

impl Found {
    pub fn number(&self) -> u64 {
        match self {
            Found::Whole(manifest) => manifest.number,
            Found::Damaged(damage) => damage.manifest,
            Found::OtherVersion { number, .. } => *number,
        }
    }
}

async fn found(vault: &Vault) -> Result<Vec<Found>, OpenError> {
    let mut all = Vec::new();
    for number in vault.numbers(MANIFESTS).await? {
        match restore::read_manifest(vault, number).await {
            // What a daemon puts down before its first checkpoint.
            Ok(manifest) if manifest.is_blank() => {}
            Ok(manifest) => all.push(Found::Whole(Box::new(manifest))),
            Err(UnreadableCheckpoint::Version(version)) => all.push(Found::OtherVersion { number, version }),
            Err(UnreadableCheckpoint::Store(failure)) => return Err(failure.into()),
            // Superseded since it was listed.
            Err(UnreadableCheckpoint::Damage(_)) if vault.length(&numbered(MANIFESTS, number)).await?.is_none() => {}
            Err(UnreadableCheckpoint::Damage(damage)) => all.push(Found::Damaged(damage)),
        }
    }
    Ok(all)
}

/// Reads all that a manifest names. Where something is wrong, it goes on with the rest.
async fn inspect_manifest(vault: &Vault, manifest: &Manifest) -> Result<Inspected, StoreFailure> {
    let number = manifest.number;
    let mut inspected = Inspected { number, objects: 1, bytes: 0, damage: Vec::new() };
    let mut packs: BTreeMap<&str, Vec<(&str, &SegmentEntry)>> = BTreeMap::new();
    for (store, entry) in
        manifest.stores.iter().flat_map(|(store, entries)| entries.iter().map(move |one| (store, one)))
    {
        packs.entry(&entry.object).or_default().push((store, entry));
    }
    let reading = packs.into_iter().map(|(object, entries)| async move {
        let length = manifest.packs.get(object).copied().unwrap_or(0);
        let read = restore::read_pack(vault, object, length, entries).await;
        (object, length, read.map(|segments| segments.into_iter().map(without_rows).collect::<Vec<_>>()))
    });
    let mut stores: BTreeMap<String, Vec<StoredSegment>> = BTreeMap::new();
    let mut reading = stream::iter(reading).buffer_unordered(CONCURRENCY);
    while let Some((object, length, read)) = reading.next().await {
        inspected.see(object, length, read, |segments| {
            segments.into_iter().for_each(|(store, segment)| stores.entry(store).or_default().push(segment));
        })?;
    }
    for (store, mut segments) in stores {
        let problem = restore::bury(&mut segments).err().map(|problem| problem.to_string());
        inspected.damage.extend(problem.map(|problem| Damage {
            manifest: number,
            object: format!("store {store}"),
            problem,
        }));
    }
    let files = manifest.indexes.values().flat_map(|index| &index.files);
    let reading = files.map(|file| async move {
        (file, restore::pieces(vault, file).try_for_each(|_| std::future::ready(Ok(()))).await)
    });
    let mut reading = stream::iter(reading.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY);
    while let Some((file, read)) = reading.next().await {
        inspected.see(&file.object, file.length, read, drop)?;
    }
    inspected.damage.sort_by(|one, other| one.object.cmp(&other.object));
    Ok(inspected)
}

impl Inspected {
    fn see<T>(
        &mut self,
        object: &str,
        length: u64,
        read: Result<T, ObjectError>,
        take: impl FnOnce(T),
    ) -> Result<(), StoreFailure> {
        match read {
            Ok(read) => {
                self.objects += 1;
                self.bytes += length;
                take(read);
            }
            Err(ObjectError::Object(problem)) => {
                self.damage.push(Damage { manifest: self.number, object: object.to_owned(), problem });
            }
            Err(ObjectError::Store(failure)) => return Err(failure),
        }
        Ok(())
    }
}

/// What is left to be compared with other segments: not all rows of a checkpoint are held at once.
fn without_rows((store, segment): (String, StoredSegment)) -> (String, StoredSegment) {
    let rows = RecordBatch::new_empty(segment.rows.schema());
    (store, StoredSegment { rows, ..segment })
}
