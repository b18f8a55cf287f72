//! Builds beside the loop: reads the sources from where the build stands, follows the live cut, and joins.
//!
//! The builder takes nothing that the live generations have not taken. Once little is left, it asks the loop to hold at its
//! cut, comes exactly there, and hands its generations over. A hold does not last: if the builder is late, the loop goes
//! on, and the builder tries again from where it has come.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout_at;

use super::super::commands::Commands;
use super::super::engine::Fetched;
use super::super::readers::OpenSource;
use super::super::runner::now_us;
use super::super::verify::Subject;
use super::pace::Pace;
use super::reader::BuildReader;
use super::storing::Storing;
use super::{Build, BuildError, Joined, LiveCut, Replaced};
use crate::lifecycle::Actor;
use crate::progress::{Cut, Position, SourceName};
use crate::read_model::catalog::{BuildState, KeptState};
use crate::read_model::{Comparison, InputRows};
use crate::source::Source;
use crate::telemetry;

/// Sequences that may be left when the loop is asked to hold: a fraction of a second's work.
const NEAR: u64 = 10_000;
/// How often the log and the status say how far a build has come.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// For so long nothing may come before status says so.
const STALLED: Duration = Duration::from_secs(30);

/// So often a build that waits comes to the live cut.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// What is wanted of what stands beside the live generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// To follow the live cut until something else is wanted.
    Follow,
    /// To take its place once it stands there, if the rows are the same.
    JoinIfEqual,
    /// To take its place once it stands there; with someone who has decided so.
    Join { by: Option<Actor> },
    /// To end. What serves goes on.
    Cancel,
}

/// Asks a build for one of its projections, to be verified at the cut where it stands. As error, why nothing can be said of it.
#[derive(Debug)]
pub struct Observe {
    pub projection: String,
    pub reply: oneshot::Sender<Result<Box<Subject>, String>>,
}

/// How a build ended.
#[derive(Debug)]
pub enum BuildOutcome {
    /// Its generations take every commit. What they have replaced is to be kept, if anything; what was kept before of the same is
    /// not any more.
    Joined { kept: Replaced, unkept: Vec<u64> },
    /// What was there before goes on, and why.
    Failed(String),
    /// It was not wanted any more.
    Cancelled,
    /// The loop has ended.
    NoLoop,
}

/// A build with the sources that it reads.
pub struct Builder {
    build: Build,
    readers: BTreeMap<SourceName, BuildReader>,
    pace: Pace,
    /// The build's turn, until it stands at the live cut for the first time.
    turn: Option<Box<dyn Send>>,
    /// Opens its sources as they were declared, if they are declared in another way by now.
    open: Option<OpenSource>,
    /// How its rows differ from those that served when it came to the live cut for the first time; none before.
    compared: Option<BTreeMap<String, Comparison>>,
    storing: Storing,
    observed: Option<mpsc::Receiver<Observe>>,
    /// What a reader of today may miss in it, as sentences: promoting it has to be allowed then.
    breaking: Vec<String>,
}

impl Builder {
    /// `sources` begin after what the build has taken of them.
    pub fn new(build: Build, sources: BTreeMap<SourceName, Box<dyn Source>>) -> Self {
        let readers = sources.into_iter().map(|(name, source)| (name.clone(), BuildReader::new(name, source)));
        let pace = Pace::new();
        let storing = Storing::new(None, build.stored_as());
        Self {
            build,
            readers: readers.collect(),
            pace,
            turn: None,
            open: None,
            compared: None,
            storing,
            observed: None,
            breaking: Vec::new(),
        }
    }

    /// Has checkpoints list what it has so often, so that a restart goes on with it.
    pub fn stored_every(self, every: Duration) -> Self {
        let storing = Storing::new(Some(every), self.storing.number);
        Self { storing, ..self }
    }

    /// Answers those who would verify it, while it follows the live cut.
    pub fn observed(self, observed: mpsc::Receiver<Observe>) -> Self {
        Self { observed: Some(observed), ..self }
    }

    /// Says what a reader of today may miss in it, for who decides about it.
    pub fn breaks(self, breaking: Vec<String>) -> Self {
        Self { breaking, ..self }
    }

    /// Has its sources opened in this way once it has joined.
    pub fn opened_by(self, open: Option<OpenSource>) -> Self {
        Self { open, ..self }
    }

