//! Builds beside the loop: reads the sources from their beginning, follows the live cut, and joins.
//!
//! The builder takes nothing that the live generations have not taken. Once little is left, it asks the loop to hold at its
//! cut, comes exactly there, and hands its generations over. A hold does not last: if the builder is late, the loop goes
//! on, and the builder tries again from where it has come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::commands::Commands;
use super::super::runner::now_us;
use super::reader::BuildReader;
use super::{Build, BuildError, LiveCut};
use crate::progress::{Cut, SourceName};
use crate::source::Source;
use crate::telemetry;

/// Sequences that may be left when the loop is asked to hold: a fraction of a second's work.
const NEAR: u64 = 10_000;
/// How often the log and the status say how far a build has come.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// A build with the sources that it reads.
pub struct Builder {
    build: Build,
    readers: BTreeMap<SourceName, BuildReader>,
    told: Instant,
}

impl Builder {
    /// `sources` begin at their first message.
    pub fn new(build: Build, sources: BTreeMap<SourceName, Box<dyn Source>>) -> Self {
        let readers = sources.into_iter().map(|(name, source)| (name.clone(), BuildReader::new(name, source)));
        Self { build, readers: readers.collect(), told: Instant::now() }
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

    /// Builds until the generations have joined, or until the loop has ended.
    pub async fn run(mut self, live: Commands) {
        let began = Instant::now();
        let names = self.build.projections().map(str::to_owned).collect::<Vec<_>>();
        loop {
            match self.follow(&live).await {
                Ok(()) => {}
                Err(BuildError::NoLoop) => return,
                Err(error) => self.fail(&error),
            }
            self.build.commit_read_models();
            match live.join(self.build).await {
                Some(Ok(())) => break,
                Some(Err(late)) => {
                    tracing::info!(projections = names.join(", "), "the build came too late to the live cut; again");
                    self.build = *late;
                }
                None => return,
            }
        }
        let took = began.elapsed();
        names.iter().for_each(|name| telemetry::observe_rebuild(name, took));
        tracing::info!(projections = names.join(", "), seconds = took.as_secs_f64(), "built");
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
        for (name, reader) in &mut self.readers {
            let target = at.cut.position(name);
            loop {
                let covered = self.build.position(name);
                if covered >= target {
                    break;
                }
                let fetched = reader.next(covered, target).await?;
                self.build.lost(name, reader.take_lost());
                self.build.take(fetched, now_us())?;
                if let Some(live) = live.filter(|_| self.told.elapsed() >= TOLD_EVERY) {
                    self.told = Instant::now();
                    tracing::info!(source = %name, covered = %self.build.position(name), %target, "building");
                    live.announce(self.build.status()).await;
                }
            }
        }
        Ok(self.build.arrive(at, now_us())?)
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
