//! Loads the configuration from the file system and the process's environment. What it means is `config`'s matter.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use crate::config::{Diagnostic, Files, FolderEntry, Loaded, load};

/// Loads the configuration whose root file is `root`.
///
/// # Errors
/// All problems of all files.
pub fn load_config(root: &str) -> Result<Loaded, Vec<Diagnostic>> {
    load(root, &Files { list: &list, read: &read }, &|name| std::env::var(name).ok())
}

/// Equal as long as no file of the configuration changes.
pub fn config_fingerprint(root: &str) -> u64 {
    let hash = RefCell::new(Xxh3::new());
    let read = |path: &str| {
        let text = read(path);
        let mut hash = hash.borrow_mut();
        hash.update(path.as_bytes());
        hash.update(text.as_deref().unwrap_or("\0").as_bytes());
        text
    };
    // Whether it is valid is found out when it is loaded.
    let _ = load(root, &Files { list: &list, read: &read }, &|name| std::env::var(name).ok());
    hash.borrow().digest()
}

pub(super) fn read(path: &str) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// The entries of a folder. A link counts as the file that it leads to, as in mounted secrets and config maps, but a
/// link to a folder is left out, because it may lead back up.
pub(super) fn list(folder: &str) -> io::Result<Vec<FolderEntry>> {
    let path = if folder.is_empty() { Path::new(".") } else { Path::new(folder) };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A name that is not UTF-8 cannot be matched by a pattern either.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder || entry.path().is_file() {
            listed.push(FolderEntry { name, is_folder });
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn files_are_found_beside_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("config/sources")).unwrap();
        fs::create_dir_all(path("projections/a/b")).unwrap();
        let root = "sources: sources/*.yaml\nprojections: ../projections/**/*.yaml\n";
        let source =
            "source: orders\nfile: {path: e.ndjson}\nenvelope: {type: body:/type}\nevents: {A: {fields: {x: int64}}}\n";
        fs::write(path("config/readside.yaml"), root).unwrap();
        fs::write(path("config/sources/orders.yaml"), source).unwrap();
        fs::write(path("projections/a/b/p.yaml"), "projection: p\nkey: x\nsql: SELECT x FROM orders.a\n").unwrap();
        // Cases lie beside them and are no declarations.
        fs::write(path("projections/a/b/p.test.yaml"), "case: nothing\ngiven: []\nthen: {}\n").unwrap();
        let loaded = load_config(path("config/readside.yaml").to_str().unwrap()).unwrap();
        assert_eq!((loaded.config.sources.len(), loaded.config.projections.len()), (1, 1));
        assert_eq!(Path::new(&loaded.config.data_dir), path("config/data"));
        let missing = load_config(path("none.yaml").to_str().unwrap()).unwrap_err();
        assert!(missing[0].message.starts_with("cannot read the configuration"), "{}", missing[0]);
    }
}
