//! From fetched messages to a published snapshot.
//!
//! `engine` is one commit: pure but for the search indexes' files. `runner` is the only loop: it awaits sources and
//! checkpoints, and decides when to commit.

mod assemble;
mod catch_up;
mod continuation;
mod engine;
mod error;
mod generation;
mod intake;
mod runner;
mod saver;

pub use assemble::{AssembleError, Assembly, IndexRoot, assemble, begin};
pub use catch_up::{CatchUpError, catch_up};
pub use continuation::{BuildReason, Mismatch};
pub use engine::{Engine, EngineError, Fetched};
pub use error::GenerationError;
pub use generation::{Definition, Generation};
pub use intake::Intake;
pub use runner::{Outcome, Runner, RunnerConfig, RunnerStatus};
