//! What is corrupt or missing is named, and the checkpoint before it is used.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::model::{App, History, step};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::vault::{MANIFESTS, Vault, numbered};
use crate::checkpoint::{Checkpointer, Damage, OpenError};

/// A store with two checkpoints, of positions 1 and 2, and the second one's manifest.
async fn two_checkpoints(history: &History) -> (Arc<dyn ObjectStore>, Manifest) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (mut checkpointer, restored) = Checkpointer::open_store(store.clone(), "w").await.unwrap();
    assert!(restored.is_none());
    let mut app = App::new("app", history);
    for round in 0..2 {
        (0..100).for_each(|key| app.put("a", key, round));
        app.put("b", round, 0);
        app.file(&format!("file{round}"), b"some index data");
        let draft = app.draft();
        checkpointer.checkpoint(&draft).await.unwrap();
    }
    (store, checkpointer.manifest().clone())
}

async fn overwrite(store: &Arc<dyn ObjectStore>, object: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = Path::from(object);
    let mut bytes = store.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
    change(&mut bytes);
    store.put(&path, PutPayload::from(bytes)).await.unwrap();
}

/// Opens the store, which has to fall back to position 1 because of one damage, and goes on from there.
async fn falls_back(store: Arc<dyn ObjectStore>, history: &History) -> Damage {
    let (mut checkpointer, restored) = Checkpointer::open_store(store.clone(), "again").await.unwrap();
    let restored = restored.unwrap();
    assert_eq!(step(&restored.manifest), 1);
    let [damage] = restored.skipped.as_slice() else { panic!("{:?}", restored.skipped) };
    let damage = damage.clone();
    let mut app = App::start("again", history, &checkpointer, Some(restored)).await;
    app.put("a", 7, 7);
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let (checkpointer, restored) = Checkpointer::open_store(store, "later").await.unwrap();
    assert!(restored.as_ref().unwrap().skipped.is_empty());
    App::start("later", history, &checkpointer, restored).await;
    damage
}

#[tokio::test]
async fn a_flipped_bit_in_a_segment() {
    let history = History::default();
    let (store, newest) = two_checkpoints(&history).await;
    let entry = newest.stores["a"].last().unwrap().clone();
    overwrite(&store, &entry.object, |bytes| bytes[entry.offset as usize + 300] ^= 4).await;
    let damage = falls_back(store, &history).await;
    assert_eq!(damage.object, entry.object);
    assert_eq!(damage.problem, format!("segment {} of store `a`: checksum mismatch", entry.id));
    assert_eq!(damage.manifest, newest.number);
}

#[tokio::test]
async fn a_missing_object() {
    let history = History::default();
    let (store, newest) = two_checkpoints(&history).await;
    let object = newest.stores["a"].last().unwrap().object.clone();
    store.delete(&Path::from(object.as_str())).await.unwrap();
    let damage = falls_back(store, &history).await;
    assert_eq!((damage.object, damage.problem.as_str()), (object, "missing"));
}

#[tokio::test]
async fn an_object_that_was_cut_short() {
    let history = History::default();
    let (store, newest) = two_checkpoints(&history).await;
    let object = newest.stores["a"].last().unwrap().object.clone();
    overwrite(&store, &object, |bytes| bytes.truncate(100)).await;
    assert!(falls_back(store, &history).await.problem.starts_with("it is 100 bytes long, not "));
}

#[tokio::test]
async fn an_index_file() {
    let history = History::default();
    let (store, newest) = two_checkpoints(&history).await;
    let file = newest.indexes["index"].files.iter().find(|file| file.name == "file1").unwrap();
    overwrite(&store, &file.object, |bytes| bytes[0] ^= 1).await;
    let damage = falls_back(store, &history).await;
    assert_eq!((damage.object.as_str(), damage.problem.as_str()), (file.object.as_str(), "checksum mismatch"));
}

#[tokio::test]
async fn a_manifest() {
    let history = History::default();
    let (store, newest) = two_checkpoints(&history).await;
    let object = numbered(MANIFESTS, newest.number);
    overwrite(&store, &object, |bytes| bytes.truncate(bytes.len() / 2)).await;
    let damage = falls_back(store, &history).await;
    assert_eq!(damage.object, object);
    assert!(damage.problem.starts_with("not a manifest: "), "{damage}");
}

#[tokio::test]
async fn if_no_checkpoint_is_good_each_is_named() {
    let history = History::default();
    let (store, _) = two_checkpoints(&history).await;
    let numbers = Vault::new(store.clone()).numbers(MANIFESTS).await.unwrap();
    assert_eq!(numbers.len(), 2);
    for number in &numbers {
        overwrite(&store, &numbered(MANIFESTS, *number), |bytes| bytes[70] ^= 1).await;
    }
    let error = Checkpointer::open_store(store, "again").await.unwrap_err();
    let OpenError::NothingGood(damage) = &error else { panic!("{error}") };
    assert_eq!(damage.len(), 2);
    for number in numbers {
        assert!(error.to_string().contains(&numbered(MANIFESTS, number)), "{error}");
    }
}

#[tokio::test]
async fn a_failing_object_store_is_no_damage() {
    use crate::checkpoint::faulty::{Faults, FaultyStore};
    let history = History::default();
    let (store, _) = two_checkpoints(&history).await;
    let faulty = FaultyStore::new(store.clone(), 1, Faults { failed: 40, ..Faults::default() });
    let faulty = Arc::new(faulty);
    let mut failed = 0;
    for attempt in 0..40 {
        match Checkpointer::open_store(faulty.clone(), &format!("w{attempt}")).await {
            Ok((_, restored)) => assert_eq!(step(&restored.unwrap().manifest), 2),
            Err(OpenError::Store { .. } | OpenError::Unwritable { .. }) => failed += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((1..40).contains(&failed), "{failed} of 40 failed");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told_from_one_that_cannot_be_read() {
    use crate::checkpoint::faulty::{Faults, FaultyStore};
    let history = History::default();
    let (store, _) = two_checkpoints(&history).await;
    let mut told = Vec::new();
    for crash_at in 0..8 {
        let faults = Faults { crash_at: Some(crash_at), ..Faults::default() };
        let faulty = Arc::new(FaultyStore::new(store.clone(), 1, faults));
        if let Err(error) = Checkpointer::open_store(faulty, "again").await {
            told.push(error.to_string());
        }
    }
    // It looks at the epochs, and claims the next one.
    assert!(told[0].starts_with("epochs cannot be read; "), "{told:?}");
    assert!(told[1].starts_with("epochs/0000") && told[1].contains(" cannot be written; make room"), "{told:?}");
    // What is there is needed.
    assert!(told.iter().all(|told| !told.contains("remove")), "{told:?}");
}
