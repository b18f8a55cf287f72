//! The world around one daemon: its stream, its store, and everything that happens to it, drawn from a seed.

use std::collections::BTreeSet;
use std::sync::Arc;

use fastrand::Rng;
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use readside::checkpoint::faulty::{Faults, FaultyStore};
use readside::progress::Cut;

use super::coverage::Coverage;
use super::daemon::{Daemon, NotStarted, Saved, assert_monotone};
use super::definitions::Definitions;
use super::log::Log;

pub(crate) struct World {
    seed: u64,
    random: Rng,
    log: Log,
    definitions: Definitions,
    inner: Arc<dyn ObjectStore>,
    /// What the living daemon sees of it.
    store: Arc<FaultyStore>,
    folder: tempfile::TempDir,
    daemon: Option<Daemon>,
    /// The cut of the last checkpoint that was acknowledged: no restart may come back before it.
    acknowledged: Cut,
    /// The source has nothing through here any more.
    purged: Cut,
    /// Objects and manifests that were damaged.
    damaged: BTreeSet<String>,
    lives: u64,
    /// What happened so far, for whoever has to understand a failure.
    story: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let definitions = Definitions::random(&mut random, 3);
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut log = Log::new();
        log.publish(&mut random, 20);
        Self {
            seed,
            log,
            definitions,
            store: Arc::new(FaultyStore::new(inner.clone(), seed, Faults::default())),
            inner,
            random,
            folder: tempfile::tempdir().unwrap(),
            daemon: None,
            acknowledged: Cut::default(),
            purged: Cut::default(),
            damaged: BTreeSet::new(),
            lives: 0,
            story: Vec::new(),
        }
    }

    /// Lets so many things happen, then a last restart without faults.
    pub(crate) async fn run(mut self, steps: usize, coverage: &mut Coverage) {
        self.reopen(coverage).await;
        for _ in 0..steps {
            match self.random.u8(0..100) {
                0..50 => {
                    self.commit(coverage);
                    self.build(coverage).await;
                }
                50..72 => self.checkpoint(coverage).await,
                72..80 => self.crash(coverage).await,
                80..84 => self.stop(coverage).await,
                84..94 => self.redefine(coverage).await,
                94..97 => self.purge(coverage),
                _ => self.damage(coverage).await,
            }
        }
        self.stop(coverage).await;
        self.story.clear();
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("a daemon lives between two steps")
    }

    fn commit(&mut self, coverage: &mut Coverage) {
        let count = self.random.usize(0..40);
        self.log.publish(&mut self.random, count);
        let limit = [3, 40, 200][self.random.usize(0..3)];
        let Self { daemon, log, random, .. } = self;
        let daemon = daemon.as_mut().expect("a daemon lives between two steps");
        daemon.commit(log, random, limit);
        daemon.check(log);
        if random.u8(0..5) == 0 {
            daemon.check_search(log);
        }
        let cut = daemon.cut();
        self.tell(format!("commit {cut}"));
        coverage.count("commits");
    }

    /// What is built comes nearer, or joins.
    async fn build(&mut self, coverage: &mut Coverage) {
        let Self { daemon, log, random, .. } = self;
        let daemon = daemon.as_mut().expect("a daemon lives between two steps");
        if daemon.building.is_none() || random.u8(0..3) == 0 {
            return;
        }
        if random.bool() {
            daemon.build(log, random).await;
            self.tell("build".to_owned());
        } else {
            daemon.join(log, random).await;
            daemon.check(log);
            self.tell("join".to_owned());
            coverage.count("joins beside");
        }
    }

    /// One attempt, with or without faults.
    async fn checkpoint(&mut self, coverage: &mut Coverage) {
        let rate = [0, 0, 30, 150][self.random.usize(0..4)];
        self.store.set_faults(Faults {
            failed: rate,
            torn: rate,
            unacknowledged: rate,
            slow: 100,
            ..Faults::default()
        });
        self.attempt(coverage).await;
        self.store.set_faults(Faults::default());
    }

    async fn attempt(&mut self, coverage: &mut Coverage) {
        let Self { daemon, log, .. } = self;
        let daemon = daemon.as_mut().expect("a daemon lives between two steps");
        let saved = daemon.checkpoint(log).await;
        match &saved {
            Saved::Done(_) => {
                self.acknowledged = super::daemon::cut_of(daemon.checkpointer.manifest());
                coverage.count("checkpoints");
            }
            Saved::Failed if self.store.has_crashed() => {}
            Saved::Failed => coverage.count("checkpoints that failed"),
            Saved::Fenced => panic!("nobody else is there"),
        }
        self.tell(format!("checkpoint {saved:?}"));
    }

    /// The process dies: now, or at some operation of a checkpoint.
    async fn crash(&mut self, coverage: &mut Coverage) {
        if self.random.u8(0..4) > 0 {
            let crash_at = Some(self.store.operations() + self.random.u64(0..14));
            self.store.set_faults(Faults { crash_at, ..Faults::default() });
            self.attempt(coverage).await;
            coverage.count(if self.store.has_crashed() {
                "crashes in a checkpoint"
            } else {
                "crashes after a checkpoint"
            });
        } else {
            coverage.count("crashes between checkpoints");
        }
        self.tell("crash".to_owned());
        self.reopen(coverage).await;
    }

    /// A drained stop: the last checkpoint is tried until it succeeds.
    async fn stop(&mut self, coverage: &mut Coverage) {
        while !self.daemon().is_durable() {
            self.attempt(coverage).await;
        }
        self.tell("stop".to_owned());
        coverage.count("drained stops");
        let cut = self.daemon().cut();
        self.reopen(coverage).await;
        assert_eq!(cut, self.acknowledged, "the last checkpoint was of everything");
    }

    async fn redefine(&mut self, coverage: &mut Coverage) {
        if self.random.bool() {
            self.attempt(coverage).await;
        }
        for _ in 0..self.random.u8(1..4) {
            let changed = self.definitions.change(&mut self.random);
            coverage.count(changed);
        }
        let definitions = format!("{:?}", self.definitions);
        self.tell(definitions);
        self.reopen(coverage).await;
    }

    /// The stream forgets what the last checkpoint covers.
    fn purge(&mut self, coverage: &mut Coverage) {
        self.purged = self.acknowledged.clone();
        let purged = self.purged.to_string();
        self.tell(format!("purge through {purged}"));
        coverage.count("purges");
    }

    /// Something of the newest checkpoint rots, if there is an older one and the stream still has what that needs.
    async fn damage(&mut self, coverage: &mut Coverage) {
        let mut manifests = manifests(&self.inner).await;
        manifests.retain(|(name, manifest)| {
            !self.damaged.contains(name) && objects(manifest).iter().all(|object| !self.damaged.contains(object))
        });
        let [.., (_, older), (newest, newer)] = manifests.as_slice() else { return };
        let (fallback, wanted) = (positions(older), &self.purged);
        if wanted.positions.iter().any(|(source, position)| fallback.position(source) < *position) {
            return;
        }
        let needed = objects(older);
        let own: Vec<String> = objects(newer).into_iter().filter(|object| !needed.contains(object)).collect();
        let object = match own.is_empty() || self.random.u8(0..3) == 0 {
            true => newest.clone(),
            false => own[self.random.usize(0..own.len())].clone(),
        };
        self.daemon = None;
        let path = Path::from(object.as_str());
        if self.random.bool() {
            self.inner.delete(&path).await.unwrap();
        } else {
            let mut bytes = self.inner.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
            let place = self.random.usize(0..bytes.len());
            bytes[place] ^= 0x10;
            self.inner.put(&path, bytes.into()).await.unwrap();
        }
        self.damaged.insert(object.clone());
        self.tell(format!("damage {object}, fall back to {fallback}"));
        coverage.count("damaged checkpoints");
        self.acknowledged = fallback;
        self.reopen(coverage).await;
    }

    /// Starts daemons until one lives: some of them die while they start.
    async fn reopen(&mut self, coverage: &mut Coverage) {
        self.daemon = None;
        loop {
            self.lives += 1;
            let calm = self.random.u8(0..3) > 0;
            let crash_at = if calm { None } else { Some(self.random.u64(0..40)) };
            let rate = if calm { 0 } else { self.random.u32(0..30) };
            let faults = Faults { failed: rate, torn: rate, unacknowledged: rate, crash_at, ..Faults::default() };
            self.store = Arc::new(FaultyStore::new(self.inner.clone(), self.random.u64(..), faults));
            let writer = format!("life{}", self.lives);
            let Self { store, definitions, folder, log, random, .. } = self;
            match Daemon::start(store.clone(), &writer, definitions, folder.path(), log).await {
                Ok((mut daemon, started)) => {
                    store.set_faults(Faults::default());
                    if random.u8(0..3) == 0 {
                        daemon.join(log, random).await;
                    }
                    daemon.check(log);
                    let cut = daemon.cut();
                    assert_monotone(&self.acknowledged, &started.restored.clone().unwrap_or_default());
                    assert_monotone(&self.purged, &cut);
                    if store.has_crashed() {
                        // It goes on without its store; it will not for long.
                        continue;
                    }
                    // What was not acknowledged may have been saved; from now on it is.
                    self.acknowledged = started.restored.clone().unwrap_or_default();
                    coverage.count("starts");
                    coverage.add("projections restored", started.resumed * usize::from(started.restored.is_some()));
                    coverage.add("projections built", started.built);
                    let names = daemon.engine.generations.iter().map(|one| one.projection());
                    coverage.add("operators shared", names.map(|name| daemon.shared(name)).sum());
                    coverage.add("checkpoints skipped for damage", started.skipped);
                    self.tell(format!("start {started:?}"));
                    self.daemon = Some(daemon);
                    return;
                }
                Err(error @ (NotStarted::Fenced | NotStarted::NothingGood(_))) => panic!("{error:?}"),
                Err(NotStarted::Failed(error)) => {
                    coverage.count("crashes and failures at the start");
                    self.tell(format!("no start: {error}"));
                }
            }
        }
    }

    fn tell(&mut self, happened: String) {
        self.story.push(happened);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (step, happened) in self.story.iter().enumerate() {
                eprintln!("{step:>4} {happened}");
            }
            eprintln!("seed {0} fails; again with SIM_SEED={0}", self.seed);
        }
    }
}

