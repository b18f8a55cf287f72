//! Event-time progress, one watermark per source.

/// Greatest event time seen minus the lateness. Decided in sequence order, so it is the same on every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    lateness_us: i64,
    greatest_us: Option<i64>,
}

impl Watermark {
    pub fn new(lateness_us: i64, greatest_us: Option<i64>) -> Self {
        Self { lateness_us, greatest_us }
    }

    /// Takes the next event in sequence order and says whether it is late: whether its time is before the watermark
    /// as it stood ahead of this event.
    pub fn observe(&mut self, time_us: i64) -> bool {
        let late = self.has_passed(time_us);
        self.greatest_us = Some(self.greatest_us.map_or(time_us, |greatest| greatest.max(time_us)));
        late
    }

    /// Whether an event of this time would be late. It would not move the watermark.
    pub fn has_passed(&self, time_us: i64) -> bool {
        self.value_us().is_some_and(|watermark| time_us < watermark)
    }

    /// Microseconds since the epoch; none before the first event.
    pub fn value_us(&self) -> Option<i64> {
        self.greatest_us.map(|greatest| greatest.saturating_sub(self.lateness_us))
    }

    /// The same, as it is told; none too while no event had a time. One of which neither its envelope nor its stream says when it
    /// happened, as a line of a file may be, counts as one of the epoch.
    pub fn known_us(&self) -> Option<i64> {
        self.value_us().filter(|_| self.greatest_us != Some(0))
    }

    /// What a checkpoint keeps.
    pub fn greatest_us(&self) -> Option<i64> {
        self.greatest_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_behind_the_watermark_is_late() {
        let mut watermark = Watermark::new(10, None);
        let late: Vec<bool> = [100, 95, 89, 90, 200, 189].map(|time| watermark.observe(time)).into();
        assert_eq!(late, [false, false, true, false, false, true]);
        assert_eq!(watermark.value_us(), Some(190));
    }

    #[test]
    fn what_has_no_time_gives_no_watermark_to_be_told() {
        let mut watermark = Watermark::new(10, None);
        assert!(!watermark.observe(0));
        assert_eq!((watermark.known_us(), watermark.value_us()), (None, Some(-10)));
        assert!(!watermark.observe(100) && watermark.observe(0));
        assert_eq!(watermark.known_us(), Some(90));
    }
}
