//! Pinning: the files of one commit, linked aside so that later merges and collections cannot touch them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tantivy::directory::{Directory, META_LOCK};
use tantivy::index::{IndexMeta, SegmentComponent};
use tantivy::{Index, SegmentMeta, TantivyError};

use super::index::IndexError;
use crate::progress::Cut;

/// Where pins are, below the index.
pub(super) const PINS: &str = "pins";

const META: &str = "meta.json";
/// Tantivy's list of the files that it may delete. Without it, restored segments would never be collected.
const MANAGED: &str = ".managed.json";

/// The files of one commit. Copied under their names into an empty directory, they are the index at `cut`.
#[derive(Debug)]
pub struct PinnedFiles {
    /// Name and present path of each. From one pin to the next, files of one name are the same, except `meta.json` and
    /// `.managed.json`; after a restart, only those that the index was restored from are.
    pub files: Vec<(String, PathBuf)>,
    pub cut: Cut,
    pub hold: PinHold,
}

/// Keeps the files until it is dropped.
#[derive(Debug)]
pub struct PinHold {
    directory: PathBuf,
}

impl Drop for PinHold {
    fn drop(&mut self) {
        // What cannot be removed now is removed when the index is opened next.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl PinnedFiles {
    pub(super) fn link(index: &Index, source: &Path, target: PathBuf, cut: Cut) -> Result<Self, IndexError> {
        let at_io = |cause| IndexError::Io { directory: source.to_owned(), cause };
        let at = |cause| IndexError::Tantivy { directory: source.to_owned(), cause };
        fs::create_dir_all(&target).map_err(at_io)?;
        let hold = PinHold { directory: target };
        let target = hold.directory.as_path();
        // Tantivy decides under this lock what to delete, from segments that are neither in use nor in `meta.json`:
        // what `meta.json` lists now stays until the segments read from it are dropped.
        let lock = index.directory().acquire_lock(&META_LOCK).map_err(|e| at(TantivyError::LockFailure(e, None)))?;
        let metas = index.load_metas().map_err(at)?;
        drop(lock);
        let mut names = link_segments(&metas, source, target).map_err(at_io)?;
        // Written anew, because a merge may have replaced the original since.
        let meta = serde_json::to_vec_pretty(&metas).map_err(|error| at_io(error.into()))?;
        fs::write(target.join(META), meta).map_err(at_io)?;
        names.insert(META.to_owned());
        let managed = serde_json::to_vec(&names).map_err(|error| at_io(error.into()))?;
        fs::write(target.join(MANAGED), managed).map_err(at_io)?;
        names.insert(MANAGED.to_owned());
        let files = names.into_iter().map(|name| (name.clone(), target.join(name))).collect();
        Ok(Self { files, cut, hold })
    }
}

fn link_segments(metas: &IndexMeta, source: &Path, target: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let needed = needed(metas);
    for file in metas.list_segment_files() {
        let (from, to) = (source.join(&file), target.join(&file));
        match fs::hard_link(&from, &to) {
            Ok(()) => {}
            // The list names every file that a segment may have, not only those that it has.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !needed.contains(&file) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(io::Error::new(error.kind(), format!("the segment file {} is missing", from.display())));
            }
            // A file system without hard links.
            Err(_) => fs::copy(&from, &to).map(drop)?,
        }
        names.insert(file.to_string_lossy().into_owned());
    }
    Ok(names)
}

/// The files without which the index cannot be opened.
fn needed(metas: &IndexMeta) -> BTreeSet<PathBuf> {
    use SegmentComponent::{FastFields, FieldNorms, Positions, Postings, Store, Terms};
    let components = |segment: &SegmentMeta| {
        let deletes = segment.has_deletes().then_some(SegmentComponent::Delete);
        let all = [Postings, Positions, FastFields, FieldNorms, Terms, Store].into_iter().chain(deletes);
        all.map(|component| segment.relative_path(component)).collect::<Vec<_>>()
    };
    metas.segments.iter().flat_map(components).collect()
}
