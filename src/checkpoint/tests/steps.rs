//! What one checkpoint writes, and what it does not write again.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use object_store::memory::InMemory;

use super::model::{App, History, read_folder, step};
use crate::checkpoint::faulty::{Faults, FaultyStore};
use crate::checkpoint::{CheckpointError, Checkpointer, IndexDraft, PinnedFile, RestoreIndexError};
use crate::state::Stores;

async fn open() -> (Checkpointer, App) {
    let (checkpointer, _) = Checkpointer::open("memory://", "test").await.unwrap();
    (checkpointer, App::new("app", &History::default()))
}

#[tokio::test]
async fn small_segments_of_one_checkpoint_share_an_object() {
    let (mut checkpointer, mut app) = open().await;
    for store in 0..20 {
        app.put(&format!("store{store}"), 1, 1);
    }
    let stats = checkpointer.checkpoint(&app.draft()).await.unwrap();
    assert_eq!(stats.objects, 2, "one object and the manifest");
    let manifest = checkpointer.manifest();
    assert_eq!((manifest.stores.len(), manifest.packs.len()), (20, 1));
    let sections: u64 = manifest.stores.values().flatten().map(|entry| entry.length).sum();
    assert_eq!(manifest.bytes().stores, sections);
    assert!(stats.bytes_written > sections);
}

#[tokio::test]
async fn a_large_segment_has_an_object_to_itself() {
    let (mut checkpointer, mut app) = open().await;
    app.put("a", 1, 1);
    (0..600_000).for_each(|key| app.put("large", key, key));
    app.put("z", 1, 1);
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let object = |store: &str| checkpointer.manifest().stores[store][0].object.clone();
    assert_eq!(object("a"), object("z"));
    assert_ne!(object("a"), object("large"));
}

#[tokio::test]
async fn nothing_changed_costs_only_the_manifest() {
    let (mut checkpointer, mut app) = open().await;
    app.put("a", 1, 1);
    app.file("segment.store", b"data");
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let stats = checkpointer.checkpoint(&app.draft()).await.unwrap();
    assert_eq!(stats.objects, 1);
}

#[tokio::test]
async fn an_index_file_is_uploaded_once_but_again_when_it_differs() {
    let (mut checkpointer, mut app) = open().await;
    app.file("a.store", &[1; 100_000]);
    app.file("meta.json", b"1");
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let first = checkpointer.manifest().indexes["index"].clone();
    // Of the same length.
    app.file("meta.json", b"2");
    let stats = checkpointer.checkpoint(&app.draft()).await.unwrap();
    let second = &checkpointer.manifest().indexes["index"];
    assert_eq!((first.files[0].clone(), stats.objects), (second.files[0].clone(), 2));
    assert_ne!(first.files[1].object, second.files[1].object);
    assert_eq!(checkpointer.manifest().bytes().indexes, 100_001);
}

#[tokio::test]
async fn an_index_is_restored_to_exactly_its_files() {
    let (mut checkpointer, mut app) = open().await;
    // Longer than one piece.
    let long: Vec<u8> = (0..20 << 20).map(|place: u32| (place % 251) as u8).collect();
    app.file("long.store", &long);
    app.file("empty", b"");
    app.file("meta.json", b"{}");
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stranger"), b"x").unwrap();
    std::fs::write(folder.path().join("meta.json"), b"[]").unwrap();
    checkpointer.restore_index("index", folder.path()).await.unwrap();
    assert_eq!(read_folder(folder.path()), app.image().files);
    let unknown = checkpointer.restore_index("other", folder.path()).await;
    assert!(matches!(unknown, Err(RestoreIndexError::Unknown(name)) if name == "other"));
}

