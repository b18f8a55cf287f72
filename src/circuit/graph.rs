//! A circuit: the operators of one projection in topological order, stepped together.
//!
//! A step has two halves. First everything that works on single rows of events, without state, which decides what events
//! are taken (`row_wise.rs`). Then everything with state, which sees only rows that passed. What another circuit has
//! computed in the same step is not computed again.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;

use super::closing::Watermarks;
use super::error::{Attributable, CircuitError};
use super::map::Map;
use super::memo::Memo;
use super::node_facts::NodeFacts;
use super::report::{Kept, OperatorReport};
use super::stateful::{Handle, Handles};
use super::unnest::Unnest;
use super::zset::ZBatch;
use crate::event::EventBatch;
use crate::event::SourceRelation;
use crate::identity::{Identity, Specification};
use crate::state::{StateDelta, StoreShape, Stores};

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
    held: Vec<HeldBack>,
    /// Whether a checkpoint may have its state.
    pub(super) is_captured: bool,
}

/// What an operator does whose state was adopted at a cut that its circuit has yet to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldBack {
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

/// An operator with state, as a checkpoint knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorStores {
    /// What the operator computes, of which events.
    pub identity: Identity,
    pub name: &'static str,
    /// Begins the names of its stores.
    pub prefix: String,
    /// What each of its stores holds, by the end of the store's name.
    pub stores: BTreeMap<String, StoreShape>,
}

#[derive(Debug, Clone)]
pub enum Operator {
    /// Columns of a source's relation.
    Events {
        source: String,
        relation: SourceRelation,
        schema: SchemaRef,
        columns: Vec<usize>,
    },
    /// Columns of another projection's delta.
    Projection {
        name: String,
        columns: Vec<usize>,
    },
    Map(Map),
    Unnest(Unnest),
    Union,
    Stateful(Handle),
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
        let mut circuit = Self { nodes, node_facts, fallible, admission, held, is_captured: false };
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

    /// What comes out of the circuit, as the identity of its last node.
    pub fn identity(&self) -> Identity {
        self.node_facts.last().map_or(self.admission, |facts| facts.identity)
    }

    /// Gives the operators' stores names that begin with this, and with their identity; those in `borrowed` have the
    /// names that another circuit gave them.
    pub fn name_stores(&mut self, prefix: &str, borrowed: &BTreeMap<Identity, String>) {
        for facts in &mut self.node_facts {
            let own = || format!("{prefix}{}.", facts.identity);
            facts.store_prefix = borrowed.get(&facts.identity).cloned().unwrap_or_else(own);
        }
    }

    /// The operators with state and what their stores hold since the last capture.
    ///
    /// # Errors
    /// Fails if columns of an operator cannot be made, which no accepted plan leads to.
    pub fn stores(&self) -> Result<Vec<OperatorStores>, CircuitError> {
        let mut operators = Vec::new();
        for (node, facts) in self.nodes.iter().zip(&self.node_facts) {
            let Operator::Stateful(handle) = &node.operator else { continue };
            let operator = handle.lock();
            operators.push(OperatorStores {
                identity: facts.identity,
                name: operator.name(),
                prefix: facts.store_prefix.clone(),
                stores: operator.stores()?,
            });
        }
        Ok(operators)
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

    /// Takes one step and gives the change of the output, and the events that were rejected.
    ///
    /// # Errors
    /// If an operator fails on rows that come from no single event. The circuit's state is then undefined.
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
        for index in 0..self.nodes.len() {
            if needed[index] && outputs[index].is_none() {
                outputs[index] = Some(self.output(index, &outputs, input, memo, &rejected)?);
            }
        }
        for held in self.held.iter_mut().filter(|held| **held == HeldBack::Emitting) {
            *held = HeldBack::No;
        }
        let output = outputs.pop().flatten();
        let output = output.ok_or_else(|| DataFusionError::Internal("a circuit without nodes".into()))?;
        Ok((output, rejected))
    }

    /// Marks, by index, the nodes that this step has to evaluate: inputs of the output that no other circuit has made, and if
    /// this circuit has to find the rejected events, what can reject them.
    fn needed(&self, memo: &Memo, rejects: bool) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            needed[index] |= index + 1 == self.nodes.len() || rejects && self.fallible[index];
            if needed[index] && self.held[index] == HeldBack::No && !memo.has(self.node_facts[index].shared) {
                node.inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        needed
    }

