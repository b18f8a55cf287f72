//! How many notices may be sent: so many in a period, and one that sums up the rest. Pure: time is given.

use std::time::{Duration, Instant};

/// Notices of single events in a period.
const MOST: u32 = 20;
/// What a summary gathers, and what is at least between two.
const PERIOD: Duration = Duration::from_secs(10);

/// How many notices may still be sent, and when the rest is summed up.
#[derive(Debug, Default)]
pub(super) struct Ration {
    /// When the period ends that the last notice began or was in.
    ends: Option<Instant>,
    left: u32,
    /// When the rest is summed up, if there is any.
    summary: Option<Instant>,
}

/// Whether an event has a notice of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has, and is the first of a period.
    First,
    Next,
    /// It is only counted.
    None,
}

impl Ration {
    /// Takes a notice from what is left of the period, or begins one.
    pub(super) fn take(&mut self, now: Instant) -> Turn {
        if self.ends.is_none_or(|ends| now >= ends) {
            (self.ends, self.left) = (Some(now + PERIOD), MOST - 1);
            return Turn::First;
        }
        if self.left == 0 {
            return Turn::None;
        }
        self.left -= 1;
        Turn::Next
    }

    /// Takes account of an event that no notice has told of.
    pub(super) fn owe_summary(&mut self, now: Instant) {
        self.summary.get_or_insert(now + PERIOD);
    }

    /// When the next summary is due, if any.
    pub(super) fn next_summary(&self) -> Option<Instant> {
        self.summary
    }

    /// Takes account of a summary that was sent, or could not be and is tried again.
    pub(super) fn summed_up(&mut self, sent: bool, now: Instant) {
        self.summary = (!sent).then_some(now + PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_has_so_many_notices_and_one_summary_a_period() {
        let began = Instant::now();
        let (mut ration, mut notices, mut summaries) = (Ration::default(), 0, 0);
        // Ten events a millisecond for 25 seconds.
        for millisecond in 0..25_000 {
            let now = began + Duration::from_millis(millisecond);
            for _ in 0..10 {
                match ration.take(now) {
                    Turn::None => ration.owe_summary(now),
                    Turn::First | Turn::Next => notices += 1,
                }
            }
            if ration.next_summary().is_some_and(|due| now >= due) {
                ration.summed_up(true, now);
                summaries += 1;
            }
        }
        assert_eq!((notices, summaries), (3 * MOST, 2));
    }

    #[test]
    fn a_summary_that_cannot_be_sent_is_tried_again_a_period_later() {
        let began = Instant::now();
        let mut ration = Ration::default();
        assert_eq!((ration.take(began), ration.next_summary()), (Turn::First, None));
        ration.owe_summary(began);
        ration.owe_summary(began + PERIOD / 2);
        assert_eq!(ration.next_summary(), Some(began + PERIOD), "the first one decides");
        ration.summed_up(false, began + PERIOD);
        assert_eq!(ration.next_summary(), Some(began + 2 * PERIOD));
        ration.summed_up(true, began + 2 * PERIOD);
        assert_eq!(ration.next_summary(), None);
    }
}