#[tokio::test]
async fn the_name_of_an_index_file_cannot_leave_its_folder() {
    let (mut checkpointer, mut app) = open().await;
    for name in ["../x", "/etc/x", "a/b", "..", ".", "", "a/"] {
        let files = vec![PinnedFile { name: name.to_owned(), path: PathBuf::from("/dev/null") }];
        let mut draft = app.draft();
        draft.indexes = BTreeMap::from([("index".to_owned(), IndexDraft { files, ..IndexDraft::default() })]);
        let refused = checkpointer.checkpoint(&draft).await;
        assert!(matches!(refused, Err(CheckpointError::FileName { .. })), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn an_object_that_is_mostly_dead_is_left() {
    let (mut checkpointer, mut app) = open().await;
    app.put("steady", 1, 1);
    (0..20_000).for_each(|key| app.put("busy", key, 0));
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let before = checkpointer.manifest().stores["steady"][0].clone();
    (0..20_000).for_each(|key| app.remove("busy", key));
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let manifest = checkpointer.manifest();
    let after = &manifest.stores["steady"][0];
    assert_ne!(before.object, after.object);
    assert_eq!((before.id, before.checksum), (after.id, after.checksum));
    assert!(manifest.bytes().stores < 5000, "{:?}", manifest.bytes());
}

#[tokio::test]
async fn objects_stay_bounded_over_a_long_life() {
    let (mut checkpointer, mut app) = open().await;
    let mut random = fastrand::Rng::with_seed(1);
    (0..5_000).for_each(|key| app.put("large", key, 0));
    for round in 0..300 {
        for store in 0..8 {
            app.put(&format!("store{store}"), random.u64(0..20), round);
        }
        app.put("large", random.u64(0..5_000), round);
        checkpointer.checkpoint(&app.draft()).await.unwrap();
    }
    let manifest = checkpointer.manifest();
    let needed: u64 = manifest.stores.values().flatten().map(|entry| entry.length).sum();
    assert!(manifest.bytes().stores <= 2 * needed, "{:?} for {needed} bytes", manifest.bytes());
    assert!(manifest.stores.values().all(|entries| entries.len() < 20));
    assert!(needed < 3 * 5_000 * 16, "{needed} bytes for 5000 rows");
}

/// A store on which other tasks go before every operation.
fn slow_store(seed: u64) -> Arc<FaultyStore> {
    Arc::new(FaultyStore::new(Arc::new(InMemory::new()), seed, SLOW))
}

const SLOW: Faults =
    Faults { failed: 0, torn: 0, unacknowledged: 0, slow: 1000, delay: Duration::ZERO, crash_at: None };

#[tokio::test]
async fn a_retry_writes_only_what_is_missing() {
    let store = slow_store(1);
    let (mut checkpointer, _) = Checkpointer::open_store(store.clone(), "w").await.unwrap();
    let mut app = App::new("app", &History::default());
    app.put("a", 1, 1);
    app.file("x", b"x");
    let draft = app.draft();
    let mut attempts = 0;
    let stats = loop {
        attempts += 1;
        store.set_faults(SLOW);
        // Every attempt gets one operation further.
        match fail_after(&store, attempts, checkpointer.checkpoint(&draft)).await {
            Ok(stats) => break stats,
            Err(error) => assert!(matches!(error, CheckpointError::Store { .. }), "{error}"),
        }
    };
    assert!(attempts > 5);
    assert_eq!(stats.objects, 1, "only the manifest was left to write");
}

/// Polls a future; after some operations of the store all others fail.
async fn fail_after<T>(store: &FaultyStore, operations: u64, future: impl Future<Output = T>) -> T {
    let end = store.operations() + operations;
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        if store.operations() >= end {
            store.set_faults(Faults { failed: 1000, ..SLOW });
        }
        future.as_mut().poll(context)
    })
    .await
}

/// Polls a future and drops it when the store has begun some operations; whether it was done before.
async fn dropped_after<T>(store: &FaultyStore, operations: u64, future: impl Future<Output = T>) -> bool {
    let end = store.operations() + operations;
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if store.operations() >= end => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    })
    .await
}

#[tokio::test]
async fn an_attempt_that_was_dropped_can_be_made_again() {
    let (mut cut_short, mut made) = (0, 0);
    for operations in 1.. {
        let store = slow_store(operations);
        let (mut checkpointer, _) = Checkpointer::open_store(store.clone(), "w").await.unwrap();
        let mut app = App::new("app", &History::default());
        app.put("a", 1, operations);
        app.file("x", b"x");
        let draft = app.draft();
        let done = dropped_after(&store, operations, checkpointer.checkpoint(&draft)).await;
        match checkpointer.checkpoint(&draft).await {
            Ok(_) => cut_short += 1,
            // The checkpoint had been made, only its garbage was not collected yet.
            Err(CheckpointError::Draft { .. }) => made += 1,
            Err(error) => panic!("{error}"),
        }
        assert_eq!((checkpointer.manifest().stores["a"].len(), step(checkpointer.manifest())), (1, 1));
        if done {
            break;
        }
    }
    assert!(cut_short >= 5 && made >= 3, "{cut_short} {made}");
}

#[tokio::test]
async fn a_draft_that_does_not_follow_is_refused() {
    let (mut checkpointer, mut app) = open().await;
    app.put("a", 1, 1);
    let draft = app.draft();
    checkpointer.checkpoint(&draft).await.unwrap();
    let error = checkpointer.checkpoint(&draft).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "store `a`: segment 0 comes after segment 0; the draft does not follow the last checkpoint"
    );
}

#[tokio::test]
async fn a_fork_begins_with_what_the_other_store_holds_and_goes_its_own_way() {
    let (mut checkpointer, mut app) = open().await;
    app.put("a", 1, 1);
    let mut draft = app.draft();
    draft.forks.insert("b".to_owned(), "a".to_owned());
    let stats = checkpointer.checkpoint(&draft).await.unwrap();
    assert_eq!(stats.objects, 2, "nothing is written for it");
    app.put("a", 2, 2);
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    let names = ["a", "b"].map(str::to_owned).into();
    let rows = |stores: &Stores, name: &str| -> usize { stores[name].iter().map(|one| one.rows.num_rows()).sum() };
    let stores = checkpointer.read_stores(&names).await.unwrap();
    assert_eq!((rows(&stores, "a"), rows(&stores, "b")), (2, 1));
    // What both hold stays as long as one of them does.
    app.forget("a");
    for _ in 0..3 {
        checkpointer.checkpoint(&app.draft()).await.unwrap();
    }
    let stores = checkpointer.read_stores(&names).await.unwrap();
    assert_eq!((stores.contains_key("a"), rows(&stores, "b")), (false, 1));
}

#[tokio::test]
async fn a_renamed_store_keeps_what_it_holds_and_takes_changes_by_its_new_name() {
    let (mut checkpointer, mut app) = open().await;
    app.put("a", 1, 1);
    app.put("b", 2, 2);
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    // Each has the name that the other had.
    let mut draft = App::new("app", &History::default()).draft();
    draft.renames = [("a", "b"), ("b", "a")].map(|(name, before)| (name.to_owned(), before.to_owned())).into();
    let before = checkpointer.manifest().stores.clone();
    let stats = checkpointer.checkpoint(&draft).await.unwrap();
    let after = &checkpointer.manifest().stores;
    assert_eq!((stats.objects, &after["a"], &after["b"]), (1, &before["b"], &before["a"]));
}
