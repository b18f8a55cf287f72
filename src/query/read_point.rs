//! The snapshot that answers a request, and the freshness of the answer.

use std::collections::BTreeMap;

use super::now_us;
use crate::progress::{Basis, Cut, Freshness, Position, SourceName};
use crate::read_model::ReadView;

/// The view that answers a request, and what of it the answer is computed from.
#[derive(Debug, Clone)]
pub struct ReadPoint {
    view: ReadView,
    basis: Basis,
    /// The positions that were demanded.
    requested: BTreeMap<SourceName, Position>,
}

impl ReadPoint {
    pub(super) fn new(view: ReadView, basis: Basis, requested: BTreeMap<SourceName, Position>) -> Self {
        ReadPoint { view, basis, requested }
    }

    /// The whole view, with everything that it reads.
    pub(super) fn whole(view: ReadView) -> Self {
        let reads = view.sources().keys().map(|name| (name.clone(), Vec::new())).collect();
        let basis = Basis { cut: view.cut().clone(), live_at_us: now_us(), reads, ..Basis::default() };
        Self::new(view, basis, BTreeMap::new())
    }

    pub fn view(&self) -> &ReadView {
        &self.view
    }

    /// The cut that the answer is of.
    pub(super) fn cut(&self) -> &Cut {
        &self.basis.cut
    }

    pub fn freshness(&self) -> Freshness {
        Freshness::of(&self.basis, self.view.sources(), &self.requested, now_us())
    }

    /// The freshness that an answer from this relation would have; none if it cannot be read.
    pub fn freshness_of(&self, name: &str) -> Option<Freshness> {
        let relation = self.view.open(name).ok()?;
        Some(Freshness::of(&relation.basis(), self.view.sources(), &BTreeMap::new(), now_us()))
    }

    /// With the freshness of one source instead of all.
    pub fn of_source(mut self, source: &str) -> Self {
        self.basis.reads.retain(|name, _| &**name == source);
        self
    }
}
