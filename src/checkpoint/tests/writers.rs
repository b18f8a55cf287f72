//! Two daemons in one place: exactly one goes on, and nothing is mixed up.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::{ObjectStore, PutPayload};

use super::model::{App, History, check_all_whole, label};
use crate::checkpoint::faulty::{Faults, FaultyStore};
use crate::checkpoint::vault::{EPOCHS, OBJECTS, Vault, numbered};
use crate::checkpoint::{CheckpointError, Checkpointer, OpenError, garbage, location};

/// A daemon that has not been fenced so far.
struct Contender {
    name: String,
    checkpointer: Checkpointer,
    app: App,
}

impl Contender {
    async fn open(store: Arc<dyn ObjectStore>, name: String, history: &History) -> Option<Self> {
        let (checkpointer, restored) = match Checkpointer::open_store(store, &name).await {
            Ok(opened) => opened,
            Err(OpenError::Fenced(other)) => {
                assert_ne!(other.id, name);
                return None;
            }
            Err(error) => panic!("{name}: {error}"),
        };
        let app = App::start(&name, history, &checkpointer, restored).await;
        Some(Self { name, checkpointer, app })
    }

    /// Changes something and makes a checkpoint of it; nothing if fenced.
    async fn go_on(mut self, random: &mut fastrand::Rng) -> Option<Self> {
        self.app.change(random);
        let draft = self.app.draft();
        match self.checkpointer.checkpoint(&draft).await {
            Ok(_) => {
                assert_eq!(label(self.checkpointer.manifest()), self.app.label());
                Some(self)
            }
            Err(CheckpointError::Fenced(other)) => {
                assert_ne!(other.id, self.name);
                let again = self.checkpointer.checkpoint(&draft).await;
                assert!(matches!(again, Err(CheckpointError::Fenced(_))), "it stays fenced: {again:?}");
                None
            }
            Err(error) => panic!("{}: {error}", self.name),
        }
    }
}

async fn compete(store: Arc<dyn ObjectStore>, name: String, seed: u64, history: &History) -> Option<Contender> {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..random.u32(0..300) {
        tokio::task::yield_now().await;
    }
    let mut contender = Contender::open(store, name, history).await?;
    for _ in 0..random.u8(0..6) {
        contender = contender.go_on(&mut random).await?;
    }
    Some(contender)
}

/// Lets two or three daemons run into each other, operation by operation.
async fn race(inner: Arc<dyn ObjectStore>, seed: u64) {
    let history = History::default();
    let mut random = fastrand::Rng::with_seed(seed);
    let contenders = (0..2 + seed % 2).map(|place| {
        let faults = Faults { slow: 700, ..Faults::default() };
        let store = Arc::new(FaultyStore::new(inner.clone(), random.u64(..), faults));
        compete(store, format!("daemon{place}"), random.u64(..), &history)
    });
    let mut survivors = Vec::new();
    for contender in futures::future::join_all(contenders).await.into_iter().flatten() {
        // One that had stopped before it could notice notices now.
        survivors.extend(contender.go_on(&mut random).await);
    }
    assert_eq!(survivors.len(), 1, "seed {seed}");
    check_all_whole(&inner, &format!("seed {seed}")).await;
    let last = survivors[0].app.image();
    let reopened = Contender::open(inner, "after".to_owned(), &history).await.unwrap();
    assert_eq!(reopened.app.image(), last, "seed {seed}");
}

#[tokio::test]
async fn exactly_one_goes_on() {
    for seed in 0..300 {
        race(Arc::new(InMemory::new()), seed).await;
    }
}

#[tokio::test]
async fn exactly_one_goes_on_in_a_local_folder() {
    for seed in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        race(location::open(&folder.path().to_str().unwrap().into()).unwrap(), seed).await;
    }
}

