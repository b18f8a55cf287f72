//! From a location in the configuration to an object store.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::error::OpenError;
use super::place::Place;
use super::remote::{self, Service};
use super::vault::{EPOCHS, MANIFESTS, OBJECTS};

/// A staged upload that was not touched for this long belongs to a process that died.
const STAGED_AGE_MAX: Duration = Duration::from_secs(600);

/// The object store at a place. A local folder is created if need be.
pub(super) fn open(place: &Place) -> Result<Arc<dyn ObjectStore>, OpenError> {
    let location = &*place.location;
    let refuse = |problem: String| OpenError::Location { location: location.to_owned(), problem };
    let path = match location.split_once("://") {
        None => location,
        Some(("file", path)) if path.starts_with('/') => path,
        Some(("file", _)) => return Err(refuse("a file URL needs an absolute path, as in file:///var/lib".to_owned())),
        Some(("memory", _)) => return Ok(Arc::new(InMemory::new())),
        Some((scheme, address)) => match Service::of_scheme(scheme) {
            Some(service) => return remote::open(service, address, &place.access).map_err(refuse),
            None => {
                let known = "use a local path, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix";
                return Err(refuse(format!("`{scheme}` is not a known kind of object store; {known}")));
            }
        },
    };
    if path.is_empty() {
        return Err(refuse("it names no folder".to_owned()));
    }
    open_folder(Path::new(path)).map_err(|error| refuse(error.to_string()))
}

/// The object store at a place that is only read. A local folder has to be there, and nothing is changed in it.
pub(super) fn open_existing(place: &Place) -> Result<Arc<dyn ObjectStore>, OpenError> {
    let Some(folder) = place.folder() else { return open(place) };
    let refuse = |error: String| OpenError::Location { location: place.location.clone(), problem: error };
    std::fs::read_dir(folder).map_err(|error| refuse(error.to_string()))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| refuse(error.to_string()))?;
    Ok(Arc::new(store))
}

fn open_folder(path: &Path) -> io::Result<Arc<dyn ObjectStore>> {
    for folder in [EPOCHS, MANIFESTS, OBJECTS] {
        create_durably(&path.join(folder))?;
    }
    remove_staged(&path.join(OBJECTS))?;
    // A put then writes and syncs a staged file, publishes it by a hard link (which fails if the name exists) or a
    // rename, and syncs the folder: what has been acknowledged survives a power cut, and no torn object is ever seen.
    let store = LocalFileSystem::new_with_prefix(path).map_err(io::Error::other)?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// Creates a folder and its parents so that they outlive a power cut.
fn create_durably(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let missing: Vec<PathBuf> = path.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
    std::fs::create_dir_all(&path)?;
    for parent in missing.iter().filter_map(|folder| folder.parent()) {
        // Only Unix can sync a folder.
        if cfg!(unix) {
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// Removes what a process that died while uploading left behind. The object store does not list these files, so
/// garbage collection cannot see them.
fn remove_staged(folder: &Path) -> io::Result<()> {
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let staged = file
            .file_name()
            .to_string_lossy()
            .rsplit_once('#')
            .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        if !staged {
            continue;
        }
        let Some(metadata) = unless_gone(file.metadata())? else { continue };
        let age = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        if age.is_some_and(|age| age > STAGED_AGE_MAX) {
            unless_gone(std::fs::remove_file(file.path()))?;
        }
    }
    Ok(())
}

/// What became of a file that was there a moment ago. None if it has gone since: a daemon that runs in the folder publishes the
/// files that it stages, and another process that opens the folder removes the same leftovers.
pub(super) fn unless_gone<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// A name that no other opening has: the label, the process, and a random number.
pub(super) fn writer_id(label: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    let label: String = label.chars().map(allowed).take(64).collect();
    let random = RandomState::new().hash_one(SystemTime::now());
    format!("{label}-{}-{random:016x}", std::process::id())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::config::StoreAccess;

    #[test]
    fn a_location_that_cannot_be_used_says_why() {
        let problem = |location: &str| open(&location.into()).unwrap_err().to_string();
        assert!(problem("s3:///x").contains("names no bucket"));
        assert!(problem("s3://bucket/x?region=eu").contains("more than a bucket and a prefix"));
        assert!(problem("ftp://host").contains("not a known kind"));
        assert!(problem("file://relative").contains("absolute"));
        assert!(problem("").contains("no folder"));
        assert!(problem("/dev/null/x").contains("/dev/null/x"));
    }

    #[test]
    fn what_is_not_encrypted_has_to_be_meant() {
        let access = |allow_http| StoreAccess {
            endpoint: Some("http://127.0.0.1:9000".to_owned()),
            allow_http,
            ..StoreAccess::default()
        };
        let refused = open(&Place::new("s3://bucket/x", &access(false))).unwrap_err().to_string();
        assert!(refused.contains("http://127.0.0.1:9000 is not encrypted"), "{refused}");
        assert!(open(&Place::new("s3://bucket/x", &access(true))).is_ok());
    }

    #[test]
    fn only_old_staged_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, other) = (folder.path().join("a#1"), folder.path().join("b#2"), folder.path().join("c#x"));
        for path in [&old, &new, &other] {
            File::create(path).unwrap();
        }
        for path in [&old, &other] {
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - STAGED_AGE_MAX * 2).unwrap();
        }
        remove_staged(folder.path()).unwrap();
        assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, true, true]);
    }

    #[test]
    fn a_folder_is_opened_while_others_publish_and_remove_what_they_staged() {
        let folder = tempfile::tempdir().unwrap();
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let (folder, is_done) = (folder.path(), &is_done);
                scope.spawn(move || {
                    for number in (0..u64::MAX).take_while(|_| !is_done.load(Ordering::Relaxed)) {
                        let staged = folder.join(format!("{writer}#{number}"));
                        let file = File::create(&staged).unwrap();
                        // Every other one is old enough that whoever opens the folder removes it, so that two may try to.
                        if number % 2 == 0 {
                            file.set_modified(SystemTime::now() - STAGED_AGE_MAX * 2).unwrap();
                        }
                        let _ = std::fs::remove_file(&staged);
                    }
                });
            }
            let opened = (0..2_000).try_for_each(|_| remove_staged(folder.path()));
            is_done.store(true, Ordering::Relaxed);
            opened.unwrap();
        });
    }

    #[test]
    fn writer_ids_differ() {
        assert_ne!(writer_id("a b/c"), writer_id("a b/c"));
        assert!(writer_id("a b/c").starts_with("a_b_c-"));
    }
}
