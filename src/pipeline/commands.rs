//! What others ask of the loop. It answers between two commits, so what it says is of one cut.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, oneshot};

use super::build::{Build, BuildError, Ground, Joined, Keeping, LiveCut, Replaced};
use super::engine::{Captured, Declared, Replayed, Replays};
use super::facts::Facts;
use super::grounding::GoesOn;
use super::intake::Intake;
use super::readers::OpenSource;
use super::runner::RunnerConfig;
use super::verify::Subject;
use crate::config::ParkedLimits;
use crate::identity::Identity;
use crate::lifecycle::{Actor, Decision, Ticket};
use crate::progress::SourceName;
use crate::read_model::catalog::{KeptState, KeptStatus, ProjectionStatus};

/// Commands that wait for the loop at the most; the next caller waits for room.
const QUEUED: usize = 16;

/// One thing asked of the loop.
pub(super) enum Command {
    /// Where the live generations stand, with the rows of some. With `hold`, nothing more is taken in for a while.
    Look { inputs: BTreeSet<String>, hold: bool, reply: oneshot::Sender<LiveCut> },
    /// The same, with the rows that readers see of others.
    Served { inputs: BTreeSet<String>, names: BTreeSet<String>, reply: oneshot::Sender<LiveCut> },
    /// Takes built generations in. `open` opens their sources, if not as they are declared. The reply gives them back if they stand elsewhere by now.
    Join {
        build: Box<Build>,
        kept: Option<u64>,
        open: Option<OpenSource>,
        reply: oneshot::Sender<Result<Joined, Box<Build>>>,
    },
    /// Makes what a build is about to replace go on beside, from the next checkpoint.
    Keep { keeping: Keeping, ticket: Ticket, reply: oneshot::Sender<Result<Replaced, String>> },
    /// What status shows of generations that are kept.
    AnnounceKept(Vec<(String, KeptStatus)>, Ticket),
    /// Keeps rollouts no more. The answer, whether they were there, comes once that is durable.
    Retire { rollouts: Vec<u64>, by: Actor, reply: oneshot::Sender<bool> },
    /// Answers once everything up to now is durable.
    Settled { reply: oneshot::Sender<()> },
    /// What status shows of projections that are built and have no rows to serve yet.
    Announce(Vec<ProjectionStatus>, Ticket),
    /// Makes status show why projections are not built any more. With someone who has decided so, it is recorded, and the
    /// answer comes once that is durable.
    EndBuild { projections: Vec<String>, message: String, by: Option<Actor>, reply: oneshot::Sender<()> },
    /// What runs. With `hold`, no build joins before the adaptation that is made of it, or for a short while.
    Facts { hold: bool, reply: oneshot::Sender<Facts> },
    /// Reads sources in another way, where that can be done in place; as error, why it cannot.
    Replay { replays: Box<Replays>, by: Actor, reply: oneshot::Sender<Result<Replayed, String>> },
    /// Becomes what another configuration declares.
    Adapt { to: Box<Adaptation>, reply: oneshot::Sender<()> },
    /// A projection with all that it takes to verify it; as error, why nothing can be said of it.
    Observe { projection: String, reply: oneshot::Sender<Result<Box<Subject>, String>> },
    /// Does what a person has decided. The answer says what follows, once it is durable, or why it cannot be done.
    Decide { decision: Decision, by: Actor, reply: oneshot::Sender<Result<String, String>> },
    /// What would be stopped with a projection; as error, why it cannot be paused.
    ToPause { projection: String, reply: oneshot::Sender<Result<BTreeSet<String>, String>> },
    /// Stops a projection and what reads it, from the next checkpoint. The answer says what follows, once it is durable.
    Pause { projection: String, by: Actor, reply: oneshot::Sender<Result<String, String>> },
    /// Lets what was paused go on. The answer, with what it goes on from, comes once that is durable.
    Resume { projection: String, by: Actor, reply: oneshot::Sender<Result<GoesOn, String>> },
    /// Has checkpoints list what a build has, under that number or a new one, which comes once it is durable.
    StoreBuild { number: Option<u64>, captured: Box<Captured>, ticket: Ticket, reply: oneshot::Sender<u64> },
    /// A build of a checkpoint is gone on with by one that ends with this ticket; or has ended.
    GoOnWith { number: u64, ticket: Ticket },
    /// What builds may begin with.
    Ground { wanted: Wanted, reply: oneshot::Sender<Ground> },
}

