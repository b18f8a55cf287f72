//! Messages received and not yet handed over, and how far the stream is known to hold nothing more. Pure.
//! Nothing is put in order here: a consumer delivers in order, or the reader opens another one.
//!
//! A jump in the stream's sequence may mean messages that were deleted or filtered out, or history that expired before
//! the reader came to it. What follows a jump is held back until the stream's leader has said which: if the stream still
//! begins at or before the jump, no history has expired there. A sequence that is jumped over then was deleted before it
//! was read: it is lost, unless the source leaves out subjects, which are jumped over as well.

use super::reply::Delivery;
use crate::event::Message;
use crate::progress::{Loss, Losses};
use crate::source::{BatchLimits, Gap, Input};

#[derive(Debug)]
pub(super) struct ReceiveBuffer {
    limits: BatchLimits,
    messages: Vec<Message>,
    bytes: usize,
    /// The last sequence known to hold nothing more for this source, the buffer's messages included.
    covered: u64,
    last_sequence: u64,
    /// The leader was heard since the last hand-over.
    is_confirmed: bool,
    holes: Holes,
    /// Messages that were deleted before they were read, not reported yet.
    lost: Losses,
    /// `covered` before the first jump that is not explained yet.
    doubt: Option<u64>,
    question: Option<Question>,
    /// Where idle reading stood when history seemed to have expired right after it.
    suspicion: Option<u64>,
}

/// What a sequence means that is jumped over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holes {
    /// The stream deletes messages by its own rules, so that expired history is no fault, but a loss.
    pub(super) is_mutable: bool,
    /// Nothing is left out by a filter, so that every hole is a deleted message.
    pub(super) are_lost: bool,
}

/// What has been asked of the leader and not been answered.
#[derive(Debug)]
struct Question {
    doubt: Option<u64>,
    /// The first jump since; this answer cannot explain it.
    doubt_since: Option<u64>,
}

impl ReceiveBuffer {
    pub(super) fn new(limits: BatchLimits, covered: u64) -> Self {
        Self {
            limits,
            messages: Vec::new(),
            bytes: 0,
            covered,
            last_sequence: 0,
            is_confirmed: false,
            holes: Holes { is_mutable: false, are_lost: false },
            lost: Losses::default(),
            doubt: None,
            question: None,
            suspicion: None,
        }
    }

    /// A new consumer begins after `covered`. On the way there, `lost` was found; what lies behind it is found again.
    pub(super) fn begin(&mut self, covered: u64, last_sequence: u64, holes: Holes, lost: Losses) {
        self.covered = covered;
        self.last_sequence = last_sequence;
        self.holes = holes;
        self.lost = self.lost.split_through(covered);
        self.lost.extend(lost);
    }

    pub(super) fn covered(&self) -> u64 {
        self.covered
    }

