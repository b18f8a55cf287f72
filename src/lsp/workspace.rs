//! The files of a workspace as an editor sees them: the texts that are open in it, and those of the disk for all others.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ls_types::Uri;

use crate::config::FolderEntry;

/// How files and the environment are reached.
#[derive(Debug, Clone, Copy)]
pub struct Disk {
    pub list: fn(&str) -> io::Result<Vec<FolderEntry>>,
    pub read: fn(&str) -> io::Result<String>,
    pub env: fn(&str) -> Option<String>,
}

/// A text that is open in the editor.
#[derive(Debug, Clone)]
pub(super) struct Buffer {
    pub(super) uri: Uri,
    pub(super) version: i32,
    pub(super) text: Arc<str>,
}

/// A folder with its files.
#[derive(Debug, Clone)]
pub(super) struct Workspace {
    pub(super) disk: Disk,
    pub(super) folder: PathBuf,
    /// Root files, relative to the folder: the first that is there counts.
    pub(super) roots: Vec<String>,
    pub(super) buffers: BTreeMap<PathBuf, Buffer>,
}

impl Workspace {
    /// Takes the first of these folders that has a configuration, else the first of them; where there is none, the folder in which the
    /// process runs.
    pub(super) fn choose_folder(&mut self, folders: Vec<PathBuf>) {
        let has_root = |folder: &PathBuf| Self { folder: folder.clone(), ..self.clone() }.present_root().is_some();
        let chosen = folders.iter().position(has_root).unwrap_or(0);
        let here = || std::path::absolute(".").unwrap_or_else(|_| PathBuf::from("."));
        self.folder = folders.into_iter().nth(chosen).unwrap_or_else(here);
    }

    /// The whole path of a file of the configuration.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        // Parts such as `..` are taken away, as the editor's own paths have none.
        let mut path = PathBuf::new();
        for part in self.folder.join(file).components() {
            match part {
                std::path::Component::ParentDir => drop(path.pop()),
                std::path::Component::CurDir => {}
                part => path.push(part),
            }
        }
        path
    }

    pub(super) fn read(&self, file: &str) -> io::Result<String> {
        let path = self.path(file);
        match self.buffers.get(&path) {
            Some(buffer) => Ok(buffer.text.to_string()),
            None => (self.disk.read)(&path.to_string_lossy()),
        }
    }

    /// The entries of a folder, with files that are open and not saved yet.
    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<FolderEntry>> {
        let path = self.path(folder);
        let mut entries = (self.disk.list)(&path.to_string_lossy())?;
        let open = self.buffers.keys().filter(|open| open.parent() == Some(path.as_path()));
        for name in open.filter_map(|open| open.file_name()?.to_str()) {
            if entries.iter().all(|entry| entry.name != name) {
                entries.push(FolderEntry { name: name.to_owned(), is_folder: false });
            }
        }
        Ok(entries)
    }

    /// The root file of the configuration; none if nobody names one and none is there.
    pub(super) fn root(&self) -> Option<&String> {
        let named = match self.roots.as_slice() {
            [named] => Some(named),
            _ => None,
        };
        self.present_root().or(named)
    }

    fn present_root(&self) -> Option<&String> {
        self.roots.iter().find(|root| self.read(root).is_ok())
    }

    /// The address of a file: as the editor calls it, if it is open there.
    pub(super) fn uri(&self, path: &Path) -> Option<Uri> {
        self.buffers.get(path).map(|buffer| buffer.uri.clone()).or_else(|| Uri::from_file_path(path))
    }
}

/// The path that an address of the editor's leads to; none if it is no file.
pub(super) fn file_path(uri: &Uri) -> Option<PathBuf> {
    let is_file = uri.scheme().as_str().eq_ignore_ascii_case("file");
    is_file.then(|| uri.to_file_path()).flatten().map(std::borrow::Cow::into_owned)
}
