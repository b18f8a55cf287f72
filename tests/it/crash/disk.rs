//! A disk that is full when a checkpoint is due: the daemon goes on serving, says so, and writes when it can again.
//!
//! Root gets a small disk of its own and fills it. Others take the checkpoints' folder away, which the daemon cannot tell
//! from a disk that fails.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::daemon::Daemon;
use super::folder::Folder;
use super::shop::{WORDS, create_stream, fates, publish};
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, needs_nats};

const SEED: u64 = 17;

/// A place for data that can be made to fail.
struct Disk {
    place: TempDir,
    is_mounted: bool,
}

impl Disk {
    fn new(may_mount: bool) -> Self {
        let place = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(place.path()).stderr(Stdio::null());
        let is_mounted = may_mount && mount.status().is_ok_and(|status| status.success());
        Self { place, is_mounted }
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn filler(&self) -> PathBuf {
        self.place.path().join("filler")
    }

    fn fail(&self) {
        if self.is_mounted {
            let mut filler = File::create(self.filler()).unwrap();
            while filler.write_all(&[7; 4096]).is_ok() {}
        } else {
            let objects = self.data().join("objects");
            fs::rename(&objects, self.place.path().join("objects")).unwrap();
            File::create(objects).unwrap();
        }
    }

    fn mend(&self) {
        if self.is_mounted {
            fs::remove_file(self.filler()).unwrap();
        } else {
            let objects = self.data().join("objects");
            fs::remove_file(&objects).unwrap();
            fs::rename(self.place.path().join("objects"), objects).unwrap();
        }
    }

    fn reason(&self) -> &'static str {
        if self.is_mounted { "No space left on device" } else { "Not a directory" }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Command::new("umount").arg("-l").arg(self.place.path()).status();
        }
    }
}

async fn outlives(disk: Disk) {
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let folder = Folder::at(TempDir::new().unwrap(), disk.data(), &server.url());
    let mut daemon = Daemon::start(&folder.config());
    publish(&jetstream, SEED, 1..501).await;
    daemon.wait("a checkpoint", DEADLINE, |_| (folder.checkpointed() == Some(500)).then_some(()));

    disk.fail();
    publish(&jetstream, SEED, 501..1001).await;
    daemon.catch_up(1000, DEADLINE);
    assert_eq!(events(&daemon), fates(SEED, 1..1001).0, "it goes on serving");
    assert!(daemon.wait_for_log("checkpoint failed; it will be tried again").contains(disk.reason()));
    daemon.wait("a warning", DEADLINE, |daemon| {
        let (status, answer) = daemon.get("/readyz");
        let warnings = answer["warnings"].to_string();
        (status == 200 && warnings.contains("checkpoints fail") && warnings.contains(disk.reason())).then_some(())
    });
    assert!(folder.checkpointed() < Some(1000));
    assert!(daemon.metric("checkpoint_failures_total", &[]) > 0.0);

    disk.mend();
    daemon.wait("a checkpoint", DEADLINE, |_| (folder.checkpointed() == Some(1000)).then_some(()));
    daemon.wait("no warning", DEADLINE, |daemon| {
        (daemon.get("/readyz").1["warnings"].as_array().is_some_and(Vec::is_empty)).then_some(())
    });
    assert_searchable(&daemon);
    daemon.kill();
    let daemon = Daemon::start(&folder.config());
    daemon.catch_up(1000, DEADLINE);
    assert_eq!(events(&daemon), fates(SEED, 1..1001).0);
    assert_searchable(&daemon);
}

fn events(daemon: &Daemon) -> u64 {
    daemon.sql("SELECT events FROM totals")["items"][0]["events"].as_u64().unwrap()
}

/// The index finds what the rows contain.
fn assert_searchable(daemon: &Daemon) {
    for word in WORDS {
        let sql = format!("SELECT count(*) AS n FROM customers WHERE notes LIKE '%{word}%'");
        let expected = daemon.sql(&sql)["items"][0]["n"].clone();
        let path = format!("/v1/search/customer_search?q={word}&minPosition=orders:1000&wait=30s");
        let (status, answer) = daemon.get(&path);
        assert_eq!((status, &answer["total"]), (200, &expected), "{word}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_outlived() {
    needs_nats!();
    outlives(Disk::new(true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_fails_is_outlived() {
    needs_nats!();
    outlives(Disk::new(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_cannot_be_used_is_named() {
    let root = TempDir::new().unwrap();
    let file: &Path = &root.path().join("file");
    File::create(file).unwrap();
    let data = file.join("data");
    let folder = Folder::at(TempDir::new().unwrap(), data.clone(), "nats://127.0.0.1:1");
    let mut daemon = Daemon::spawn(&folder.config());
    let line = daemon.wait_for_log("checkpoints cannot be kept in");
    assert!(line.contains(data.to_str().unwrap()) && line.contains("Not a directory"), "{line}");
    assert_eq!(daemon.ended().code(), Some(1));
}
