//! P2 with checkpoints in an object store: a server that speaks S3, the built program, and what comes between them.

pub(crate) mod server;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use readside::checkpoint::{Place, newest_manifest};
use readside::config::StoreAccess;
use tempfile::TempDir;

use crate::crash::daemon::{Daemon, binary};
use crate::crash::shop::{PROJECTIONS, SOURCE, create_stream, fates, publish};
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, needs_nats};
use server::{BUCKET, S3Server, StoreLink, Weather, needs_s3};

const SEED: u64 = 29;
const SECRET: &str = "a secret that nobody may see";

/// A machine that runs a daemon: its configuration, and the folder for temporary files, which is all that it has of its own.
pub(crate) struct Machine {
    root: TempDir,
    store: u16,
}

impl Machine {
    /// One whose daemon reads from a NATS server and keeps its checkpoints behind a port of this machine.
    pub(crate) fn new(nats: &str, store: u16) -> Self {
        let machine = Self { root: TempDir::new().unwrap(), store };
        fs::write(machine.path("secret"), format!("{SECRET}\n")).unwrap();
        fs::create_dir(machine.path("tmp")).unwrap();
        let config = format!(
            "nats: {{url: \"{nats}\"}}
data_dir: s3://{BUCKET}/read/side
object_store:
  endpoint: http://127.0.0.1:{store}
  allow_http: true
  access_key_id: reader
  secret_access_key: ${{file:secret}}
  timeout: 5s
checkpoint: {{interval: 200ms}}
promotion: auto
search: {{commit: 100ms}}
http: {{listen: \"127.0.0.1:0\"}}
metrics: {{listen: \"127.0.0.1:0\"}}
---
{SOURCE}
---
{PROJECTIONS}"
        );
        fs::write(machine.config(), config).unwrap();
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("readside.yaml")
    }

    /// The program, with this machine's folder for temporary files.
    pub(crate) fn program(&self) -> Command {
        let mut command = Command::new(binary());
        command.env("TMPDIR", self.path("tmp"));
        command
    }

    pub(crate) fn start(&self) -> Daemon {
        Daemon::start_by(self.program(), &self.config())
    }

    fn place(&self) -> Place {
        let access = StoreAccess {
            endpoint: Some(format!("http://127.0.0.1:{}", self.store)),
            allow_http: true,
            access_key_id: Some("reader".to_owned()),
            secret_access_key: Some(SECRET.to_owned()),
            ..StoreAccess::default()
        };
        Place::new(&format!("s3://{BUCKET}/read/side"), &access)
    }

    /// Waits until everything through `position` is in a checkpoint.
    pub(crate) async fn checkpointed(&self, position: u64) {
        let place = self.place();
        let waiting = async {
            loop {
                // One that fails in rough weather is asked again.
                let manifest = newest_manifest(&place).await.ok().flatten();
                let source = manifest.as_ref().and_then(|manifest| manifest.content.sources.get("orders"));
                if source.is_some_and(|source| source.covered == position.into()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(DEADLINE * 2, waiting).await.expect("a checkpoint");
    }
}

fn events(daemon: &Daemon) -> u64 {
    daemon.sql("SELECT events FROM totals")["items"][0]["events"].as_u64().unwrap()
}

/// The index finds what the rows contain.
fn assert_searchable(daemon: &Daemon, position: u64) {
    let expected =
        daemon.sql("SELECT count(*) AS n FROM customers WHERE notes LIKE '%urgent%'")["items"][0]["n"].clone();
    assert_ne!(expected, 0);
    let (status, answer) =
        daemon.get(&format!("/v1/search/customer_search?q=urgent&minPosition=orders:{position}&wait=30s"));
    assert_eq!((status, &answer["total"]), (200, &expected), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_machine_goes_on_from_the_bucket() {
    needs_nats!();
    needs_s3!();
    let (server, store) = (NatsServer::start(), S3Server::start());
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let machine = Machine::new(&server.url(), store.port());
    let daemon = machine.start();
    publish(&jetstream, SEED, 1..501).await;
    machine.checkpointed(500).await;
    daemon.kill();
    // Only the checkpoint can carry these.
    jetstream.get_stream("ORDERS").await.unwrap().purge().sequence(501).await.unwrap();
    publish(&jetstream, SEED, 501..601).await;
    let other = Machine::new(&server.url(), store.port());
    let daemon = other.start();
    daemon.catch_up(600, DEADLINE);
    assert!(daemon.says("continuing from the last checkpoint").contains("500"));
    assert_eq!(events(&daemon), fates(SEED, 1..601).0);
    assert_searchable(&daemon, 600);
    assert!(fs::read_dir(other.path("tmp")).unwrap().next().is_some(), "indexes work in the machine's own folder");
    assert_eq!(daemon.all_logged(SECRET), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_later_takes_the_bucket_over() {
    needs_nats!();
    needs_s3!();
    let (server, store) = (NatsServer::start(), S3Server::start());
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    publish(&jetstream, SEED, 1..201).await;
    let (one, two) = (Machine::new(&server.url(), store.port()), Machine::new(&server.url(), store.port()));
    let mut first = one.start();
    first.catch_up(200, DEADLINE);
    let second = two.start();
    assert_eq!(first.ended().code(), Some(3));
    assert!(first.wait_for_log("has taken over this place for checkpoints").contains("this daemon must stop"));
    publish(&jetstream, SEED, 201..301).await;
    second.catch_up(300, DEADLINE);
    assert_eq!(events(&second), fates(SEED, 1..301).0);
    two.checkpointed(300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_slow_and_fails_is_borne() {
    needs_nats!();
    needs_s3!();
    let (server, store) = (NatsServer::start(), S3Server::start());
    let link = StoreLink::to(store.port(), Weather::Rough(Duration::from_millis(30))).await;
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let machine = Machine::new(&server.url(), link.port());
    let daemon = machine.start();
    for part in 0..3 {
        publish(&jetstream, SEED, part * 100 + 1..part * 100 + 101).await;
        machine.checkpointed(part * 100 + 100).await;
    }
    daemon.kill();
    jetstream.get_stream("ORDERS").await.unwrap().purge().sequence(301).await.unwrap();
    publish(&jetstream, SEED, 301..401).await;
    let daemon = machine.start();
    daemon.catch_up(400, DEADLINE);
    assert_eq!(events(&daemon), fates(SEED, 1..401).0);
    assert_searchable(&daemon, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_goes_away_is_outlived() {
    needs_nats!();
    needs_s3!();
    let (server, store) = (NatsServer::start(), S3Server::start());
    let link = StoreLink::to(store.port(), Weather::Fine).await;
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let machine = Machine::new(&server.url(), link.port());
    let daemon = machine.start();
    publish(&jetstream, SEED, 1..201).await;
    machine.checkpointed(200).await;
    link.set(Weather::Away);
    publish(&jetstream, SEED, 201..401).await;
    daemon.catch_up(400, DEADLINE);
    assert_eq!(events(&daemon), fates(SEED, 1..401).0, "it goes on serving");
    daemon.wait("a warning", DEADLINE * 2, |daemon| {
        let (status, answer) = daemon.get("/readyz");
        (status == 200 && answer["warnings"].to_string().contains("checkpoints fail")).then_some(())
    });
    assert!(daemon.metric("checkpoint_failures_total", &[]) > 0.0);
    link.set(Weather::Fine);
    machine.checkpointed(400).await;
    daemon.wait("no warning", DEADLINE, |daemon| {
        (daemon.get("/readyz").1["warnings"].as_array().is_some_and(Vec::is_empty)).then_some(())
    });
    assert_eq!(daemon.all_logged(SECRET), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_copied_to_a_folder_and_back_into_another_one() {
    needs_nats!();
    needs_s3!();
    let (server, store) = (NatsServer::start(), S3Server::start());
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let machine = Machine::new(&server.url(), store.port());
    let daemon = machine.start();
    publish(&jetstream, SEED, 1..301).await;
    machine.checkpointed(300).await;
    let copy = machine.path("copy");
    let verb = |machine: &Machine, verb: &str, place: &str| {
        let mut command = machine.program();
        command.args(["checkpoint", verb, "--config"]).arg(machine.config()).arg(place);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, told) = verb(&machine, "export", copy.to_str().unwrap());
    assert_eq!(code, Some(0), "{told}");
    daemon.kill();
    let other = Machine::new(&server.url(), store.port());
    let config = fs::read_to_string(other.config()).unwrap();
    fs::write(other.config(), config.replace("/read/side", "/restored")).unwrap();
    let (code, told) = verb(&other, "import", copy.to_str().unwrap());
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = verb(&other, "import", copy.to_str().unwrap());
    assert!(code == Some(3) && told.contains("`s3://shop/restored` is not empty"), "{told}");
    jetstream.get_stream("ORDERS").await.unwrap().purge().sequence(301).await.unwrap();
    let daemon = other.start();
    daemon.catch_up(300, DEADLINE);
    assert_eq!(events(&daemon), fates(SEED, 1..301).0);
    assert_searchable(&daemon, 300);
}

/// The line with which a start ends, and that it has an exit code of an error.
fn ends(machine: &Machine) -> String {
    let output = machine.program().args(["run", "--config"]).arg(machine.config()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(!told.contains(SECRET), "{told}");
    told.lines().find(|line| line.starts_with("error: ")).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_there_is_named_at_the_start() {
    // Nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let told = ends(&Machine::new("nats://127.0.0.1:1", nobody));
    assert!(told.contains("checkpoints cannot be kept in `s3://shop/read/side`: epochs cannot be read"), "{told}");
    assert!(told.contains(&nobody.to_string()) && told.contains("Connection refused"), "{told}");
    assert!(told.contains("see to it that it can be reached from here"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_is_named_at_the_start() {
    needs_s3!();
    let store = S3Server::start();
    let machine = Machine::new("nats://127.0.0.1:1", store.port());
    let config = fs::read_to_string(machine.config()).unwrap();
    fs::write(machine.config(), config.replace("s3://shop/read", "s3://nowhere/read")).unwrap();
    let told = ends(&machine);
    assert!(told.contains("checkpoints cannot be kept in `s3://nowhere/read/side`"), "{told}");
    assert!(told.contains("NoSuchBucket") && told.contains("create the bucket, or correct `data_dir`"), "{told}");
}
