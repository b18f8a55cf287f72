//! The operators of a running engine whose state others may go on from.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use crate::checkpoint::{Content, OperatorEntry};
use crate::identity::Identity;
use crate::lifecycle::GenerationId;

/// An operator of a live generation, as a checkpoint has it.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Donor {
    pub generation: GenerationId,
    /// Of what can reject events there: who takes the same events has the same ones parked.
    pub admission: Identity,
    pub entry: OperatorEntry,
}

/// Donors by the identity of what their operators compute.
pub(in crate::pipeline) type Donors = BTreeMap<Identity, Donor>;

impl Engine {
    /// Whether any of these operators is part of a live generation that is right.
    pub(in crate::pipeline) fn has_donors(&self, operators: &BTreeSet<Identity>) -> bool {
        let donors = self.generations.iter().filter(|generation| generation.lends_state());
        donors.filter_map(|generation| generation.computes()).any(|circuit| circuit.has_any(operators))
    }

    /// Those of the operators that live generations have, as `content` lists them.
    pub(in crate::pipeline) fn donors(&self, operators: &BTreeSet<Identity>, content: &Content) -> Donors {
        let mut donors = Donors::new();
        for generation in self.generations.iter().filter(|generation| generation.lends_state()) {
            let entries = content.generations.get(generation.projection()).into_iter().flatten();
            let Some(entry) = entries.clone().find(|entry| entry.generation == generation.id.number) else { continue };
            let Some(circuit) = generation.computes() else { continue };
            for (identity, entry) in entry.operators.iter().filter(|(identity, _)| operators.contains(identity)) {
                donors.entry(*identity).or_insert_with(|| Donor {
                    generation: generation.id.clone(),
                    admission: circuit.admission(),
                    entry: entry.clone(),
                });
            }
        }
        donors
    }
}
