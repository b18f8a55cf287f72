//! Whether there is room for more state: what is kept, against `limits.state`.
//!
//! What serves is never stopped by it, because its rows would be wrong or old then. What is not built yet can wait.

use tokio::sync::watch;

use crate::config::Config;
use crate::read_model::catalog::{Catalog, Snapshot};
use crate::telemetry;

/// The limit that is declared by now, and what is kept.
pub(super) struct StateLimit {
    catalog: Catalog,
    declared: watch::Sender<Option<u64>>,
}

impl StateLimit {
    pub(super) fn new(catalog: Catalog, declared: watch::Sender<Option<u64>>) -> Self {
        Self { catalog, declared }
    }

    pub(super) fn change(&self, config: &Config) {
        telemetry::set_state_limit(config.state_limit);
        self.declared.send_replace(config.state_limit);
    }

    /// Why these projections are not built, if there is no room: while a build runs and waits, it takes as much again as what it replaces.
    pub(super) fn refuses(&self, names: &[String]) -> Option<String> {
        let limit = (*self.declared.borrow())?;
        let snapshot = self.catalog.snapshot();
        let replaced = names.iter().filter_map(|name| snapshot.projections.get(name));
        let (kept, more) = (snapshot.state_bytes(), replaced.map(|status| status.state_bytes).sum::<u64>());
        (kept + more >= limit).then(|| {
            format!(
                "state takes {kept} bytes, this would take {more} more at least, and `limits.state` is {limit}; keep less, or raise it, and reload"
            )
        })
    }
}

/// What is to be said of a snapshot with such a limit.
pub(super) fn warning(snapshot: &Snapshot, limit: Option<u64>) -> Option<String> {
    let bytes = snapshot.state_bytes();
    let limit = limit.filter(|limit| bytes >= *limit)?;
    Some(format!(
        "state takes {bytes} bytes, and `limits.state` is {limit}: what serves goes on, and nothing more is built"
    ))
}
