//! A daemon's state as these tests know it: keyed stores, an index, and every state that a draft was made of.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::UInt64Type;
use object_store::ObjectStore;

use crate::checkpoint::manifest::{Content, GenerationEntry, Manifest, SourceEntry};
use crate::checkpoint::restore::{UnreadableCheckpoint, load};
use crate::checkpoint::vault::{MANIFESTS, Vault, numbered};
use crate::checkpoint::{Checkpointer, Draft, IndexDraft, PinnedFile, Restored};
use crate::progress::Cut;
use crate::state::{KeyMap, RowLocation, SegmentLog, StateDelta, StoredSegment};

pub(super) type Rows = BTreeMap<u64, u64>;

/// Everything that a checkpoint has to bring back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Image {
    pub(super) stores: BTreeMap<String, Rows>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// The image behind each draft ever made, by the label in its content.
pub(super) type History = Rc<RefCell<BTreeMap<String, Image>>>;

#[derive(Debug, Default)]
struct Store {
    keys: KeyMap,
    values: Vec<u64>,
    locations: Vec<RowLocation>,
    segment_log: SegmentLog,
}

impl Store {
    fn set(&mut self, key: u64, value: u64) -> u32 {
        let (slot, _) = self.keys.get_or_insert(&key.to_be_bytes());
        self.values.resize(self.keys.records().len(), 0);
        self.locations.resize(self.keys.records().len(), RowLocation::default());
        self.values[slot as usize] = value;
        slot
    }

    fn put(&mut self, key: u64, value: u64) {
        let slot = self.set(key, value);
        self.segment_log.touch(slot, &mut self.locations);
    }

    fn remove(&mut self, key: u64) {
        if let Some(slot) = self.keys.get(&key.to_be_bytes()) {
            self.segment_log.remove(slot, &mut self.locations);
            self.keys.remove(slot);
        }
    }

    fn rows(&self) -> Rows {
        self.keys.live().map(|slot| (self.key(slot), self.values[slot as usize])).collect()
    }

    fn key(&self, slot: u32) -> u64 {
        u64::from_be_bytes(self.keys.key(slot).try_into().unwrap())
    }

    fn delta(&mut self) -> Option<StateDelta> {
        let writing = self.segment_log.write(&mut self.locations)?;
        let keys: UInt64Array = writing.slots.iter().map(|slot| self.key(*slot)).collect::<Vec<_>>().into();
        let values: UInt64Array =
            writing.slots.iter().map(|slot| self.values[*slot as usize]).collect::<Vec<_>>().into();
        let rows = RecordBatch::try_from_iter([("key", Arc::new(keys) as ArrayRef), ("value", Arc::new(values))]);
        Some(writing.into_delta(rows.unwrap()))
    }

    fn restore(segments: Vec<StoredSegment>) -> Self {
        let mut store = Store::default();
        for segment in segments {
            let column = |place: usize| segment.rows.column(place).as_primitive::<UInt64Type>().values().clone();
            let (keys, values) = (column(0), column(1));
            let slots: Vec<Option<u32>> = (0..keys.len())
                .map(|row| {
                    let key_bytes = keys[row].to_be_bytes();
                    segment.live[row].then(|| {
                        assert!(store.keys.get(&key_bytes).is_none(), "key {} is live twice", keys[row]);
                        store.set(keys[row], values[row])
                    })
                })
                .collect();
            store.segment_log.restore(segment.id, &slots, segment.dead, &mut store.locations);
        }
        store
    }
}

/// A daemon without the daemon.
pub(super) struct App {
    /// Distinguishes daemons that share a place.
    name: String,
    step: u64,
    stores: BTreeMap<String, Store>,
    forget: BTreeSet<String>,
    files: BTreeMap<String, Vec<u8>>,
    /// Where index files are pinned.
    folder: tempfile::TempDir,
    history: History,
}

impl App {
    pub(super) fn new(name: &str, history: &History) -> Self {
        Self {
            name: name.to_owned(),
            step: 0,
            stores: BTreeMap::new(),
            forget: BTreeSet::new(),
            files: BTreeMap::new(),
            folder: tempfile::tempdir().unwrap(),
            history: history.clone(),
        }
    }