    /// What comes out of a node, once it is known which events are taken.
    fn output(
        &self,
        index: usize,
        outputs: &[Option<ZBatch>],
        input: &StepInput<'_>,
        memo: &Memo,
        rejected: &[Attributable],
    ) -> Result<ZBatch, CircuitError> {
        let shared = self.node_facts[index].shared;
        if let Some(known) = memo.output(shared) {
            return known;
        }
        let node = &self.nodes[index];
        match (self.held[index], &node.operator) {
            (HeldBack::Waiting, _) => return Ok(ZBatch::empty(node.schema.clone())),
            (HeldBack::Emitting, Operator::Stateful(handle)) => return memo.keep(shared, handle.lock().output()),
            _ => {}
        }
        let inputs: Vec<&ZBatch> = node.inputs.iter().filter_map(|&input| outputs[input].as_ref()).collect();
        let output = match &node.operator {
            Operator::Events { .. } => self.admitted(index, input, memo, rejected),
            operator if node.row_wise => operator.pass(&inputs, &node.schema),
            operator => operator.step(&inputs, input, &node.schema),
        };
        memo.keep(shared, output)
    }

    /// What changed in the operators' state since the last call, by store name. A shared operator tells it once.
    ///
    /// # Errors
    /// If rows cannot be put in columns, which only batches beyond Arrow's offsets cause, or a kernel of DataFusion's
    /// fails.
    pub fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        self.is_captured = true;
        let mut deltas = Vec::new();
        for (node, NodeFacts { store_prefix, .. }) in self.nodes.iter().zip(&self.node_facts) {
            let Operator::Stateful(handle) = &node.operator else { continue };
            let captured = handle.lock().capture()?;
            deltas.extend(captured.into_iter().map(|(store, delta)| (format!("{store_prefix}{store}"), delta)));
        }
        Ok(deltas)
    }

    /// Takes over the state that [`Circuit::capture`] gave, as it was read back, out of `stores`, or the operator that
    /// another circuit has restored of it. Only for a new circuit.
    ///
    /// # Errors
    /// If what is stored does not make up an operator's state.
    pub fn restore(&mut self, stores: &mut Stores, restored: &mut Handles) -> Result<(), CircuitError> {
        self.is_captured = true;
        for (node, NodeFacts { store_prefix, .. }) in self.nodes.iter_mut().zip(&self.node_facts) {
            let Operator::Stateful(handle) = &mut node.operator else { continue };
            take_over(handle, store_prefix, stores, restored)?;
        }
        Ok(())
    }

    /// Takes over the state of some operators, out of `stores` or from among `restored`, which stands at a cut that this
    /// new circuit has yet to reach. Until [`Circuit::release`] these operators take nothing, and give nothing. `adopted`
    /// has what begins the names of their stores, by identity.
    ///
    /// # Errors
    /// If the stored rows do not make up an operator's state.
    pub fn adopt(
        &mut self,
        adopted: &BTreeMap<Identity, String>,
        stores: &mut Stores,
        restored: &mut Handles,
    ) -> Result<(), CircuitError> {
        for (index, (node, facts)) in self.nodes.iter_mut().zip(&mut self.node_facts).enumerate() {
            let Operator::Stateful(handle) = &mut node.operator else { continue };
            let Some(prefix) = adopted.get(&facts.identity) else { continue };
            facts.store_prefix.clone_from(prefix);
            take_over(handle, prefix, stores, restored)?;
            self.held[index] = HeldBack::Waiting;
        }
        Ok(())
    }

    /// Marks the adopted operators as reached: their inputs stand at the cut of their state, and the next step emits it.
    pub fn release(&mut self) {
        for held in self.held.iter_mut().filter(|held| **held == HeldBack::Waiting) {
            *held = HeldBack::Emitting;
        }
    }

    /// Whether events have to be read for the output, as it is now.
    pub fn needs_events(&self) -> bool {
        self.reads_events(|index| self.held[index] != HeldBack::No)
    }

    /// Whether events would have to be read for the output if the state of these operators was adopted.
    pub fn would_need_events(&self, adopted: &BTreeSet<Identity>) -> bool {
        self.reads_events(|index| self.handle(index).is_some() && adopted.contains(&self.node_facts[index].identity))
    }

    /// Whether the output is made of events, where some nodes need no input.
    fn reads_events(&self, has_all: impl Fn(usize) -> bool) -> bool {
        let mut needed = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            needed[index] |= index + 1 == self.nodes.len();
            if needed[index] && !has_all(index) {
                node.inputs.iter().for_each(|&input| needed[input] = true);
            }
        }
        self.nodes.iter().zip(needed).any(|(node, needed)| needed && matches!(node.operator, Operator::Events { .. }))
    }

    /// The operators whose state can be adopted by another circuit: those that can give their whole output.
    ///
    /// # Errors
    /// An operator's keys do not fit its input, which no accepted plan leads to.
    pub fn adoptable(&self) -> Result<BTreeSet<Identity>, CircuitError> {
        let mut adoptable = BTreeSet::new();
        for (node, facts) in self.nodes.iter().zip(&self.node_facts) {
            if let Operator::Stateful(handle) = &node.operator
                && handle.lock().keeps_all()?
            {
                adoptable.insert(facts.identity);
            }
        }
        Ok(adoptable)
    }

    /// Approximate bytes of state in memory.
    pub fn size(&self) -> usize {
        self.nodes.iter().map(|node| node.operator.kept().bytes).sum()
    }

    /// Every operator with what it keeps, in the order in which a step runs them.
    pub fn report(&self) -> Vec<OperatorReport> {
        let nodes = self.nodes.iter().zip(&self.node_facts).enumerate();
        let reports = nodes.map(|(index, (node, facts))| {
            let Kept { grows_with, rows, bytes, touched } = node.operator.kept();
            let (rows, bytes, shared_with) = (rows as u64, bytes as u64, facts.shared_with.clone());
            OperatorReport { index, name: node.operator.name(), grows_with, rows, bytes, touched, shared_with }
        });
        reports.collect()
    }
}

