//! Messages received and not yet handed over, and how far the stream is known to hold nothing more. Pure.
//! Nothing is put in order here: a consumer delivers in order, or the reader opens another one.
//!
//! A jump in the stream's sequence may mean messages that were deleted or filtered out, or history that expired before
//! the reader came to it. What follows a jump is held back until the stream's leader has said which: if the stream still
//! begins at or before the jump, no history has expired there. A sequence that is jumped over then was deleted before it
//! was read: it is lost, unless the source leaves out subjects, which are jumped over as well.
//!
//! The messages of an atomic batch are held back until all of it is there, so that nothing ever ends within one.

use super::open_batch::OpenBatch;
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
    /// The batch that the last message is of, until its end is there.
    open: Option<OpenBatch>,
    /// Batches that were given in parts, not told yet.
    torn: u64,
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
            open: None,
            torn: 0,
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

    /// A batch that waits for its end may have as many messages as there may be at once, whatever their size.
    pub(super) fn has_room(&self) -> bool {
        let has_bytes = self.bytes < self.limits.max_bytes || self.is_all_open();
        self.messages.len() < self.limits.max_events && has_bytes
    }

    /// Whether there are messages to hand over.
    pub(super) fn has_messages(&self) -> bool {
        self.messages.first().is_some_and(|message| message.seq <= self.safe_through())
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
                self.open = OpenBatch::after(self.open.take(), &message);
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

    /// Takes, while nothing is being delivered, the leader's word that nothing is stored behind the last message: the rest of a batch
    /// was left out by a filter, or is gone.
    pub(super) fn settle(&mut self) {
        if self.doubt.is_none() && self.suspicion.is_none() {
            self.open = None;
        }
    }

    /// Whether there is something to hand over.
    pub(super) fn is_ready(&self) -> bool {
        self.is_confirmed || self.has_messages()
    }

    /// Hands over all that is beyond doubt and whole; first of all what was lost among it.
    pub(super) fn hand_over(&mut self) -> Input {
        let covered = self.safe_through();
        let losses = self.lost.split_through(covered);
        if !losses.is_empty() {
            return Input::Lost { losses };
        }
        self.is_confirmed = false;
        if self.is_full_of_open()
            && let Some(open) = &mut self.open
        {
            self.torn += u64::from(!open.is_torn);
            (open.first, open.is_torn) = (covered.saturating_add(1), true);
        }
        let held_back = self.messages.split_off(self.messages.partition_point(|message| message.seq <= covered));
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
            self.open = OpenBatch::after_all(&self.messages);
        }
    }

    /// Batches that were given in parts since the last call, because they have more messages than may be held back.
    pub(super) fn take_torn(&mut self) -> u64 {
        std::mem::take(&mut self.torn)
    }

    /// The last sequence up to which everything is beyond doubt, and no batch is in half.
    fn safe_through(&self) -> u64 {
        let before_open =
            self.open.as_ref().filter(|_| !self.is_full_of_open()).map(|open| open.first.saturating_sub(1));
        let doubt = self.doubt.map(|doubt| self.before_batch_at(doubt));
        doubt.into_iter().chain(before_open).min().unwrap_or(self.covered)
    }

    /// The same sequence, or the one before the batch that goes on behind it.
    fn before_batch_at(&self, sequence: u64) -> u64 {
        let end = self.messages.partition_point(|message| message.seq <= sequence);
        let began = self.messages.get(end).and_then(|next| next.batch_began(&self.messages[..end]));
        began.map_or(sequence, |first| first.saturating_sub(1))
    }

    /// Whether all messages are of the batch that is open.
    fn is_all_open(&self) -> bool {
        let first = self.messages.first().map(|message| message.seq);
        self.open.as_ref().zip(first).is_some_and(|(open, first)| open.first <= first)
    }

    /// Whether a batch has more messages than may be held back.
    fn is_full_of_open(&self) -> bool {
        self.doubt.is_none() && self.messages.len() >= self.limits.max_events && self.is_all_open()
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
        put_of_batch(buffer, seq, "", false);
    }

    /// A message of a batch, or of none without an id.
    fn put_of_batch(buffer: &mut ReceiveBuffer, seq: u64, id: &str, ends: bool) {
        let delivery = Delivery { stream_sequence: seq, consumer_sequence: seq, published_at_us: 0, pending: 0 };
        let id = (!id.is_empty()).then(|| ("Nats-Batch-Id".to_owned(), id.to_owned()));
        let end = ends.then(|| ("Nats-Batch-Commit".to_owned(), "1".to_owned()));
        let message = Message {
            seq,
            subject: "orders.1".to_owned(),
            headers: Headers(id.into_iter().chain(end).collect()),
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
    #[test]
    fn a_batch_waits_for_its_end_also_where_nothing_more_seems_to_be_stored() {
        let mut buffer = buffer(&[1]);
        put_of_batch(&mut buffer, 2, "a", false);
        put_of_batch(&mut buffer, 3, "a", false);
        assert_eq!(handed_over(&mut buffer), (vec![1], 1));
        assert!(!buffer.is_ready());
        // An answer to what was asked before it says nothing of what follows.
        buffer.ask();
        assert_eq!(buffer.answer(1, 3), Ok(()));
        assert_eq!(handed_over(&mut buffer), (vec![], 1));
        put_of_batch(&mut buffer, 4, "a", true);
        put_of_batch(&mut buffer, 5, "b", false);
        assert_eq!(handed_over(&mut buffer), (vec![2, 3, 4], 4));
        put(&mut buffer, 6);
        assert_eq!(handed_over(&mut buffer), (vec![5, 6], 6), "what follows is of no batch, so that one has ended");
    }

    #[test]
    fn a_batch_whose_end_is_not_there_is_given_once_the_leader_knows_of_nothing_more() {
        let mut buffer = buffer(&[]);
        put_of_batch(&mut buffer, 1, "a", false);
        buffer.ask();
        assert_eq!((buffer.answer(1, 3), buffer.confirm(1, 1)), (Ok(()), Ok(())));
        assert_eq!(handed_over(&mut buffer), (vec![], 0), "the leader has more");
        buffer.ask();
        assert_eq!((buffer.answer(1, 3), buffer.confirm(1, 3)), (Ok(()), Ok(())));
        buffer.settle();
        assert_eq!(handed_over(&mut buffer), (vec![1], 3));
    }

    #[test]
    fn a_batch_of_more_messages_than_may_wait_is_given_in_parts_and_counted_once() {
        let mut buffer = ReceiveBuffer::new(BatchLimits { max_events: 2, max_bytes: 1 }, 0);
        put_of_batch(&mut buffer, 1, "a", false);
        assert!(buffer.has_room() && !buffer.is_ready(), "bytes do not count while all is of one batch");
        put_of_batch(&mut buffer, 2, "a", false);
        assert!(!buffer.has_room());
        assert_eq!(handed_over(&mut buffer), (vec![1, 2], 2));
        put_of_batch(&mut buffer, 3, "a", false);
        assert!(!buffer.is_ready());
        put_of_batch(&mut buffer, 4, "a", false);
        assert_eq!(handed_over(&mut buffer), (vec![3, 4], 4));
        put_of_batch(&mut buffer, 5, "a", true);
        assert_eq!(handed_over(&mut buffer), (vec![5], 5));
        assert_eq!((buffer.take_torn(), buffer.take_torn()), (1, 0));
    }

    #[test]
    fn what_is_in_doubt_within_a_batch_holds_all_of_that_back() {
        let mut buffer = buffer(&[1]);
        put_of_batch(&mut buffer, 2, "a", false);
        put_of_batch(&mut buffer, 4, "a", true);
        put(&mut buffer, 5);
        assert_eq!(handed_over(&mut buffer), (vec![1], 1), "the batch has its end, and what was in it is in doubt");
        buffer.ask();
        put_of_batch(&mut buffer, 6, "b", false);
        put_of_batch(&mut buffer, 8, "b", false);
        put(&mut buffer, 9);
        assert_eq!(buffer.answer(1, 9), Ok(()));
        assert_eq!(handed_over(&mut buffer), (vec![2, 4, 5], 5), "the answer does not know of the second jump");
        buffer.ask();
        assert_eq!(buffer.answer(1, 9), Ok(()));
        assert_eq!(handed_over(&mut buffer), (vec![6, 8, 9], 9));
    }

    #[test]
    fn what_is_in_doubt_and_in_half_waits_for_both() {
        let mut buffer = buffer(&[1]);
        put_of_batch(&mut buffer, 2, "a", false);
        put_of_batch(&mut buffer, 4, "a", false);
        assert_eq!(handed_over(&mut buffer), (vec![1], 1));
        buffer.ask();
        assert_eq!(buffer.answer(1, 5), Ok(()));
        assert_eq!(handed_over(&mut buffer), (vec![], 1));
        // Another consumer gives again what was in doubt.
        put_of_batch(&mut buffer, 6, "a", false);
        buffer.retreat();
        assert_eq!(buffer.covered(), 4);
        put_of_batch(&mut buffer, 5, "a", true);
        assert_eq!(handed_over(&mut buffer), (vec![2, 4, 5], 5));
    }
}
