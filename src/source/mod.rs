//! Where stored messages come from: JetStream, files, memory.
//!
//! A source reads, retries and reports. It knows nothing of event types, projections or serving, and it never decides
//! where to resume: positions are the caller's.

mod connect;
mod file;
mod jetstream;
mod last;
mod memory;
mod publisher;
mod server;
mod since;

pub use connect::{ConnectError, connect, explain, jetstream_context, without_user};
pub use file::{FileSource, held_lines, message_of_line};
pub use jetstream::{
    Held, JetStreamOptions, JetStreamSource, StreamEnd, StreamRequest, StreamStock, StreamSurvey, StreamTerms, held,
    survey,
};
pub use last::{all_of_file, last, last_of, last_sequence, range};
pub use memory::MemorySource;
pub use publisher::Publisher;
pub use server::{ServerFacts, may_publish, server};
pub use since::first_since;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio::sync::mpsc;

use crate::config;
use crate::event::{Evidence, Message};
use crate::progress::Losses;

/// A stream of messages in sequence order, each exactly once after the position where it was started.
#[async_trait]
pub trait Source: Send {
    /// The next thing that happened. Cancellation-safe: dropping the future loses nothing.
    ///
    /// After [`Input::Halted`] and [`Input::End`] it never returns again.
    async fn next(&mut self) -> Input;
}

/// What a source reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Reading begins, or begins again after a disconnection. The last identity reported is the one to keep in the
    /// checkpoint.
    ///
    /// `began` is the first sequence that the stream had when it was first opened: what was before it is unknown for good.
    Opened { identity: StreamIdentity, last_sequence: u64, began: u64 },
    /// The first sequence that the stream still has, of a stream that lets go of old messages. It comes when that is another one.
    Retains { first_sequence: u64 },
    /// More is known of the stream by now: the identity to keep in the checkpoint.
    Known { identity: StreamIdentity },
    /// Messages that vanished from the stream before they were read. It comes before what covers them.
    Lost { losses: Losses },
    /// Messages in stream order, following everything given before.
    ///
    /// `covered` is the last sequence known to hold nothing more for this source, `last_sequence` the stream's last one
    /// as far as known.
    Fetched { messages: Vec<Message>, covered: u64, last_sequence: u64 },
    /// Nothing new, but the stream was heard, and these are confirmed.
    Heartbeat { covered: u64, last_sequence: u64 },
    /// Where the stream begins and ends, of which nothing is read for now.
    Ends { first_sequence: u64, last_sequence: u64 },
    /// Not reachable; the source retries by itself.
    Disconnected { message: String },
    /// Stopped by something that a person has to mend. `is_gap` says that messages have gone before they were read, and that nothing
    /// else is wrong: who can be without them can go on.
    Halted { message: String, is_gap: bool },
    /// Nothing will come any more: the end of a file that is not followed.
    End,
}

/// Where to resume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The last covered sequence: the first message given is the first one after it.
    pub after: u64,
    /// What the checkpoint knows of the source; none on the first run.
    pub identity: Option<StreamIdentity>,
    /// Samples of what was read, by which the stream is known again.
    pub evidence: Evidence,
    /// Whether they were taken with another filter.
    pub was_read_otherwise: bool,
    /// Whether what has vanished behind `after` is lost, and no reason to halt.
    pub accepts_gap: bool,
}

/// What tells this stream or file from another of the same name. Kept in the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StreamIdentity {
    JetStream {
        /// When the stream was created, as the server writes it.
        created: String,
        /// The first sequence that it had when it was first opened. Builds before 0.2 did not record it.
        #[serde(default)]
        began: Option<u64>,
    },
    /// Hashes of complete lines from the file's beginning, by which it is known again.
    File {
        /// At most 4 KiB, which are looked at again and again.
        prefix_length: u64,
        prefix_hash: u64,
        /// All that was read, in bytes, which is looked at when the file is opened.
        #[serde(default)]
        read_length: u64,
        #[serde(default)]
        read_hash: u64,
    },
    Memory,
}

impl StreamIdentity {
    /// Whether it is of a stream that was created then.
    pub(crate) fn is_of(&self, stream_created: &str) -> bool {
        matches!(self, StreamIdentity::JetStream { created, .. } if created == stream_created)
    }
}

/// Sequences that can no longer be read, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub first: u64,
    pub last: u64,
}

