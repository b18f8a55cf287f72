//! Reads a source exactly through given positions, one after the other.

use super::super::engine::Fetched;
use super::BuildError;
use crate::progress::{Losses, Position, SourceName};
use crate::source::{Input, Source};

/// A source that is read from its beginning for a build. What it has given beyond the position that is wanted waits.
pub(in crate::pipeline) struct BuildReader {
    name: SourceName,
    source: Box<dyn Source>,
    waiting: Option<Fetched>,
    lost: Losses,
}

impl BuildReader {
    pub(in crate::pipeline) fn new(name: SourceName, source: Box<dyn Source>) -> Self {
        Self { name, source, waiting: None, lost: Losses::default() }
    }

    /// Messages that vanished before they were read, since the last call.
    pub(in crate::pipeline) fn take_lost(&mut self) -> Losses {
        std::mem::take(&mut self.lost)
    }

    /// The next messages through `target`, which follow everything given before; `covered` is where the caller stands. As
    /// error of the inner result, why nothing comes for now.
    ///
    /// # Errors
    /// The source has halted, or ends before the target.
    pub(in crate::pipeline) async fn next(
        &mut self,
        covered: Position,
        target: Position,
    ) -> Result<Result<Fetched, String>, BuildError> {
        let (covered, target) = (covered.sequence(), target.sequence());
        loop {
            if let Some(waiting) = self.waiting.take() {
                let (now, later) = split(waiting, target);
                self.waiting = later;
                return Ok(Ok(now));
            }
            match self.source.next().await {
                Input::Fetched { messages, covered, last_sequence } => {
                    self.waiting = Some(Fetched { source: self.name.clone(), messages, covered, last_sequence });
                }
                Input::Heartbeat { covered, last_sequence } => {
                    let messages = Vec::new();
                    self.waiting = Some(Fetched { source: self.name.clone(), messages, covered, last_sequence });
                }
                Input::Halted { message, is_gap } => {
                    let source_name = self.name.clone();
                    return Err(match is_gap {
                        true => BuildError::Gone { source_name, message },
                        false => BuildError::Halted { source_name, message },
                    });
                }
                Input::End => {
                    return Err(BuildError::Short { source_name: self.name.clone(), end: covered, target });
                }
                Input::Disconnected { message } => {
                    tracing::warn!(source = %self.name, reason = %message, "source disconnected while building");
                    return Ok(Err(message));
                }
                Input::Lost { losses } => self.lost.extend(losses),
                Input::Opened { .. } | Input::Known { .. } | Input::Ends { .. } | Input::Retains { .. } => {}
            }
        }
    }
}

/// The part through `target`, and what lies beyond it.
fn split(mut fetched: Fetched, target: u64) -> (Fetched, Option<Fetched>) {
    if fetched.covered <= target {
        return (fetched, None);
    }
    let beyond = fetched.messages.partition_point(|message| message.seq <= target);
    let messages = fetched.messages.split_off(beyond);
    let later = Fetched { source: fetched.source.clone(), messages, ..fetched };
    fetched.covered = target;
    (fetched, Some(later))
}
