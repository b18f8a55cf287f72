//! How many lines there may be of what is denied: so many in a second for one caller and one route, and the number of the rest. Pure: time
//! is given.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(1);
/// Lines of one caller and one route in a period.
const LINES: u64 = 5;
/// Callers and routes that are told apart in a period. Those beyond them have no line, and are counted together.
const ORIGINS: usize = 64;

/// Where requests come from, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) by: By,
    pub(super) route: Option<Arc<str>>,
}

/// A principal; the address of who is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum By {
    Principal(Arc<str>),
    Address(Option<IpAddr>),
}

/// What a period has left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// None: those that were not told apart.
    pub(super) origin: Option<Origin>,
    pub(super) lines: u64,
}

/// The lines of this period.
#[derive(Debug, Default)]
pub(super) struct Ration {
    /// None: no period has begun.
    ends: Option<Instant>,
    lines: HashMap<Origin, u64>,
    others: u64,
}

impl Ration {
    /// Whether one more may be told; else it is counted. What the period before has left out is asked for first.
    pub(super) fn take(&mut self, origin: &Origin, now: Instant) -> bool {
        self.ends.get_or_insert(now + PERIOD);
        if let Some(lines) = self.lines.get_mut(origin) {
            *lines += 1;
            return *lines <= LINES;
        }
        if self.lines.len() == ORIGINS {
            self.others += 1;
            return false;
        }
        self.lines.insert(origin.clone(), 1);
        true
    }

    /// Ends the period if it is over, with what it has left out.
    pub(super) fn left_out(&mut self, now: Instant) -> Vec<LeftOut> {
        if self.ends.is_none_or(|ends| now < ends) {
            return Vec::new();
        }
        self.ends = None;
        let beyond = self.lines.drain().filter(|(_, lines)| *lines > LINES);
        let mut left_out: Vec<LeftOut> =
            beyond.map(|(origin, lines)| LeftOut { origin: Some(origin), lines: lines - LINES }).collect();
        let others = std::mem::take(&mut self.others);
        left_out.extend((others > 0).then_some(LeftOut { origin: None, lines: others }));
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(name: &str) -> Origin {
        Origin { by: By::Principal(name.into()), route: Some("/v1/sql".into()) }
    }

    #[test]
    fn a_burst_has_so_many_lines_a_second_and_the_number_of_the_rest() {
        let began = Instant::now();
        let (mut ration, mut lines, mut left_out) = (Ration::default(), 0, 0);
        // One a millisecond for three seconds, and of somebody else one a second.
        for millisecond in 0..3_000 {
            let now = began + Duration::from_millis(millisecond);
            left_out += ration.left_out(now).iter().map(|left| left.lines).sum::<u64>();
            lines += u64::from(ration.take(&origin("grafana"), now));
            assert!(millisecond % 1_000 > 0 || ration.take(&origin("ada"), now));
        }
        left_out += ration.left_out(began + 3 * PERIOD).iter().map(|left| left.lines).sum::<u64>();
        assert_eq!((lines, left_out), (3 * LINES, 3_000 - 3 * LINES));
    }

    #[test]
    fn callers_beyond_so_many_are_counted_together() {
        let now = Instant::now();
        let mut ration = Ration::default();
        let taken = (0..1_000).filter(|number| ration.take(&origin(&number.to_string()), now)).count();
        assert_eq!((taken, ration.lines.len()), (ORIGINS, ORIGINS));
        assert_eq!(ration.left_out(now), [], "the second is not over");
        let others = LeftOut { origin: None, lines: 1_000 - ORIGINS as u64 };
        assert_eq!(ration.left_out(now + PERIOD), [others]);
        assert!(ration.take(&origin("ada"), now + PERIOD));
    }
}