/// Limits of one hand-over. At most two wait at a time, so they bound what a source holds in memory.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    pub max_events: usize,
    pub max_bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { max_events: 65_536, max_bytes: 16 << 20 }
    }
}

/// A source that cannot be opened as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("source `{source_name}` reads JetStream, but the configuration has no `nats` section; add one with its `url`")]
pub struct OpenError {
    source_name: String,
}

/// Opens a configured source. Anything that can go wrong later is reported by [`Source::next`]. Call it within a tokio
/// runtime.
///
/// # Errors
/// If the source reads JetStream and no server is configured.
pub fn open(
    source: &config::Source,
    nats: Option<&config::Nats>,
    start: Start,
    limits: BatchLimits,
) -> Result<Box<dyn Source>, OpenError> {
    open_input(&source.schema.source, &source.input, nats, start, limits)
}

/// The same, of what has a name and no declaration.
fn open_input(
    name: &str,
    input: &config::SourceKind,
    nats: Option<&config::Nats>,
    start: Start,
    limits: BatchLimits,
) -> Result<Box<dyn Source>, OpenError> {
    match input {
        config::SourceKind::File { path, follow, lines, .. } => {
            Ok(Box::new(FileSource::open(path.clone(), *follow, *lines, start, limits)))
        }
        config::SourceKind::JetStream { stream, filter_subjects } => {
            let options = options(name, nats, stream, filter_subjects, limits)?;
            Ok(Box::new(JetStreamSource::open(options, start)))
        }
    }
}

/// Opens a source that is not to be read for now: it says where its stream ends. Of a file nothing is said. Call it within a
/// tokio runtime.
///
/// # Errors
/// As [`open`].
pub fn open_end(
    source: &config::Source,
    nats: Option<&config::Nats>,
    identity: Option<StreamIdentity>,
) -> Result<Box<dyn Source>, OpenError> {
    match &source.input {
        config::SourceKind::File { .. } => Ok(Box::new(Silent)),
        config::SourceKind::JetStream { stream, filter_subjects } => {
            let name = &source.schema.source;
            let options = options(name, nats, stream, filter_subjects, BatchLimits::default())?;
            Ok(Box::new(StreamEnd::new(options, identity)))
        }
    }
}

fn options(
    name: &str,
    nats: Option<&config::Nats>,
    stream: &str,
    filter_subjects: &[String],
    limits: BatchLimits,
) -> Result<JetStreamOptions, OpenError> {
    let name = name.to_owned();
    let nats = nats.ok_or_else(|| OpenError { source_name: name.clone() })?.clone();
    Ok(JetStreamOptions { name, nats, stream: stream.to_owned(), filter_subjects: filter_subjects.to_vec(), limits })
}

/// A source that cannot be opened: it says why, once.
pub fn halted(message: String) -> Box<dyn Source> {
    Box::new(Halted(Some(message)))
}

struct Silent;

#[async_trait]
impl Source for Silent {
    async fn next(&mut self) -> Input {
        std::future::pending().await
    }
}

struct Halted(Option<String>);

#[async_trait]
impl Source for Halted {
    async fn next(&mut self) -> Input {
        match self.0.take() {
            Some(message) => Input::Halted { message, is_gap: false },
            None => std::future::pending().await,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// What waits between a source and its reader, beside what the source is collecting: one hand-over. So a slow reader
/// slows intake down, and what it gets then is larger.
fn hand_over() -> (mpsc::Sender<Input>, mpsc::Receiver<Input>) {
    mpsc::channel(1)
}

/// What a source's own task sends.
#[derive(Debug)]
struct Inputs {
    receiver: mpsc::Receiver<Input>,
    /// The task has said that nothing will come any more.
    is_done: bool,
}

impl Inputs {
    fn new(receiver: mpsc::Receiver<Input>) -> Self {
        Self { receiver, is_done: false }
    }

    /// The next input; waits forever once the task is done. A task that ends without a word has failed.
    async fn next(&mut self) -> Input {
        let input = match self.receiver.recv().await {
            Some(input) => input,
            None if self.is_done => return std::future::pending().await,
            None => {
                let message = "reading has ended unexpectedly, which is a bug; see the log".to_owned();
                Input::Halted { message, is_gap: false }
            }
        };
        self.is_done = matches!(input, Input::Halted { .. } | Input::End);
        input
    }
}
