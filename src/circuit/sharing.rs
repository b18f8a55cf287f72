//! What several circuits compute alike is computed once: one operator with one state, stepped by the first that needs it.
//!
//! Two operators become one only if they do the same with the same events from now on: they come from equal parts of
//! plans, their circuits admit the same events, and their states are equal at the same cut.

use std::collections::{BTreeSet, HashMap};

use super::digest::Digest;
use super::graph::{Circuit, Operator};
use super::stateful::Handle;

/// Which part of a program's plans a node computes: the number of a plan among all that differ, and the node's place among
/// those that it takes.
pub type Part = (usize, usize);

/// What is known of a node beside what it does.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// What the names of its stores begin with.
    pub(super) home: String,
    /// Equal for nodes that compute the same of the same events; none until circuits were compared.
    pub(super) alike: Option<usize>,
    /// The number under which its output is found by the other circuits that have it too.
    pub(super) shared: Option<usize>,
    pub(super) shared_with: Vec<String>,
}

/// Finds out which nodes of a program's circuits compute the same.
///
/// An event that fails in any row-wise operator counts for no operator of that circuit. So what is computed of events is
/// alike only in circuits that have the same operators which can fail.
pub fn compare<'a>(circuits: impl Iterator<Item = &'a mut Circuit>) {
    let mut admissions: HashMap<BTreeSet<Part>, usize> = HashMap::new();
    let mut parts: HashMap<(Part, Option<usize>), usize> = HashMap::new();
    for circuit in circuits {
        let fallible = circuit.fallible();
        let rejecting = circuit.nodes.iter().zip(&fallible).filter(|(_, fallible)| **fallible);
        let rejecting: BTreeSet<Part> = rejecting.map(|(node, _)| node.part).collect();
        let next = admissions.len();
        let admission = *admissions.entry(rejecting).or_insert(next);
        let mut of_events: Vec<bool> = Vec::with_capacity(circuit.nodes.len());
        for (place, node) in circuit.nodes.iter().enumerate() {
            let reads = matches!(node.operator, Operator::Events { .. });
            of_events.push(reads || node.inputs.iter().any(|&input| of_events[input]));
            let next = parts.len();
            let alike = parts.entry((node.part, of_events[place].then_some(admission))).or_insert(next);
            circuit.standings[place].alike = Some(*alike);
        }
        circuit.admission = Some(admission);
        circuit.fallible = fallible;
    }
}

/// Lets circuits at one cut, each with its projection's name, share what they compute alike. Where states are equal, the
/// first circuit's operator is kept, and those of later ones that no checkpoint has yet are let go.
pub fn share(circuits: &mut [(&str, &mut Circuit)]) {
    let mut known: Vec<Known> = Vec::new();
    let mut found: HashMap<usize, Vec<usize>> = HashMap::new();
    for (number, (_, circuit)) in circuits.iter_mut().enumerate() {
        let mut numbers: Vec<usize> = Vec::with_capacity(circuit.nodes.len());
        for place in 0..circuit.nodes.len() {
            let inputs: Vec<usize> = circuit.nodes[place].inputs.iter().map(|&input| numbers[input]).collect();
            let candidates = circuit.standings[place].alike.and_then(|alike| found.get(&alike));
            let twin = candidates.into_iter().flatten().copied().find(|&one| known[one].takes(circuit, place, &inputs));
            let one = twin.unwrap_or_else(|| {
                let handle = circuit.handle(place).cloned();
                known.push(Known { inputs, handle, home: circuit.standings[place].home.clone(), places: Vec::new() });
                if let Some(alike) = circuit.standings[place].alike {
                    found.entry(alike).or_default().push(known.len() - 1);
                }
                known.len() - 1
            });
            known[one].places.push((number, place));
            if let Some(handle) = &known[one].handle {
                circuit.nodes[place].operator = Operator::Stateful(handle.clone());
                circuit.standings[place].home.clone_from(&known[one].home);
            }
            numbers.push(one);
        }
    }
    for (one, Known { places, .. }) in known.iter().enumerate() {
        let names: BTreeSet<String> = places.iter().map(|(circuit, _)| circuits[*circuit].0.to_owned()).collect();
        for (circuit, place) in places {
            let (name, circuit) = &mut circuits[*circuit];
            let standing = &mut circuit.standings[*place];
            standing.shared = (names.len() > 1).then_some(one);
            standing.shared_with = names.iter().filter(|other| *other != name).cloned().collect();
        }
    }
}

/// A node that circuits have met so far.
struct Known {
    /// The numbers of its inputs.
    inputs: Vec<usize>,
    handle: Option<Handle>,
    home: String,
    /// Circuits that have it, and where.
    places: Vec<(usize, usize)>,
}

impl Known {
    /// Whether a circuit's node, which is alike, can be this one from now on.
    fn takes(&self, circuit: &Circuit, place: usize, inputs: &[usize]) -> bool {
        let (Some(own), Some(other)) = (&self.handle, circuit.handle(place)) else { return self.inputs == inputs };
        own.is(other) || self.inputs == inputs && !circuit.is_captured && have_equal_state(own, other)
    }
}

fn have_equal_state(one: &Handle, other: &Handle) -> bool {
    let digest = |handle: &Handle| -> Option<Digest> { handle.lock().digest().ok() };
    digest(one).is_some_and(|one| Some(one) == digest(other))
}
