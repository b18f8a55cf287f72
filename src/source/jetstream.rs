//! A JetStream stream as a source: its options and its reader's task. Reading itself is below, in `jetstream/`.
//!
//! The position is ours, never the server's: an ephemeral pull consumer with ack none, started by sequence, is thrown
//! away and made anew after the last message received whenever anything is odd.

mod api;
mod backlog;
mod convert;
mod flow;
mod history;
mod opening;
mod pulls;
mod reader;
mod receive_buffer;
mod reply;

use async_trait::async_trait;
use tokio::task::JoinHandle;

use super::{BatchLimits, Input, Inputs, Source, Start, hand_over};
use crate::config;

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
        let task = tokio::spawn(reader::read(options, start, sender));
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