    /// Holds the turn that others wait for until it stands at the live cut.
    pub fn holds(self, turn: impl Send + 'static) -> Self {
        Self { turn: Some(Box::new(turn)), ..self }
    }

    /// Brings the build exactly to a live cut. If it cannot come there, its generations fail.
    pub async fn advance(&mut self, to: &LiveCut) {
        if let Err(error) = self.reach_by_way(to, None).await {
            self.fail(&error);
        }
    }

    /// What was built, to join the live generations.
    pub fn finish(mut self) -> Build {
        self.build.commit_read_models();
        self.build
    }

    /// Builds, and follows the live cut, until the generations have joined or are not wanted any more.
    pub async fn run(self, live: Commands, mut orders: watch::Receiver<Order>) -> BuildOutcome {
        let told = orders.clone();
        tokio::select! {
            biased;
            // Without a sender nobody can cancel it.
            Ok(_) = orders.wait_for(|order| *order == Order::Cancel) => BuildOutcome::Cancelled,
            outcome = self.build(live, told) => outcome,
        }
    }

    async fn build(mut self, live: Commands, mut orders: watch::Receiver<Order>) -> BuildOutcome {
        let names: Vec<String> = self.build.projections().map(str::to_owned).collect();
        self.pace = Pace::new();
        // Until it has joined, what it replaces goes on from where a checkpoint has it.
        let mut kept = Replaced::default();
        loop {
            match self.follow(&live, &mut orders).await {
                Ok(()) => {}
                Err(BuildError::NoLoop) => return BuildOutcome::NoLoop,
                Err(error) => self.fail(&error),
            }
            let is_kept = self.build.rollout.is_some();
            if is_kept && self.build.has_stopped() {
                return self.end_kept(&live).await;
            }
            self.storing.finish().await;
            if let Order::Join { by: Some(by) } = &*orders.borrow() {
                self.build.wanted_by(by.clone());
            }
            if !self.build.has_failed()
                && let Some(keeping) = self.build.keeping.take()
            {
                match live.keep(keeping, self.build.ticket()).await {
                    Ok(Ok(replaced)) => kept = replaced,
                    // What serves is replaced all the same: that is wanted, and a reload of the earlier files takes it back.
                    Ok(Err(why)) => {
                        tracing::warn!(projections = names.join(", "), reason = why, "what is replaced is not kept")
                    }
                    Err(_) => return BuildOutcome::NoLoop,
                }
                let paused = kept.paused.iter().map(|one| (one.rollout, one.entry.until_us));
                self.build.kept_paused = paused.collect();
            }
            if let Err(error) = self.arrive(&live).await {
                match error {
                    BuildError::NoLoop => return BuildOutcome::NoLoop,
                    error => self.fail(&error),
                }
            }
            if is_kept && self.build.has_failed() {
                return self.end_kept(&live).await;
            }
            self.build.commit_read_models();
            if let Some(rate) = self.pace.rate().filter(|_| !is_kept) {
                self.build.came_at(rate);
            }
            let running = kept.running.as_ref().map(|kept| kept.rollout);
            match live.join(self.build, running, self.open.clone()).await {
                Some(Ok(Joined::AsDeclared { unkept, kept_paused })) => {
                    // What was resumed meanwhile is not there any more.
                    kept.paused.retain(|one| kept_paused.contains(&one.rollout));
                    let took = self.pace.took();
                    if !is_kept {
                        names.iter().for_each(|name| telemetry::observe_rebuild(name, took));
                        tracing::info!(projections = names.join(", "), seconds = took.as_secs_f64(), "built");
                    }
                    return BuildOutcome::Joined { kept, unkept };
                }
                Some(Ok(Joined::Nothing { why })) => return BuildOutcome::Failed(why),
                Some(Err(late)) => {
                    tracing::info!(projections = names.join(", "), "the build came too late to the live cut; again");
                    self.build = *late;
                }
                None => return BuildOutcome::NoLoop,
            }
        }
    }

