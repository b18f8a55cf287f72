//! Which seeds a run takes: the same ones each time, so that a failure is a change's and not chance's, and then fresh ones,
//! so that chance finds in time what those do not reach.

use std::fmt;
use std::ops::RangeFrom;
use std::time::Duration;

/// For the seeds that are always the same.
const FIXED: Duration = Duration::from_secs(20);
/// For the fresh ones, after those.
const FRESH: Duration = Duration::from_secs(10);
/// Beyond all that a long run takes.
const FRESH_FROM: u64 = 1 << 32;

/// The seeds that are left.
pub(super) struct Seeds {
    fixed: RangeFrom<u64>,
    /// How many of the fixed ones are left; none for as many as fit into the time.
    wanted: Option<u64>,
    fresh: Option<RangeFrom<u64>>,
}

impl Seeds {
    /// As `ORACLE_FIRST` and `ORACLE_CASES` say; with either of them there are no fresh ones.
    pub(super) fn of_environment() -> Self {
        let (first, wanted) = (number("ORACLE_FIRST"), number("ORACLE_CASES"));
        let is_quick = first.is_none() && wanted.is_none();
        let fresh = is_quick.then(|| fastrand::u64(FRESH_FROM..FRESH_FROM << 16)..);
        Self { fixed: first.unwrap_or(0).., wanted, fresh }
    }

    /// Whether the run takes a number of cases and reports every failure.
    pub(super) fn runs_all(&self) -> bool {
        self.wanted.is_some()
    }

    /// The next seed, if there is one this long after the beginning.
    pub(super) fn next(&mut self, elapsed: Duration) -> Option<u64> {
        if let Some(left) = &mut self.wanted {
            *left = left.checked_sub(1)?;
            return self.fixed.next();
        }
        if elapsed <= FIXED {
            return self.fixed.next();
        }
        self.fresh.as_mut().filter(|_| elapsed <= FIXED + FRESH)?.next()
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seeds from {}", self.fixed.start)?;
        match &self.fresh {
            Some(fresh) => write!(f, ", then fresh ones from {0} (ORACLE_FIRST={0} runs them again)", fresh.start),
            None => Ok(()),
        }
    }
}

/// A number that the environment gives.
pub(super) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn fixed_seeds_come_first_and_fresh_ones_for_a_while() {
    let at = Duration::from_secs;
    let mut seeds = Seeds { fixed: 0.., wanted: None, fresh: Some(900..) };
    let taken: Vec<Option<u64>> = [0, 20, 21, 30, 31].map(|second| seeds.next(at(second))).into();
    assert_eq!(taken, [Some(0), Some(1), Some(900), Some(901), None]);
    let mut counted = Seeds { fixed: 7.., wanted: Some(2), fresh: None };
    assert_eq!([0, 99, 99].map(|second| counted.next(at(second))), [Some(7), Some(8), None]);
}
