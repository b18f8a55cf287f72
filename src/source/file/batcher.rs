//! Gathers the messages that a file source has read into batches within its limits, and hands them over.

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::FileStop;
use crate::event::Message;
use crate::source::{BatchLimits, Input};

#[derive(Debug)]
pub(super) struct Batcher {
    inputs: mpsc::Sender<Input>,
    limits: BatchLimits,
    messages: Vec<Message>,
    bytes: usize,
    /// The covered sequence that was told last.
    told: u64,
}

impl Batcher {
    pub(super) fn new(inputs: mpsc::Sender<Input>, limits: BatchLimits) -> Self {
        Self { inputs, limits, messages: Vec::new(), bytes: 0, told: 0 }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inputs.is_closed()
    }

    /// Collects a message, and hands over if that reaches a limit.
    pub(super) fn put(&mut self, message: Message, last_sequence: u64) -> Result<(), FileStop> {
        let covered = message.seq;
        self.bytes += message.size();
        self.messages.push(message);
        if self.messages.len() >= self.limits.max_events || self.bytes >= self.limits.max_bytes {
            self.flush(covered, last_sequence)?;
        }
        Ok(())
    }

    /// Hands over if the receiver has taken what it was given before; else more is collected.
    pub(super) fn offer(&mut self, covered: u64, last_sequence: u64) -> Result<(), FileStop> {
        if self.inputs.capacity() > 0 { self.flush(covered, last_sequence) } else { Ok(()) }
    }

    /// Hands over what was collected, waiting for the receiver.
    pub(super) fn flush(&mut self, covered: u64, last_sequence: u64) -> Result<(), FileStop> {
        let messages = std::mem::take(&mut self.messages);
        self.bytes = 0;
        match messages.is_empty() {
            false => self.send(Input::Fetched { messages, covered, last_sequence })?,
            true if covered > self.told => self.send(Input::Heartbeat { covered, last_sequence })?,
            true => {}
        }
        self.told = covered;
        Ok(())
    }

    /// Reports that nothing is new, unless the receiver is busy anyway.
    pub(super) fn heartbeat(&mut self, covered: u64) {
        match self.inputs.try_send(Input::Heartbeat { covered, last_sequence: covered }) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {}
        }
    }

    pub(super) fn send(&mut self, input: Input) -> Result<(), FileStop> {
        self.inputs.blocking_send(input).map_err(|_| FileStop::Closed)
    }

    /// Sends a report that may as well go unheard: if the receiver is gone, the caller finds out by itself.
    pub(super) fn send_last(&mut self, input: Input) {
        let _ = self.inputs.blocking_send(input);
    }
}
