//! The facts of a node beside its operator: its identity, its stores, and the projections that share it.

use crate::identity::Identity;

/// The facts of a node beside its operator.
#[derive(Debug, Clone)]
pub(super) struct NodeFacts {
    /// Equal for nodes that compute the same of the same events, in this process and in any other.
    pub(super) identity: Identity,
    /// Begins the names of its stores.
    pub(super) store_prefix: String,
    /// The number under which its output is found by the other circuits that have it too.
    pub(super) shared: Option<usize>,
    pub(super) shared_with: Vec<String>,
    /// Whether its state was copied from a circuit that goes on with it. Its stores are that circuit's, so it may be captured
    /// only once both have become one.
    pub(super) is_copy: bool,
}

impl NodeFacts {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, store_prefix: String::new(), shared: None, shared_with: Vec::new(), is_copy: false }
    }
}
