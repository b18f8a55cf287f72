//! Keys whose rows were found not to be what the batch gives, until it is found that they are, or the projection is built again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::state::KeyShare;
use crate::telemetry;

/// What verifications have found of each projection. Readiness is told how many keys differ.
pub(super) struct Drift {
    found: Mutex<BTreeMap<String, BTreeMap<KeyShare, u64>>>,
    told: watch::Sender<BTreeMap<String, u64>>,
}

impl Drift {
    pub(super) fn new(told: watch::Sender<BTreeMap<String, u64>>) -> Self {
        Self { found: Mutex::default(), told }
    }

    /// So many keys of a share differ.
    pub(super) fn found(&self, projection: &str, share: KeyShare, keys: u64) {
        self.change(projection, |shares| {
            if share.is_all() {
                shares.clear();
            }
            shares.insert(share, keys);
        });
    }

    /// None of a share differs. What another share had goes on.
    pub(super) fn is_equal(&self, projection: &str, share: KeyShare) {
        self.change(projection, |shares| match share.is_all() {
            true => shares.clear(),
            false => _ = shares.remove(&share),
        });
    }

    /// What was found is of no more account: the projection was built again.
    pub(super) fn forget(&self, projection: &str) {
        self.change(projection, BTreeMap::clear);
    }

    fn change(&self, projection: &str, change: impl FnOnce(&mut BTreeMap<KeyShare, u64>)) {
        // What panics in between has changed nothing by halves.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let shares = found.entry(projection.to_owned()).or_default();
        change(shares);
        let keys = at_least(shares);
        if keys == 0 {
            found.remove(projection);
        }
        telemetry::set_drift(projection, keys);
        self.told.send_if_modified(|told| {
            let before = if keys > 0 { told.insert(projection.to_owned(), keys) } else { told.remove(projection) };
            before.unwrap_or_default() != keys
        });
    }
}

/// Shares of different numbers of parts may have keys in common, so only those of one number are added up.
fn at_least(shares: &BTreeMap<KeyShare, u64>) -> u64 {
    let mut by_parts: BTreeMap<u32, u64> = BTreeMap::new();
    for (share, keys) in shares {
        *by_parts.entry(share.parts()).or_default() += keys;
    }
    by_parts.into_values().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_share_has_found_lasts_until_that_share_or_all_keys_are_equal() {
        let (told, heard) = watch::channel(BTreeMap::new());
        let drift = Drift::new(told);
        let keys = || heard.borrow().get("totals").copied().unwrap_or_default();
        let share = |number| KeyShare::numbered(number, 3);
        drift.found("totals", share(0), 2);
        drift.found("totals", share(1), 1);
        assert_eq!(keys(), 3);
        drift.is_equal("totals", share(2));
        drift.is_equal("totals", KeyShare::numbered(0, 4));
        assert_eq!(keys(), 3);
        drift.is_equal("totals", share(0));
        assert_eq!(keys(), 1);
        drift.found("totals", KeyShare::ALL, 5);
        assert_eq!(keys(), 5);
        drift.is_equal("totals", share(1));
        assert_eq!(keys(), 5, "all keys were looked at since");
        drift.is_equal("totals", KeyShare::ALL);
        assert_eq!(keys(), 0);
    }
}
