//! What the runner hands over for one checkpoint.
//!
//! A store counts a delta as written once it has handed it out, so a draft whose checkpoint failed must not be lost: it
//! is passed again, or merged into the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::manifest::Content;
use crate::progress::Cut;
use crate::state::{NewSegment, StateDelta};

/// One checkpoint to be. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Draft {
    pub content: Content,
    /// The search indexes, all of them: one that is not named is left out of the checkpoint. The files must stay as
    /// they are until the draft's checkpoint has succeeded.
    pub indexes: BTreeMap<String, IndexDraft>,
    /// Stores that begin with all that another one holds with this checkpoint, by their names. Nothing is written for that: both
    /// refer to the same segments, and each goes its own way from there.
    pub forks: BTreeMap<String, String>,
    /// Stores that have another name from now on, by the new one: what earlier checkpoints hold of them is known by it.
    pub renames: BTreeMap<String, String>,
    pub(super) stores: BTreeMap<String, StoreDraft>,
}

/// A search index committed at a cut.
#[derive(Debug, Clone, Default)]
pub struct IndexDraft {
    pub cut: Cut,
    pub files: Vec<PinnedFile>,
}

/// A file that will neither change nor vanish while the draft is pending.
#[derive(Debug, Clone)]
pub struct PinnedFile {
    /// Its name within the index.
    pub name: String,
    /// Where it is now.
    pub path: PathBuf,
}

/// The changes of one store since the last checkpoint that succeeded.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreDraft {
    /// What earlier checkpoints hold of the store is forgotten first.
    pub(super) afresh: bool,
    /// Shared, so that a segment uploaded by a failed attempt is known again when the draft is tried once more.
    pub(super) segment: Option<Arc<NewSegment>>,
    pub(super) dropped: Vec<u64>,
}

impl Draft {
    /// Stores without a delta stay as they are; those in `forget` are dropped whole, before their delta if they have
    /// one (a store begun anew).
    pub fn new(
        content: Content,
        deltas: BTreeMap<String, StateDelta>,
        forget: BTreeSet<String>,
        indexes: BTreeMap<String, IndexDraft>,
    ) -> Self {
        let mut stores: BTreeMap<String, StoreDraft> =
            forget.into_iter().map(|name| (name, StoreDraft { afresh: true, ..StoreDraft::default() })).collect();
        for (name, delta) in deltas {
            stores.entry(name).or_default().take(delta);
        }
        Self { content, indexes, forks: BTreeMap::new(), renames: BTreeMap::new(), stores }
    }

    /// Adds what a store holds that no checkpoint has had yet.
    pub fn add(&mut self, store: String, delta: StateDelta) {
        self.stores.entry(store).or_default().take(delta);
    }
}

impl StoreDraft {
    fn take(&mut self, delta: StateDelta) {
        self.segment = delta.segment.map(Arc::new);
        self.dropped = delta.dropped;
    }
}
