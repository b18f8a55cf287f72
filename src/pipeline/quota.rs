//! How much more may be parked for one owner. Pure.

use crate::config::ParkedLimits;
use crate::event::{Message, Rejected};
use crate::lifecycle::Usage;

/// The remainder of the limits of parked events, of a source or of a generation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    events: usize,
    bytes: usize,
}

impl Quota {
    pub(super) fn left(limits: &ParkedLimits, used: Usage) -> Self {
        Self {
            events: limits.max_events.saturating_sub(used.events),
            bytes: limits.max_bytes.saturating_sub(used.bytes),
        }
    }

    /// As much as there is.
    pub(super) fn unlimited() -> Self {
        Self { events: usize::MAX, bytes: usize::MAX }
    }

    /// The first of these that does not fit any more.
    pub(super) fn first_beyond(self, rejected: &[Rejected]) -> Option<&Rejected> {
        let mut bytes = 0;
        let mut fits = |(index, message): (usize, &Message)| {
            bytes += message.size();
            index < self.events && bytes <= self.bytes
        };
        rejected.iter().enumerate().find(|(index, one)| !fits((*index, &one.message))).map(|(_, one)| one)
    }

    /// Events that fit.
    pub(super) fn events(self) -> usize {
        self.events
    }
}