/// The manifests in the store, the newest last, with their names.
async fn manifests(store: &Arc<dyn ObjectStore>) -> Vec<(String, serde_json::Value)> {
    let mut names: Vec<String> =
        store.list(Some(&Path::from("manifests"))).map(|meta| meta.unwrap().location.to_string()).collect().await;
    names.sort_unstable();
    let mut manifests = Vec::new();
    for name in names {
        let bytes = store.get(&Path::from(name.as_str())).await.unwrap().bytes().await.unwrap();
        // One that was torn counts for nothing.
        if let Ok(mut envelope) = serde_json::from_slice::<serde_json::Value>(&bytes) {
            manifests.push((name, envelope["manifest"].take()));
        }
    }
    manifests
}

fn positions(manifest: &serde_json::Value) -> Cut {
    let sources = manifest["content"]["sources"].as_object().into_iter().flatten();
    let positions = sources.map(|(name, entry)| (name.as_str().into(), entry["covered"].as_u64().unwrap().into()));
    Cut { positions: positions.collect(), revision: manifest["content"]["revision"].as_u64().unwrap() }
}

fn objects(manifest: &serde_json::Value) -> Vec<String> {
    let packs = manifest["packs"].as_object().into_iter().flatten().map(|(object, _)| object.clone());
    let indexes = manifest["indexes"].as_object().into_iter().flatten();
    let files = indexes.flat_map(|(_, index)| index["files"].as_array().into_iter().flatten());
    packs.chain(files.map(|file| file["object"].as_str().unwrap().to_owned())).collect()
}
