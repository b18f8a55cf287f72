//! Builds beside the loop: each on a thread of its own, a few at a time, until it has joined or is not wanted any more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};

use super::DRAIN;
use super::earlier::compiled;
use super::streams::{open, opener};
use crate::config::{Config, Promotion};
use crate::identity::Identity;
use crate::lifecycle::{Actor, Ticket};
use crate::pipeline::{
    Build, BuildOutcome, Builder, Commands, Definition, Ground, Group, IndexRoot, Kept, Observe, Order, RunnerConfig,
    StoredRollout,
};
use crate::plan::{Program, program_over};
use crate::priority::give_way;
use crate::progress::SourceName;
use crate::source::Source;

/// Builds that run at the same time. Each has a reader of its own for every source, and a part of the memory.
const AT_ONCE: usize = 2;

/// So many intervals of checkpoints a build may lose by a restart. Each takes time that it could read in.
const STORED_EVERY: u32 = 4;

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
    /// When it takes the place of what serves.
    pub(super) promotion: Option<Promotion>,
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
            promotion: group.promotion,
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

impl Contents {
    /// Whether a person wants it built again, as it is declared, and nothing of it is about to be built in another way.
    pub(super) fn is_of(&self, declared: &BTreeMap<String, Definition>, changing: &BTreeSet<&String>) -> bool {
        let is_declared =
            |(name, own): (&String, &Definition)| declared.get(name).is_some_and(|declared| own.is_kept_as(declared));
        let is_untouched = self.projections.keys().all(|name| !changing.contains(name));
        self.afresh && self.sources.is_empty() && is_untouched && self.projections.iter().all(is_declared)
    }
}

/// What a build begins from.
pub(super) enum Beginning {
    /// What was replaced, and goes on beside.
    Kept(Box<Kept>),
    /// The same, as the last checkpoint before the start has it.
    Restored(Box<StoredRollout>),
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
    orders: watch::Sender<Order>,
    /// Asks it for what is to be verified.
    pub(super) observers: mpsc::Sender<Observe>,
    /// What a reader of today may miss in it.
    pub(super) breaking: Vec<String>,
}

impl Running {
    /// Has it take the place of what serves, as somebody has decided.
    pub(super) fn promote(&self, by: Actor) {
        self.orders.send_replace(Order::Join { by: Some(by) });
    }

    /// Takes account of when it is to take the place of what serves, unless somebody has decided that already.
    pub(super) fn follow(&self, promotion: Option<Promotion>) {
        let order = order(promotion);
        self.orders.send_if_modified(|current| {
            let is_other = !matches!(current, Order::Join { by: Some(_) } | Order::Cancel) && *current != order;
            if is_other {
                *current = order;
            }
            is_other
        });
    }

    /// Ends it, unless it has ended: whether it had not.
    pub(super) fn cancel(&self) -> bool {
        let was_wanted = self.ticket.cancel();
        self.orders.send_replace(Order::Cancel);
        was_wanted
    }

    /// Whether it goes on.
    pub(super) fn goes_on(&self) -> bool {
        self.ticket.is_open()
    }
}

