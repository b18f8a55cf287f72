//! What an on-call engineer watches a daemon with, written from its configuration: Prometheus rules, a Grafana dashboard, a runbook.
//!
//! Pure: it reads and writes no file. It names no metric of its own but those of `telemetry`.

mod alerts;
mod dashboard;
mod panels;
mod rules;
mod runbook;

pub use dashboard::dashboard;
pub use rules::rules;
pub use runbook::runbook;

use crate::config::{Config, Projection};

/// What the configuration does not say.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Prometheus' name for what scrapes the daemons.
    pub job: String,
    /// Who is told of what belongs to no projection, and of projections without an owner.
    pub owner: String,
    /// Where the runbook is, without an anchor.
    pub runbook: String,
}

impl Surroundings {
    fn owner_of<'a>(&'a self, projection: &'a Projection) -> &'a str {
        projection.owner.as_deref().unwrap_or(&self.owner)
    }
}

/// All sources, in the order in which they are declared.
fn sources(config: &Config) -> Vec<&str> {
    config.sources.iter().map(|source| source.schema.source.as_str()).collect()
}
