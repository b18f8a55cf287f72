//! What a checkpoint costs: in proportion to the change, and all of them together in proportion to what lives.

use std::sync::Arc;

use fastrand::Rng;
use futures::StreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use readside::checkpoint::Stats;
use readside::checkpoint::faulty::{Faults, FaultyStore};
use readside::event::{Headers, Message};
use readside::pipeline::Fetched;

use super::daemon::{Daemon, Saved};
use super::definitions::Definitions;
use super::log::Log;

/// Of manifests, schemas and the least that is moved at all.
const SPARE_BYTES: u64 = 256 << 10;

fn shipped(seq: u64, order: u64) -> Message {
    let body = format!(r#"{{"at":"2026-01-01T00:00:00Z","order_id":"o{order}","carrier":"road"}}"#);
    Message {
        seq,
        subject: format!("shop.order-{order}"),
        headers: Headers(vec![("type".to_owned(), "Shipped".to_owned())]),
        payload: body.into_bytes().into(),
        published_at_us: 1_767_225_600_000_000 + seq as i64,
        unreadable: None,
    }
}

fn commit(daemon: &mut Daemon, orders: impl Iterator<Item = u64>) {
    let after = daemon.cut().position("orders").sequence();
    let messages: Vec<Message> = orders.zip(after + 1..).map(|(order, seq)| shipped(seq, order)).collect();
    let covered = after + messages.len() as u64;
    daemon
        .engine
        .commit(vec![Fetched { source: "orders".into(), messages, covered, last_sequence: covered }], 0)
        .unwrap();
}

async fn checkpoint(daemon: &mut Daemon) -> Stats {
    match daemon.checkpoint(&Log::new()).await {
        Saved::Done(stats) => stats,
        other => panic!("{other:?}"),
    }
}

/// A daemon that has so many keys in an aggregate and a table, and all of them in its first checkpoint.
async fn large(store: &Arc<dyn ObjectStore>, keys: u64) -> (Daemon, tempfile::TempDir) {
    let store = Arc::new(FaultyStore::new(store.clone(), 0, Faults::default()));
    let folder = tempfile::tempdir().unwrap();
    let definitions = Definitions::of(&["order_state", "newest"]);
    let start = Daemon::start(store, "one", &definitions, folder.path(), &Log::new()).await;
    let (mut daemon, _) = start.unwrap_or_else(|error| panic!("{error:?}"));
    for part in 0..10 {
        commit(&mut daemon, part * keys / 10..(part + 1) * keys / 10);
    }
    let whole = checkpoint(&mut daemon).await;
    assert!(whole.bytes_written >= daemon.checkpointer.manifest().bytes().stores);
    (daemon, folder)
}

/// Changes some keys by random, and gives what the checkpoint after it cost.
async fn change(daemon: &mut Daemon, keys: u64, changed: u64, random: &mut Rng) -> Stats {
    commit(daemon, (0..changed).map(|_| random.u64(0..keys)).collect::<Vec<_>>().into_iter());
    checkpoint(daemon).await
}

#[tokio::test]
async fn a_small_change_of_a_large_state_costs_little() {
    const KEYS: u64 = 50_000;
    const CHECKPOINTS: u64 = 40;
    let mut random = Rng::with_seed(1);
    let (mut daemon, _folder) = large(&(Arc::new(InMemory::new()) as _), KEYS).await;
    let live = daemon.checkpointer.manifest().bytes().stores;
    let first = change(&mut daemon, KEYS, KEYS / 1000, &mut random).await.bytes_written;
    assert!(first * 50 <= live, "{first} of {live} bytes for a thousandth of the keys");
    let mut written = 0;
    for _ in 0..CHECKPOINTS {
        written += change(&mut daemon, KEYS, KEYS / 1000, &mut random).await.bytes_written;
    }
    let average = written / CHECKPOINTS;
    println!("{live} bytes live; {first} written for a thousandth of the keys, {average} on average");
    assert!(average * 50 <= live, "{average} of {live} bytes for a thousandth of the keys, on average");
}

#[tokio::test]
async fn many_checkpoints_take_twice_the_space_of_what_lives() {
    const KEYS: u64 = 5_000;
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut random = Rng::with_seed(1);
    let (mut daemon, _folder) = large(&store, KEYS).await;
    let live = daemon.checkpointer.manifest().bytes().stores;
    let (mut greatest, mut written) = (0, 0);
    for number in 0..80 {
        written += change(&mut daemon, KEYS, KEYS / 20, &mut random).await.bytes_written;
        let kept = daemon.checkpointer.manifest().bytes().stores;
        assert!(kept <= 2 * live + SPARE_BYTES, "{kept} bytes for {live} live ones after {number}");
        greatest = greatest.max(kept);
    }
    assert!(written > 3 * live, "{written} bytes: so few that nothing had to be given back");
    println!("{live} bytes live, at most {greatest} kept, {written} written");
    // Nothing else lies around: the store holds two checkpoints, which share most of their objects.
    let sizes = store.list(None).map(|meta| meta.unwrap().size);
    let stored: u64 = sizes.fold(0, |sum, size| async move { sum + size }).await;
    assert!(stored <= 3 * live + 2 * SPARE_BYTES, "{stored} bytes stored for {live} live ones");
}
