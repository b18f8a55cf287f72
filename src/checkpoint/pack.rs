//! Segments on their way into objects: small ones of one checkpoint share an object, and what still lives in an object
//! that is mostly dead moves on with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use object_store::PutPayload;

use super::checkpointer::Stats;
use super::draft::Draft;
use super::error::{CheckpointError, StoreFailure};
use super::manifest::{Checksum, FileEntry, Manifest, SegmentEntry};
use super::section::{Section, encode};
use super::vault::{PIECE_BYTES, Vault};
use crate::state::NewSegment;

/// A segment of this many bytes has an object to itself, and an object of this many is full.
const PACK_BYTES: u64 = PIECE_BYTES;
/// Bytes that one checkpoint moves out of mostly dead objects, at most.
const MOVED_BYTES_MAX: u64 = 2 * PACK_BYTES;

/// What attempts at the next checkpoint have put into the store so far. Nothing of it is written a second time, so that
/// retries on a full disk make no progress at worst, never more garbage.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    segments: Vec<(Arc<NewSegment>, SegmentEntry)>,
    packs: BTreeMap<String, u64>,
    /// By index.
    pub(super) files: Vec<(String, FileEntry)>,
    /// Objects of manifests whose create failed, but may have happened or happen yet.
    pub(super) unsettled: BTreeSet<String>,
}

/// Gives out unique object names: the writer's id and epoch, and a counter.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
    counter: u64,
}

impl Names {
    pub(super) fn new(writer: &super::fence::Writer) -> Self {
        Self { prefix: format!("{}/{:020}-{}", super::vault::OBJECTS, writer.epoch, writer.id), counter: 0 }
    }

    pub(super) fn next(&mut self) -> String {
        self.counter += 1;
        format!("{}-{:08}", self.prefix, self.counter)
    }
}

impl Uploads {
    /// Every object that must not be collected although no manifest of ours names it yet.
    pub(super) fn objects(&self) -> BTreeSet<&str> {
        let files = self.files.iter().map(|(_, file)| file.object.as_str());
        let packs = self.packs.keys().map(String::as_str);
        packs.chain(files).chain(self.unsettled.iter().map(String::as_str)).collect()
    }

    fn entry(&self, segment: &Arc<NewSegment>) -> Option<&SegmentEntry> {
        self.segments.iter().find(|(uploaded, _)| Arc::ptr_eq(uploaded, segment)).map(|(_, entry)| entry)
    }

    /// Uploads the draft's segments that are not there yet.
    pub(super) async fn write_segments(
        &mut self,
        vault: &Vault,
        names: &mut Names,
        draft: &Draft,
        stats: &mut Stats,
    ) -> Result<(), CheckpointError> {
        let mut pack = Pack::default();
        for (store, segment) in
            draft.stores.iter().flat_map(|(name, store)| store.segment.iter().map(move |s| (name, s)))
        {
            if self.entry(segment).is_some() {
                continue;
            }
            let (moved, id) = (segment.clone(), segment.id);
            let encoded = tokio::task::spawn_blocking(move || encode(&moved)).await;
            let problem = |problem| CheckpointError::Encode { store: store.clone(), segment: id, problem };
            let section = encoded.map_err(|e| problem(e.to_string()))?.map_err(|e| problem(e.to_string()))?;
            if section.entry.length >= PACK_BYTES {
                let mut alone = Pack::default();
                alone.push(segment.clone(), section);
                self.upload(vault, names, alone, stats).await?;
            } else {
                pack.push(segment.clone(), section);
            }
            if pack.length >= PACK_BYTES {
                self.upload(vault, names, std::mem::take(&mut pack), stats).await?;
            }
        }
        self.upload(vault, names, pack, stats).await?;
        Ok(())
    }

    async fn upload(
        &mut self,
        vault: &Vault,
        names: &mut Names,
        pack: Pack<Arc<NewSegment>>,
        stats: &mut Stats,
    ) -> Result<(), StoreFailure> {
        if let Some((object, length, placed)) = pack.upload(vault, names, stats).await? {
            self.packs.insert(object, length);
            self.segments.extend(placed);
        }
        Ok(())
    }

