//! Why a build could not be finished.

use super::super::engine::EngineError;
use crate::progress::SourceName;

/// What ends a build. The live generations go on.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("source `{source_name}` cannot be read from its beginning to here: {message}")]
    Halted { source_name: SourceName, message: String },
    #[error(
        "source `{source_name}` does not have the events any more that this is built of: {message}; leave the definition as it was, \
         restore the messages, or build it of what is left (`readside projection rebuild NAME --from-timestamp TIME`)"
    )]
    Gone { source_name: SourceName, message: String },
    #[error("source `{source_name}` ends at {end}, before the position {target} that other projections have reached")]
    Short { source_name: SourceName, end: u64, target: u64 },
    #[error("the rows of `{projection}` cannot be compared with those that serve: {error}")]
    Compare { projection: String, error: String },
    #[error("the loop has ended")]
    NoLoop,
    #[error(transparent)]
    Engine(#[from] EngineError),
}
