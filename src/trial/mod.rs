//! Projections over given events, before anything runs: what their rows would be, what would be parked, and what they would
//! keep; and whether that is so however the events come.
//!
//! It is computed by what the daemon computes with: the decoder, the plan, and an engine that is stepped by hand. A running
//! daemon and its data directory have no part in it; nothing is written but search indexes, into a folder that ends with it.

mod attempt;
mod case;
mod given;
mod outcome;
mod rows;
mod tap;
mod tried;
mod watched;

pub use attempt::{TrialError, attempt};
pub use case::{CaptureError, CaseError, CaseOutcome, Finding, captured, run_case};
pub use given::Given;
pub use outcome::{Change, Column, Outcome, ParkedEvent, StateKept};
pub use tap::{ParkedBecause, Tap, Tapped, TappedRun};
pub use tried::{Refused, THIS_SQL, tried};
pub use watched::Watched;
