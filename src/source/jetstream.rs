//! A JetStream stream as a source: its options and its reader's task. Reading itself is below, in `jetstream/`.
//!
//! The position is ours, never the server's: an ephemeral pull consumer with ack none, started by sequence, is thrown
//! away and made anew after the last message received whenever anything is odd.

mod api;
mod backlog;
mod convert;
mod end;
mod flow;
mod history;
mod open_batch;
mod opening;
mod pulls;
mod reader;
mod receive_buffer;
mod reply;
mod survey;

use std::time::Duration;

use async_trait::async_trait;
pub use end::StreamEnd;
pub use survey::{StreamRequest, StreamStock, StreamSurvey, StreamTerms, survey};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::{BatchLimits, Input, Inputs, Source, Start, hand_over};
use crate::config;

/// For one look at a stream.
const LOOK_LONGEST: Duration = Duration::from_secs(5);

/// What to read.
#[derive(Debug, Clone)]
pub struct JetStreamOptions {
    /// The source's name, for messages and the consumer's description.
    pub name: String,
    pub nats: config::Nats,
    pub stream: String,
    /// Empty for all subjects of the stream.
    pub filter_subjects: Vec<String>,
    pub limits: BatchLimits,
}

/// What a stream, or a file, holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub first: u64,
    pub last: u64,
    /// Whether messages vanish by its own rules, so that what is gone is counted and no fault.
    pub is_mutable: bool,
}

/// Looks at what a stream holds now.
///
/// # Errors
/// The server is not reached, or does not answer for the stream, as a sentence.
pub async fn held(nats: &config::Nats, stream: &str) -> Result<Held, String> {
    let options = JetStreamOptions {
        name: stream.to_owned(),
        nats: nats.clone(),
        stream: stream.to_owned(),
        filter_subjects: Vec::new(),
        limits: BatchLimits::default(),
    };
    let facts = async { api::StreamApi::connect(&options).await?.stream().await };
    let facts = tokio::time::timeout(LOOK_LONGEST, facts).await.map_err(|_| "the server does not answer".to_owned())?;
    let facts = facts.map_err(|error| error.to_string())?;
    let is_mutable = history::is_mutable(&facts.config);
    Ok(Held { first: facts.state.first_seq, last: facts.state.last_seq, is_mutable })
}

/// The sequence of the first message that a source of these subjects reads and that was stored at `time_us` (microseconds since the
/// epoch) or later; none if there is none yet. A stream stores messages in the order of their times.
///
/// # Errors
/// The server is not reached, or does not answer for the stream, as a sentence.
pub(super) async fn first_since(
    nats: &config::Nats,
    stream: &str,
    filter_subjects: &[String],
    time_us: i64,
) -> Result<Option<u64>, String> {
    let options = JetStreamOptions {
        name: stream.to_owned(),
        nats: nats.clone(),
        stream: stream.to_owned(),
        filter_subjects: filter_subjects.to_vec(),
        limits: BatchLimits::default(),
    };
    let search = async {
        let api = api::StreamApi::connect(&options).await.map_err(|error| error.to_string())?;
        let state = api.stream().await.map_err(|error| error.to_string())?.state;
        let (mut low, mut high, mut first) = (state.first_seq.max(1), state.last_seq, None);
        while low <= high {
            let middle = low + (high - low) / 2;
            match api.next_stored(middle).await.map_err(|error| error.to_string())? {
                Some(message) if message.stored_at_us().ok_or("the server gives no time of a message")? < time_us => {
                    low = message.seq + 1;
                }
                found => {
                    first = found.map(|message| message.seq).or(first);
                    high = middle - 1;
                }
            }
        }
        Ok(first)
    };
    tokio::time::timeout(LOOK_LONGEST, search).await.map_err(|_| "the server does not answer".to_owned())?
}

/// Reads a stream in a task of its own, over a connection of its own.
#[derive(Debug)]
pub struct JetStreamSource {
    inputs: Inputs,
    task: JoinHandle<()>,
}

impl JetStreamSource {
    /// Starts reading; call it within a tokio runtime.
    pub fn open(options: JetStreamOptions, start: Start) -> Self {
        let (sender, inputs) = hand_over();
        // Of several readers of one stream the log says which one it is.
        let task = tokio::spawn(reader::read(options, start, sender).in_current_span());
        Self { inputs: Inputs::new(inputs), task }
    }
}

#[async_trait]
impl Source for JetStreamSource {
    async fn next(&mut self) -> Input {
        self.inputs.next().await
    }
}

impl Drop for JetStreamSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}
