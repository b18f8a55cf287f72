//! A scripted source for tests: it gives what it was told to, and resumes like a real one.

use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{Input, Source, Start, StreamIdentity};
use crate::event::Message;

/// Inputs from a list, then from a channel.
#[derive(Debug)]
pub struct MemorySource {
    scripted: VecDeque<Input>,
    live: Option<mpsc::UnboundedReceiver<Input>>,
    ended: bool,
}

impl MemorySource {
    /// Gives all messages after the start, at most `batch` at a time, then ends. The stream's last sequence is that of
    /// the last message.
    pub fn new(messages: Vec<Message>, start: &Start, batch: usize) -> Self {
        let last_sequence = messages.last().map_or(0, |message| message.seq);
        let rest: Vec<Message> = messages.into_iter().filter(|message| message.seq > start.after).collect();
        let opened = Input::Opened { identity: StreamIdentity::Memory, last_sequence, began: 1 };
        let fetched = rest.chunks(batch.max(1)).map(|part| Input::Fetched {
            messages: part.to_vec(),
            covered: part.last().map_or(0, |message| message.seq),
            last_sequence,
        });
        Self { scripted: std::iter::once(opened).chain(fetched).collect(), live: None, ended: false }
    }

    /// Gives exactly these inputs, then ends.
    pub fn scripted(inputs: impl IntoIterator<Item = Input>) -> Self {
        Self { scripted: inputs.into_iter().collect(), live: None, ended: false }
    }

    /// Gives what is sent, and ends when the sender is dropped.
    pub fn channel() -> (mpsc::UnboundedSender<Input>, Self) {
        let (sender, live) = mpsc::unbounded_channel();
        (sender, Self { scripted: VecDeque::new(), live: Some(live), ended: false })
    }
}

#[async_trait]
impl Source for MemorySource {
    async fn next(&mut self) -> Input {
        if let Some(input) = self.scripted.pop_front() {
            return input;
        }
        if self.ended {
            return std::future::pending().await;
        }
        let input = match &mut self.live {
            Some(live) => live.recv().await.unwrap_or(Input::End),
            None => Input::End,
        };
        self.ended = input == Input::End;
        input
    }
}
