//! A position: how much of a stream is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stream sequence, 0 before the first. In JSON a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// Before the first message.
    pub const START: Position = Position(0);

    /// The sequence that it is, as streams and messages have it.
    pub fn sequence(self) -> u64 {
        self.0
    }

    /// Sequences after `earlier` up to here; 0 if `earlier` is not earlier.
    pub fn since(self, earlier: Position) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<u64> for Position {
    fn from(sequence: u64) -> Self {
        Self(sequence)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
