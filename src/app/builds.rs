//! Builds beside the loop: each on a thread of its own, a few at a time, until it has joined or is not wanted any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};

use super::DRAIN;
use super::streams::open;
use crate::config::Config;
use crate::identity::Identity;
use crate::pipeline::{
    Build, BuildOutcome, Builder, Commands, Definition, Ground, Group, IndexRoot, RunnerConfig, Ticket,
};
use crate::priority::give_way;
use crate::progress::SourceName;
use crate::source::Source;

/// Builds that run at the same time. Each has a reader of its own for every source, and a part of the memory.
const AT_ONCE: usize = 2;

/// How the loop paces itself.
pub(super) fn pace(config: &Config) -> RunnerConfig {
    RunnerConfig {
        max_events: config.commit.max_events,
        max_delay: config.commit.max_delay,
        search_commit: config.search_commit,
        checkpoint_interval: config.checkpoint_interval,
        drain: DRAIN,
    }
}

/// What is built, as far as a reload has to know it.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    pub(super) projections: BTreeMap<String, Definition>,
    /// Sources that are read in another way than before.
    pub(super) sources: BTreeMap<SourceName, Option<Identity>>,
    /// Live projections that are read.
    pub(super) inputs: BTreeSet<String>,
    /// Whether a person wants it to begin now.
    pub(super) afresh: bool,
}

impl Contents {
    pub(super) fn of(group: &Group) -> Self {
        let projections =
            group.projections.iter().map(|planned| (planned.config.name.clone(), Definition::of(planned)));
        Self {
            projections: projections.collect(),
            sources: group.sources.iter().map(|(name, reading)| (name.clone(), Some(reading.identity))).collect(),
            inputs: group.inputs(),
            afresh: group.afresh,
        }
    }

    /// Whether this is what the other is, so that it need not be begun again.
    pub(super) fn is_same_as(&self, other: &Contents) -> bool {
        if self.afresh || other.afresh {
            return false;
        }
        let names = self.projections.keys().eq(other.projections.keys());
        let mut pairs = self.projections.values().zip(other.projections.values());
        names && self.sources == other.sources && pairs.all(|(one, another)| one.is_kept_as(another))
    }
}

/// What a build begins from.
pub(super) enum Beginning {
    /// What the start has sorted out.
    Begun(Box<Build>),
    /// A part of what a reload changes.
    Group(Box<Group>, Arc<Ground>),
}

/// A build under way.
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) contents: Contents,
    ticket: Ticket,
    cancel: watch::Sender<bool>,
}

impl Running {
    /// Ends it, unless it has ended: whether it had not.
    pub(super) fn cancel(&self) -> bool {
        let was_wanted = self.ticket.cancel();
        self.cancel.send_replace(true);
        was_wanted
    }

    /// Whether it goes on.
    pub(super) fn goes_on(&self) -> bool {
        self.ticket.is_open()
    }
}

/// Starts builds, and tells how they end.
pub(super) struct Builds {
    commands: Commands,
    indexes: IndexRoot,
    turns: Arc<Semaphore>,
    begun: u64,
    ended: mpsc::UnboundedSender<(u64, BuildOutcome)>,
}

impl Builds {
    /// With how builds end, by their numbers.
    pub(super) fn new(commands: Commands, indexes: IndexRoot) -> (Self, mpsc::UnboundedReceiver<(u64, BuildOutcome)>) {
        let (ended, receiver) = mpsc::unbounded_channel();
        (Self { commands, indexes, turns: Arc::new(Semaphore::new(AT_ONCE)), begun: 0, ended }, receiver)
    }

    /// Starts a build. It has a thread of its own, so that the live generations and the queries go on meanwhile, and gives way to
    /// them.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        &mut self,
        beginning: Beginning,
        contents: Contents,
        config: Arc<Config>,
    ) -> io::Result<Running> {
        self.begun += 1;
        let (id, (cancel, cancelled), ticket) = (self.begun, watch::channel(false), Ticket::default());
        let work = Work {
            commands: self.commands.clone(),
            indexes: self.indexes.clone(),
            turns: self.turns.clone(),
            names: contents.projections.keys().cloned().collect(),
            config,
            readers: Handle::current(),
            ticket: ticket.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = self.ended.clone();
        let body = move || {
            give_way();
            let outcome = runtime.block_on(work.run(beginning, cancelled));
            // Nobody waits for it where the daemon ends.
            let _ = ended.send((id, outcome));
        };
        std::thread::Builder::new().name("builder".to_owned()).spawn(body)?;
        Ok(Running { id, contents, ticket, cancel })
    }
}

/// What a build's thread works with.
struct Work {
    commands: Commands,
    indexes: IndexRoot,
    turns: Arc<Semaphore>,
    /// The projections that are built.
    names: Vec<String>,
    config: Arc<Config>,
    /// Where the build's sources are read.
    readers: Handle,
    ticket: Ticket,
}

impl Work {
    async fn run(self, beginning: Beginning, mut cancelled: watch::Receiver<bool>) -> BuildOutcome {
        let _turn = tokio::select! {
            biased;
            Ok(_) = cancelled.wait_for(|cancelled| *cancelled) => return BuildOutcome::Cancelled,
            turn = self.turns.acquire() => turn,
        };
        let begun = match beginning {
            Beginning::Begun(build) => Ok(*build),
            Beginning::Group(group, ground) => self.begin(*group, &ground),
        };
        let mut folders = Vec::new();
        let builder = begun.and_then(|mut build| {
            build.ends_with(self.ticket.clone());
            folders.extend(build.ids().map(|id| self.indexes.folder(id)));
            self.builder(build)
        });
        match builder {
            Ok(builder) => {
                let outcome = builder.run(self.commands.clone(), cancelled).await;
                if outcome == BuildOutcome::Cancelled {
                    folders.iter().for_each(|folder| IndexRoot::remove(folder));
                }
                outcome
            }
            Err(_) if !self.ticket.end() => BuildOutcome::Cancelled,
            Err(error) => {
                folders.iter().for_each(|folder| IndexRoot::remove(folder));
                tracing::error!(projections = self.names.join(", "), %error, "projections cannot be built");
                // Without a loop there is no status.
                let _ = self.commands.end_build(self.names, error, None).await;
                BuildOutcome::Failed
            }
        }
    }

    fn begin(&self, group: Group, ground: &Ground) -> Result<Build, String> {
        let begun = Build::begin(group, ground, &self.indexes, self.config.parked.clone());
        begun.map_err(|error| error.to_string())
    }

    /// The build with its sources, each opened where the build stands.
    fn builder(&self, build: Build) -> Result<Builder, String> {
        let _within = self.readers.enter();
        let mut sources: BTreeMap<SourceName, Box<dyn Source>> = BTreeMap::new();
        let mut from: Vec<String> = Vec::new();
        for (name, intake) in build.sources() {
            let after = intake.progress.covered();
            let source = open(&self.config, name, after, intake).map_err(|error| error.to_string())?;
            from.push(format!("{name} after {after}"));
            sources.insert(name.clone(), source);
        }
        tracing::info!(projections = self.names.join(", "), reads = from.join(", "), "building");
        Ok(Builder::new(build, sources))
    }
}
