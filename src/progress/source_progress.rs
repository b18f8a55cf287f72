//! How far one source has come.
//!
//! Its fields change only by what can happen to a source: one method each, time as an argument. What an answer makes of
//! them is in `freshness`.

use std::collections::BTreeMap;

use super::losses::Losses;
use super::position::Position;
use super::source_state::SourceState;

/// A source is heard at least every second. After this long without a word it is not known any more that nothing is missing:
/// lag counts from the last word.
const QUIET_AFTER_US: i64 = 1_500_000;

/// A source that says it is reachable but has not been heard of for this long is taken for disconnected: the connection may be
/// half open, or the reader that should have noticed is itself dead or stuck.
const SILENT_AFTER_US: i64 = 10_000_000;

/// The facts of one source at one commit. Published with the snapshot, read when an answer is made.
///
/// `applied <= covered <= last_sequence`, always. A source that has halted stays so, and stays where it is, until
/// [`SourceProgress::reopened`], or until [`SourceProgress::resumed`] begins anew from a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceProgress {
    applied: Position,
    covered: Position,
    last_sequence: Position,
    applied_published_at_us: Option<i64>,
    caught_up_at_us: Option<i64>,
    heard_at_us: Option<i64>,
    watermark_us: Option<i64>,
    late_events: u64,
    late_events_dropped: u64,
    state: SourceState,
    message: Option<String>,
    /// Whether messages that have gone are all that has halted it.
    is_gap: bool,
    parked: BTreeMap<String, u64>,
    began: Position,
    /// Before this process began to read it.
    was_reached: bool,
    first_sequence: Option<Position>,
    lost: Losses,
    /// Losses that were reported and lie behind what is covered.
    lost_ahead: Losses,
}

/// Where a checkpoint left a source.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    pub applied: Position,
    pub covered: Position,
    pub watermark_us: Option<i64>,
    pub late_events: u64,
    pub late_events_dropped: u64,
    /// The first sequence that the stream had when it was first opened; the start if that is not known yet.
    pub began: Position,
    pub lost: Losses,
    /// Whether its stream was known then, were it empty.
    pub was_reached: bool,
}

/// Where a fetch brings a source.
#[derive(Debug, Clone, Copy)]
pub struct Reached {
    /// The last message applied; none if the fetch had no message.
    pub applied: Option<Applied>,
    /// The last sequence known to hold nothing more for this source.
    pub covered: Position,
    /// The stream's last sequence as far as known.
    pub last_sequence: Position,
}

/// A message that was applied.
#[derive(Debug, Clone, Copy)]
pub struct Applied {
    pub position: Position,
    /// Microseconds since the epoch.
    pub published_at_us: i64,
}

/// What can happen to a source. Times are microseconds since the epoch.
impl SourceProgress {
    /// A source at its beginning, not reached yet.
    pub fn new() -> Self {
        Self::resumed(Resumed::default())
    }

    /// A source where a checkpoint left it, not reached yet. What had stopped the source is looked at again, from the position
    /// where it stopped.
    pub fn resumed(from: Resumed) -> Self {
        let covered = from.covered.max(from.applied);
        Self {
            applied: from.applied,
            covered,
            last_sequence: covered,
            applied_published_at_us: None,
            caught_up_at_us: None,
            heard_at_us: None,
            watermark_us: from.watermark_us,
            late_events: from.late_events,
            late_events_dropped: from.late_events_dropped,
            state: SourceState::Disconnected,
            message: Some("not connected yet".to_owned()),
            is_gap: false,
            parked: BTreeMap::new(),
            began: from.began,
            was_reached: from.was_reached,
            first_sequence: None,
            lost: from.lost,
            lost_ahead: Losses::default(),
        }
    }

    /// Whether anything was ever heard of it, by this process or the one that made its checkpoint: else nobody knows whether there are
    /// events.
    pub fn was_reached(&self) -> bool {
        self.was_reached || self.heard_at_us.is_some() || self.covered > Position::START
    }

    /// The source was reached, and its stream ends at `last_sequence`. It began at `began` when it was first opened.
    pub fn opened(&mut self, last_sequence: Position, began: Position, now_us: i64) {
        if !self.is_halted() {
            self.heard(last_sequence, now_us);
            self.message = None;
            self.began = began;
            // What was reported and not covered before the connection ended is reported again.
            self.lost_ahead = Losses::default();
        }
    }

