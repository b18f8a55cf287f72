//! A folder with a configuration and a data directory, and what its checkpoints say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use readside::checkpoint::{Checkpointer, Manifest};
use readside::lifecycle::ParkedEvents;
use serde_json::Value;
use tempfile::TempDir;

use super::shop::{PROJECTIONS, SOURCE};

/// Removed with the value.
pub(crate) struct Folder {
    root: TempDir,
    data: PathBuf,
}

impl Folder {
    /// The shop's configuration, reading from the server at `url`.
    pub(crate) fn new(url: &str) -> Self {
        let root = TempDir::new().expect("a temporary folder");
        let data = root.path().join("data");
        Self::at(root, data, url)
    }

    /// With the data somewhere else.
    pub(crate) fn at(root: TempDir, data: PathBuf, url: &str) -> Self {
        let folder = Self { root, data };
        folder.write("readside.yaml", &folder.settings(url, "127.0.0.1:0"));
        folder
    }

    /// Writes the configuration once more, to listen on `http`.
    pub(crate) fn listen(&self, url: &str, http: &str) {
        self.write("readside.yaml", &self.settings(url, http));
    }

    fn settings(&self, url: &str, http: &str) -> String {
        let data = self.data.display();
        format!(
            "nats: {{url: \"{url}\"}}
data_dir: {data}
checkpoint: {{interval: 200ms}}
promotion: auto
search: {{commit: 100ms}}
http: {{listen: \"{http}\"}}
metrics: {{listen: \"127.0.0.1:0\"}}
limits: {{max_rows: 1000000, memory: 1GiB, timeout: 5m}}
---
{SOURCE}
---
{PROJECTIONS}"
        )
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.path().join(name), text).expect("a file");
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root.path().join("readside.yaml")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where the newest manifest stands; none before the first checkpoint.
    pub(crate) fn checkpointed(&self) -> Option<u64> {
        loop {
            // It may be removed as superseded between listing and reading.
            let Ok(text) = fs::read(self.manifests().pop()?) else { continue };
            let manifest: Value = serde_json::from_slice(&text).expect("a manifest is whole or not there");
            let manifest = &manifest["manifest"];
            return match manifest["origin"].as_u64() {
                Some(0) => None,
                _ => manifest["content"]["sources"]["orders"]["covered"].as_u64(),
            };
        }
    }

    /// The manifests' files, ascending.
    pub(crate) fn manifests(&self) -> Vec<PathBuf> {
        let Ok(files) = fs::read_dir(self.data.join("manifests")) else { return Vec::new() };
        let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        files.retain(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        });
        files.sort();
        files
    }

    /// The last checkpoint's manifest and parked events, without what differs from run to run.
    pub(crate) async fn contents(&self) -> (Manifest, BTreeSet<String>) {
        let location = self.data.to_str().expect("a path in Unicode");
        let (_, restored) = Checkpointer::open(location, "test").await.expect("checkpoints");
        let restored = restored.expect("a checkpoint");
        assert!(restored.skipped.is_empty(), "{:?}", restored.skipped);
        let stored = restored.stores.get("parked").map_or(&[][..], Vec::as_slice);
        let parked = ParkedEvents::restore(stored, |_| 0).expect("parked events");
        let described = parked.iter().map(|parked| {
            let rejected = &parked.rejected;
            let message = &rejected.message;
            format!(
                "{} {:?} {} {:?} {:?} {:?} {} {:?} {:?}",
                message.seq,
                parked.generation.as_ref().map(|id| &id.projection),
                rejected.detail,
                rejected.reason,
                rejected.pointer,
                rejected.event_type,
                message.subject,
                message.headers,
                message.payload,
            )
        });
        let described: Vec<String> = described.collect();
        let distinct: BTreeSet<String> = described.iter().cloned().collect();
        assert_eq!(distinct.len(), described.len(), "no event is parked twice");
        (restored.manifest, distinct)
    }
}
