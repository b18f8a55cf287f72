//! P2: whatever fails and wherever the process dies, what is read back is one checkpoint exactly.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::model::{App, History, check_all_whole, step};
use crate::checkpoint::faulty::{Faults, FaultyStore};
use crate::checkpoint::vault::{EPOCHS, MANIFESTS, OBJECTS, Vault};
use crate::checkpoint::{CheckpointError, Checkpointer, location};

/// Opens, restores and makes some checkpoints of random changes, until done or dead. Returns the last position that was
/// acknowledged.
async fn live(store: Arc<FaultyStore>, inner: &Arc<dyn ObjectStore>, seed: u64, life: u64, history: &History) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed ^ (life << 32));
    let name = format!("life{life}");
    let (mut checkpointer, restored) = loop {
        match Checkpointer::open_store(store.clone(), &format!("{name}-{}", store.operations())).await {
            Ok(opened) => break opened,
            Err(_) if store.has_crashed() => return 0,
            Err(_) => {}
        }
    };
    let mut acknowledged = restored.as_ref().map_or(0, |restored| step(&restored.manifest));
    let mut app = App::start(&name, history, &checkpointer, restored).await;
    for _ in 0..6 {
        app.change(&mut random);
        let draft = app.draft();
        while let Err(error) = checkpointer.checkpoint(&draft).await {
            check_all_whole(inner, &format!("seed {seed} life {life} after {error}")).await;
            assert!(!matches!(error, CheckpointError::Fenced(_)), "nobody else is there: {error}");
            if store.has_crashed() {
                return acknowledged;
            }
        }
        acknowledged = step(checkpointer.manifest());
        check_all_whole(inner, &format!("seed {seed} life {life} position {acknowledged}")).await;
    }
    acknowledged
}

/// A life that ends with a crash at an operation, then one without faults. Returns the operations of the first.
async fn crash_and_restart(inner: Arc<dyn ObjectStore>, seed: u64, faults: Faults) -> u64 {
    let history = History::default();
    let faulty = Arc::new(FaultyStore::new(inner.clone(), seed, faults));
    let acknowledged = live(faulty.clone(), &inner, seed, 0, &history).await;
    let context = format!("seed {seed} {faults:?}");
    check_all_whole(&inner, &context).await;
    let calm = Arc::new(FaultyStore::new(inner.clone(), seed, Faults::default()));
    // The restart compares what it restores with the image of the draft it says it is.
    let (checkpointer, restored) = Checkpointer::open_store(calm.clone(), "between").await.unwrap();
    let found = restored.as_ref().map_or(0, |restored| step(&restored.manifest));
    assert!(found >= acknowledged, "{context}: {found} was restored, {acknowledged} acknowledged");
    App::start("between", &history, &checkpointer, restored).await;
    live(calm, &inner, seed, 1, &history).await;
    check_nothing_left_over(&inner, &context).await;
    faulty.operations()
}

/// After checkpoints without faults there are two manifests, one epoch, and no object that they do not name.
async fn check_nothing_left_over(inner: &Arc<dyn ObjectStore>, context: &str) {
    let vault = Vault::new(inner.clone());
    let manifests = vault.numbers(MANIFESTS).await.unwrap();
    assert_eq!(manifests.len(), 2, "{context}: manifests {manifests:?}");
    assert_eq!(vault.numbers(EPOCHS).await.unwrap().len(), 1, "{context}");
    let mut needed = std::collections::BTreeSet::new();
    for number in manifests {
        let (manifest, _) = crate::checkpoint::restore::load(&vault, number).await.unwrap();
        needed.extend(manifest.objects().into_iter().map(str::to_owned));
    }
    let objects = vault.names(OBJECTS, usize::MAX, |_| true).await.unwrap();
    assert_eq!(objects.into_iter().collect::<std::collections::BTreeSet<_>>(), needed, "{context}");
}

fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

#[tokio::test]
async fn a_crash_at_any_operation_loses_nothing() {
    for seed in 0..3 {
        let operations = crash_and_restart(memory(), seed, Faults::default()).await;
        assert!(operations > 60, "{operations}");
        for crash_at in 0..operations {
            let faults = Faults { crash_at: Some(crash_at), ..Faults::default() };
            crash_and_restart(memory(), seed, faults).await;
        }
    }
}

#[tokio::test]
async fn failing_torn_and_unacknowledged_writes_lose_nothing() {
    for seed in 100..220 {
        let rate = [20, 60, 150][seed as usize % 3];
        let crash_at = (seed % 2 == 0).then(|| fastrand::Rng::with_seed(seed).u64(0..200));
        let faults =
            Faults { failed: rate, torn: rate, unacknowledged: rate, slow: 100, crash_at, ..Faults::default() };
        crash_and_restart(memory(), seed, faults).await;
    }
}

#[tokio::test]
async fn the_same_holds_for_a_local_folder() {
    for seed in 300..330 {
        let folder = tempfile::tempdir().unwrap();
        let inner = location::open(&folder.path().to_str().unwrap().into()).unwrap();
        let crash_at = Some(fastrand::Rng::with_seed(seed).u64(0..150));
        let rate = if seed % 2 == 0 { 0 } else { 40 };
        let faults = Faults { failed: rate, torn: rate, unacknowledged: rate, crash_at, ..Faults::default() };
        crash_and_restart(inner, seed, faults).await;
    }
}