    /// Messages have vanished from the stream before they were read. They count once what is covered has passed them.
    pub fn lost(&mut self, losses: Losses) {
        if !self.is_halted() {
            self.lost_ahead.extend(losses);
        }
    }

    /// Messages were applied, or the server confirmed that there are none.
    pub fn fetched(&mut self, reached: Reached, now_us: i64) {
        if self.is_halted() {
            return;
        }
        // A source that repeats itself takes nothing back.
        if let Some(applied) = reached.applied.filter(|applied| applied.position >= self.applied) {
            self.applied = applied.position;
            self.applied_published_at_us = Some(applied.published_at_us);
        }
        self.covered = self.covered.max(reached.covered).max(self.applied);
        self.lost.extend(self.lost_ahead.split_through(self.covered.sequence()));
        self.heard(reached.last_sequence, now_us);
        self.message = None;
    }

    /// Everything through a position was read, whether or not it had messages.
    pub fn reached(&mut self, covered: Position) {
        self.covered = self.covered.max(covered);
    }

    /// The server has said where the stream ends. It may have been set back; what was covered stays covered.
    fn heard(&mut self, last_sequence: Position, now_us: i64) {
        self.last_sequence = last_sequence.max(self.covered);
        self.heard_at_us = Some(now_us);
        if self.lag_events() == 0 {
            self.caught_up_at_us = Some(now_us);
            self.state = SourceState::Live;
        } else {
            self.state = SourceState::CatchingUp;
        }
    }

    /// The stream has let go of what was before that sequence.
    pub fn retains(&mut self, first_sequence: Position) {
        self.first_sequence = Some(first_sequence);
    }

    /// Nothing is read of the stream, which ends there by now.
    pub fn ends(&mut self, last_sequence: Position) {
        self.last_sequence = last_sequence.max(self.covered);
    }

    /// The source cannot be reached; it is retried.
    pub fn disconnected(&mut self, message: String) {
        if !self.is_halted() {
            self.state = SourceState::Disconnected;
            self.message = Some(message);
        }
    }

    /// The source was stopped by a fault that the operator has to mend. Of several faults the last one is shown.
    pub fn halted(&mut self, message: String) {
        self.state = SourceState::Halted;
        self.message = Some(message);
        self.is_gap = false;
    }

    /// Messages have gone before they were read; somebody may let the source go on without them.
    pub fn halted_by_gap(&mut self, message: String) {
        self.halted(message);
        self.is_gap = true;
    }

    /// A person has stopped the source.
    pub fn paused(&mut self, message: String) {
        self.state = SourceState::Paused;
        self.message = Some(message);
    }

    /// The source is opened again from where it stands, whatever has stopped it: that is looked at again.
    pub fn reopened(&mut self) {
        self.state = SourceState::Disconnected;
        self.message = Some("not connected yet".to_owned());
        self.lost_ahead = Losses::default();
    }

    /// Nothing will come any more, and nothing is missing: the end of a file that is not followed.
    pub fn ended(&mut self, now_us: i64) {
        if !self.is_halted() {
            self.last_sequence = self.covered;
            self.caught_up_at_us = Some(now_us);
            // Nothing will ever be heard of it again, so its silence says nothing.
            self.heard_at_us = None;
            self.state = SourceState::Idle;
        }
    }

    /// Event times were read: the watermark as it is now, and how many more events came late or were dropped for it.
    pub fn watermark_moved(&mut self, watermark_us: Option<i64>, late: u64, dropped: u64) {
        self.watermark_us = watermark_us;
        self.late_events += late;
        self.late_events_dropped += dropped;
    }

    /// All events were read once more: the watermark, and how many of all came late or were dropped for it.
    pub fn reread(&mut self, watermark_us: Option<i64>, late: u64, dropped: u64) {
        self.watermark_us = watermark_us;
        (self.late_events, self.late_events_dropped) = (late, dropped);
    }

    /// So many events are parked, by event type.
    pub fn parked_are(&mut self, counts: BTreeMap<String, u64>) {
        self.parked = counts;
    }
}

impl Default for SourceProgress {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known of it.
impl SourceProgress {
    /// The last sequence whose message was applied.
    pub fn applied(&self) -> Position {
        self.applied
    }

