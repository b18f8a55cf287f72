//! What waits to be sent of one signal, and what becomes of it. It is bounded: what finds no room is dropped and counted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::count_otlp;
use super::settings::Signal;

/// Between two warnings of what fails all the time.
const WARN_EVERY: Duration = Duration::from_secs(300);

/// Shared by whoever hands over, and whoever sends.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) signal: Signal,
    /// Host and port, for messages.
    collector: String,
    room: usize,
    waiting: AtomicUsize,
    failing: Mutex<Failing>,
}

#[derive(Debug, Default)]
struct Failing {
    /// Why the last attempt has failed.
    reason: Option<String>,
    warned: Option<Instant>,
}

impl Outbox {
    pub(super) fn new(signal: Signal, collector: String, room: usize) -> Self {
        Self { signal, collector, room, waiting: AtomicUsize::new(0), failing: Mutex::default() }
    }

    /// Whether there is room for one more, which waits from now on.
    pub(super) fn admits(&self) -> bool {
        let more = |waiting| (waiting < self.room).then_some(waiting + 1);
        let is_admitted = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok();
        if !is_admitted {
            count_otlp(self.signal.label(), "dropped", 1);
        }
        is_admitted
    }

    /// Notes that so many wait no more, because they are being sent.
    pub(super) fn takes(&self, items: usize) {
        let fewer = |waiting: usize| Some(waiting.saturating_sub(items));
        // It always has a next value.
        let _ = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer);
    }

    /// Notes why an attempt has failed.
    pub(super) fn attempt_failed(&self, reason: String) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).reason = Some(reason);
    }

    /// Counts what was sent or lost, and says the latter, though not again and again.
    pub(super) fn ended(&self, items: usize, is_sent: bool) {
        let result = if is_sent { "sent" } else { "failed" };
        count_otlp(self.signal.label(), result, items as u64);
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let (signal, collector) = (self.signal.label(), &self.collector);
        if is_sent {
            if std::mem::take(&mut *failing).warned.is_some() {
                tracing::info!(signal, collector, "telemetry is exported again");
            }
        } else if failing.warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            failing.warned = Some(Instant::now());
            let reason = failing.reason.as_deref().unwrap_or("it was not taken");
            tracing::warn!(
                signal,
                collector,
                reason,
                "telemetry cannot be exported; it is dropped, and nothing waits for it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_does_not_wait() {
        let outbox = Outbox::new(Signal::Traces, "localhost:4318".to_owned(), 2);
        assert_eq!([outbox.admits(), outbox.admits(), outbox.admits()], [true, true, false]);
        outbox.takes(1);
        assert_eq!([outbox.admits(), outbox.admits()], [true, false]);
        outbox.takes(9);
        assert_eq!([outbox.admits(), outbox.admits(), outbox.admits()], [true, true, false]);
    }
}
