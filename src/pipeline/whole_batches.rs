//! Keeps a published cut from showing half of an atomic batch of NATS (ADR-50 of NATS: the messages of a batch are stored
//! together, with its id and their places in it as headers).
//!
//! What is fetched ends anywhere. Where it ends within a batch, and the stream holds more, the messages of that batch wait for the
//! rest, which is stored already and comes next. Pure.

use std::collections::BTreeMap;

use super::engine::Fetched;
use crate::event::Message;
use crate::progress::SourceName;

const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

/// The messages that wait for the rest of their batches.
#[derive(Debug, Default)]
pub(super) struct WholeBatches {
    waiting: BTreeMap<SourceName, Fetched>,
    /// Batches that were shown in parts, because they have more messages than one commit takes.
    torn: u64,
}

impl WholeBatches {
    /// The part of what was fetched, with what has waited before it, that ends between batches. `max_events` is how many
    /// messages may wait: a batch of more is shown in parts.
    pub(super) fn take(&mut self, fetched: Fetched, max_events: usize) -> Fetched {
        let mut fetched = match self.waiting.remove(&fetched.source) {
            None => fetched,
            Some(mut waiting) => {
                waiting.messages.extend(fetched.messages);
                Fetched { messages: waiting.messages, ..fetched }
            }
        };
        // Nothing more is stored, so that what was stored together is here.
        if fetched.covered >= fetched.last_sequence {
            return fetched;
        }
        let Some(begin) = unfinished(&fetched.messages) else { return fetched };
        // What follows the last message and is not there is no part of the batch: the filter leaves it out, or it is gone.
        let last = fetched.messages.last().map_or(0, |message| message.seq);
        if fetched.covered > last {
            return fetched;
        }
        if fetched.messages.len() - begin > max_events {
            self.torn += 1;
            return fetched;
        }
        let rest = fetched.messages.split_off(begin);
        let first = rest.first().map_or(fetched.covered, |message| message.seq);
        let Fetched { source, covered, last_sequence, .. } = &fetched;
        let (covered, last_sequence) = (*covered, *last_sequence);
        self.waiting.insert(source.clone(), Fetched { source: source.clone(), messages: rest, covered, last_sequence });
        fetched.covered = fetched.covered.min(first.saturating_sub(1));
        fetched
    }

    /// Lets go of what waits: another reader of the source gives it again.
    pub(super) fn forget(&mut self, source: &SourceName) {
        self.waiting.remove(source);
    }

    /// Batches that were shown in parts since the last call.
    pub(super) fn take_torn(&mut self) -> u64 {
        std::mem::take(&mut self.torn)
    }
}

/// Where a batch begins that has not ended with the last message.
fn unfinished(messages: &[Message]) -> Option<usize> {
    let last = messages.last()?;
    let id = last.headers.get(BATCH_ID)?;
    if last.headers.get(BATCH_COMMIT).is_some() {
        return None;
    }
    let of_batch = messages.iter().rev().take_while(|message| message.headers.get(BATCH_ID) == Some(id)).count();
    Some(messages.len() - of_batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Headers;

    /// Messages from `first` on, each with the id of its batch and whether it ends there.
    fn messages(first: u64, batches: &[(&str, bool)]) -> Vec<Message> {
        let message = |(index, (id, ends)): (usize, &(&str, bool))| {
            let mut headers = Vec::new();
            if !id.is_empty() {
                headers.push((BATCH_ID.to_owned(), (*id).to_owned()));
            }
            if *ends {
                headers.push((BATCH_COMMIT.to_owned(), "1".to_owned()));
            }
            Message {
                seq: first + index as u64,
                subject: String::new(),
                headers: Headers(headers),
                payload: bytes::Bytes::new(),
                published_at_us: 0,
                unreadable: None,
            }
        };
        batches.iter().enumerate().map(message).collect()
    }

    fn fetched(first: u64, batches: &[(&str, bool)], last_sequence: u64) -> Fetched {
        let messages = messages(first, batches);
        let covered = messages.last().map_or(first, |message| message.seq);
        Fetched { source: "orders".into(), messages, covered, last_sequence }
    }

    fn given(fetched: &Fetched) -> (Vec<u64>, u64) {
        (fetched.messages.iter().map(|message| message.seq).collect(), fetched.covered)
    }

    #[test]
    fn half_a_batch_waits_for_the_other_half() {
        let mut whole = WholeBatches::default();
        let first = whole.take(fetched(1, &[("", false), ("a", false), ("a", false)], 9), 100);
        assert_eq!(given(&first), (vec![1], 1));
        let second = whole.take(fetched(4, &[("a", false)], 9), 100);
        assert_eq!(given(&second), (vec![], 1));
        let third = whole.take(fetched(5, &[("a", true), ("b", false)], 9), 100);
        assert_eq!(given(&third), (vec![2, 3, 4, 5], 5));
        let fourth = whole.take(fetched(7, &[("b", true), ("", false)], 9), 100);
        assert_eq!(given(&fourth), (vec![6, 7, 8], 8));
    }

    #[test]
    fn what_is_stored_to_its_end_waits_for_nothing() {
        let mut whole = WholeBatches::default();
        // The message that ends a batch need not be stored itself.
        assert_eq!(given(&whole.take(fetched(1, &[("a", false), ("a", false)], 2), 100)), (vec![1, 2], 2));
        // A filter may leave the rest of a batch out.
        let mut filtered = fetched(3, &[("b", false)], 9);
        filtered.covered = 5;
        assert_eq!(given(&whole.take(filtered, 100)), (vec![3], 5));
        // So may the next batch follow at once.
        assert_eq!(given(&whole.take(fetched(6, &[("c", false), ("", false)], 9), 100)), (vec![6, 7], 7));
        let waits = whole.take(fetched(8, &[("d", false)], 10), 100);
        assert_eq!(given(&waits), (vec![], 7));
        let nothing = Fetched { source: "orders".into(), messages: Vec::new(), covered: 10, last_sequence: 10 };
        assert_eq!(given(&whole.take(nothing, 100)), (vec![8], 10));
    }

    #[test]
    fn a_batch_that_is_too_large_is_shown_in_parts_and_counted() {
        let mut whole = WholeBatches::default();
        let parts = [("a", false); 3];
        assert_eq!(given(&whole.take(fetched(1, &parts, 9), 3)), (vec![], 0));
        assert_eq!(given(&whole.take(fetched(4, &parts, 9), 3)), (vec![1, 2, 3, 4, 5, 6], 6));
        assert_eq!((whole.take_torn(), whole.take_torn()), (1, 0));
    }

    #[test]
    fn another_reader_gives_what_waits_again() {
        let mut whole = WholeBatches::default();
        let _ = whole.take(fetched(1, &[("a", false)], 9), 100);
        whole.forget(&"orders".into());
        assert_eq!(given(&whole.take(fetched(1, &[("a", false), ("a", true)], 9), 100)), (vec![1, 2], 2));
    }
}
