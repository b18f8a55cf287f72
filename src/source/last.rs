//! The newest messages of a source, read once and beside whoever follows it.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::{BatchLimits, Held, Input, Start, held, held_lines, open_input};
use crate::config::{LineFormat, Nats, Source, SourceKind};
use crate::event::Message;

/// So long a source may say nothing.
const SILENT_LONGEST: Duration = Duration::from_secs(10);

/// The last `count` messages that a source has now, in stream order. Of a stream of which not all subjects are read, those that
/// are. Nothing is left behind at the source. Call it within a tokio runtime.
///
/// # Errors
/// The stream or file cannot be read, as a sentence.
pub async fn last(source: &Source, nats: Option<&Nats>, count: usize) -> Result<Vec<Message>, String> {
    let name = &source.schema.source;
    last_of(name, &source.input, nats, count).await.map_err(|why| format!("source `{name}`: {why}"))
}

/// The same, of a stream or file that nobody has declared.
///
/// # Errors
/// As [`last`].
pub async fn last_of(
    name: &str,
    input: &SourceKind,
    nats: Option<&Nats>,
    count: usize,
) -> Result<Vec<Message>, String> {
    let there = there(input, nats).await?;
    // Blank lines and subjects that are left out are sequences without a message.
    let mut sequences = count as u64;
    loop {
        let first = there.last.saturating_add(1).saturating_sub(sequences).max(there.first).max(1);
        let messages = between(name, input, nats, first, there, count).await?;
        if messages.len() >= count || first <= there.first.max(1) {
            return Ok(messages);
        }
        sequences = sequences.saturating_mul(4);
    }
}

/// The messages of a source from one sequence to another, both included.
///
/// # Errors
/// There are none so far, or the stream or file cannot be read, as a sentence.
pub async fn range(source: &Source, nats: Option<&Nats>, from: u64, to: u64) -> Result<Vec<Message>, String> {
    let name = &source.schema.source;
    let named = |why| format!("source `{name}`: {why}");
    let there = there(&source.input, nats).await.map_err(named)?;
    if from < there.first || to > there.last {
        return Err(named(format!("it has the sequences {} to {}", there.first, there.last)));
    }
    let until = Held { last: to, ..there };
    between(name, &source.input, nats, from, until, usize::MAX).await.map_err(named)
}

/// The last sequence that a source has now.
///
/// # Errors
/// The stream or file cannot be read, as a sentence.
pub async fn last_sequence(source: &Source, nats: Option<&Nats>) -> Result<u64, String> {
    let there = there(&source.input, nats).await;
    there.map(|there| there.last).map_err(|why| format!("source `{}`: {why}", source.schema.source))
}

/// What a stream or file holds now.
async fn there(input: &SourceKind, nats: Option<&Nats>) -> Result<Held, String> {
    match (input, nats) {
        (SourceKind::File { path, .. }, _) => held_lines(path, false),
        (SourceKind::JetStream { stream, .. }, Some(nats)) => held(nats, stream).await,
        (SourceKind::JetStream { .. }, None) => Err("the configuration has no `nats` section".to_owned()),
    }
}

/// All messages of a file, in the place of what a source reads. Where the source reads a stream, its lines are messages as
/// `events stream` writes them, or payloads.
///
/// # Errors
/// The file cannot be read, as a sentence.
pub async fn all_of_file(source: &Source, path: &Path) -> Result<Vec<Message>, String> {
    let lines = match &source.input {
        SourceKind::File { lines, .. } => *lines,
        SourceKind::JetStream { .. } => LineFormat::Auto,
    };
    let (path, written) = (path.to_owned(), path.display().to_string());
    let input = SourceKind::File { path, written, follow: false, lines };
    last(&Source { input, ..source.clone() }, None, usize::MAX).await
}

/// The last `count` messages from a sequence to the last one.
async fn between(
    name: &str,
    input: &SourceKind,
    nats: Option<&Nats>,
    first: u64,
    there: Held,
    count: usize,
) -> Result<Vec<Message>, String> {
    let mut messages: Vec<Message> = Vec::new();
    if first > there.last {
        return Ok(messages);
    }
    let mut once = input.clone();
    if let SourceKind::File { follow, .. } = &mut once {
        *follow = false;
    }
    let start = Start { after: first - 1, ..Start::default() };
    let mut opened = open_input(name, &once, nats, start, BatchLimits::default()).map_err(|error| error.to_string())?;
    loop {
        let next = timeout(SILENT_LONGEST, opened.next()).await;
        let covered = match next.map_err(|_| "nothing comes of it".to_owned())? {
            Input::Fetched { messages: fetched, covered, .. } => {
                messages.extend(fetched.into_iter().filter(|message| message.seq <= there.last));
                drop(messages.drain(..messages.len().saturating_sub(count)));
                covered
            }
            Input::Heartbeat { covered, .. } => covered,
            Input::Opened { .. }
            | Input::Known { .. }
            | Input::Lost { .. }
            | Input::Ends { .. }
            | Input::Retains { .. } => continue,
            Input::Disconnected { message } | Input::Halted { message, .. } => return Err(message),
            Input::End => return Ok(messages),
        };
        if covered >= there.last {
            return Ok(messages);
        }
    }
}
