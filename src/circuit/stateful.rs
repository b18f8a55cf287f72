//! The operators that keep state, behind a handle: circuits that compute the same may hold the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::DataFusionError;

use super::aggregate::Aggregate;
use super::closing::Watermarks;
use super::digest::Digest;
use super::join::Join;
use super::partition::Partition;
use super::report::Kept;
use super::row_errors::FoundErrors;
use super::{CircuitError, ZBatch};
use crate::state::{StateDelta, StoreShape, Stores};

#[derive(Debug)]
pub enum Stateful {
    Aggregate(Box<Aggregate>),
    Join(Box<Join>),
    Partition(Box<Partition>),
}

/// An operator with its state. A clone is the same operator.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Mutex<Stateful>>);

impl Handle {
    pub fn new(operator: Stateful) -> Self {
        Self(Arc::new(Mutex::new(operator)))
    }

    /// The operator, for as long as the guard lives. A step that panicked ends the daemon, so no step is left to be misled
    /// by what it left behind.
    pub fn lock(&self) -> MutexGuard<'_, Stateful> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operator that computes the same and has taken nothing yet.
    pub(super) fn afresh(&self) -> Result<Self, CircuitError> {
        Ok(match &*self.lock() {
            Stateful::Aggregate(aggregate) => Aggregate::new(aggregate.spec().clone())?.into(),
            Stateful::Join(join) => Join::new(join.spec().clone())?.into(),
            Stateful::Partition(partition) => Partition::new(partition.spec().clone())?.into(),
        })
    }

    pub(super) fn is(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Operators that were restored, by what the names of their stores begin with.
#[derive(Debug, Default)]
pub struct Handles {
    pub(super) known: BTreeMap<String, Handle>,
    /// Those whose stores are used up, although they do not make up a state.
    pub(super) failed: BTreeSet<String>,
}

impl Handles {
    /// What the names of their stores begin with, and of those whose stores are used up.
    pub fn prefixes(&self) -> BTreeSet<String> {
        self.known.keys().chain(&self.failed).cloned().collect()
    }
}

impl From<Aggregate> for Handle {
    fn from(aggregate: Aggregate) -> Self {
        Self::new(Stateful::Aggregate(Box::new(aggregate)))
    }
}

impl From<Join> for Handle {
    fn from(join: Join) -> Self {
        Self::new(Stateful::Join(Box::new(join)))
    }
}

impl From<Partition> for Handle {
    fn from(partition: Partition) -> Self {
        Self::new(Stateful::Partition(Box::new(partition)))
    }
}

impl Stateful {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Stateful::Aggregate(aggregate) => aggregate.name(),
            Stateful::Join(join) => join.name(),
            Stateful::Partition(partition) => partition.name(),
        }
    }

    pub(super) fn step(
        &mut self,
        inputs: &[&ZBatch],
        watermarks: &Watermarks<'_>,
        errors: &mut FoundErrors,
    ) -> Result<ZBatch, CircuitError> {
        match (self, inputs) {
            (Stateful::Aggregate(aggregate), [input]) => aggregate.step(input, watermarks, errors),
            (Stateful::Join(join), [left, right]) => join.step(left, right, errors),
            (Stateful::Partition(partition), [input]) => partition.step(input, watermarks, errors),
            _ => Err(DataFusionError::Internal("an operator with the wrong number of inputs".into()).into()),
        }
    }

    /// Whether it keeps all that its output follows from. What a watermark has closed is let go, and a join does not keep
    /// rows that can match nothing.
    pub(super) fn keeps_all(&self) -> Result<bool, CircuitError> {
        match self {
            Stateful::Aggregate(aggregate) => Ok(aggregate.spec().closing.is_none()),
            Stateful::Join(join) => join.spec().keeps_all(),
            Stateful::Partition(partition) => Ok(partition.spec().closing.is_none()),
        }
    }

    /// Whether it lets go of what a watermark has closed.
    pub(super) fn lets_go(&self) -> bool {
        self.closed_by().is_some()
    }

    /// The source whose watermark closes what it keeps.
    pub(super) fn closed_by(&self) -> Option<&str> {
        let closing = match self {
            Stateful::Aggregate(aggregate) => aggregate.spec().closing.as_ref(),
            Stateful::Partition(partition) => partition.spec().closing.as_ref(),
            Stateful::Join(_) => None,
        };
        closing.map(|closing| closing.source.as_str())
    }

    /// Everything that has come out of it so far and was not taken back, given that it keeps all; errors likewise.
    pub(super) fn output(&self, errors: &mut FoundErrors) -> Result<ZBatch, CircuitError> {
        match self {
            Stateful::Aggregate(aggregate) => aggregate.output(errors),
            Stateful::Join(join) => join.output(errors),
            Stateful::Partition(partition) => partition.output(errors),
        }
    }

    pub(super) fn capture(&mut self) -> Result<Vec<(String, StateDelta)>, CircuitError> {
        match self {
            Stateful::Aggregate(aggregate) => aggregate.capture(),
            Stateful::Join(join) => join.capture(),
            Stateful::Partition(partition) => partition.capture(),
        }
    }

    /// What its stores hold since the last capture, by name.
    ///
    /// # Errors
    /// If an operator's layout cannot be described as a schema.
    pub fn stores(&self) -> Result<BTreeMap<String, StoreShape>, CircuitError> {
        match self {
            Stateful::Aggregate(aggregate) => aggregate.stores(),
            Stateful::Join(join) => join.stores(),
            Stateful::Partition(partition) => partition.stores(),
        }
    }

    pub(super) fn restore(&mut self, stores: &Stores) -> Result<(), CircuitError> {
        let stored = |store: &str| stores.get(store);
        match self {
            Stateful::Aggregate(aggregate) => aggregate.restore(stored),
            Stateful::Join(join) => join.restore(stored),
            Stateful::Partition(partition) => partition.restore(stored),
        }
    }

    /// Equal state is kept from here on in the same way.
    pub(super) fn digest(&self) -> Result<Digest, CircuitError> {
        match self {
            Stateful::Aggregate(aggregate) => aggregate.digest(),
            Stateful::Join(join) => Ok(join.digest()),
            Stateful::Partition(partition) => Ok(partition.digest()),
        }
    }

    pub(super) fn kept(&self) -> Kept {
        match self {
            Stateful::Aggregate(aggregate) => aggregate.kept(),
            Stateful::Join(join) => join.kept(),
            Stateful::Partition(partition) => partition.kept(),
        }
    }
}
