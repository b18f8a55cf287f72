//! What becomes of builds of projections, and of events that they cannot take.

mod decision;
mod generation;
mod ledger;
mod parked;
mod rolled_back;
mod ticket;

pub use decision::Decision;
pub use generation::{GenerationId, GenerationState};
pub use ledger::{Action, Actor, Ledger, NewStep, Step};
pub use parked::{Owner, Parked, ParkedEvents, ParkedFilter, Usage};
pub use rolled_back::RolledBack;
pub use ticket::Ticket;
