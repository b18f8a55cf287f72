//! What a generation of a projection is doing, as status, freshness and checkpoints say it.

use serde::{Deserialize, Serialize};

/// Ordered from best to worst, so that the worst of several is their maximum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It takes every commit.
    #[default]
    Serving,
    /// A person has stopped it; its rows stay as they were until it is resumed.
    Paused,
    /// It is computed from the start of its sources and has no rows to show yet.
    Building,
    /// A successor is being built. Until that is done, its rows stay as a checkpoint had them.
    Rebuilding,
    /// It has stopped; its rows stay as they were.
    Failed,
}

impl Phase {
    pub const ALL: [Phase; 5] = [Phase::Serving, Phase::Paused, Phase::Building, Phase::Rebuilding, Phase::Failed];

    /// As it is written everywhere.
    pub fn label(self) -> &'static str {
        match self {
            Phase::Serving => "serving",
            Phase::Paused => "paused",
            Phase::Building => "building",
            Phase::Rebuilding => "rebuilding",
            Phase::Failed => "failed",
        }
    }
}
