//! `readside check` with a real nats-server, and with what is wrong around it.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use async_nats::ConnectOptions;
use async_nats::jetstream::{Context, stream};
use expect_test::expect;
use serde_json::Value;
use tempfile::TempDir;

use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, create, needs_nats};

/// Who may do all, and others who lack one permission each; `silent` may not ask what it may do.
const USERS: &str = r#"authorization {
  users = [
    {user: admin, password: secret}
    {user: none, password: secret, permissions: {publish: {deny: [">"]}}}
    {user: info, password: secret, permissions: {publish: {deny: ["$JS.API.STREAM.INFO.>"]}}}
    {user: message, password: secret, permissions: {publish: {deny: ["$JS.API.STREAM.MSG.GET.>"]}}}
    {user: consumer, password: secret, permissions: {publish: {deny: ["$JS.API.CONSUMER.CREATE.>"]}}}
    {user: delivery, password: secret, permissions: {publish: {deny: ["$JS.API.CONSUMER.MSG.NEXT.>", "readside.parked"]}}}
    {user: silent, password: secret, permissions: {publish: {deny: ["$SYS.>"]}}}
  ]
}
"#;

struct Site {
    root: TempDir,
}

impl Site {
    /// A configuration that reads `ORDERS`, with settings of its own.
    fn new(settings: &str) -> Self {
        let site = Self { root: TempDir::new().unwrap() };
        let own = |key: &str| settings.lines().any(|line| line.starts_with(key));
        let mut text = format!("{settings}\n");
        for (key, default) in [
            ("data_dir", "data_dir: data\n"),
            ("http", "http: {listen: \"127.0.0.1:0\"}\n"),
            ("metrics", "metrics: {listen: \"127.0.0.1:0\"}\n"),
        ] {
            text.push_str(if own(key) { "" } else { default });
        }
        text.push_str("---\nsource: orders\njetstream: {stream: ORDERS}\nenvelope: {type: header:Event-Type}\n");
        text.push_str("events: {Placed: {fields: {id: string!}}}\n---\nprojection: placed\nkey: [id]\n");
        text.push_str("sql: SELECT id, count(*) AS n FROM orders.placed GROUP BY id\n");
        fs::write(site.config(), text).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("readside.yaml")
    }

    /// The exit code, and what is printed.
    fn check(&self, arguments: &[&str]) -> (i32, String) {
        let output =
            Command::new(binary()).args(["check", "--config"]).arg(self.config()).args(arguments).output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code().unwrap(), told)
    }

    /// The same without what differs from machine to machine: rooms, amounts of memory, ports and versions.
    fn normal(&self) -> (i32, String) {
        let (code, told) = self.check(&[]);
        let line = |line: &str| {
            let words = line.replace(self.root.path().to_str().unwrap(), "SITE");
            let words = words.split(' ').map(|word| match word.strip_prefix("nats://127.0.0.1:") {
                Some(port) => format!("nats://127.0.0.1:PORT{}", port.trim_start_matches(|c: char| c.is_ascii_digit())),
                None => word.to_owned(),
            });
            let words = words.collect::<Vec<_>>().join(" ");
            match words.split_once(": ") {
                Some((subject @ ("√ disk" | "! disk" | "√ memory" | "! memory" | "× memory"), _)) => {
                    format!("{subject}: …")
                }
                Some(("√ nats", rest)) => format!("√ nats: {}", rest.split_once(" at ").map_or(rest, |(_, at)| at)),
                _ => words,
            }
        };
        (code, told.lines().map(|one| line(one) + "\n").collect())
    }
}

fn nats(server: &NatsServer, user: &str) -> String {
    format!("nats: {{url: \"{}\", user: {user}, password: secret}}", server.url())
}

/// Who may do all, once JetStream answers.
async fn admin(server: &NatsServer) -> Context {
    let options = ConnectOptions::with_user_and_password("admin".to_owned(), "secret".to_owned());
    let context = async_nats::jetstream::new(options.connect(server.url()).await.unwrap());
    let answers = async {
        while context.query_account().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, answers).await.unwrap();
    context
}

