//! What checkpoints have of builds that are under way.

use std::collections::BTreeMap;

use super::{Engine, ROLLOUTS};
use crate::checkpoint::{KeptEntry, kept_parked_store};
use crate::lifecycle::Ticket;
use crate::state::StateDelta;

/// What a build has, and what has changed of it since the last capture.
#[derive(Debug)]
pub(in crate::pipeline) struct Captured {
    pub(in crate::pipeline) entry: KeptEntry,
    pub(in crate::pipeline) deltas: BTreeMap<String, StateDelta>,
    pub(in crate::pipeline) parked: Option<StateDelta>,
}

/// Builds that a restart can go on with, by the numbers under which the checkpoints have them.
#[derive(Debug, Default)]
pub(super) struct StoredBuilds {
    entries: BTreeMap<u64, Stored>,
    /// What the next checkpoint has of them that no other one had.
    deltas: BTreeMap<u64, BTreeMap<String, StateDelta>>,
}

#[derive(Debug)]
struct Stored {
    entry: KeptEntry,
    /// None of one that a start has found, until somebody goes on with it.
    ticket: Option<Ticket>,
}

impl Engine {
    /// Takes account of builds that a checkpoint has.
    pub fn has_builds(&mut self, entries: BTreeMap<u64, KeptEntry>) {
        let stored = entries.into_iter().map(|(number, entry)| (number, Stored { entry, ticket: None }));
        self.builds.entries.extend(stored);
    }

    /// Lets a build be that of a checkpoint: it is listed as long as it goes on.
    pub(in crate::pipeline) fn goes_on_with(&mut self, number: u64, ticket: Ticket) {
        if let Some(stored) = self.builds.entries.get_mut(&number) {
            stored.ticket = Some(ticket);
        }
    }

    /// Has the next checkpoint list what a build has, under its number, or one of its own. What is kept has one already.
    /// None of what is not kept any more.
    pub(in crate::pipeline) fn store_build(
        &mut self,
        number: Option<u64>,
        captured: Captured,
        ticket: Ticket,
    ) -> Option<u64> {
        let is_known =
            |number: u64| self.kept.entries.contains_key(&number) || self.builds.entries.contains_key(&number);
        if number.is_some_and(|number| !is_known(number)) {
            return None;
        }
        let Captured { entry, mut deltas, parked } = captured;
        let number = number.unwrap_or_else(|| self.next_number(ROLLOUTS));
        deltas.extend(parked.map(|delta| (kept_parked_store(number), delta)));
        if let Some(kept) = self.kept.entries.get_mut(&number) {
            let KeptEntry { sources, generations, parked, .. } = entry;
            (kept.sources, kept.generations, kept.parked) = (sources, generations, parked);
        } else {
            self.builds.entries.insert(number, Stored { entry, ticket: Some(ticket) });
        }
        self.builds.deltas.insert(number, deltas);
        Some(number)
    }

    /// The builds that go on, and what no checkpoint had of them.
    pub(super) fn take_builds(&mut self) -> (BTreeMap<u64, KeptEntry>, BTreeMap<String, StateDelta>) {
        self.builds.entries.retain(|_, stored| stored.ticket.as_ref().is_none_or(Ticket::is_open));
        let entries: BTreeMap<u64, KeptEntry> =
            self.builds.entries.iter().map(|(number, stored)| (*number, stored.entry.clone())).collect();
        let mut deltas = std::mem::take(&mut self.builds.deltas);
        deltas.retain(|number, _| entries.contains_key(number) || self.kept.entries.contains_key(number));
        (entries, deltas.into_values().flatten().collect())
    }
}
