//! From fetched messages to a published snapshot.
//!
//! `engine` is one commit: pure but for the search indexes' files. `runner` is the only loop: it awaits sources,
//! checkpoints and commands, and decides when to commit. `build` brings new and changed generations to the live cut beside it.

mod assemble;
mod build;
mod commands;
mod continuation;
mod engine;
mod error;
mod facts;
mod generation;
mod grounding;
mod intake;
mod quota;
mod readers;
mod runner;
mod saver;
mod verify;
mod visibility;

pub use assemble::{AssembleError, Assembly, IndexRoot, assemble, begin, fresh};
pub use build::{
    Build, BuildError, BuildOutcome, Builder, Ground, Group, KeepError, Keeping, Kept, LiveCut, Observe, Order,
    Replaced, StoredRollout,
};
pub use commands::{Adaptation, Commands, Durable, NoLoop, Wanted};
pub use continuation::{BuildReason, Mismatch};
pub use engine::{Declared, Deltas, Engine, EngineError, Fetched, Replayed, Replays};
pub use error::GenerationError;
pub use facts::{Difference, Facts, ProjectionFacts, SourceFacts, ViewFacts, missed};
pub use generation::{Definition, Generation};
pub use grounding::GoesOn;
pub use intake::{Intake, Reading};
pub use readers::OpenSource;
pub use runner::{LoopEnd, Runner, RunnerConfig, RunnerStatus};
pub use verify::{Means, OpenAt, RowDifference, RowFault, Subject, Verified};
