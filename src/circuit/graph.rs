//! A circuit: the operators of one projection in topological order, stepped together.
//!
//! A step has two halves. First everything that works on single rows of events, without state, which decides what events
//! are taken (`row_wise.rs`). Then everything with state, which sees only rows that passed. What another circuit has
//! computed in the same step is not computed again.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;

use super::closing::Watermarks;
use super::error::{Attributable, CircuitError};
use super::memo::Memo;
use super::node_facts::NodeFacts;
use super::operator::Operator;
use super::report::{Kept, OperatorReport};
use super::row_errors::{FoundErrors, RowError, RowErrors};
use super::stateful::Handle;
use super::zset::ZBatch;
use crate::event::EventBatch;
use crate::identity::{Identity, Specification};

/// The operators of one projection. The last node is its output.
#[derive(Debug)]
pub struct Circuit {
    pub(super) nodes: Vec<Node>,
    /// By node.
    pub(super) node_facts: Vec<NodeFacts>,
    /// By node, whether an operator can reject events.
    pub(super) fallible: Vec<bool>,
    /// What can reject events: circuits in which it is the same take the same events.
    pub(super) admission: Identity,
    /// By node, whether its state came from elsewhere while the others are still on their way there.
    pub(super) held: Vec<HeldBack>,
    /// Errors of its operators at its cut.
    pub(super) errors: RowErrors,
    /// Whether a checkpoint may have its state.
    pub(super) is_captured: bool,
}

/// What an operator does whose state was adopted at a cut that its circuit has yet to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBack {
    /// It was not adopted, or its circuit has reached the cut.
    No,
    /// It takes nothing and gives nothing: it has taken everything already.
    Waiting,
    /// It gives its whole output in the next step.
    Emitting,
}

/// One operator and where its input comes from.
#[derive(Debug)]
pub struct Node {
    pub operator: Operator,
    /// Earlier nodes.
    pub inputs: Vec<usize>,
    pub schema: SchemaRef,
    /// Whether every row of the output comes from one event alone, by row-wise operators.
    pub row_wise: bool,
    /// What it computes of its inputs, whatever events are taken.
    pub identity: Identity,
}

/// What one step reads.
#[derive(Debug, Default)]
pub struct StepInput<'a> {
    pub events: Vec<(&'a str, &'a EventBatch)>,
    /// Deltas of other projections in this same step, by name.
    pub deltas: BTreeMap<&'a str, &'a ZBatch>,
    /// Where the sources' watermarks stand after these events.
    pub watermarks: Watermarks<'a>,
    /// What other circuits have made in this same step.
    pub memo: Option<&'a Memo>,
}