fn orders() -> stream::Config {
    stream::Config { name: "ORDERS".to_owned(), subjects: vec!["orders.>".to_owned()], ..Default::default() }
}

async fn publish(jetstream: &Context, event_type: &str, count: u64) {
    for number in 0..count {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Event-Type", event_type);
        let body = format!(r#"{{"id":"o{number}"}}"#);
        let ack = jetstream.publish_with_headers(format!("orders.{number}"), headers, body.into()).await.unwrap();
        ack.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_is_well_each_line_says_so() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create(&jetstream, orders()).await;
    publish(&jetstream, "Placed", 3).await;
    let site = Site::new(&format!("nats: {{url: \"{}\"}}", server.url()));
    // Events are read by a consumer which the server removes by itself within half a minute.
    assert_eq!(site.check(&["--events", "0"]).0, 0);
    let left = jetstream.get_stream("ORDERS").await.unwrap().get_info().await.unwrap().state.consumer_count;
    assert_eq!(left, 0, "no consumer is left behind");
    let (code, told) = site.normal();
    expect![[r#"
        √ data_dir: SITE/data can be written durably, read and listed
        √ checkpoint: none yet: everything is built from the beginning of the streams
        √ disk: …
        √ memory: …
        √ http.listen: 127.0.0.1:0 is free
        √ metrics.listen: 127.0.0.1:0 is free
        √ nats: nats://127.0.0.1:PORT, with JetStream
        √ stream ORDERS: 3 messages, 1 to 3
        √ stream ORDERS, history: kept without limits
        √ stream ORDERS, the stream's facts: permitted
        √ stream ORDERS, a stored message: permitted
        √ stream ORDERS, a consumer: permitted
        √ stream ORDERS, messages of a consumer: permitted
        √ clock: this machine's and the server's are less than a second apart
        √ events of orders: the last 3 are declared and fit
    "#]]
    .assert_eq(&told);
    assert_eq!(code, 0);
    assert!(!site.path("data").exists(), "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_missing_permission_is_named() {
    needs_nats!();
    let server = NatsServer::start_with(USERS);
    let jetstream = admin(&server).await;
    create(&jetstream, orders()).await;
    publish(&jetstream, "Placed", 1).await;
    let lacks = [
        ("info", "the stream's facts", "$JS.API.STREAM.INFO.ORDERS"),
        ("message", "a stored message", "$JS.API.STREAM.MSG.GET.ORDERS"),
        ("consumer", "a consumer", "$JS.API.CONSUMER.CREATE.ORDERS.>"),
        ("delivery", "messages of a consumer", "$JS.API.CONSUMER.MSG.NEXT.ORDERS.>"),
    ];
    for (user, what, subject) in lacks {
        let (code, told) = Site::new(&nats(&server, user)).check(&["--events", "0"]);
        assert_eq!(code, 2, "{user}: {told}");
        let wrong: Vec<&str> = told.lines().filter(|line| line.starts_with('×')).collect();
        assert!(wrong.len() == 1 && wrong[0].starts_with(&format!("× stream ORDERS, {what}: ")), "{user}: {told}");
        assert!(told.contains(&format!("permit the daemon's user to publish `{subject}`")), "{user}: {told}");
    }
    let (code, told) = Site::new(&nats(&server, "none")).check(&["--events", "0"]);
    assert_eq!(code, 2, "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("× stream ORDERS, ")).count(), 3, "{told}");
    assert!(!told.contains("secret"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_notices_may_be_published_is_asked_of_the_server() {
    needs_nats!();
    let server = NatsServer::start_with(USERS);
    let jetstream = admin(&server).await;
    create(&jetstream, orders()).await;
    for (user, expected) in [
        ("admin", "√ parked.notify: `readside.parked` may be published to"),
        ("delivery", "× parked.notify: `readside.parked` may not be published to"),
        ("silent", "! parked.notify: the server does not say whether `readside.parked` may be published to"),
    ] {
        let settings = format!("{}\nparked: {{notify: {{subject: readside.parked}}}}", nats(&server, user));
        let (_, told) = Site::new(&settings).check(&["--events", "0"]);
        assert!(told.lines().any(|line| line == expected), "{user}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_not_there_or_let_go_too_soon_are_findings() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    let site = Site::new(&format!("nats: {{url: \"{}\"}}", server.url()));
    let (code, told) = site.check(&["--events", "0"]);
    assert!(
        code == 2 && told.contains("× stream ORDERS, the stream's facts: stream `ORDERS` does not exist"),
        "{told}"
    );
    let short = stream::Config { max_age: std::time::Duration::from_secs(1_800), ..orders() };
    create(&jetstream, short).await;
    let (code, told) = site.check(&["--events", "0"]);
    assert!(code == 2 && told.contains("× stream ORDERS, history: messages go after 30 min"), "{told}");
    jetstream.delete_stream("ORDERS").await.unwrap();
    create(&jetstream, stream::Config { retention: stream::RetentionPolicy::WorkQueue, ..orders() }).await;
    let (code, told) = site.check(&["--events", "0"]);
    assert!(code == 2 && told.contains("× stream ORDERS: stream `ORDERS` has workqueue retention"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_lost_what_a_checkpoint_goes_on_from_is_a_finding() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create(&jetstream, orders()).await;
    publish(&jetstream, "Placed", 5).await;
    let site = Site::new(&format!("nats: {{url: \"{}\"}}\ncheckpoint: {{interval: 100ms}}", server.url()));
    let daemon = Daemon::start(&site.config());
    daemon.catch_up(5, DEADLINE);
    let (code, told) = site.check(&[]);
    assert!(code == 0 && told.contains("√ events of orders: the last 5"), "beside a daemon: {told}");
    assert!(daemon.terminate().0.success());
    let (_, told) = site.check(&["--events", "0"]);
    assert!(told.lines().any(|line| line.starts_with("√ checkpoint: ") && line.ends_with(" at orders:5")), "{told}");
    publish(&jetstream, "Placed", 5).await;
    jetstream.get_stream("ORDERS").await.unwrap().purge().sequence(9).await.unwrap();
    let (code, told) = site.check(&["--events", "0"]);
    assert!(
        code == 2 && told.contains("× stream ORDERS: messages 6 to 8 of stream `ORDERS` expired or were purged"),
        "{told}"
    );
    assert!(told.contains("`readside source accept-gap`"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_nobody_declares_are_told_before_they_are_parked() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create(&jetstream, orders()).await;
    publish(&jetstream, "Placed", 4).await;
    publish(&jetstream, "Archived", 3).await;
    let site = Site::new(&format!("nats: {{url: \"{}\"}}", server.url()));
    let (code, told) = site.check(&[]);
    let line = told.lines().find(|line| line.contains("events of orders")).unwrap();
    assert!(
        line.starts_with("! events of orders: of the last 7 3 would be parked: ") && line.contains("Archived"),
        "{told}"
    );
    assert_eq!(code, 0, "a warning is no finding");
    let (_, told) = site.check(&["--events", "2", "-o", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["outcome"], "warning");
    let last = told["checks"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["subject"], &last["outcome"]), (&"events of orders".into(), &"warning".into()));
    assert!(last["told"].as_str().unwrap().starts_with("of the last 2 2 would be parked"), "{last}");
}

#[test]
fn a_server_that_is_not_there_is_a_finding_and_the_rest_is_looked_at() {
    let site = Site::new("nats: {url: \"nats://127.0.0.1:1\"}");
    let (code, told) = site.check(&["--events", "0"]);
    assert!(code == 2 && told.contains("× nats: cannot connect to NATS at nats://127.0.0.1:1"), "{told}");
    assert!(told.contains("√ data_dir: ") && told.contains("Streams were not looked at"), "{told}");
}

#[test]
fn places_and_addresses_that_cannot_be_used_are_findings() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let site = Site::new(&format!(
        "data_dir: file/data\nhttp: {{listen: \"{address}\"}}\nnats: {{url: \"nats://127.0.0.1:1\"}}"
    ));
    fs::write(site.path("file"), "").unwrap();
    let (code, told) = site.check(&["--events", "0"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("× data_dir: ") && told.contains("Not a directory"), "{told}");
    assert!(told.contains(&format!("× http.listen: {address}: Address already in use")), "{told}");
    fs::write(site.config(), "sources: nowhere.yaml\n").unwrap();
    let (code, told) = site.check(&[]);
    assert!(code == 1 && told.contains("the configuration cannot be used"), "{told}");
}

#[test]
fn files_of_certificates_tokens_and_keys_that_cannot_be_used_are_findings() {
    let settings = "http: {listen: \"127.0.0.1:0\", tls: {certificate: tls.crt, key: tls.key, client_ca: clients.crt}}\n\
                    auth:\n  tokens: tokens\n  jwt: {keys: keys.json}\n  mtls: {admins: []}\n\
                    nats: {url: \"nats://127.0.0.1:1\"}";
    let site = Site::new(settings);
    let findings = || {
        let (code, told) = site.check(&["--events", "0"]);
        assert_eq!(code, 2, "{told}");
        let of_files = |line: &&str| line.starts_with("× http.tls") || line.starts_with("× auth.");
        told.lines().filter(of_files).map(str::to_owned).collect::<Vec<_>>()
    };
    let missing = findings();
    for (told, file) in missing.iter().zip(["tls.crt", "tls.key", "clients.crt", "tokens", "keys.json"]) {
        assert!(told.contains(site.path(file).to_str().unwrap()) && told.contains("No such file"), "{told}");
    }
    assert_eq!(missing.len(), 5, "{missing:?}");
    for file in ["tls.crt", "tls.key", "clients.crt", "tokens", "keys.json"] {
        fs::write(site.path(file), "half a line").unwrap();
    }
    let broken = findings();
    assert_eq!(broken.len(), 5, "{broken:?}");
    assert!(broken[0].ends_with("tls.crt: there is no certificate in it"), "{broken:?}");
    assert!(broken[4].contains("it is no JSON Web Key Set"), "{broken:?}");
    fs::remove_file(site.path("tokens")).unwrap();
    let mut create = Command::new(binary());
    create.args(["token", "create", "ada", "--line-to"]).arg(site.path("tokens"));
    assert!(create.output().unwrap().status.success());
    // Of 32 bytes.
    let secret = "A".repeat(43);
    let keys = format!("{{\"keys\": [{{\"kty\": \"oct\", \"alg\": \"HS256\", \"k\": \"{secret}\"}}]}}");
    fs::write(site.path("keys.json"), keys).unwrap();
    let (_, told) = site.check(&["--events", "0"]);
    assert!(told.contains("√ auth.tokens: ") && told.contains("√ auth.jwt.keys: 1 key in "), "{told}");
    assert!(!told.contains(&secret) && findings().len() == 3, "{told}");
}

/// A small disk of its own; none where that is not permitted.
fn small_disk() -> Option<TempDir> {
    let place = TempDir::new().unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(place.path()).stderr(std::process::Stdio::null());
    mount.status().is_ok_and(|status| status.success()).then_some(place)
}

#[test]
fn a_disk_that_is_full_or_read_only_is_a_finding() {
    let Some(disk) = small_disk() else {
        eprintln!("skipped: no disk may be mounted");
        return;
    };
    let place = disk.path().to_str().unwrap();
    let site = Site::new(&format!("data_dir: {place}/data\nnats: {{url: \"nats://127.0.0.1:1\"}}"));
    let (_, small) = site.check(&["--events", "0"]);
    let remounted = Command::new("mount").args(["-o", "remount,ro", place]).status().unwrap();
    let (code, read_only) = site.check(&["--events", "0"]);
    let _ = Command::new("umount").arg("-l").arg(place).status();
    assert!(small.contains("√ data_dir: ") && small.contains("× disk: 4 MiB"), "{small}");
    assert!(remounted.success());
    assert!(
        code == 2 && read_only.contains("× data_dir: ") && read_only.contains("Read-only file system"),
        "{read_only}"
    );
}
