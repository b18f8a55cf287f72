//! Whether a build is still wanted, as those who want it and the loop that it joins agree on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const WANTED: u8 = 0;
const CANCELLED: u8 = 1;
const ENDED: u8 = 2;

/// One build's. A clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// Makes a build unwanted, unless it has ended: whether it was wanted until now.
    pub fn cancel(&self) -> bool {
        self.0.compare_exchange(WANTED, CANCELLED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Takes back that it has ended: it came too late, and comes again.
    pub fn go_on(&self) {
        self.0.store(WANTED, Ordering::Release);
    }

    /// Ends it, unless it is not wanted any more: whether it was.
    pub fn end(&self) -> bool {
        self.0.compare_exchange(WANTED, ENDED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether it is wanted, and goes on.
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) == WANTED
    }
}
