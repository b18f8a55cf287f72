//! A damaged checkpoint is named, and the one before it is used.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::daemon::Daemon;
use super::folder::Folder;
use super::shop::{create_stream, fates, publish};
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, needs_nats};

const SEED: u64 = 13;

/// A killed daemon's folder with two checkpoints, at 300 and at 600.
async fn two_checkpoints() -> (NatsServer, Folder) {
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let folder = Folder::new(&server.url());
    let daemon = Daemon::start(&folder.config());
    for (first, last) in [(1, 300), (301, 600)] {
        publish(&jetstream, SEED, first..last + 1).await;
        daemon.wait("a checkpoint", DEADLINE, |_| (folder.checkpointed() == Some(last)).then_some(()));
    }
    daemon.kill();
    (server, folder)
}

/// Starts again, and expects the damaged object to be named and nothing to be missing.
fn recovers(folder: &Folder, object: &str) {
    let mut daemon = Daemon::start(&folder.config());
    let line = daemon.wait_for_log("a damaged checkpoint was skipped; the previous one is used");
    assert!(line.contains(object), "{object} is named: {line}");
    daemon.catch_up(600, DEADLINE);
    assert_eq!(daemon.sql("SELECT events FROM totals")["items"][0]["events"], fates(SEED, 1..601).0);
    assert!(daemon.terminate().0.success());
    assert_eq!(folder.checkpointed(), Some(600));
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The names of the objects that a manifest needs.
fn objects(manifest: &Path) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let manifest = &manifest["manifest"];
    let packs = manifest["packs"].as_object().unwrap().keys().cloned();
    let indexes = manifest["indexes"].as_object().unwrap().values();
    let files =
        indexes.flat_map(|index| index["files"].as_array().unwrap()).map(|file| file["object"].as_str().unwrap());
    packs.chain(files.map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_manifest_is_skipped() {
    needs_nats!();
    let (_server, folder) = two_checkpoints().await;
    let newest: PathBuf = folder.manifests().pop().unwrap();
    flip_a_bit(&newest);
    recovers(&folder, &format!("manifests/{}", name(&newest)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_missing_object_is_skipped() {
    needs_nats!();
    let (_server, folder) = two_checkpoints().await;
    let mut manifests = folder.manifests();
    let (newest, previous) = (manifests.pop().unwrap(), manifests.pop().unwrap());
    let old = objects(&previous);
    let own: Vec<String> = objects(&newest).into_iter().filter(|object| !old.contains(object)).collect();
    let (first, last) = (own.first().unwrap(), own.last().unwrap());
    assert_ne!(first, last);
    flip_a_bit(&folder.data().join(first));
    fs::remove_file(folder.data().join(last)).unwrap();
    recovers(&folder, "objects/");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_good_checkpoint_nothing_is_overwritten() {
    needs_nats!();
    let (_server, folder) = two_checkpoints().await;
    let manifests = folder.manifests();
    manifests.iter().for_each(|manifest| flip_a_bit(manifest));
    let mut daemon = Daemon::spawn(&folder.config());
    let line = daemon.wait_for_log("no checkpoint can be read");
    assert!(manifests.iter().all(|manifest| line.contains(&name(manifest))), "{line}");
    assert_eq!(daemon.ended().code(), Some(1));
    assert_eq!(folder.manifests(), manifests);
}