    /// Follows the live cut until the build is wanted there and little is left, or it has failed.
    async fn follow(&mut self, live: &Commands, orders: &mut watch::Receiver<Order>) -> Result<(), BuildError> {
        let inputs = self.build.inputs();
        loop {
            let at = live.look(&inputs).await?;
            // Large tables of live projections are taken before anything waits for it.
            if !self.build.has_arrived() || self.left(&at.cut) > NEAR {
                self.reach_by_way(&at, Some(live)).await?;
                continue;
            }
            self.turn = None;
            self.pace.arrives();
            if self.build.has_stopped() {
                return Ok(());
            }
            let order = orders.borrow_and_update().clone();
            if let Order::Join { .. } | Order::Cancel = order {
                return Ok(());
            }
            self.reach_by_way(&at, Some(live)).await?;
            if self.compared.is_none() && self.build.rollout.is_none() {
                self.compare(live).await?;
            }
            let is_equal = self.compared.as_ref().is_some_and(|compared| compared.values().all(|one| one.equal));
            if order == Order::JoinIfEqual && is_equal {
                return Ok(());
            }
            self.storing.store(&mut self.build, live).await?;
            self.tell_following(live, &order).await;
            self.wait(orders).await;
        }
    }

    /// Waits for a moment, or until something else is wanted, and answers those who look at it meanwhile.
    async fn wait(&mut self, orders: &mut watch::Receiver<Order>) {
        let until = tokio::time::Instant::now() + FOLLOW_EVERY;
        loop {
            let observe = async {
                match &mut self.observed {
                    Some(observed) => observed.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Nobody who could order anything else is left where the daemon ends; the loop tells that.
                _ = orders.changed() => return,
                () = tokio::time::sleep_until(until) => return,
                observe = observe => match observe {
                    Some(Observe { projection, reply }) => drop(reply.send(self.build.subject(&projection))),
                    None => self.observed = None,
                },
            }
        }
    }

    /// Comes exactly to the live cut, at which the loop holds for a moment.
    async fn arrive(&mut self, live: &Commands) -> Result<(), BuildError> {
        if self.build.has_failed() {
            return Ok(());
        }
        let at = live.hold(&self.build.inputs()).await?;
        self.reach(&at, None).await
    }

    /// Compares what was built with what serves, at one cut; of what has stopped, with the rows that it has left.
    async fn compare(&mut self, live: &Commands) -> Result<(), BuildError> {
        let inputs = self.build.inputs();
        let built: BTreeSet<String> = self.build.projections().map(str::to_owned).collect();
        let mut at = live.served(&inputs, &built).await?;
        let before = std::mem::take(&mut at.served);
        self.reach_by_way(&at, Some(live)).await?;
        // What is in error has rows of another cut; it is looked at again.
        if !before.values().all(InputRows::is_whole) {
            return Ok(());
        }
        let compared = self.build.compared_with(&before)?;
        for (name, Comparison { equal, rows_before, rows_now, .. }) in &compared {
            tracing::info!(projection = name, equal, rows_before, rows_now, cut = %at.cut, "compared with what serves");
        }
        self.compared = Some(compared);
        Ok(())
    }

    /// Makes status show that the build follows the live cut.
    async fn tell_following(&mut self, live: &Commands, order: &Order) {
        if self.pace.told.is_some_and(|told| told.elapsed() < TOLD_EVERY) && self.pace.is_told_following {
            return;
        }
        (self.pace.told, self.pace.is_told_following) = (Some(Instant::now()), true);
        if self.build.rollout.is_some() {
            live.announce_kept(self.build.kept_status(KeptState::Ready, 0, None), self.build.ticket()).await;
            return;
        }
        self.pace.waiting_since_us.get_or_insert_with(now_us);
        let first = self.build.projections().next().unwrap_or_default().to_owned();
        let differs = self.compared.iter().flatten().any(|(_, one)| !one.equal);
        let why = match order {
            Order::JoinIfEqual if differs => "its rows are not those that serve",
            _ => "it waits for a decision",
        };
        let (allows, missed) = match self.breaking.as_slice() {
            [] => ("", String::new()),
            breaking => {
                (" --allow-breaking", format!("; readers of today may miss something: {}", breaking.join("; ")))
            }
        };
        let message = format!("{why}; `readside projection promote {first}{allows}` lets it serve{missed}");
        let at = self.build.arrived.clone().unwrap_or_default();
        let status = self.pace.status(&self.build, &at, BuildState::Shadowing, Some(message));
        let statuses = self.build.status_with(&status).into_iter().map(|mut one| {
            if let Some(build) = &mut one.build {
                build.comparison = self.compared.as_ref().and_then(|compared| compared.get(&one.name)).cloned();
            }
            one
        });
        live.announce(statuses.collect(), self.build.ticket()).await;
    }

    /// Ends what was kept and cannot go on. What serves does not notice.
    async fn end_kept(self, live: &Commands) -> BuildOutcome {
        let reason = self.build.reason().unwrap_or("it has failed").to_owned();
        let statuses = self.build.kept_status(KeptState::Failed, 0, Some(reason.clone()));
        live.announce_kept(statuses, self.build.ticket()).await;
        BuildOutcome::Failed(reason)
    }

    /// Comes to a live cut, by way of the cut of the adopted state.
    async fn reach_by_way(&mut self, at: &LiveCut, live: Option<&Commands>) -> Result<(), BuildError> {
        if let Some(adopted) = self.build.adopted() {
            self.reach(&adopted, live).await?;
        }
        self.reach(at, live).await
    }

    async fn reach(&mut self, at: &LiveCut, live: Option<&Commands>) -> Result<(), BuildError> {
        let Self { build, readers, pace, storing, .. } = self;
        for (name, reader) in readers {
            let target = at.cut.position(name);
            while build.position(name) < target {
                let covered = build.position(name);
                let telling = live.map(|live| Telling { live, build, pace, to: &at.cut });
                let fetched = next(reader, covered, target, telling).await?;
                build.lost(name, reader.take_lost());
                build.take(fetched, now_us())?;
                pace.taken += build.position(name).since(covered);
                if let Some(live) = live {
                    storing.store(build, live).await?;
                }
                if let Some(live) = live
                    .filter(|_| !pace.is_told_following && pace.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY))
                {
                    pace.told = Some(Instant::now());
                    tracing::info!(source = %name, covered = %build.position(name), %target, "building");
                    if build.rollout.is_some() {
                        let left = target.since(build.position(name));
                        live.announce_kept(build.kept_status(KeptState::CatchingUp, left, None), build.ticket()).await;
                        continue;
                    }
                    let status = pace.status(build, &at.cut, BuildState::Building, None);
                    live.announce(build.status_with(&status), build.ticket()).await;
                }
            }
        }
        Ok(build.arrive(at, now_us())?)
    }

