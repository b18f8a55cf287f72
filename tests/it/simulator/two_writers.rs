//! Two daemons in one place, interleaved by seed: exactly one goes on, the others are fenced, and what remains is right.

use std::sync::Arc;

use fastrand::Rng;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use readside::checkpoint::Checkpointer;
use readside::checkpoint::faulty::{Faults, FaultyStore};

use super::coverage::Coverage;
use super::daemon::{Daemon, NotStarted, Saved, assert_monotone, cut_of};
use super::definitions::Definitions;
use super::log::Log;
use super::seeds;

/// A daemon with the folder that its search indexes work in.
struct Contender {
    daemon: Daemon,
    _folder: tempfile::TempDir,
}

/// One of the contenders: it starts at some time, and goes on until it is fenced or has done enough. It only looks for a
/// successor when it makes a checkpoint, so one that is left over may be fenced without knowing.
async fn compete(
    store: Arc<FaultyStore>,
    writer: String,
    definitions: &Definitions,
    log: &Log,
    mut random: Rng,
) -> Option<Contender> {
    for _ in 0..random.u32(0..400) {
        tokio::task::yield_now().await;
    }
    // Like a real one, each works in a folder of its own epoch.
    let folder = tempfile::tempdir().unwrap();
    let started = Daemon::start(store, &writer, definitions, folder.path(), log).await;
    let mut contender = match started {
        Ok((daemon, _)) => Contender { daemon, _folder: folder },
        // Its successor may have collected what it was about to read.
        Err(NotStarted::Fenced | NotStarted::Failed(_)) => return None,
        Err(error) => panic!("{error:?}"),
    };
    for _ in 0..random.u8(1..5) {
        contender = go_on(contender, log, &mut random).await?;
        tokio::task::yield_now().await;
    }
    Some(contender)
}

async fn go_on(mut contender: Contender, log: &Log, random: &mut Rng) -> Option<Contender> {
    let daemon = &mut contender.daemon;
    daemon.commit(log, random, 30);
    daemon.check(log);
    match daemon.checkpoint(log).await {
        Saved::Done(_) => Some(contender),
        Saved::Failed => panic!("nothing fails here"),
        Saved::Fenced => {
            assert!(matches!(daemon.checkpoint(log).await, Saved::Fenced), "it stays fenced");
            None
        }
    }
}

async fn race(inner: Arc<dyn ObjectStore>, seed: u64, coverage: &mut Coverage) {
    let mut random = Rng::with_seed(seed);
    let mut log = Log::new();
    (0..6).for_each(|_| log.publish(&mut random, 30));
    let definitions = Definitions::random(&mut random, 2);
    let contenders = 2 + seed % 2;
    let faults = Faults { slow: 700, ..Faults::default() };
    let races = (0..contenders).map(|place| {
        let store = Arc::new(FaultyStore::new(inner.clone(), random.u64(..), faults));
        compete(store, format!("daemon{place}"), &definitions, &log, random.fork())
    });
    let left = futures::future::join_all(races).await;
    let mut survivors = Vec::new();
    for contender in left.into_iter().flatten() {
        survivors.extend(go_on(contender, &log, &mut random).await);
    }
    assert_eq!(survivors.len(), 1, "seed {seed}");
    coverage.count("races");
    coverage.add("fenced daemons", contenders as usize - 1);
    let last = cut_of(survivors[0].daemon.checkpointer.manifest());
    // The one that remains is what the next daemon finds, and it is right.
    let store = Arc::new(FaultyStore::new(inner, seed, Faults::default()));
    let folder = tempfile::tempdir().unwrap();
    let next = Daemon::start(store, "next", &definitions, folder.path(), &log).await;
    let (mut next, started) = next.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    assert_eq!(started.restored, Some(last.clone()), "seed {seed}");
    assert_eq!(started.skipped, 0, "seed {seed}");
    next.check(&log);
    next.commit_all(&log);
    next.check(&log);
    assert_monotone(&last, &next.cut());
    next.check_search(&log);
}

#[tokio::test]
async fn of_daemons_in_one_store_exactly_one_goes_on() {
    let mut coverage = Coverage::default();
    for seed in seeds(5) {
        race(Arc::new(InMemory::new()), seed, &mut coverage).await;
    }
    println!("{coverage}");
}

#[tokio::test]
async fn of_daemons_on_one_data_directory_exactly_one_goes_on() {
    let mut coverage = Coverage::default();
    for seed in seeds(2) {
        let folder = tempfile::tempdir().unwrap();
        // Makes the folders that a data directory has.
        Checkpointer::open(folder.path().to_str().unwrap(), "first").await.unwrap();
        race(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()), seed, &mut coverage).await;
    }
    println!("{coverage}");
}
