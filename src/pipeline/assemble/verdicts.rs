//! What a start finds out of each projection before anything is taken from the checkpoint.

use std::collections::BTreeMap;

use super::super::continuation::{BuildReason, RequiredStores};
use super::paused::paused_entry;
use crate::checkpoint::{Content, GenerationEntry};
use crate::identity::Identity;
use crate::plan::PlannedProjection;
use crate::progress::Cut;
use crate::state::Stores;

/// The generation of a projection that a start can do most with: the one in the best phase, and of those the newest.
pub(super) fn entry_of<'a>(content: &'a Content, name: &str) -> Option<&'a GenerationEntry> {
    let entries = content.generations.get(name).into_iter().flatten();
    entries.min_by_key(|entry| (entry.state, std::cmp::Reverse(entry.generation)))
}

/// What a start finds out of all projections before anything is taken.
#[derive(Default)]
pub(super) struct Verdicts {
    /// Why projections cannot go on from the checkpoint, by name, as far as their own definition and state tell.
    pub(super) reasons: BTreeMap<String, BuildReason>,
    /// The operators of such projections whose state can be adopted: what begins the names of their stores.
    pub(super) adoptable: BTreeMap<String, BTreeMap<Identity, String>>,
}

pub(super) fn verdicts(projections: &[PlannedProjection], content: &Content, cut: &Cut, stores: &Stores) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for planned in projections {
        let (name, schema) = (planned.config.name.clone(), &planned.compiled.schema);
        // It goes on later, from what is kept for that.
        if paused_entry(content, &name, schema.identity).is_some() {
            continue;
        }
        let circuit = &planned.compiled.circuit;
        let (operators, candidates) = match circuit.stores().and_then(|stores| Ok((stores, circuit.adoptable()?))) {
            Ok(found) => found,
            Err(error) => {
                verdicts.reasons.insert(name, BuildReason::Restore(error.to_string()));
                continue;
            }
        };
        let sources = schema.reads.keys().collect();
        let wanted =
            RequiredStores { projection: &name, rows: schema.identity, operators, sources, schema: &schema.schema };
        let entry = entry_of(content, &name);
        if let Some(entry) = entry.filter(|entry| entry.since.is_empty()) {
            verdicts.adoptable.insert(name.clone(), wanted.adoptable(entry, cut, stores, &candidates));
        }
        if let Err(reason) = wanted.check(entry, cut, stores) {
            verdicts.reasons.insert(name.clone(), reason);
        }
    }
    verdicts
}
