//! Which rows a table has, as a number that says nothing else of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Identifies the rows of a table: nothing else in this process has the same number, and a table has another one once a row of it
/// has changed. What moves rows in memory, and changes none, leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowsVersion(u64);

impl RowsVersion {
    /// One that was never given out before.
    pub(super) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}
