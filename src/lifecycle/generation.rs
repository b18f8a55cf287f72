//! A generation: one build of one definition of a projection. Which one it is, and what it is doing.

use std::fmt;
use std::sync::Arc;

use crate::progress::Phase;

/// One build of a projection. Numbers ascend from 1 and are never used again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId {
    pub projection: Arc<str>,
    pub number: u64,
}

impl GenerationId {
    pub fn new(projection: impl Into<Arc<str>>, number: u64) -> Self {
        Self { projection: projection.into(), number }
    }
}

/// `customers, generation 3`.
impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, generation {}", self.projection, self.number)
    }
}

/// What a generation is doing, and why if that is not what it is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GenerationState {
    /// It is brought from the start of its sources to the live cut.
    Building,
    /// It takes every commit.
    Serving,
    /// It takes nothing until a person resumes it: its rows stay as they were.
    Paused { reason: String },
    /// It takes nothing: its rows are those that the checkpoint had, until a successor is built.
    Rebuilding { reason: String },
    /// It takes nothing any more.
    Failed { reason: String },
}

impl GenerationState {
    pub fn phase(&self) -> Phase {
        match self {
            GenerationState::Building => Phase::Building,
            GenerationState::Serving => Phase::Serving,
            GenerationState::Paused { .. } => Phase::Paused,
            GenerationState::Rebuilding { .. } => Phase::Rebuilding,
            GenerationState::Failed { .. } => Phase::Failed,
        }
    }

    /// Why it takes nothing.
    pub fn reason(&self) -> Option<&str> {
        match self {
            GenerationState::Building | GenerationState::Serving => None,
            GenerationState::Paused { reason }
            | GenerationState::Rebuilding { reason }
            | GenerationState::Failed { reason } => Some(reason),
        }
    }

    /// Whether it takes part in a step.
    pub fn steps(&self) -> bool {
        matches!(self, GenerationState::Building | GenerationState::Serving)
    }
}