/// Another configuration, as far as it concerns the loop.
pub struct Adaptation {
    pub declared: Declared,
    pub parked: ParkedLimits,
    pub pace: RunnerConfig,
    /// Sources that were not there.
    pub new_sources: BTreeMap<SourceName, Intake>,
    /// Sources that are read from elsewhere, with the same messages.
    pub moved_sources: BTreeSet<SourceName>,
    /// Sources that are read in another way than before. Until a build of that has joined they are opened as they were.
    pub changed_sources: BTreeSet<SourceName>,
    /// Opens sources as they are declared now.
    pub open: OpenSource,
    /// For the ledger.
    pub by: Actor,
    pub summary: String,
}

/// What a build would begin with.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The operators whose state it could go on from.
    pub operators: BTreeSet<Identity>,
    /// Live projections that it reads.
    pub inputs: BTreeSet<String>,
    /// Projections that get a new generation.
    pub projections: Vec<String>,
}

/// The sender of commands to the loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Commands(mpsc::Sender<Command>);

/// Resolves once what was done is in a checkpoint.
#[derive(Debug)]
pub struct Durable(oneshot::Receiver<()>);

impl Durable {
    /// Waits until it is durable.
    ///
    /// # Errors
    /// The loop has ended before.
    pub async fn wait(self) -> Result<(), NoLoop> {
        self.0.await.map_err(|_| NoLoop)
    }
}

/// The loop takes no commands any more: the daemon is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the loop has ended")]
pub struct NoLoop;

impl From<NoLoop> for BuildError {
    fn from(_: NoLoop) -> Self {
        BuildError::NoLoop
    }
}

