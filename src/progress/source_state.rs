//! What a source is doing.

use serde::{Deserialize, Serialize};

/// Ordered from best to worst, so that the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Everything stored has been applied, and something arrived lately.
    Live,
    /// Everything stored has been applied, and nothing has arrived for a while.
    Idle,
    /// Applying what was stored before.
    CatchingUp,
    /// Not reachable; retried.
    Disconnected,
    /// Stopped by a person, who may let it go on.
    Paused,
    /// Stopped by an error that a person has to mend.
    Halted,
}

impl SourceState {
    pub fn label(self) -> &'static str {
        match self {
            SourceState::Live => "live",
            SourceState::Idle => "idle",
            SourceState::CatchingUp => "catching_up",
            SourceState::Disconnected => "disconnected",
            SourceState::Paused => "paused",
            SourceState::Halted => "halted",
        }
    }
}