impl Operator {
    /// What the operator is called where a plan is shown to people.
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Events { .. } => "events",
            Operator::Projection { .. } => "projection",
            Operator::Map(map) => map.name(),
            Operator::Unnest(_) => "unnest",
            Operator::Union => "union",
            Operator::Stateful(handle) => handle.lock().name(),
        }
    }

    fn kept(&self) -> Kept {
        match self {
            Operator::Stateful(handle) => handle.lock().kept(),
            _ => Kept::default(),
        }
    }

    /// An operator without state.
    pub(super) fn pass(&self, inputs: &[&ZBatch], schema: &SchemaRef) -> Result<ZBatch, CircuitError> {
        match (self, inputs) {
            (Operator::Map(map), [input]) => Ok(map.apply(input)?),
            (Operator::Unnest(unnest), [input]) => Ok(unnest.apply(input)?),
            (Operator::Union, inputs) => {
                // The inputs' columns are the union's by index; only names and nullability may differ.
                let renamed = inputs.iter().map(|input| input.with_schema(schema)).collect::<Result<Vec<_>, _>>()?;
                Ok(ZBatch::concat(schema, &renamed)?)
            }
            _ => Err(DataFusionError::Internal("an operator with the wrong number of inputs".into()).into()),
        }
    }

    /// Any operator that is not row-wise over events.
    fn step(&self, inputs: &[&ZBatch], step: &StepInput<'_>, schema: &SchemaRef) -> Result<ZBatch, CircuitError> {
        match (self, inputs) {
            (Operator::Projection { name, columns }, []) => match step.deltas.get(name.as_str()) {
                Some(delta) => Ok(delta.project(columns)?),
                None => Ok(ZBatch::empty(schema.clone())),
            },
            (Operator::Map(map), [input]) => Ok(map.apply_row_by_row(input)?),
            (Operator::Stateful(handle), inputs) => handle.lock().step(inputs, &step.watermarks),
            (operator, inputs) => operator.pass(inputs, schema),
        }
    }
}

/// Gives an operator that has taken nothing yet the state of its stores, or makes it the operator that was given it before.
fn take_over(
    handle: &mut Handle,
    prefix: &str,
    stores: &mut Stores,
    restored: &mut Handles,
) -> Result<(), CircuitError> {
    if let Some(known) = restored.known.get(prefix) {
        *handle = known.clone();
        return Ok(());
    }
    // Its stores are gone, and an operator without them would look like one that never took anything.
    if !restored.failed.insert(prefix.to_owned()) {
        return Err(DataFusionError::Execution(format!("the stores of `{prefix}` do not make up a state")).into());
    }
    let own = stores.extract_if(prefix.to_owned().., |store, _| store.starts_with(prefix));
    let own = own.map(|(store, segments)| (store[prefix.len()..].to_owned(), segments));
    handle.lock().restore(&own.collect())?;
    restored.failed.remove(prefix);
    restored.known.insert(prefix.to_owned(), handle.clone());
    Ok(())
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