    /// Sequences between the build and a cut.
    fn left(&self, cut: &Cut) -> u64 {
        self.readers.keys().map(|name| cut.position(name).since(self.build.position(name))).sum()
    }

    fn fail(&mut self, error: &BuildError) {
        tracing::error!(%error, "projections cannot be built");
        let why = match error {
            // What goes on from where it was has other ways out than what is built.
            BuildError::Gone { source_name, message } if self.build.rollout.is_some() => {
                format!("source `{source_name}` cannot be read on: {message}")
            }
            error => error.to_string(),
        };
        self.build.fail(&why);
    }
}

impl Build {
    /// One of its projections, to be verified where it stands; as error, why nothing can be said of it.
    fn subject(&mut self, projection: &str) -> Result<Box<Subject>, String> {
        self.commit_read_models();
        Subject::of_build(&self.engine, &self.taken, projection).map(Box::new)
    }
}

/// Who is told that a build has stalled, and how far it has come.
struct Telling<'a> {
    live: &'a Commands,
    build: &'a Build,
    pace: &'a Pace,
    to: &'a Cut,
}

/// The next messages of a source. Each time that nothing has come for long, it is told why: what a source says of itself, again and
/// again, is not that something has come.
async fn next(
    reader: &mut BuildReader,
    covered: Position,
    target: Position,
    telling: Option<Telling<'_>>,
) -> Result<Fetched, BuildError> {
    let mut message = "its source says nothing".to_owned();
    let mut silent_until = tokio::time::Instant::now() + STALLED;
    loop {
        // What is asked of a source is waited for to its end, or its answer would be lost.
        let mut asked = pin!(reader.next(covered, target));
        let heard = loop {
            match timeout_at(silent_until, &mut asked).await {
                Ok(heard) => break heard?,
                Err(_) => {
                    silent_until += STALLED;
                    if let Some(Telling { live, build, pace, to }) = &telling {
                        let left = target.since(covered);
                        if build.rollout.is_some() {
                            let statuses = build.kept_status(KeptState::CatchingUp, left, Some(message.clone()));
                            live.announce_kept(statuses, build.ticket()).await;
                            continue;
                        }
                        let stalled = pace.status(build, to, BuildState::Stalled, Some(message.clone()));
                        live.announce(build.status_with(&stalled), build.ticket()).await;
                    }
                }
            }
        };
        match heard {
            Ok(fetched) => return Ok(fetched),
            Err(reason) => message = reason,
        }
    }
}