/// What is wanted of a build that is to take the place of what serves then; at once where nothing does.
fn order(promotion: Option<Promotion>) -> Order {
    match promotion {
        None | Some(Promotion::Auto) => Order::Join { by: None },
        Some(Promotion::WhenEqual) => Order::JoinIfEqual,
        Some(Promotion::Manual) => Order::Follow,
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

    /// Starts a build, which goes on with what is `stored` of it if it can. It has a thread of its own, so that the live generations and the queries go on meanwhile, and gives way to
    /// them.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        &mut self,
        beginning: Beginning,
        stored: Option<StoredRollout>,
        names: Vec<String>,
        contents: Contents,
        config: Arc<Config>,
    ) -> io::Result<Running> {
        self.begun += 1;
        let (order, breaking) = match &beginning {
            Beginning::Group(group, _) => (order(group.promotion), group.breaking.clone()),
            Beginning::Begun(_) => (order(None), Vec::new()),
            Beginning::Restored(stored) if stored.entry.pause.is_some() => (Order::Join { by: None }, Vec::new()),
            Beginning::Kept(_) | Beginning::Restored(_) => (Order::Follow, Vec::new()),
        };
        let (id, (orders, ordered), ticket) = (self.begun, watch::channel(order), Ticket::default());
        let (observers, observed) = mpsc::channel(1);
        let work = Work {
            commands: self.commands.clone(),
            indexes: self.indexes.clone(),
            turns: self.turns.clone(),
            names,
            stored,
            config,
            readers: Handle::current(),
            ticket: ticket.clone(),
            breaking: breaking.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = self.ended.clone();
        let body = move || {
            give_way();
            let outcome = runtime.block_on(work.run(beginning, ordered, observed));
            // Nobody waits for it where the daemon ends.
            let _ = ended.send((id, outcome));
        };
        std::thread::Builder::new().name("builder".to_owned()).spawn(body)?;
        Ok(Running { id, contents, ticket, orders, observers, breaking })
    }
}

/// What a build's thread works with.
struct Work {
    commands: Commands,
    indexes: IndexRoot,
    turns: Arc<Semaphore>,
    /// The projections that are built.
    names: Vec<String>,
    /// What a checkpoint has of it.
    stored: Option<StoredRollout>,
    config: Arc<Config>,
    /// Where the build's sources are read.
    readers: Handle,
    ticket: Ticket,
    /// What a reader of today may miss in what is built.
    breaking: Vec<String>,
}

impl Work {
    async fn run(
        mut self,
        beginning: Beginning,
        mut orders: watch::Receiver<Order>,
        observed: mpsc::Receiver<Observe>,
    ) -> BuildOutcome {
        let is_kept = matches!(&beginning, Beginning::Kept(_) | Beginning::Restored(_));
        // What is kept has little to read, and may be wanted at any time.
        let turn = tokio::select! {
            biased;
            Ok(_) = orders.wait_for(|order| *order == Order::Cancel) => {
                self.forget_stored().await;
                return BuildOutcome::Cancelled;
            }
            turn = self.turns.clone().acquire_owned(), if !is_kept => turn.ok(),
            () = std::future::ready(()), if is_kept => None,
        };
        let begun = match beginning {
            Beginning::Begun(build) => Ok(*build),
            Beginning::Group(group, ground) => self.begin(*group, &ground),
            Beginning::Kept(kept) => self.go_on(*kept),
            Beginning::Restored(stored) => self.go_on_from(*stored),
        };
        let begun = match (begun, self.stored.take()) {
            (Ok(build), Some(stored)) => Ok(self.resume(build, stored).await),
            (begun, stored) => {
                self.stored = stored;
                self.forget_stored().await;
                begun
            }
        };
        let mut folders = Vec::new();
        let builder = begun.and_then(|mut build| {
            build.ends_with(self.ticket.clone());
            folders.extend(build.ids().map(|id| self.indexes.folder(id)));
            self.builder(build)
        });
        match builder {
            Ok(builder) => {
                let open = is_kept.then(|| opener(self.config.clone()));
                let builder = builder.holds(turn).opened_by(open).observed(observed).breaks(self.breaking);
                let outcome = builder.run(self.commands.clone(), orders).await;
                if matches!(outcome, BuildOutcome::Cancelled) || is_kept && matches!(outcome, BuildOutcome::Failed(_)) {
                    folders.iter().for_each(|folder| IndexRoot::remove(folder));
                }
                outcome
            }
            Err(_) if !self.ticket.is_open() => BuildOutcome::Cancelled,
            Err(error) if is_kept => {
                folders.iter().for_each(|folder| IndexRoot::remove(folder));
                tracing::error!(projections = self.names.join(", "), %error, "what was replaced cannot be gone on with");
                self.commands.cannot_keep(self.names, error.clone(), &self.ticket).await;
                BuildOutcome::Failed(error)
            }
            Err(_) if !self.ticket.end() => BuildOutcome::Cancelled,
            Err(error) => {
                folders.iter().for_each(|folder| IndexRoot::remove(folder));
                tracing::error!(projections = self.names.join(", "), %error, "projections cannot be built");
                // Without a loop there is no status.
                let _ = self.commands.end_build(self.names, error.clone(), None).await;
                BuildOutcome::Failed(error)
            }
        }
    }

    /// Lets checkpoints list no more what they have of it.
    async fn forget_stored(&mut self) {
        if let Some(stored) = self.stored.take() {
            self.commands.forget_build(stored.rollout).await;
        }
    }

    /// The build as a checkpoint has it, if it can go on from there; else as it is.
    async fn resume(&self, build: Build, stored: StoredRollout) -> Build {
        let number = stored.rollout;
        let resumed = match program_over(&self.config, &BTreeMap::new()) {
            Ok(program) => build.resumed(stored, &program.projections, &self.indexes),
            // It was compiled before.
            Err(_) => Err((Box::new(build), "it cannot be compiled any more".to_owned())),
        };
        match resumed {
            Ok(build) => {
                self.commands.go_on_with(number, self.ticket.clone()).await;
                build
            }
            Err((build, why)) => {
                tracing::warn!(
                    projections = self.names.join(", "),
                    reason = why,
                    "what was built before the start is begun again"
                );
                self.commands.forget_build(number).await;
                *build
            }
        }
    }

    /// What was replaced in this process.
    fn go_on(&mut self, kept: Kept) -> Result<Build, String> {
        let program = self.declared(kept.declared().0)?;
        self.keep(kept, &program)
    }

    /// What was replaced before the start.
    fn go_on_from(&mut self, stored: StoredRollout) -> Result<Build, String> {
        let mut program = self.declared(stored.entry.documents.clone())?;
        let sources = std::mem::take(&mut program.sources);
        let kept = Kept::restored(stored, sources).map_err(|error| error.to_string())?;
        self.keep(kept, &program)
    }

    /// Reads sources as these documents declared them from now on, and gives what they declared.
    fn declared(&mut self, documents: Vec<String>) -> Result<Program, String> {
        let compiled = compiled(documents.iter().map(String::as_str), &self.config);
        let (config, program) = compiled.ok_or("what it was declared as cannot be read any more")?;
        self.config = Arc::new(config);
        Ok(program)
    }

    fn keep(&self, kept: Kept, program: &Program) -> Result<Build, String> {
        let (rollout, (_, until_us)) = (kept.rollout, kept.declared());
        let resumes = kept.entry.as_ref().is_some_and(|entry| entry.pause.is_some());
        let build = Build::kept(kept, &program.projections, &self.indexes, self.config.parked.clone());
        let mut build = build.map_err(|error| error.to_string())?;
        build.is_kept(rollout, until_us);
        if resumes {
            build.resumes();
        }
        Ok(build)
    }

    fn begin(&self, group: Group, ground: &Ground) -> Result<Build, String> {
        let begun = Build::begin(group, ground, &self.indexes, self.config.parked.clone());
        begun.map_err(|error| error.to_string())
    }

    /// The build with its sources, each opened where the build stands.
    fn builder(&self, build: Build) -> Result<Builder, String> {
        let _within = self.readers.enter();
        // What readers say of a stream that another one reads too is told apart by it.
        let _span = tracing::info_span!("build", projections = self.names.join(", ")).entered();
        let mut sources: BTreeMap<SourceName, Box<dyn Source>> = BTreeMap::new();
        let mut from: Vec<String> = Vec::new();
        for (name, intake) in build.sources() {
            let after = intake.progress.covered();
            let source = open(&self.config, name, after, intake).map_err(|error| error.to_string())?;
            from.push(format!("{name} after {after}"));
            sources.insert(name.clone(), source);
        }
        tracing::info!(projections = self.names.join(", "), reads = from.join(", "), "building");
        Ok(Builder::new(build, sources).stored_every(self.config.checkpoint_interval * STORED_EVERY))
    }
}
