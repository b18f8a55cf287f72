//! How fast a build gets on, and what status says of that.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Build;
use crate::progress::{Cut, SourceName};
use crate::read_model::catalog::{BuildProgress, BuildState, BuildStatus};

/// How fast a build gets on.
pub(super) struct Pace {
    pub(super) began: Instant,
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
        Self { began: Instant::now(), told: None, taken: 0, is_told_following: false, waiting_since_us: None }
    }

    /// Sequences a second since it began; none before anything was taken.
    pub(super) fn rate(&self) -> Option<f64> {
        let seconds = self.began.elapsed().as_secs_f64();
        (self.taken > 0 && seconds > 0.0).then(|| self.taken as f64 / seconds)
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
