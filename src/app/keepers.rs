//! What was replaced and is kept: it goes on beside what serves until it is rolled back to, retired, or its time is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::builds::Running;
use crate::checkpoint::KeptEntry;
use crate::config::Query;
use crate::progress::SourceName;
use crate::query::now_us;

/// Generations that were replaced together.
pub(super) struct Keeper {
    pub(super) rollout: u64,
    pub(super) projections: BTreeSet<String>,
    sources: BTreeSet<SourceName>,
    until: Instant,
    /// It stays here when it has ended by itself, so that a person can be told why.
    pub(super) running: Running,
    /// Why it has failed, if it has.
    pub(super) failed: Option<String>,
    /// Whether it was not replaced but paused, and goes on.
    pub(super) resumes: bool,
    /// The queries that were answered when it was replaced, if that was in this process.
    pub(super) queries: Option<BTreeMap<String, Query>>,
}

/// All that is kept.
#[derive(Default)]
pub(super) struct Keepers(Vec<Keeper>);

impl Keeper {
    pub(super) fn new(
        rollout: u64,
        entry: &KeptEntry,
        running: Running,
        queries: Option<BTreeMap<String, Query>>,
    ) -> Self {
        let left = u64::try_from(entry.until_us.saturating_sub(now_us())).unwrap_or_default();
        // Beyond what a clock can tell, it is kept for as long as it can.
        let until = Instant::now().checked_add(Duration::from_micros(left));
        Self {
            rollout,
            projections: entry.generations.keys().cloned().collect(),
            sources: entry.sources.keys().cloned().collect(),
            until: until.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400 * 365)),
            running,
            failed: None,
            resumes: entry.pause.is_some(),
            queries,
        }
    }
}

impl Keepers {
    pub(super) fn push(&mut self, keeper: Keeper) {
        self.0.push(keeper);
    }

    /// What is kept of a projection that was replaced.
    pub(super) fn of(&self, projection: &str) -> Option<&Keeper> {
        self.0.iter().find(|keeper| keeper.projections.contains(projection) && !keeper.resumes)
    }

    /// What goes on with a rollout.
    pub(super) fn running(&self, build: u64) -> Option<&Running> {
        self.0.iter().map(|keeper| &keeper.running).find(|running| running.id == build)
    }

    /// The rollout that a build goes on with.
    pub(super) fn run_by(&self, build: u64) -> Option<u64> {
        self.0.iter().find(|keeper| keeper.running.id == build).map(|keeper| keeper.rollout)
    }

    /// Takes account of what has ended by itself. What was paused is paused again.
    pub(super) fn failed(&mut self, build: u64, why: &str) {
        self.0.retain(|keeper| keeper.running.id != build || !keeper.resumes);
        self.0
            .iter_mut()
            .filter(|keeper| keeper.running.id == build)
            .for_each(|keeper| keeper.failed = Some(why.to_owned()));
    }

    /// Ends rollouts, and gives what they were.
    pub(super) fn end(&mut self, rollouts: &[u64]) -> Vec<Keeper> {
        let ended: Vec<Keeper> = self.0.extract_if(.., |keeper| rollouts.contains(&keeper.rollout)).collect();
        ended.iter().for_each(|keeper| _ = keeper.running.cancel());
        ended
    }

    /// When the time of the next one is over.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.0.iter().map(|keeper| keeper.until).min()
    }

    /// The rollouts whose time is over.
    pub(super) fn expired(&self) -> Vec<u64> {
        self.those(|keeper| keeper.until <= Instant::now())
    }

    /// The rollouts with a projection that is declared no more.
    pub(super) fn undeclared(&self, declared: &BTreeSet<&str>) -> Vec<u64> {
        self.those(|keeper| keeper.projections.iter().any(|name| !declared.contains(name.as_str())))
    }

    /// The rollouts that read a source.
    pub(super) fn reading(&self, source: &SourceName) -> Vec<u64> {
        self.those(|keeper| keeper.sources.contains(source))
    }

    fn those(&self, is_meant: impl Fn(&Keeper) -> bool) -> Vec<u64> {
        self.0.iter().filter(|keeper| is_meant(keeper)).map(|keeper| keeper.rollout).collect()
    }
}