impl Commands {
    pub(super) fn new() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        (Self(sender), receiver)
    }

    /// The live cut, with the rows of these projections at it.
    ///
    /// # Errors
    /// The loop has ended.
    pub(super) async fn look(&self, inputs: &BTreeSet<String>) -> Result<LiveCut, NoLoop> {
        self.ask(|reply| Command::Look { inputs: inputs.clone(), hold: false, reply }).await
    }

    /// The same, with the rows that readers see of projections with which something is to be compared.
    ///
    /// # Errors
    /// The loop has ended.
    pub(super) async fn served(&self, inputs: &BTreeSet<String>, names: &BTreeSet<String>) -> Result<LiveCut, NoLoop> {
        self.ask(|reply| Command::Served { inputs: inputs.clone(), names: names.clone(), reply }).await
    }

    /// The live cut as for [`Commands::look`]; and the loop stays there until a build joins, or for a short while.
    ///
    /// # Errors
    /// The loop has ended.
    pub(super) async fn hold(&self, inputs: &BTreeSet<String>) -> Result<LiveCut, NoLoop> {
        self.ask(|reply| Command::Look { inputs: inputs.clone(), hold: true, reply }).await
    }

    /// Hands a build over, with the rollout that it replaces; gives it back if it stands elsewhere than the live generations, and
    /// None if the loop has ended.
    pub(super) async fn join(
        &self,
        build: Build,
        kept: Option<u64>,
        open: Option<OpenSource>,
    ) -> Option<Result<Joined, Box<Build>>> {
        self.ask(|reply| Command::Join { build: Box::new(build), kept, open, reply }).await.ok()
    }

    /// What goes on with generations that a build is about to replace. As inner error, why they cannot be kept.
    ///
    /// # Errors
    /// The loop has ended.
    pub(super) async fn keep(&self, keeping: Keeping, ticket: &Ticket) -> Result<Result<Replaced, String>, NoLoop> {
        self.ask(|reply| Command::Keep { keeping, ticket: ticket.clone(), reply }).await
    }

    /// Makes status show how what is kept gets on. Without a loop there is no status.
    pub(super) async fn announce_kept(&self, statuses: Vec<(String, KeptStatus)>, ticket: &Ticket) {
        let _ = self.0.send(Command::AnnounceKept(statuses, ticket.clone())).await;
    }

    /// Makes status show why what was replaced cannot be gone on with.
    pub async fn cannot_keep(&self, projections: Vec<String>, message: String, ticket: &Ticket) {
        let status = KeptStatus {
            generation: 0,
            state: KeptState::Failed,
            lag_events: 0,
            rows: 0,
            state_bytes: 0,
            disk_bytes: None,
            until_us: 0,
            message: Some(message),
        };
        let statuses = projections.into_iter().map(|name| (name, status.clone())).collect();
        self.announce_kept(statuses, ticket).await;
    }

    /// Keeps rollouts no more, durably: whether one of them was there.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn retire(&self, rollouts: Vec<u64>, by: Actor) -> Result<bool, NoLoop> {
        self.ask(|reply| Command::Retire { rollouts, by, reply }).await
    }

    /// Waits until everything up to now is durable.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn settled(&self) -> Result<(), NoLoop> {
        self.ask(|reply| Command::Settled { reply }).await
    }

    /// Makes status show how far projections have come. Without a loop there is no status.
    pub(super) async fn announce(&self, statuses: Vec<ProjectionStatus>, ticket: &Ticket) {
        let _ = self.0.send(Command::Announce(statuses, ticket.clone())).await;
    }

    /// Makes status show why projections are not built any more, and records who has decided so.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn end_build(&self, projections: Vec<String>, message: String, by: Option<Actor>) -> Result<(), NoLoop> {
        self.ask(|reply| Command::EndBuild { projections, message, by, reply }).await
    }

    /// What runs.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn facts(&self) -> Result<Facts, NoLoop> {
        self.ask(|reply| Command::Facts { hold: false, reply }).await
    }

    /// The same; and no build joins before the adaptation that is made of it, or for a short while.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn facts_to_adapt(&self) -> Result<Facts, NoLoop> {
        self.ask(|reply| Command::Facts { hold: true, reply }).await
    }

    /// Reads sources in another way from now on. As inner error, why that cannot be done in place; nothing has changed then.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn replay(&self, replays: Replays, by: Actor) -> Result<Result<Replayed, String>, NoLoop> {
        self.ask(|reply| Command::Replay { replays: Box::new(replays), by, reply }).await
    }

    /// Makes the loop become what another configuration declares, as far as nothing has to be built for it. It is so when this
    /// returns, and durable when what it returns resolves.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn adapt(&self, to: Adaptation) -> Result<Durable, NoLoop> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Command::Adapt { to: Box::new(to), reply }).await.map_err(|_| NoLoop)?;
        Ok(Durable(answer))
    }

    /// What builds may begin with, all of one cut. If there is state to go on from, that comes with the next checkpoint.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn ground(&self, wanted: Wanted) -> Result<Ground, NoLoop> {
        self.ask(|reply| Command::Ground { wanted, reply }).await
    }

    /// A projection at the live cut, to be verified. As inner error, why nothing can be said of it.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn observe(&self, projection: &str) -> Result<Result<Box<Subject>, String>, NoLoop> {
        self.ask(|reply| Command::Observe { projection: projection.to_owned(), reply }).await
    }

    /// Does what a person has decided, durably, and says what follows. As inner error, why it cannot be done.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn decide(&self, decision: Decision, by: Actor) -> Result<Result<String, String>, NoLoop> {
        self.ask(|reply| Command::Decide { decision, by, reply }).await
    }

    /// What would be stopped with a projection. As inner error, why it cannot be paused.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn to_pause(&self, projection: String) -> Result<Result<BTreeSet<String>, String>, NoLoop> {
        self.ask(|reply| Command::ToPause { projection, reply }).await
    }

    /// Stops a projection and what reads it, durably, and says what follows. As inner error, why it cannot be paused.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn pause(&self, projection: String, by: Actor) -> Result<Result<String, String>, NoLoop> {
        self.ask(|reply| Command::Pause { projection, by, reply }).await
    }

    /// Lets what was paused go on, durably. As inner error, why it cannot.
    ///
    /// # Errors
    /// The loop has ended.
    pub async fn resume(&self, projection: String, by: Actor) -> Result<Result<GoesOn, String>, NoLoop> {
        self.ask(|reply| Command::Resume { projection, by, reply }).await
    }

    /// Has checkpoints list what a build has, under that number or a new one. Gives what resolves to it once that is durable.
    ///
    /// # Errors
    /// The loop has ended.
    pub(super) async fn store_build(
        &self,
        number: Option<u64>,
        captured: Captured,
        ticket: &Ticket,
    ) -> Result<oneshot::Receiver<u64>, NoLoop> {
        let (reply, answer) = oneshot::channel();
        let (captured, ticket) = (Box::new(captured), ticket.clone());
        let command = Command::StoreBuild { number, captured, ticket, reply };
        self.0.send(command).await.map_err(|_| NoLoop)?;
        Ok(answer)
    }

    /// Lets checkpoints list a build no more that nobody goes on with. Without a loop it stays as it is.
    pub async fn forget_build(&self, number: u64) {
        let ended = Ticket::default();
        ended.cancel();
        self.go_on_with(number, ended).await;
    }

    /// Lets a build of a checkpoint be one that ends with this ticket. Without a loop it stays as it is.
    pub async fn go_on_with(&self, number: u64, ticket: Ticket) {
        let _ = self.0.send(Command::GoOnWith { number, ticket }).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NoLoop> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply)).await.map_err(|_| NoLoop)?;
        answer.await.map_err(|_| NoLoop)
    }
}
