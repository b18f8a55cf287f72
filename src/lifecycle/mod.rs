//! What becomes of builds of projections, and of events that they cannot take.

mod generation;
mod parked;

pub use generation::{GenerationId, GenerationState};
pub use parked::{Owner, Parked, ParkedEvents, Usage};
