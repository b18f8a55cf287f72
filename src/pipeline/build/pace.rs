//! How fast a build gets on, and what status says of that.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Build;
use crate::progress::{Cut, SourceName};
use crate::read_model::catalog::{BuildProgress, BuildState, BuildStatus};

/// How fast a build gets on.
pub(super) struct Pace {
    began: Instant,
    /// How long it took to come to the live cut for the first time, and how many sequences. What it takes while it waits there says
    /// nothing of how fast it is.
    arrived: Option<(Duration, u64)>,
    /// When that was last told; none before the first time.
    pub(super) told: Option<Instant>,
    /// Sequences since it began.
    pub(super) taken: u64,
    /// Whether that was that it follows the live cut.
    pub(super) is_told_following: bool,
    /// Since when it follows the live cut and waits, microseconds since the epoch.
    pub(super) waiting_since_us: Option<i64>,
}

impl Pace {
    /// Of a build that begins now.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            arrived: None,
            told: None,
            taken: 0,
            is_told_following: false,
            waiting_since_us: None,
        }
    }

    /// Takes account of having come to the live cut.
    pub(super) fn arrives(&mut self) {
        self.arrived.get_or_insert((self.began.elapsed(), self.taken));
    }

    /// How long it took to come to the live cut; so far, before that.
    pub(super) fn took(&self) -> Duration {
        self.arrived.map_or_else(|| self.began.elapsed(), |(took, _)| took)
    }

    /// Sequences a second until it came to the live cut; none before anything was taken.
    pub(super) fn rate(&self) -> Option<f64> {
        let seconds = self.took().as_secs_f64();
        let taken = self.arrived.map_or(self.taken, |(_, taken)| taken);
        (taken > 0 && seconds > 0.0).then(|| taken as f64 / seconds)
    }

    pub(super) fn status(&self, build: &Build, to: &Cut, state: BuildState, message: Option<String>) -> BuildStatus {
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
            waiting_since_us: self.waiting_since_us.filter(|_| state == BuildState::Shadowing),
            comparison: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_waits_gets_no_slower_and_has_not_been_built_for_longer() {
        let mut pace = Pace::new();
        assert_eq!(pace.rate(), None);
        pace.taken = 100;
        pace.arrives();
        let (took, rate) = (pace.took(), pace.rate());
        assert_eq!(rate, Some(100.0 / took.as_secs_f64()));
        pace.taken = 150;
        pace.arrives();
        assert_eq!((pace.took(), pace.rate()), (took, rate));
    }
}