#[tokio::test]
async fn the_fenced_one_is_told_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("new/place");
    let location = location.to_str().unwrap();
    let (first, _) = Checkpointer::open(location, "first").await.unwrap();
    let (second, _) = Checkpointer::open(&format!("file://{location}"), "second").await.unwrap();
    let mut first = first;
    let draft = App::new("app", &History::default()).draft();
    let error = first.checkpoint(&draft).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} has taken over this place for checkpoints; this daemon must stop", second.writer())
    );
    assert!(second.writer().id.starts_with("second-"));
}

/// Two writers of one store, the first of them fenced by the second.
async fn succession() -> (Arc<dyn ObjectStore>, Checkpointer, Checkpointer) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (first, _) = Checkpointer::open_store(store.clone(), "first").await.unwrap();
    let (second, _) = Checkpointer::open_store(store.clone(), "second").await.unwrap();
    (store, first, second)
}

#[tokio::test]
async fn garbage_is_collected_by_the_last_writer_only() {
    let (store, first, second) = succession().await;
    let vault = Vault::new(store);
    let object = format!("{OBJECTS}/uploaded-for-the-next-checkpoint");
    vault.write(&object, PutPayload::from_static(b"x")).await.unwrap();
    for (writer, left) in [(first, Some(1)), (second, None)] {
        garbage::collect(&vault, writer.writer(), &[writer.manifest()], &BTreeSet::new()).await;
        assert_eq!(vault.length(&object).await.unwrap(), left, "{}", writer.writer());
    }
}

#[tokio::test]
async fn a_number_that_is_taken_fences_even_if_its_epoch_is_gone() {
    let (store, mut first, _second) = succession().await;
    let vault = Vault::new(store);
    let epochs = vault.names(EPOCHS, usize::MAX, |_| true).await.unwrap();
    assert_eq!(vault.delete(epochs).await, 0);
    // The claim of the first writer is as it was before the second one came.
    let claim = serde_json::json!(first.writer()).to_string();
    vault.create(&numbered(EPOCHS, first.writer().epoch), PutPayload::from(claim)).await.unwrap();
    let error = first.checkpoint(&App::new("app", &History::default()).draft()).await.unwrap_err();
    assert!(matches!(&error, CheckpointError::Fenced(other) if other.id == "second"), "{error}");
}

#[tokio::test]
async fn nothing_is_written_to_a_place_that_was_deleted_or_replaced() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = |folder: &tempfile::TempDir| folder.path().join("data").to_str().unwrap().to_owned();
    let history = History::default();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut checkpointer, restored) = Checkpointer::open(&place(&folder), "first").await.unwrap();
    let mut app = App::start("first", &history, &checkpointer, restored).await;
    app.change(&mut random);
    checkpointer.checkpoint(&app.draft()).await.unwrap();
    // Another daemon's place, whose claim has the same number, and one with a lower number.
    let (mut second, restored) = Checkpointer::open(&place(&other), "second").await.unwrap();
    let mut other_app = App::start("second", &history, &second, restored).await;
    other_app.change(&mut random);
    second.checkpoint(&other_app.draft()).await.unwrap();

    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    app.change(&mut random);
    let draft = app.draft();
    let refused = checkpointer.checkpoint(&draft).await;
    assert!(matches!(refused, Err(CheckpointError::Displaced)), "{refused:?}");
    assert!(matches!(checkpointer.confirm().await, Err(CheckpointError::Displaced)));
    assert!(!folder.path().join("data/manifests").exists());

    std::fs::rename(other.path().join("data"), folder.path().join("data")).unwrap();
    let before = std::fs::read_dir(folder.path().join("data/manifests")).unwrap().count();
    let refused = checkpointer.checkpoint(&draft).await;
    assert!(matches!(refused, Err(CheckpointError::Displaced)), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder.path().join("data/manifests")).unwrap().count(), before);
    // Who comes next goes on from what is there.
    let (_, restored) = Checkpointer::open(&place(&folder), "third").await.unwrap();
    assert_eq!(label(&restored.unwrap().manifest), other_app.label());
    let fenced = checkpointer.checkpoint(&draft).await;
    assert!(matches!(fenced, Err(CheckpointError::Fenced(_))), "{fenced:?}");
}