    pub(super) fn has_room(&self) -> bool {
        self.messages.len() < self.limits.max_events && self.bytes < self.limits.max_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Takes the next delivery; `message` is none if it is no event.
    pub(super) fn put(&mut self, delivery: &Delivery, message: Option<Message>) {
        if delivery.stream_sequence > self.covered.saturating_add(1) {
            self.jump(delivery.stream_sequence - 1);
        }
        self.covered = self.covered.max(delivery.stream_sequence);
        self.last_sequence = self.last_sequence.max(delivery.stream_sequence.saturating_add(delivery.pending));
        match message {
            Some(message) => {
                self.bytes += message.size();
                self.messages.push(message);
            }
            None => self.is_confirmed = true,
        }
    }

    /// Takes a message that was read by other means than a delivery.
    pub(super) fn put_stored(&mut self, message: Message) {
        let delivery = Delivery {
            stream_sequence: message.seq,
            consumer_sequence: 0,
            published_at_us: message.published_at_us,
            pending: 0,
        };
        self.put(&delivery, Some(message));
    }

    /// Nothing is delivered from the covered sequence through this one.
    fn jump(&mut self, through: u64) {
        if !self.holes.is_mutable {
            self.doubt.get_or_insert(self.covered);
            if let Some(question) = &mut self.question {
                question.doubt_since.get_or_insert(self.covered);
            }
        }
        if self.holes.are_lost {
            self.lost.push(Loss::whole(self.covered + 1, through));
        }
    }

    /// Notes messages of covered sequences that were deleted before they were read.
    pub(super) fn lose(&mut self, loss: Loss) {
        self.lost.push(loss);
        self.is_confirmed = true;
    }

    /// Whether something is held back until the leader is asked.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Notes that the leader is being asked now.
    pub(super) fn ask(&mut self) {
        self.question = Some(Question { doubt: self.doubt, doubt_since: None });
    }

    /// Takes the leader's answer: where the stream begins and ends. The error is the gap that was lost.
    pub(super) fn answer(&mut self, first: u64, last: u64) -> Result<(), Gap> {
        self.last_sequence = self.last_sequence.max(last);
        self.is_confirmed = true;
        let Some(question) = self.question.take() else { return Ok(()) };
        if let Some(before) = question.doubt
            && first > before.saturating_add(1)
        {
            return Err(Gap { first: before + 1, last: first - 1 });
        }
        self.doubt = question.doubt_since;
        Ok(())
    }

    /// Takes, while nothing is being delivered, the leader's word that it stores nothing for this source from the covered
    /// sequence up to `through`. The error is the gap, if the stream has begun behind the reader for two answers in a row:
    /// once may be a message still on its way.
    pub(super) fn confirm(&mut self, first: u64, through: u64) -> Result<(), Gap> {
        if self.doubt.is_some() {
            return Ok(());
        }
        if first > self.covered.saturating_add(1) && !self.holes.is_mutable {
            if self.suspicion.replace(self.covered) == Some(self.covered) {
                return Err(Gap { first: self.covered + 1, last: first - 1 });
            }
            return Ok(());
        }
        self.suspicion = None;
        if through > self.covered && self.holes.are_lost {
            self.lost.push(Loss::whole(self.covered + 1, through));
        }
        self.covered = self.covered.max(through);
        Ok(())
    }

    /// Whether there is something to hand over.
    pub(super) fn is_ready(&self) -> bool {
        self.is_confirmed || self.messages.first().is_some_and(|message| self.is_safe(message))
    }

    /// Hands over all that is beyond doubt; first of all what was lost among it.
    pub(super) fn hand_over(&mut self) -> Input {
        let covered = self.doubt.unwrap_or(self.covered);
        let losses = self.lost.split_through(covered);
        if !losses.is_empty() {
            return Input::Lost { losses };
        }
        self.is_confirmed = false;
        let held_back = self.messages.split_off(self.messages.partition_point(|message| self.is_safe(message)));
        let messages = std::mem::replace(&mut self.messages, held_back);
        self.bytes = self.messages.iter().map(Message::size).sum();
        let last_sequence = self.last_sequence.max(covered);
        match messages.is_empty() {
            true => Input::Heartbeat { covered, last_sequence },
            false => Input::Fetched { messages, covered, last_sequence },
        }
    }

    /// Gives up the messages in doubt: the next consumer will deliver it again.
    pub(super) fn retreat(&mut self) {
        self.question = None;
        self.suspicion = None;
        if let Some(before) = self.doubt.take() {
            self.messages.retain(|message| message.seq <= before);
            self.lost = self.lost.split_through(before);
            self.bytes = self.messages.iter().map(Message::size).sum();
            self.covered = before;
        }
    }

    fn is_safe(&self, message: &Message) -> bool {
        self.doubt.is_none_or(|before| message.seq <= before)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::Headers;

    fn buffer(sequences: &[u64]) -> ReceiveBuffer {
        let mut buffer = ReceiveBuffer::new(BatchLimits::default(), 0);
        sequences.iter().for_each(|sequence| put(&mut buffer, *sequence));
        buffer
    }

    fn put(buffer: &mut ReceiveBuffer, seq: u64) {
        let delivery = Delivery { stream_sequence: seq, consumer_sequence: seq, published_at_us: 0, pending: 0 };
        let message = Message {
            seq,
            subject: "orders.1".to_owned(),
            headers: Headers::default(),
            payload: Bytes::from_static(b"{}"),
            published_at_us: 0,
            unreadable: None,
        };
        buffer.put(&delivery, Some(message));
    }

    fn handed_over(buffer: &mut ReceiveBuffer) -> (Vec<u64>, u64) {
        match buffer.hand_over() {
            Input::Fetched { messages, covered, .. } => (messages.iter().map(|m| m.seq).collect(), covered),
            Input::Heartbeat { covered, .. } => (Vec::new(), covered),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_follows_a_jump_waits_for_the_leader() {
        let mut buffer = buffer(&[1, 2, 5, 6]);
        assert_eq!(handed_over(&mut buffer), (vec![1, 2], 2));
        assert!(!buffer.is_ready() && buffer.is_in_doubt());
        buffer.ask();
        put(&mut buffer, 9);
        assert_eq!(buffer.answer(1, 9), Ok(()));
        assert_eq!(handed_over(&mut buffer), (vec![5, 6], 6), "the later jump is not explained by the earlier answer");
        buffer.ask();
        assert_eq!(buffer.answer(3, 9), Ok(()));
        assert_eq!(handed_over(&mut buffer), (vec![9], 9));
    }

    #[test]
    fn a_jump_over_expired_history_is_a_gap() {
        let mut buffer = buffer(&[1, 2, 5]);
        buffer.ask();
        assert_eq!(buffer.answer(5, 9), Err(Gap { first: 3, last: 4 }));
        buffer.retreat();
        assert_eq!((handed_over(&mut buffer), buffer.covered()), ((vec![1, 2], 2), 2));
    }

    #[test]
    fn silence_confirmed_by_the_leader_advances_what_is_covered() {
        let mut buffer = buffer(&[1]);
        buffer.ask();
        assert_eq!((buffer.answer(1, 8), buffer.confirm(1, 8)), (Ok(()), Ok(())));
        assert_eq!(handed_over(&mut buffer), (vec![1], 8));
        put(&mut buffer, 9);
        assert!(!buffer.is_in_doubt());
    }

    #[test]
    fn history_that_expires_right_after_an_idle_reader_is_a_gap_when_nothing_was_on_its_way() {
        let mut buffer = buffer(&[1]);
        assert_eq!(buffer.confirm(4, 3), Ok(()));
        assert_eq!(buffer.covered(), 1);
        assert_eq!(buffer.confirm(4, 3), Err(Gap { first: 2, last: 3 }));
    }

    #[test]
    fn a_loss_that_is_found_at_each_opening_counts_once() {
        let mut buffer = buffer(&[1]);
        let holes = Holes { is_mutable: true, are_lost: false };
        let found = || {
            let mut lost = Losses::default();
            lost.push(Loss { first: 3, last: 7, messages: 2 });
            lost
        };
        // The first consumer fails before it comes there.
        buffer.begin(1, 9, holes, found());
        buffer.begin(1, 9, holes, found());
        put(&mut buffer, 9);
        assert_eq!(buffer.hand_over(), Input::Lost { losses: found() });
        // What was passed over at the opening itself is not found again, and stays until it is handed over.
        let mut passed = Losses::default();
        passed.push(Loss::whole(10, 12));
        buffer.begin(12, 20, holes, passed.clone());
        buffer.begin(12, 20, holes, Losses::default());
        assert_eq!(buffer.hand_over(), Input::Lost { losses: passed });
    }

    #[test]
    fn it_is_full_at_its_limits() {
        let mut buffer = ReceiveBuffer::new(BatchLimits { max_events: 2, max_bytes: 1 << 20 }, 0);
        put(&mut buffer, 1);
        assert!(buffer.has_room());
        put(&mut buffer, 2);
        assert!(!buffer.has_room());
        handed_over(&mut buffer);
        assert!(buffer.has_room());
    }
}
