//! Brings new or changed projections to the cut where the others stand, before all go on together.

use std::collections::BTreeMap;

use super::engine::{Engine, EngineError, Fetched};
use super::runner::now_us;
use crate::progress::{Position, SourceName};
use crate::source::{Input, Source};

/// Why a build could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    #[error("source `{source_name}` cannot be read from its beginning to here: {message}")]
    Halted { source_name: SourceName, message: String },
    #[error("source `{source_name}` ends at {end}, before the position {target} that other projections have reached")]
    Short { source_name: SourceName, end: u64, target: u64 },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Feeds `engine` from sources at their beginning, each exactly through its position in `targets`.
pub async fn catch_up(
    engine: &mut Engine,
    sources: BTreeMap<SourceName, Box<dyn Source>>,
    targets: &BTreeMap<SourceName, Position>,
) -> Result<(), CatchUpError> {
    for (name, mut source) in sources {
        let target = targets.get(&name).copied().unwrap_or_default().sequence();
        let mut covered = 0;
        while covered < target {
            let fetched = match source.next().await {
                Input::Fetched { mut messages, covered: to, last_sequence } => {
                    messages.retain(|message| message.seq <= target);
                    covered = to.min(target);
                    Fetched { source: name.clone(), messages, covered, last_sequence }
                }
                Input::Heartbeat { covered: to, last_sequence } => {
                    covered = to.min(target);
                    Fetched { source: name.clone(), messages: Vec::new(), covered, last_sequence }
                }
                Input::Halted { message } => return Err(CatchUpError::Halted { source_name: name, message }),
                Input::End => return Err(CatchUpError::Short { source_name: name, end: covered, target }),
                Input::Disconnected { message } => {
                    tracing::warn!(source = %name, %message, "source disconnected while building");
                    continue;
                }
                Input::Opened { .. } => continue,
            };
            engine.commit(vec![fetched], now_us())?;
            // A source that halts takes nothing more: the build would be short of what the others have.
            if let Some(message) = engine.halted(&name) {
                return Err(CatchUpError::Halted { source_name: name, message });
            }
            tracing::info!(source = %name, covered, target, "building");
        }
    }
    Ok(())
}
