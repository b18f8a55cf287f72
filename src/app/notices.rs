//! The notices of parked events, as they are declared by now.

use tokio::sync::watch;

use crate::config::{Config, SourceKind};
use crate::notice::{Wanted, tell_parked};
use crate::read_model::catalog::Catalog;

/// Where it is declared on which subject is told what was parked. The telling ends with it.
pub(super) struct Notices(watch::Sender<Option<Wanted>>);

impl Notices {
    /// Tells what is parked from now on. Call it before the loop runs: what is parked already is not told.
    pub(super) fn start(config: &Config, catalog: &Catalog) -> Self {
        let (sender, wanted) = watch::channel(wanted(config));
        // Without a server there is no subject, and neither comes by a reload.
        if let Some(nats) = &config.nats {
            tokio::spawn(tell_parked(catalog, nats.clone(), wanted));
        }
        Self(sender)
    }

    /// Takes account of another configuration.
    pub(super) fn change(&self, config: &Config) {
        let wanted = wanted(config);
        self.0.send_if_modified(|current| std::mem::replace(current, wanted.clone()) != wanted);
    }
}

fn wanted(config: &Config) -> Option<Wanted> {
    let subject = config.parked_notify.clone()?;
    let read_whole = config.sources.iter().filter_map(|source| match &source.input {
        SourceKind::JetStream { stream, filter_subjects } if filter_subjects.is_empty() => Some(stream.clone()),
        SourceKind::JetStream { .. } | SourceKind::File { .. } => None,
    });
    Some(Wanted { subject, streams: read_whole.collect() })
}
