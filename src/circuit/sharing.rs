//! What several circuits compute alike is computed once: one operator with one state, stepped by the first that needs it.
//!
//! Two operators become one only if they do the same with the same events from now on: their identities are equal, which
//! covers what is computed and which events are admitted, and their states are equal at the same cut. The state of a copy is
//! equal because both have taken the same since.

use std::collections::{BTreeSet, HashMap};

use super::digest::Digest;
use super::graph::Circuit;
use super::node_facts::NodeFacts;
use super::operator::Operator;
use super::stateful::Handle;
use crate::identity::Identity;

/// Lets circuits at one cut, each with its projection's name, share what they compute alike. Where states are equal, the
/// first circuit's operator is kept, and those of later ones that no checkpoint has yet are let go.
pub fn share(circuits: &mut [(&str, &mut Circuit)]) {
    let mut known: Vec<Known> = Vec::new();
    let mut found: HashMap<Identity, Vec<usize>> = HashMap::new();
    for (number, (_, circuit)) in circuits.iter_mut().enumerate() {
        let mut numbers: Vec<usize> = Vec::with_capacity(circuit.nodes.len());
        for index in 0..circuit.nodes.len() {
            let inputs: Vec<usize> = circuit.nodes[index].inputs.iter().map(|&input| numbers[input]).collect();
            let identity = circuit.node_facts[index].identity;
            let candidates = found.get(&identity);
            let twin = candidates.into_iter().flatten().copied().find(|&one| known[one].takes(circuit, index, &inputs));
            let one = twin.unwrap_or_else(|| {
                let (handle, indices) = (circuit.handle(index).cloned(), Vec::new());
                let NodeFacts { store_prefix, is_copy, .. } = circuit.node_facts[index].clone();
                known.push(Known { inputs, handle, store_prefix, is_copy, indices });
                found.entry(identity).or_default().push(known.len() - 1);
                known.len() - 1
            });
            known[one].indices.push((number, index));
            if let Some(handle) = &known[one].handle {
                circuit.nodes[index].operator = Operator::Stateful(handle.clone());
                circuit.node_facts[index].store_prefix.clone_from(&known[one].store_prefix);
                circuit.node_facts[index].is_copy &= known[one].is_copy;
            }
            numbers.push(one);
        }
    }
    for (one, Known { indices, .. }) in known.iter().enumerate() {
        let names: BTreeSet<String> = indices.iter().map(|(circuit, _)| circuits[*circuit].0.to_owned()).collect();
        for (circuit, index) in indices {
            let (name, circuit) = &mut circuits[*circuit];
            let facts = &mut circuit.node_facts[*index];
            facts.shared = (names.len() > 1).then_some(one);
            facts.shared_with = names.iter().filter(|other| *other != name).cloned().collect();
        }
    }
}

/// A node that circuits have met so far.
struct Known {
    /// The numbers of its inputs.
    inputs: Vec<usize>,
    handle: Option<Handle>,
    store_prefix: String,
    is_copy: bool,
    /// Circuits that have it, and where.
    indices: Vec<(usize, usize)>,
}

impl Known {
    /// Whether a circuit's node of the same identity can be this one from now on.
    fn takes(&self, circuit: &Circuit, index: usize, inputs: &[usize]) -> bool {
        let (Some(own), Some(other)) = (&self.handle, circuit.handle(index)) else { return self.inputs == inputs };
        if own.is(other) {
            return true;
        }
        let NodeFacts { store_prefix, is_copy, .. } = &circuit.node_facts[index];
        let is_copy_of_it = *is_copy && !self.is_copy && *store_prefix == self.store_prefix;
        self.inputs == inputs && (is_copy_of_it || !circuit.is_captured && have_equal_state(own, other))
    }
}

fn have_equal_state(one: &Handle, other: &Handle) -> bool {
    let digest = |handle: &Handle| -> Option<Digest> { handle.lock().digest().ok() };
    digest(one).is_some_and(|one| Some(one) == digest(other))
}
