//! Starts that differ from the checkpoint's definitions in a way that is easy to get wrong.

use std::sync::Arc;

use fastrand::Rng;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use readside::checkpoint::faulty::{Faults, FaultyStore};
use readside::config::ParkedLimits;
use readside::lifecycle::Parked;

use super::daemon::{Daemon, NotStarted, Saved, Started};
use super::definitions::{Definitions, LATER};
use super::log::Log;

/// A place with a stream, and daemons one after the other.
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    folder: tempfile::TempDir,
    pub(super) random: Rng,
    pub(super) log: Log,
    limits: ParkedLimits,
    lives: u32,
}

impl Place {
    pub(super) fn new(events: usize) -> Self {
        let mut random = Rng::with_seed(7);
        let mut log = Log::new();
        (0..10).for_each(|_| log.publish(&mut random, events / 10));
        let limits = ParkedLimits { max_events: 1000, max_bytes: 1 << 20 };
        Self { store: Arc::new(InMemory::new()), folder: tempfile::tempdir().unwrap(), random, log, limits, lives: 0 }
    }

    pub(super) async fn start(&mut self, definitions: &Definitions) -> (Daemon, Started) {
        self.try_start(definitions).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub(super) async fn try_start(&mut self, definitions: &Definitions) -> Result<(Daemon, Started), NotStarted> {
        self.lives += 1;
        let store = Arc::new(FaultyStore::new(self.store.clone(), 0, Faults::default()));
        let (folder, writer) = (self.folder.path(), format!("life{}", self.lives));
        let Self { log, limits, random, .. } = self;
        let (mut daemon, started) =
            Daemon::start_within(store, &writer, definitions, folder, log, limits.clone()).await?;
        daemon.join(log, random).await;
        Ok((daemon, started))
    }

    pub(super) async fn save(&mut self, daemon: &mut Daemon) {
        let saved = daemon.checkpoint(&self.log).await;
        assert!(matches!(saved, Saved::Done(_)), "{saved:?}");
    }
}

#[tokio::test]
async fn before_the_first_event_a_new_reader_gets_what_its_input_has() {
    let mut place = Place::new(100);
    let mut definitions = Definitions::of(&["factors", "means"]);
    let (mut daemon, _) = place.start(&definitions).await;
    place.save(&mut daemon).await;
    definitions.set_variant("means", 1);
    let (mut daemon, started) = place.start(&definitions).await;
    assert_eq!((started.resumed, started.built), (1, 1));
    daemon.commit_all(&place.log);
    daemon.check(&place.log);
}

#[tokio::test]
async fn the_state_of_what_is_no_more_is_forgotten_before_the_first_event_too() {
    let mut place = Place::new(0);
    let (mut daemon, _) = place.start(&Definitions::of(&["factors", "means"])).await;
    place.save(&mut daemon).await;
    assert!(daemon.checkpointer.manifest().stores.keys().any(|store| store.starts_with("means/")));
    let (mut daemon, _) = place.start(&Definitions::of(&["factors"])).await;
    place.save(&mut daemon).await;
    let stores: Vec<&String> = daemon.checkpointer.manifest().stores.keys().collect();
    assert!(stores.iter().all(|store| store.starts_with("factors/") || *store == "ledger"), "{stores:?}");
}

#[tokio::test]
async fn a_mended_source_admits_what_was_parked_although_nothing_reads_it() {
    let mut place = Place::new(400);
    let mut definitions = Definitions::of(&["factors"]);
    let (mut daemon, _) = place.start(&definitions).await;
    daemon.commit_all(&place.log);
    daemon.check(&place.log);
    let unknown = |daemon: &Daemon| {
        let types = daemon.engine.parked.iter().map(|parked| parked.rejected.message.headers.get("type"));
        types.filter(|event_type| *event_type == Some(LATER)).count()
    };
    assert!(unknown(&daemon) > 0);
    place.save(&mut daemon).await;
    definitions.mended = true;
    let (daemon, _) = place.start(&definitions).await;
    assert_eq!(unknown(&daemon), 0);
    daemon.check(&place.log);
}

#[tokio::test]
async fn an_index_that_cannot_be_opened_is_built_again_from_its_rows() {
    let mut place = Place::new(300);
    let definitions = Definitions::of(&["order_state", "order_search"]);
    let (mut daemon, _) = place.start(&definitions).await;
    daemon.commit_all(&place.log);
    let (mut draft, _holds) = daemon.engine.draft(0).unwrap();
    let files = &mut draft.indexes.get_mut("order_search").unwrap().files;
    let before = files.len();
    files.retain(|file| !file.name.ends_with(".term"));
    assert!(files.len() < before);
    daemon.checkpointer.checkpoint(&draft).await.unwrap();
    let (mut daemon, started) = place.start(&definitions).await;
    assert_eq!(started.resumed, 2);
    daemon.check_search(&place.log);
}

#[tokio::test]
async fn a_build_that_parks_too_much_fails_and_says_so() {
    let mut place = Place::new(600);
    let mut definitions = Definitions::of(&["rates", "lines"]);
    definitions.set_variant("rates", 1);
    let (mut daemon, _) = place.start(&definitions).await;
    daemon.commit_all(&place.log);
    place.save(&mut daemon).await;
    let undecoded = |source: &str| {
        let of_source = |parked: &&Parked| &*parked.source == source && parked.generation.is_none();
        daemon.engine.parked.iter().filter(of_source).count()
    };
    let (parked, position) = (undecoded("orders"), daemon.cut());
    // What the live source has parked may stay; the build's own reading stops before the last one.
    definitions.set_variant("rates", 0);
    place.limits.max_events = parked - 1;
    let (daemon, _) = place.start(&definitions).await;
    assert_eq!(daemon.cut(), position);
    let failures =
        daemon.engine.generations.iter().map(|one| (one.projection(), one.state().reason().map(str::to_owned)));
    let failures: Vec<_> = failures.collect();
    let [("lines", None), ("rates", Some(failure))] = failures.as_slice() else { panic!("{failures:?}") };
    assert!(failure.contains("parked.max_events"), "{failure}");
}