impl Circuit {
    /// `nodes` in topological order: each reads earlier ones only. The operators' stores have names that begin with
    /// nothing but the operator's identity until [`Circuit::name_stores`].
    pub fn new(nodes: Vec<Node>) -> Self {
        let fallible = fallible(&nodes);
        let mut rejecting: Vec<Identity> =
            nodes.iter().zip(&fallible).filter(|(_, fallible)| **fallible).map(|(node, _)| node.identity).collect();
        rejecting.sort_unstable();
        let rejecting = Specification::of("admission/1").list(rejecting.into_iter(), Specification::identity);
        let admission = rejecting.finish();
        let mut of_events: Vec<bool> = Vec::with_capacity(nodes.len());
        let mut node_facts = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let reads = matches!(node.operator, Operator::Events { .. });
            let of_events_too = reads || node.inputs.iter().any(|&input| of_events[input]);
            of_events.push(of_events_too);
            // An event that fails in any row-wise operator counts for no operator of the circuit. So what is computed
            // of events is the same only where the same operators can fail.
            let identity = if of_events_too { node.identity.among(admission) } else { node.identity };
            node_facts.push(NodeFacts::new(identity));
        }
        let held = vec![HeldBack::No; nodes.len()];
        let errors = RowErrors::default();
        let mut circuit = Self { nodes, node_facts, fallible, admission, held, errors, is_captured: false };
        circuit.name_stores("", &BTreeMap::new());
        circuit
    }

    /// The same circuit with operators that have taken nothing yet.
    ///
    /// # Errors
    /// An operator cannot be made, which no accepted plan leads to.
    pub fn afresh(&self) -> Result<Self, CircuitError> {
        let node = |node: &Node| {
            let operator = match &node.operator {
                Operator::Stateful(handle) => Operator::Stateful(handle.afresh()?),
                stateless => stateless.clone(),
            };
            Ok(Node { operator, inputs: node.inputs.clone(), schema: node.schema.clone(), ..*node })
        };
        Ok(Self::new(self.nodes.iter().map(node).collect::<Result<_, CircuitError>>()?))
    }

    /// Of what can reject events: circuits in which it is the same take the same events of a source.
    pub fn admission(&self) -> Identity {
        self.admission
    }

    /// What comes out of the circuit, as the identity of its last node.
    pub fn identity(&self) -> Identity {
        self.node_facts.last().map_or(self.admission, |facts| facts.identity)
    }

    pub(super) fn handle(&self, index: usize) -> Option<&Handle> {
        match &self.nodes[index].operator {
            Operator::Stateful(handle) => Some(handle),
            _ => None,
        }
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Takes one step and gives the change of the output, and the events that were rejected. What cannot be computed of rows
    /// that come from no single event is missing in the output, and among [`Circuit::errors`].
    ///
    /// # Errors
    /// If an operator fails and no row is at fault. The circuit's state is then undefined.
    pub fn step(&mut self, input: &StepInput<'_>) -> Result<(ZBatch, Vec<Attributable>), CircuitError> {
        let own = Memo::default();
        let memo = input.memo.unwrap_or(&own);
        let known = memo.rejected(self.admission);
        let needed = self.needed(memo, known.is_none());
        let mut outputs: Vec<Option<ZBatch>> = vec![None; self.nodes.len()];
        let rejected = match known {
            Some(rejected) => rejected,
            None => self.admit(input, memo, &needed, &mut outputs)?,
        };
        let mut found: Vec<(usize, FoundErrors)> = Vec::new();
        for index in 0..self.nodes.len() {
            if needed[index] && outputs[index].is_none() {
                let mut errors = FoundErrors::default();
                outputs[index] = Some(self.output(index, &outputs, input, memo, &rejected, &mut errors)?);
                match self.node_facts[index].shared {
                    _ if errors.is_empty() => {}
                    Some(number) => memo.keep_errors(number, errors),
                    None => found.push((index, errors)),
                }
            }
        }
        self.note_errors(found, memo);
        for held in self.held.iter_mut().filter(|held| **held == HeldBack::Emitting) {
            *held = HeldBack::No;
        }
        let output = outputs.pop().flatten();
        let output = output.ok_or_else(|| DataFusionError::Internal("a circuit without nodes".into()))?;
        Ok((output, rejected))
    }

    /// Marks, by index, the nodes that this step has to evaluate: those with state, inputs of the output that no other circuit
    /// has made, and if this circuit has to find the rejected events, what can reject them.
    fn needed(&self, memo: &Memo, rejects: bool) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            needed[index] |= index + 1 == self.nodes.len() || rejects && self.fallible[index];
            // What an adopted operator reads is of no use yet, but has to be right once that operator goes on.
            needed[index] |= self.handle(index).is_some() && self.held[index] == HeldBack::No;
            if needed[index] && self.held[index] == HeldBack::No && !memo.has(self.node_facts[index].shared) {
                node.inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        needed
    }

    /// Adds the errors of this step: its own nodes', and those that it shares with circuits that had their turn before.
    fn note_errors(&mut self, found: Vec<(usize, FoundErrors)>, memo: &Memo) {
        for (index, errors) in found {
            self.errors.apply(self.node_facts[index].identity, &errors);
        }
        for facts in &self.node_facts {
            if let Some(errors) = facts.shared.and_then(|number| memo.errors(number)) {
                self.errors.apply(facts.identity, &errors);
            }
        }
    }

    /// What comes out of a node, once it is known which events are taken.
    fn output(
        &self,
        index: usize,
        outputs: &[Option<ZBatch>],
        input: &StepInput<'_>,
        memo: &Memo,
        rejected: &[Attributable],
        errors: &mut FoundErrors,
    ) -> Result<ZBatch, CircuitError> {
        let shared = self.node_facts[index].shared;
        if let Some(known) = memo.output(shared) {
            return known;
        }
        let node = &self.nodes[index];
        match (self.held[index], &node.operator) {
            (HeldBack::Waiting, _) => return Ok(ZBatch::empty(node.schema.clone())),
            (HeldBack::Emitting, Operator::Stateful(handle)) => return memo.keep(shared, handle.lock().output(errors)),
            _ => {}
        }
        let inputs: Vec<&ZBatch> = node.inputs.iter().filter_map(|&input| outputs[input].as_ref()).collect();
        let output = match &node.operator {
            Operator::Events { .. } => self.admitted(index, input, memo, rejected),
            operator if node.row_wise => operator.pass(&inputs, &node.schema),
            operator => operator.step(&inputs, input, &node.schema, errors),
        };
        memo.keep(shared, output)
    }

    /// Approximate bytes of state in memory.
    pub fn size(&self) -> usize {
        self.nodes.iter().map(|node| node.operator.kept().bytes).sum::<usize>() + self.errors.size()
    }

    /// What cannot be computed at the circuit's cut, each with the name of its operator, in the same order for the same
    /// errors. While there is one, the batch result is an error, and the output is not to be shown.
    pub fn errors(&self) -> impl ExactSizeIterator<Item = (&'static str, &RowError)> {
        let name = |identity| {
            let mut nodes = self.nodes.iter().zip(&self.node_facts);
            nodes.find(|(_, facts)| facts.identity == identity).map_or("operator", |(node, _)| node.operator.name())
        };
        self.errors.iter().map(move |(operator, error)| (name(operator), error))
    }

    /// Every operator with what it keeps, in the order in which a step runs them.
    pub fn report(&self) -> Vec<OperatorReport> {
        let nodes = self.nodes.iter().zip(&self.node_facts).enumerate();
        let reports = nodes.map(|(index, (node, facts))| {
            let Kept { grows_with, rows, bytes, touched } = node.operator.kept();
            let (rows, bytes, shared_with) = (rows as u64, bytes as u64, facts.shared_with.clone());
            let (name, closed_by) = (node.operator.name(), node.operator.closed_by());
            OperatorReport { index, name, grows_with, closed_by, rows, bytes, touched, shared_with }
        });
        reports.collect()
    }
}

/// By node, whether an operator can reject events.
fn fallible(nodes: &[Node]) -> Vec<bool> {
    let can_fail = |node: &Node| match &node.operator {
        _ if !node.row_wise => false,
        Operator::Events { .. } | Operator::Union => false,
        Operator::Map(map) => map.can_fail,
        _ => true,
    };
    nodes.iter().map(can_fail).collect()
}
