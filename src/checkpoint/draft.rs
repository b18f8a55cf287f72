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
    /// In ascending order. Shared, so that a segment uploaded by a failed attempt is known again in a merged draft.
    pub(super) segments: Vec<Arc<NewSegment>>,
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
            let store = stores.entry(name).or_default();
            store.segments.extend(delta.segment.map(Arc::new));
            store.dropped = delta.dropped;
        }
        Self { content, indexes, stores }
    }

    /// One draft for two in succession, the first of which did not become a checkpoint.
    pub fn merge(older: Draft, newer: Draft) -> Draft {
        let mut stores = older.stores;
        for (name, store) in newer.stores {
            match stores.get_mut(&name) {
                Some(before) if !store.afresh => before.follow(store),
                _ => drop(stores.insert(name, store)),
            }
        }
        Draft { stores, ..newer }
    }
}

impl StoreDraft {
    fn follow(&mut self, newer: StoreDraft) {
        // A segment that was dropped before it was ever kept need not be written.
        self.segments.retain(|segment| !newer.dropped.contains(&segment.id));
        self.segments.extend(newer.segments);
        self.dropped.extend(newer.dropped);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatch;
    use arrow::datatypes::Schema;

    use super::*;

    /// A draft of one store: `+3` a new segment, `-2` a dropped one, `!` begun anew.
    fn draft(store: &str, changes: &str) -> Draft {
        let mut delta = StateDelta::default();
        let mut forget = BTreeSet::new();
        for change in changes.split_whitespace() {
            let id = change[1..].parse().unwrap_or(0);
            let rows = RecordBatch::new_empty(Schema::empty().into());
            match &change[..1] {
                "+" => delta.segment = Some(NewSegment { id, rows, dead: Vec::new() }),
                "-" => delta.dropped.push(id),
                _ => drop(forget.insert(store.to_owned())),
            }
        }
        let empty = delta.segment.is_none() && delta.dropped.is_empty();
        let deltas = if empty { BTreeMap::new() } else { BTreeMap::from([(store.to_owned(), delta)]) };
        Draft::new(Content { revision: changes.len() as u64, ..Content::default() }, deltas, forget, BTreeMap::new())
    }

    fn check(older: &str, newer: &str, expected: &str) {
        let merged = Draft::merge(draft("s", older), draft("s", newer));
        assert_eq!(merged.content, draft("s", newer).content);
        let store = &merged.stores["s"];
        let mut shown: Vec<String> = Vec::new();
        shown.extend(store.afresh.then(|| "!".to_owned()));
        shown.extend(store.segments.iter().map(|segment| format!("+{}", segment.id)));
        shown.extend(store.dropped.iter().map(|id| format!("-{id}")));
        assert_eq!(shown.join(" "), expected, "{older} then {newer}");
    }

    #[test]
    fn the_older_draft_is_never_lost() {
        check("+3", "+4", "+3 +4");
        check("+3 -1", "+4 -2", "+3 +4 -1 -2");
        check("+3 -1", "+4 -3", "+4 -1 -3");
        check("! +0", "+1", "! +0 +1");
        check("+3", "!", "!");
        check("+3", "! +0", "! +0");
        check("!", "+1", "! +1");
    }

    #[test]
    fn stores_of_either_are_kept() {
        let merged = Draft::merge(draft("a", "+1"), draft("b", "+2"));
        assert_eq!(merged.stores.keys().collect::<Vec<_>>(), ["a", "b"]);
    }
}