    /// Where to resume: the last sequence known to hold nothing more for this source, at least `applied`.
    pub fn covered(&self) -> Position {
        self.covered
    }

    /// The stream's last sequence when it was last heard of, at least `covered`.
    pub fn last_sequence(&self) -> Position {
        self.last_sequence
    }

    /// The first sequence that the stream still has, when it was last heard of; none where that was not said since the start, as by an
    /// input that lets go of nothing.
    pub fn first_sequence(&self) -> Option<Position> {
        self.first_sequence
    }

    /// When everything stored had last been applied, microseconds since the epoch.
    pub fn caught_up_at_us(&self) -> Option<i64> {
        self.caught_up_at_us
    }

    /// When the server was last heard of, microseconds since the epoch. Refreshed while idle too; none for an input that
    /// has no server.
    pub fn heard_at_us(&self) -> Option<i64> {
        self.heard_at_us
    }

    /// Microseconds since the epoch; none before the first event.
    pub fn watermark_us(&self) -> Option<i64> {
        self.watermark_us
    }

    /// The first sequence that its readers can know of, if the stream had lost earlier ones when it was first opened.
    pub fn since(&self) -> Option<Position> {
        (self.began.sequence() > 1).then_some(self.began)
    }

    /// The first sequence that the stream had when it was first opened; the start if it was not opened yet.
    pub fn began(&self) -> Position {
        self.began
    }

    /// Messages that vanished before they were read, those behind what is covered included.
    pub fn losses_so_far(&self) -> Losses {
        let mut losses = self.lost.clone();
        losses.extend(self.lost_ahead.clone());
        losses
    }

    /// Messages that vanished before they were read.
    pub fn losses(&self) -> &Losses {
        &self.lost
    }

    /// Admitted events that came after the watermark had passed their time.
    pub fn late_events(&self) -> u64 {
        self.late_events
    }

    /// Events that were dropped because of that, where the source says so.
    pub fn late_events_dropped(&self) -> u64 {
        self.late_events_dropped
    }

    /// What stopped or disconnected it, or what its readers should know.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Parked events by event type; the empty name for those of no declared type.
    pub fn parked(&self) -> &BTreeMap<String, u64> {
        &self.parked
    }

    pub fn is_halted(&self) -> bool {
        self.state == SourceState::Halted
    }

    /// Whether it has halted because of messages that have gone, and of nothing else.
    pub fn is_halted_by_gap(&self) -> bool {
        self.is_halted() && self.is_gap
    }

    /// Whether nothing will come any more.
    pub fn has_ended(&self) -> bool {
        self.state == SourceState::Idle
    }

    /// Messages stored but not yet covered.
    pub fn lag_events(&self) -> u64 {
        self.last_sequence.since(self.covered)
    }

    /// The state as a reader should see it at `now_us`: a source that has fallen silent is not live, though its reader
    /// has not said so.
    pub fn state_at(&self, now_us: i64) -> SourceState {
        let silent = self.is_quiet(now_us, SILENT_AFTER_US);
        if silent { self.state.max(SourceState::Disconnected) } else { self.state }
    }

    fn is_quiet(&self, now_us: i64, after_us: i64) -> bool {
        self.heard_at_us.is_some_and(|heard| now_us.saturating_sub(heard) > after_us)
    }

    /// Seconds for which something may be missing: 0 when caught up with a source that is reachable, else the time
    /// since which it is not known that everything stored had been applied. It keeps growing when the source is dead.
    /// None while nothing was ever applied.
    pub fn lag_seconds(&self, now_us: i64) -> Option<f64> {
        let is_heard = self.state_at(now_us) < SourceState::Disconnected && !self.is_quiet(now_us, QUIET_AFTER_US);
        if self.lag_events() == 0 && is_heard {
            return Some(0.0);
        }
        // Messages are applied in the order they were published, so nothing older than the last one is missing; and
        // when all that the server had spoken of was applied, nothing older than that word of its was.
        let complete_until = [self.caught_up_at_us, self.applied_published_at_us].into_iter().flatten().max();
        complete_until.map(|until| seconds(until, now_us))
    }
}

/// From one time to another, both microseconds since the epoch; 0 if the clock was set back.
pub(super) fn seconds(from_us: i64, to_us: i64) -> f64 {
    to_us.saturating_sub(from_us).max(0) as f64 / 1e6
}

#[cfg(test)]
mod tests;
