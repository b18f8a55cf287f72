//! The state of a circuit's operators on its way to checkpoints and back, and its adoption by another circuit.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::DataFusionError;

use super::error::CircuitError;
use super::graph::{Circuit, HeldBack, Node};
use super::node_facts::NodeFacts;
use super::operator::Operator;
use super::stateful::{Handle, Handles};
use crate::identity::Identity;
use crate::state::{StateDelta, StoreShape, StoredSegment, Stores};

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

impl Circuit {
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

    /// Lets its operators become those of others at the next sharing, although the checkpoints have their state: it was captured
    /// while it was built beside them.
    pub fn may_become_others(&mut self) {
        self.is_captured = false;
    }

    /// All errors, if they changed since the last call.
    ///
    /// # Errors
    /// Texts outgrow Arrow's offsets (2 GiB in one column).
    pub fn capture_errors(&mut self) -> Result<Option<StateDelta>, CircuitError> {
        Ok(self.errors.capture()?)
    }

    /// What the store of the errors holds since the last capture.
    pub fn errors_shape(&self) -> StoreShape {
        self.errors.shape()
    }

    /// Takes over what [`Circuit::capture_errors`] gave. Only for a new circuit.
    ///
    /// # Errors
    /// If what is stored are no errors.
    pub fn restore_errors(&mut self, segments: &[StoredSegment]) -> Result<(), CircuitError> {
        self.errors.restore(segments)
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

    /// The same, where the circuit that has the state goes on with it.
    ///
    /// # Errors
    /// As [`Circuit::adopt`].
    pub fn adopt_copies(
        &mut self,
        adopted: &BTreeMap<Identity, String>,
        stores: &mut Stores,
        restored: &mut Handles,
    ) -> Result<(), CircuitError> {
        self.adopt(adopted, stores, restored)?;
        for (facts, held) in self.node_facts.iter_mut().zip(&self.held) {
            facts.is_copy = *held == HeldBack::Waiting;
        }
        Ok(())
    }

    /// Goes on with the operators of a circuit that computes the same of what its source was called before: node by node both have
    /// the same ones. Gives the names of the stores now, each with the name before; none, and both as they were, if they have not
    /// the same.
    pub fn go_on_with(&mut self, earlier: &Circuit) -> Result<Option<BTreeMap<String, String>>, CircuitError> {
        let is_same = |(one, other): (&Node, &Node)| match (&one.operator, &other.operator) {
            (Operator::Stateful(one), Operator::Stateful(other)) => one.lock().name() == other.lock().name(),
            (Operator::Stateful(_), _) | (_, Operator::Stateful(_)) => false,
            _ => one.inputs == other.inputs && one.schema == other.schema,
        };
        let is_at_rest = earlier.held.iter().all(|held| *held == HeldBack::No);
        if self.nodes.len() != earlier.nodes.len() || !is_at_rest || !self.nodes.iter().zip(&earlier.nodes).all(is_same)
        {
            return Ok(None);
        }
        let mut renamed = BTreeMap::new();
        for (index, other) in earlier.nodes.iter().enumerate() {
            let (facts, before) = (&mut self.node_facts[index], &earlier.node_facts[index]);
            let Operator::Stateful(handle) = &other.operator else { continue };
            let Some(owner) = before.store_prefix.strip_suffix(&format!("{}.", before.identity)) else {
                return Ok(None);
            };
            facts.store_prefix = format!("{owner}{}.", facts.identity);
            for store in handle.lock().stores()?.into_keys() {
                renamed.insert(format!("{}{store}", facts.store_prefix), format!("{}{store}", before.store_prefix));
            }
            self.nodes[index].operator = Operator::Stateful(handle.clone());
        }
        self.is_captured = earlier.is_captured;
        Ok(Some(renamed))
    }

    /// Whether an operator lets go of what a watermark has closed, so that an event which comes later than it did has no place.
    pub fn lets_go(&self) -> bool {
        (0..self.nodes.len()).filter_map(|index| self.handle(index)).any(|handle| handle.lock().lets_go())
    }

    /// The identities of all operators, in the order of a step.
    pub fn identities(&self) -> impl Iterator<Item = Identity> {
        self.node_facts.iter().map(|facts| facts.identity)
    }

    /// Whether an operator is still a copy of one that another circuit goes on with: the two have not become one.
    pub fn has_copies(&self) -> bool {
        self.node_facts.iter().any(|facts| facts.is_copy)
    }

    /// The operators with state.
    pub fn operators(&self) -> BTreeSet<Identity> {
        let stateful = (0..self.nodes.len()).filter(|index| self.handle(*index).is_some());
        stateful.map(|index| self.node_facts[index].identity).collect()
    }

    /// Whether any of these operators with state is part of it.
    pub fn has_any(&self, operators: &BTreeSet<Identity>) -> bool {
        (0..self.nodes.len())
            .any(|index| self.handle(index).is_some() && operators.contains(&self.node_facts[index].identity))
    }

    /// Whether it reads events itself, and not only rows of other projections.
    pub fn has_events(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.operator, Operator::Events { .. }))
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

    /// Whether the output, or the state of any other operator, is made of events, where some nodes need no input. The state of
    /// what lies below those nodes counts too: they take its changes once they go on.
    fn reads_events(&self, has_all: impl Fn(usize) -> bool) -> bool {
        let mut needed = vec![false; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().rev() {
            needed[index] |= index + 1 == self.nodes.len() || self.handle(index).is_some();
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
