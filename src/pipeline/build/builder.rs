//! Builds beside the loop: reads the sources from where the build stands, follows the live cut, and joins.
//!
//! The builder takes nothing that the live generations have not taken. Once little is left, it asks the loop to hold at its
//! cut, comes exactly there, and hands its generations over. A hold does not last: if the builder is late, the loop goes
//! on, and the builder tries again from where it has come.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::super::commands::Commands;
use super::super::engine::Fetched;
use super::super::runner::now_us;
use super::reader::BuildReader;
use super::{Build, BuildError, Joined, LiveCut};
use crate::progress::{Cut, Position, SourceName};
use crate::read_model::catalog::{BuildProgress, BuildState, BuildStatus};
use crate::source::Source;
use crate::telemetry;

/// Sequences that may be left when the loop is asked to hold: a fraction of a second's work.
const NEAR: u64 = 10_000;
/// How often the log and the status say how far a build has come.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// For so long nothing may come before status says so.
const STALLED: Duration = Duration::from_secs(30);

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildOutcome {
    /// Its generations take every commit.
    Joined,
    /// What was there before goes on.
    Failed,
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
}

/// How fast a build gets on.
struct Pace {
    began: Instant,
    /// When that was last told; none before the first time.
    told: Option<Instant>,
    /// Sequences since it began.
    taken: u64,
}

impl Builder {
    /// `sources` begin after what the build has taken of them.
    pub fn new(build: Build, sources: BTreeMap<SourceName, Box<dyn Source>>) -> Self {
        let readers = sources.into_iter().map(|(name, source)| (name.clone(), BuildReader::new(name, source)));
        let now = Instant::now();
        Self { build, readers: readers.collect(), pace: Pace { began: now, told: None, taken: 0 } }
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

    /// Builds until the generations have joined, or until they are not wanted any more.
    pub async fn run(self, live: Commands, mut cancelled: watch::Receiver<bool>) -> BuildOutcome {
        tokio::select! {
            biased;
            // Without a sender nobody can cancel it.
            Ok(_) = cancelled.wait_for(|cancelled| *cancelled) => BuildOutcome::Cancelled,
            outcome = self.build(live) => outcome,
        }
    }

    async fn build(mut self, live: Commands) -> BuildOutcome {
        let names: Vec<String> = self.build.projections().map(str::to_owned).collect();
        let began = Instant::now();
        self.pace = Pace { began, told: None, taken: 0 };
        loop {
            match self.follow(&live).await {
                Ok(()) => {}
                Err(BuildError::NoLoop) => return BuildOutcome::NoLoop,
                Err(error) => self.fail(&error),
            }
            self.build.commit_read_models();
            if let Some(rate) = self.pace.rate() {
                self.build.came_at(rate);
            }
            match live.join(self.build).await {
                Some(Ok(Joined::AsDeclared)) => break,
                Some(Ok(Joined::Nothing)) => return BuildOutcome::Failed,
                Some(Err(late)) => {
                    tracing::info!(projections = names.join(", "), "the build came too late to the live cut; again");
                    self.build = *late;
                }
                None => return BuildOutcome::NoLoop,
            }
        }
        let took = began.elapsed();
        names.iter().for_each(|name| telemetry::observe_rebuild(name, took));
        tracing::info!(projections = names.join(", "), seconds = took.as_secs_f64(), "built");
        BuildOutcome::Joined
    }

    /// Follows the live cut until the loop holds at it and the build is there.
    async fn follow(&mut self, live: &Commands) -> Result<(), BuildError> {
        let inputs = self.build.inputs();
        loop {
            let at = live.look(&inputs).await?;
            // Large tables of live projections are taken before anything waits for it.
            if self.build.has_arrived() && self.left(&at.cut) <= NEAR {
                break;
            }
            self.reach_by_way(&at, Some(live)).await?;
        }
        let at = live.hold(&inputs).await?;
        self.reach(&at, None).await
    }

    /// Comes to a live cut, by way of the cut of the adopted state.
    async fn reach_by_way(&mut self, at: &LiveCut, live: Option<&Commands>) -> Result<(), BuildError> {
        if let Some(adopted) = self.build.adopted() {
            self.reach(&adopted, live).await?;
        }
        self.reach(at, live).await
    }

    async fn reach(&mut self, at: &LiveCut, live: Option<&Commands>) -> Result<(), BuildError> {
        let Self { build, readers, pace } = self;
        for (name, reader) in readers {
            let target = at.cut.position(name);
            while build.position(name) < target {
                let covered = build.position(name);
                let telling = live.map(|live| Telling { live, build, pace, to: &at.cut });
                let fetched = next(reader, covered, target, telling).await?;
                build.lost(name, reader.take_lost());
                build.take(fetched, now_us())?;
                pace.taken += build.position(name).since(covered);
                if let Some(live) = live.filter(|_| pace.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY)) {
                    pace.told = Some(Instant::now());
                    tracing::info!(source = %name, covered = %build.position(name), %target, "building");
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
        self.build.fail(&error.to_string());
    }
}

/// Who is told that a build has stalled, and how far it has come.
struct Telling<'a> {
    live: &'a Commands,
    build: &'a Build,
    pace: &'a Pace,
    to: &'a Cut,
}

/// The next messages of a source. Each time that nothing has come for long, it is told why.
async fn next(
    reader: &mut BuildReader,
    covered: Position,
    target: Position,
    telling: Option<Telling<'_>>,
) -> Result<Fetched, BuildError> {
    let mut message = "its source says nothing".to_owned();
    loop {
        // What is asked of a source is waited for to its end, or its answer would be lost.
        let mut asked = pin!(reader.next(covered, target));
        let heard = loop {
            match timeout(STALLED, &mut asked).await {
                Ok(heard) => break heard?,
                Err(_) => {
                    if let Some(Telling { live, build, pace, to }) = &telling {
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

impl Pace {
    /// Sequences a second since it began; none before anything was taken.
    fn rate(&self) -> Option<f64> {
        let seconds = self.began.elapsed().as_secs_f64();
        (self.taken > 0 && seconds > 0.0).then(|| self.taken as f64 / seconds)
    }

    fn status(&self, build: &Build, to: &Cut, state: BuildState, message: Option<String>) -> BuildStatus {
        let progress = |name: &SourceName| {
            let position = build.position(name);
            BuildProgress { position, target: to.position(name).max(position) }
        };
        let sources: BTreeMap<SourceName, BuildProgress> =
            build.sources().map(|(name, _)| (name.clone(), progress(name))).collect();
        let left: u64 = sources.values().map(|source| source.target.since(source.position)).sum();
        let rate = self.rate();
        BuildStatus {
            generation: 0,
            state,
            sources,
            sequences_per_second: rate,
            remaining_seconds: rate.map(|rate| left as f64 / rate),
            message,
        }
    }
}
