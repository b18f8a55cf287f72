//! What each generation occupies in a checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::{GenerationEntry, Manifest};

/// Bytes of the segments and index files that each generation consists of, by projection and number, with what is dead in them. What
/// several have together counts for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskBytes(BTreeMap<(String, u64), u64>);

impl DiskBytes {
    /// Of a generation; none if the checkpoint does not have it.
    pub fn of(&self, projection: &str, generation: u64) -> Option<u64> {
        self.0.get(&(projection.to_owned(), generation)).copied()
    }
}

impl Manifest {
    /// What each generation occupies, those that are kept among them. Cheap: it reads nothing.
    pub fn disk_bytes(&self) -> DiskBytes {
        let mut bytes = BTreeMap::new();
        for (projection, entries) in &self.content.generations {
            for entry in entries {
                bytes.insert((projection.clone(), entry.generation), self.bytes_of(projection, entry));
            }
            // Of several it is that of the last one.
            if let (Some(index), Some(entry)) = (self.indexes.get(projection), entries.last()) {
                let files: u64 = index.files.iter().map(|file| file.length).sum();
                *bytes.entry((projection.clone(), entry.generation)).or_default() += files;
            }
        }
        let kept = self.content.kept.values().flat_map(|kept| &kept.generations);
        bytes.extend(
            kept.map(|(projection, entry)| ((projection.clone(), entry.generation), self.bytes_of(projection, entry))),
        );
        DiskBytes(bytes)
    }

    fn bytes_of(&self, projection: &str, entry: &GenerationEntry) -> u64 {
        let mut stores = BTreeSet::new();
        entry.add_stores(projection, &mut stores);
        stores.iter().filter_map(|store| self.stores.get(store)).flatten().map(|segment| segment.length).sum()
    }
}
