//! The real loop, with its threads: fed through channels, killed or drained, and compared at the cuts it publishes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use readside::checkpoint::faulty::{Faults, FaultyStore};
use readside::pipeline::{IndexRoot, LoopEnd, Order, Runner, RunnerConfig};
use readside::progress::{Cut, Phase, SourceName};
use readside::read_model::ReadView;
use readside::read_model::catalog::{Catalog, ProjectionStatus, Snapshot};
use readside::source::{Input, MemorySource, Source, StreamIdentity};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::coverage::Coverage;
use super::daemon::{Daemon, Feeds, table_text};
use super::definitions::Definitions;
use super::log::Log;
use super::oracle::Oracle;
use super::seeds;
use crate::support::DEADLINE;

/// A running loop.
struct Life {
    oracle: Oracle,
    catalog: Catalog,
    feeds: BTreeMap<SourceName, mpsc::UnboundedSender<Input>>,
    /// What feeds the builder, if anything is built.
    building: Option<Feeds>,
    fed: Cut,
    store: Arc<FaultyStore>,
    stop: watch::Sender<bool>,
    loop_ends: JoinHandle<LoopEnd>,
    _folder: tempfile::TempDir,
}

impl Life {
    async fn start(
        inner: &Arc<dyn ObjectStore>,
        name: &str,
        chosen: &Definitions,
        log: &Log,
        random: &mut Rng,
    ) -> Self {
        let faults = Faults { slow: 300, ..Faults::default() };
        let store = Arc::new(FaultyStore::new(inner.clone(), random.u64(..), faults));
        let folder = tempfile::tempdir().unwrap();
        let started = Daemon::start(store.clone(), name, chosen, folder.path(), log).await;
        let (daemon, _) = started.unwrap_or_else(|error| panic!("{error:?}"));
        let fed = daemon.cut();
        let mut feeds = BTreeMap::new();
        let mut sources: BTreeMap<SourceName, Box<dyn Source>> = BTreeMap::new();
        for name in log.sources() {
            let (feed, source) = MemorySource::channel();
            let last_sequence = fed.position(name).sequence();
            feed.send(Input::Opened { identity: StreamIdentity::Memory, last_sequence, began: 1 }).unwrap();
            feeds.insert(name.clone(), feed);
            sources.insert(name.clone(), Box::new(source));
        }
        let catalog = Catalog::new(Snapshot::default());
        let root = IndexRoot(folder.path().to_owned());
        let pace = RunnerConfig {
            max_events: random.usize(1..100),
            max_delay: Duration::from_micros(random.u64(..200)),
            search_commit: Duration::from_millis(random.u64(1..5)),
            checkpoint_interval: Duration::from_millis(random.u64(1..4)),
            drain: DEADLINE,
        };
        let Daemon { engine, checkpointer, oracle, building, .. } = daemon;
        let (runner, _, commands) = Runner::start(engine, sources, checkpointer, catalog.clone(), pace, root, None);
        let building = building.map(|building| {
            let (feeding, builder) = building.into_parts();
            let (_, joins) = watch::channel(Order::Join { by: None });
            tokio::spawn(builder.run(commands, joins));
            feeding
        });
        let (stop, stopped) = watch::channel(false);
        let loop_ends = tokio::spawn(runner.run(stopped));
        Self { oracle, catalog, feeds, building, fed, store, stop, loop_ends, _folder: folder }
    }

    /// Sends everything that it has not had, in batches of random size, to what is built too.
    fn feed(&mut self, log: &Log, random: &mut Rng) {
        self.feed_build(log, random);
        self.feed_live(log, random);
    }

    fn feed_build(&mut self, log: &Log, random: &mut Rng) {
        if let Some(building) = &mut self.building {
            building.feed(log, random);
        }
    }

