//! Bytes that requests and answers may hold in memory, all together: what is rendered waits for its reader, and what is half
//! sent for the rest.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of the account.
const UNIT: usize = 1024;

/// Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    units: usize,
    free: Arc<Semaphore>,
}

/// Bytes of a budget that are taken for as long as this lives.
#[derive(Debug)]
pub(crate) struct Reserved {
    _units: OwnedSemaphorePermit,
}

impl ByteBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        ByteBudget { units, free: Arc::new(Semaphore::new(units)) }
    }

    /// Takes bytes at once; none if there are too few. Nobody waits: who holds some already would wait for himself.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        let _units = self.free.clone().try_acquire_many_owned(units).ok()?;
        Some(Reserved { _units })
    }

    /// Bytes that are taken now.
    pub(crate) fn taken(&self) -> usize {
        (self.units - self.free.available_permits()) * UNIT
    }
}

impl Reserved {
    /// The bytes, which give the budget back when the last part of them is gone.
    pub(crate) fn hold(self, bytes: Vec<u8>) -> Bytes {
        struct Held(Vec<u8>, #[expect(dead_code, reason = "is dropped with the bytes")] Reserved);
        impl AsRef<[u8]> for Held {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        Bytes::from_owner(Held(bytes, self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_are_taken_until_the_last_part_of_them_is_gone() {
        let budget = ByteBudget::new(10 * UNIT);
        let mut whole = budget.reserve(8 * UNIT).unwrap().hold(vec![1; 8 * UNIT]);
        assert!(budget.reserve(3 * UNIT).is_none());
        let part = whole.split_to(UNIT);
        drop(whole);
        assert_eq!(budget.taken(), 8 * UNIT);
        drop(part);
        assert_eq!((budget.taken(), budget.reserve(10 * UNIT).is_some()), (0, true));
    }
}
