//! What a person may decide about a running daemon's sources and parked events.

use super::parked::ParkedFilter;
use crate::progress::SourceName;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Gives parked events up: answers are complete without them.
    Discard(ParkedFilter),
    /// Reads a source no further for now.
    Pause(SourceName),
    /// Reads a source that was paused or has halted.
    Resume(SourceName),
    /// Reads a halted source on behind what its stream has lost. Answers are incomplete, with the range.
    AcceptGap(SourceName),
    /// Takes the stream or file that is there now for another one, which is read from its beginning. Everything that reads it
    /// is built again.
    Reset(SourceName),
}