    fn feed_live(&mut self, log: &Log, random: &mut Rng) {
        for (source, feed) in &self.feeds {
            let last_sequence = log.last_sequence(source);
            let mut rest = log.between(source, self.fed.position(source).sequence(), last_sequence);
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(random.usize(1..=rest.len().min(30)));
                let covered = batch.last().map_or(0, |message| message.seq);
                // A loop that was fenced takes nothing more.
                let _ = feed.send(Input::Fetched { messages: batch.to_vec(), covered, last_sequence });
                rest = later;
            }
            let _ = feed.send(Input::Heartbeat { covered: last_sequence, last_sequence });
            self.fed.positions.insert(source.clone(), last_sequence.into());
        }
    }

    /// Compares a snapshot, each relation at the cut that it says it is of.
    fn check(&self, log: &Log, snapshot: Arc<Snapshot>) {
        let view = ReadView::of_daemon(snapshot);
        for (name, status) in view.projections() {
            if matches!(status.state, Phase::Building | Phase::Rebuilding) {
                continue;
            }
            let is_in_error = status.state == Phase::Failed;
            assert_eq!(is_in_error, self.oracle.at(log, view.cut()).is_in_error(name), "`{name}` at {}", view.cut());
            // What was in error from the beginning has no rows.
            let Ok(relation) = view.open(name) else {
                assert!(is_in_error, "`{name}` has rows");
                continue;
            };
            let (cut, table) = (relation.basis().cut, relation.table().unwrap());
            // The rows of what is in error stay where they were.
            let expected = self.oracle.at(log, &cut);
            if relation.index().is_none() && !is_in_error {
                assert_eq!(cut, *view.cut(), "`{name}` is of the one cut");
            }
            assert_eq!(table_text(table.scan().unwrap()), expected.rows(name), "`{name}` at {cut}");
        }
    }

    async fn caught_up(&self) -> Arc<Snapshot> {
        let mut snapshots = self.catalog.subscribe();
        let arrived = |snapshot: &Arc<Snapshot>| {
            let view = ReadView::of_daemon(snapshot.clone());
            let positions = |name| view.open(name).unwrap().basis().cut.positions;
            let is_built = |status: &ProjectionStatus| !matches!(status.state, Phase::Building | Phase::Rebuilding);
            view.cut().positions == self.fed.positions
                && view.projections().values().all(is_built)
                && view
                    .names()
                    .all(|name| view.projections()[name].error.is_some() || positions(name) == self.fed.positions)
        };
        let found = tokio::time::timeout(DEADLINE, snapshots.wait_for(arrived)).await;
        found.expect("caught up within the deadline").unwrap().clone()
    }

    async fn outcome(self) -> LoopEnd {
        let ended = tokio::time::timeout(DEADLINE, self.loop_ends).await;
        ended.expect("an end within the deadline").expect("no panic")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loop_goes_on_where_it_was_killed_or_drained() {
    let mut coverage = Coverage::default();
    for seed in seeds(2) {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut random = Rng::with_seed(seed);
        let mut log = Log::new();
        let mut definitions = Definitions::random(&mut random, 2);
        for number in 0..4 {
            let mut life = Life::start(&inner, &format!("life{number}"), &definitions, &log, &mut random).await;
            for _ in 0..3 {
                log.publish(&mut random, 60);
                life.feed(&log, &mut random);
                // Whatever is published meanwhile is one cut.
                life.check(&log, life.catalog.snapshot());
            }
            let last = life.caught_up().await;
            life.check(&log, last.clone());
            if random.bool() {
                coverage.count("loops killed");
                life.store.crash();
                life.loop_ends.abort();
                let _ = life.loop_ends.await;
            } else {
                coverage.count("loops drained");
                life.stop.send_replace(true);
                assert_eq!(life.outcome().await, LoopEnd::Drained, "seed {seed}");
            }
            definitions.change(&mut random);
        }
    }
    println!("{coverage}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_is_replaced_stops_even_if_it_has_nothing_to_write() {
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut random = Rng::with_seed(3);
    let mut log = Log::new();
    log.publish(&mut random, 100);
    let definitions = Definitions::of(&["customers", "sizes"]);
    let mut first = Life::start(&inner, "first", &definitions, &log, &mut random).await;
    first.feed(&log, &mut random);
    first.caught_up().await;
    let mut second = Life::start(&inner, "second", &definitions, &log, &mut random).await;
    let outcome = first.outcome().await;
    assert!(matches!(&outcome, LoopEnd::Fenced(by) if by.contains("second")), "{outcome:?}");
    log.publish(&mut random, 100);
    second.feed(&log, &mut random);
    let last = second.caught_up().await;
    second.check(&log, last.clone());
    second.stop.send_replace(true);
    assert_eq!(second.outcome().await, LoopEnd::Drained);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_live_projections_go_on_while_others_are_built() {
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut random = Rng::with_seed(5);
    let mut log = Log::new();
    log.publish(&mut random, 200);
    let mut first =
        Life::start(&inner, "first", &Definitions::of(&["customers", "order_state"]), &log, &mut random).await;
    first.feed(&log, &mut random);
    first.caught_up().await;
    first.stop.send_replace(true);
    assert_eq!(first.outcome().await, LoopEnd::Drained);
    // One reads events and one reads a live projection; a third is changed, so that its last rows stay readable.
    let mut definitions = Definitions::of(&["customers", "sizes", "reach", "order_state"]);
    definitions.set_variant("order_state", 1);
    let mut second = Life::start(&inner, "second", &definitions, &log, &mut random).await;
    for _ in 0..3 {
        log.publish(&mut random, 100);
        second.feed_live(&log, &mut random);
        let mut snapshots = second.catalog.subscribe();
        let fed = second.fed.positions.clone();
        let taken = tokio::time::timeout(DEADLINE, snapshots.wait_for(|one| one.cut.positions == fed)).await;
        let snapshot = taken.expect("taken within the deadline").unwrap().clone();
        let phase = |name: &str| snapshot.projections[name].state;
        assert_eq!((phase("customers"), phase("sizes")), (Phase::Serving, Phase::Building));
        assert_eq!(phase("order_state"), Phase::Rebuilding);
        second.check(&log, snapshot);
    }
    let before = second.catalog.snapshot().cut.revision;
    second.feed_build(&log, &mut random);
    let last = second.caught_up().await;
    assert!(last.cut.revision > before, "the same positions have other rows");
    second.check(&log, last);
    log.publish(&mut random, 100);
    second.feed(&log, &mut random);
    let last = second.caught_up().await;
    second.check(&log, last);
    second.stop.send_replace(true);
    assert_eq!(second.outcome().await, LoopEnd::Drained);
}
