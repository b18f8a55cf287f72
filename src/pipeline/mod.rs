//! From fetched messages to a published snapshot.
//!
//! `engine` is one commit: pure but for the search indexes' files. `runner` is the only loop: it awaits sources and
//! checkpoints, and decides when to commit.

mod assemble;
mod catch_up;
mod engine;
mod intake;
mod kept;
mod runner;
mod saver;
mod search_spec;

pub use assemble::{AssembleError, Assembly, IndexRoot, assemble, begin};
pub use catch_up::{CatchUpError, catch_up};
pub use engine::{Engine, EngineError, Fetched};
pub use intake::Intake;
pub use kept::{Definition, Kept};
pub use runner::{Outcome, Runner, RunnerConfig, RunnerStatus};