    /// Starts from what was restored, which has to be the image of some draft exactly.
    pub(super) async fn start(
        name: &str,
        history: &History,
        checkpointer: &Checkpointer,
        restored: Option<Restored>,
    ) -> Self {
        let mut app = App::new(name, history);
        let Some(Restored { manifest, stores, .. }) = restored else { return app };
        app.step = step(&manifest);
        app.stores = stores.into_iter().map(|(name, segments)| (name, Store::restore(segments))).collect();
        if manifest.indexes.contains_key("index") {
            let folder = app.folder.path().join("restored");
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("stranger"), b"left over").unwrap();
            checkpointer.restore_index("index", &folder).await.unwrap();
            app.files = read_folder(&folder);
        }
        let expected = history.borrow().get(&label(&manifest)).cloned().unwrap_or_default();
        assert_eq!(app.image(), expected, "restored {}", label(&manifest));
        app
    }

    pub(super) fn image(&self) -> Image {
        let stores = self.stores.iter().map(|(name, store)| (name.clone(), store.rows()));
        // A store without rows and one that never was look the same.
        Image { stores: stores.filter(|(_, rows)| !rows.is_empty()).collect(), files: self.files.clone() }
    }

    pub(super) fn put(&mut self, store: &str, key: u64, value: u64) {
        self.stores.entry(store.to_owned()).or_default().put(key, value);
    }

    pub(super) fn remove(&mut self, store: &str, key: u64) {
        self.stores.entry(store.to_owned()).or_default().remove(key);
    }

    pub(super) fn forget(&mut self, store: &str) {
        self.stores.remove(store);
        self.forget.insert(store.to_owned());
    }

    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) {
        self.files.insert(name.to_owned(), bytes.to_owned());
    }

    /// Random changes of everything.
    pub(super) fn change(&mut self, random: &mut fastrand::Rng) {
        for _ in 0..random.usize(0..40) {
            let store = ["a", "b", "c", "d"][random.usize(0..4)];
            let key = random.u64(0..60);
            match random.u8(0..3) {
                0 => self.remove(store, key),
                _ => self.put(store, key, random.u64(..)),
            }
        }
        if random.u8(0..8) == 0 {
            self.forget(["a", "b", "c", "d"][random.usize(0..4)]);
        }
        if random.u8(0..3) == 0 {
            let name = format!("{:x}.store", random.u64(..));
            self.file(&name, &vec![random.u8(..); random.usize(0..200)]);
        }
        if self.files.len() > 4 {
            self.files.pop_first();
        }
        self.file("meta.json", format!("{:04}", random.u16(..)).as_bytes());
    }

    /// A draft of the present state. The caller tries it until it succeeds.
    pub(super) fn draft(&mut self) -> Draft {
        self.step += 1;
        let label = format!("{}-{}", self.name, self.step);
        let mut content = Content { revision: self.step, ..Content::default() };
        let identity = serde_json::json!({ "label": label });
        content
            .sources
            .insert("s".into(), SourceEntry { identity, applied: self.step.into(), ..SourceEntry::default() });
        let generation =
            GenerationEntry { generation: 1, positions: [("s".into(), self.step.into())].into(), ..Default::default() };
        content.generations.insert("p".to_owned(), vec![generation]);
        let deltas: BTreeMap<String, StateDelta> =
            self.stores.iter_mut().filter_map(|(name, store)| Some((name.clone(), store.delta()?))).collect();
        let pinned = self.files.iter().map(|(name, bytes)| {
            let path = self.folder.path().join(format!("{}-{name}", self.step));
            std::fs::write(&path, bytes).unwrap();
            PinnedFile { name: name.clone(), path }
        });
        let cut = Cut { positions: [("s".into(), self.step.into())].into(), revision: self.step };
        let index = IndexDraft { cut, files: pinned.collect() };
        let draft = Draft::new(content, deltas, std::mem::take(&mut self.forget), [("index".to_owned(), index)].into());
        self.history.borrow_mut().insert(label, self.image());
        draft
    }

    pub(super) fn label(&self) -> String {
        format!("{}-{}", self.name, self.step)
    }
}

/// What the manifest's content says of itself.
pub(super) fn label(manifest: &Manifest) -> String {
    let source = manifest.content.sources.get("s");
    source.map_or_else(String::new, |source| source.identity["label"].as_str().unwrap().to_owned())
}

/// The position that the manifest's content has reached.
pub(super) fn step(manifest: &Manifest) -> u64 {
    manifest.content.sources.get("s").map_or(0, |source| source.applied.sequence())
}

pub(super) fn read_folder(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

/// Every manifest that can be read at all must be whole, at any time.
pub(super) async fn check_all_whole(store: &Arc<dyn ObjectStore>, context: &str) {
    let vault = Vault::new(store.clone());
    for number in vault.numbers(MANIFESTS).await.unwrap() {
        match load(&vault, number).await {
            Ok(_) => {}
            // A torn manifest is no checkpoint.
            Err(UnreadableCheckpoint::Damage(damage)) => {
                assert_eq!(damage.object, numbered(MANIFESTS, number), "{context}: {damage}")
            }
            Err(fault) => panic!("{context}: {fault:?}"),
        }
    }
}
