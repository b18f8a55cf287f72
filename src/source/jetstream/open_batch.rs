//! The atomic batch of NATS that is being read ([`InBatch`]). Pure.
//!
//! The server hands a message of a batch to consumers while it still stores the next one. So it is no sign of an end that nothing
//! more is pending, nor that it is the stream's last sequence: either the end itself is read, or the leader says that nothing
//! follows. That reads of single messages wait until a batch is stored whole makes this a proof.

use crate::event::{InBatch, Message};

/// A batch whose end was not read yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OpenBatch {
    id: String,
    /// The sequence of its first message, or of the first that was not given in parts.
    pub(super) first: u64,
    /// Whether it is given in parts, because it has more messages than wait.
    pub(super) is_torn: bool,
}

impl OpenBatch {
    /// The batch that is open after a message, where `open` was before it.
    pub(super) fn after(open: Option<Self>, message: &Message) -> Option<Self> {
        let InBatch { id, .. } = message.in_batch().filter(|batch| !batch.ends)?;
        let same = open.filter(|open| open.id == id);
        Some(same.unwrap_or_else(|| OpenBatch { id: id.to_owned(), first: message.seq, is_torn: false }))
    }

    /// The batch that is open after these messages.
    pub(super) fn after_all(messages: &[Message]) -> Option<Self> {
        messages.iter().fold(None, Self::after)
    }
}
