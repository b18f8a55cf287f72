//! What a filtered consumer had to deliver when it was opened. Pure.
//!
//! Where a filter leaves out subjects, a jump in the stream's sequence says nothing about deleted messages. The number of
//! messages that the server had for the consumer does, once it has come past them.

use crate::progress::Loss;

#[derive(Debug)]
pub(super) struct Backlog {
    /// The consumer begins behind this sequence.
    after: u64,
    /// What the stream ended with when it was looked at, right after the consumer was opened.
    through: u64,
    /// Messages that the consumer had to deliver, all of them up to `through`.
    pending: u64,
    delivered: u64,
}

impl Backlog {
    pub(super) fn new(after: u64, through: u64, pending: u64) -> Self {
        Backlog { after, through, pending, delivered: 0 }
    }

    pub(super) fn deliver(&mut self, sequence: u64) {
        if sequence <= self.through {
            self.delivered += 1;
        }
    }

    /// Whether the consumer has come past all of it.
    pub(super) fn is_over(&self, covered: u64) -> bool {
        covered >= self.through
    }

    /// What was deleted before it was delivered. Messages that came between the opening of the consumer and the look at the
    /// stream were delivered as well, and hide as many.
    pub(super) fn lost(&self) -> Option<Loss> {
        let messages = self.pending.saturating_sub(self.delivered);
        (messages > 0).then_some(Loss { first: self.after + 1, last: self.through, messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_to_be_delivered_and_did_not_come_is_lost() {
        let mut backlog = Backlog::new(10, 20, 3);
        [12, 20].into_iter().for_each(|sequence| backlog.deliver(sequence));
        assert!(!backlog.is_over(19) && backlog.is_over(20));
        assert_eq!(backlog.lost(), Some(Loss { first: 11, last: 20, messages: 1 }));
        backlog.deliver(21);
        assert_eq!(backlog.lost(), Some(Loss { first: 11, last: 20, messages: 1 }));
        backlog.deliver(15);
        backlog.deliver(16);
        assert_eq!(backlog.lost(), None);
    }
}