    /// Puts the draft's changes, all of them uploaded by now, into the manifest of the checkpoint before it.
    pub(super) fn apply(&self, draft: &Draft, manifest: &mut Manifest) {
        // All are taken away first: one may have the name that another had.
        let renamed = draft.renames.iter().map(|(name, before)| (name.clone(), manifest.stores.remove(before)));
        let renamed: Vec<_> = renamed.collect();
        manifest.stores.extend(renamed.into_iter().filter_map(|(name, segments)| Some((name, segments?))));
        for (name, change) in &draft.stores {
            let entries = manifest.stores.entry(name.clone()).or_default();
            if change.afresh {
                entries.clear();
            }
            entries.retain(|entry| !change.dropped.contains(&entry.id));
            entries.extend(change.segment.iter().filter_map(|segment| self.entry(segment)).cloned());
            if entries.is_empty() {
                manifest.stores.remove(name);
            }
        }
        for (fork, of) in &draft.forks {
            let held = manifest.stores.get(of).cloned();
            manifest.stores.extend(held.map(|segments| (fork.clone(), segments)));
        }
        manifest.packs.extend(self.packs.iter().map(|(object, length)| (object.clone(), *length)));
        drop_unused_packs(manifest);
    }
}

/// Moves the sections of objects that are more than half dead into a new one. What is moved is less than what becomes
/// free by it. An object that cannot be read stays as it is: this is housekeeping.
pub(super) async fn condense(
    vault: &Vault,
    names: &mut Names,
    manifest: &mut Manifest,
    stats: &mut Stats,
) -> Result<(), StoreFailure> {
    let mut used: BTreeMap<String, (u64, Vec<(String, SegmentEntry)>)> = BTreeMap::new();
    for (store, entry) in manifest.stores.iter().flat_map(|(name, entries)| entries.iter().map(move |e| (name, e))) {
        let (length, entries) = used.entry(entry.object.clone()).or_default();
        *length += entry.length;
        entries.push((store.clone(), entry.clone()));
    }
    let mut pack = Pack::default();
    for (object, (length, entries)) in used {
        let whole = manifest.packs.get(&object).copied().unwrap_or(0);
        if length * 2 >= whole || pack.length + length > MOVED_BYTES_MAX {
            continue;
        }
        let ranges: Vec<_> = entries.iter().map(|(_, entry)| entry.offset..entry.offset + entry.length).collect();
        let sections = match vault.read_ranges(&object, &ranges).await {
            Ok(Some(sections)) => sections,
            Ok(None) => Vec::new(),
            Err(failure) => {
                tracing::warn!(object, error = %failure.source, "a checkpoint object cannot be read");
                continue;
            }
        };
        let whole = sections.len() == entries.len()
            && sections.iter().zip(&entries).all(|(bytes, (_, entry))| Checksum::of(bytes) == entry.checksum);
        if !whole {
            tracing::error!(
                object,
                "a checkpoint object is missing or damaged; a restart would use an older checkpoint"
            );
            continue;
        }
        for (bytes, (store, entry)) in sections.into_iter().zip(entries) {
            pack.push(store, Section { bytes, entry });
        }
    }
    let Some((object, length, placed)) = pack.upload(vault, names, stats).await? else { return Ok(()) };
    for (store, entry) in placed {
        let entries = manifest.stores.get_mut(&store).into_iter().flatten();
        entries.filter(|old| old.id == entry.id).for_each(|old| *old = entry.clone());
    }
    manifest.packs.insert(object, length);
    drop_unused_packs(manifest);
    Ok(())
}

fn drop_unused_packs(manifest: &mut Manifest) {
    let used: BTreeSet<&str> = manifest.stores.values().flatten().map(|entry| entry.object.as_str()).collect();
    manifest.packs.retain(|object, _| used.contains(object.as_str()));
}

/// Sections that will share an object, each with what it belongs to.
struct Pack<T> {
    sections: Vec<(T, SegmentEntry)>,
    bytes: Vec<Bytes>,
    length: u64,
}

impl<T> Default for Pack<T> {
    fn default() -> Self {
        Self { sections: Vec::new(), bytes: Vec::new(), length: 0 }
    }
}

impl<T> Pack<T> {
    fn push(&mut self, owner: T, section: Section) {
        self.sections.push((owner, SegmentEntry { offset: self.length, ..section.entry }));
        self.length += section.bytes.len() as u64;
        self.bytes.push(section.bytes);
    }

    /// The object's name and length, and its sections in their place. Nothing if there are no sections.
    async fn upload(
        mut self,
        vault: &Vault,
        names: &mut Names,
        stats: &mut Stats,
    ) -> Result<Option<(String, u64, Vec<(T, SegmentEntry)>)>, StoreFailure> {
        if self.sections.is_empty() {
            return Ok(None);
        }
        let object = names.next();
        vault.write(&object, PutPayload::from_iter(self.bytes)).await?;
        stats.wrote(self.length);
        self.sections.iter_mut().for_each(|(_, entry)| entry.object.clone_from(&object));
        Ok(Some((object, self.length, self.sections)))
    }
}
