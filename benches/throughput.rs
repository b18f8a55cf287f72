//! The main job end to end: 1,000,000 events of about 200 bytes over 100,000 keys, from JetStream to a durable
//! checkpoint and a point read, by the real program; against a bare consumer of the same stream in the same run.
//!
//! `cargo bench --bench throughput [-- EVENTS KEYS ROUNDS]`. Prints each round, the median ratio, and the daemon's
//! peak memory. It needs a nats-server, which `scripts/nats-server` brings.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use futures::StreamExt;

const STREAM: &str = "BENCH";
const DEADLINE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let events = numbers.next().unwrap_or(1_000_000);
    let keys = numbers.next().unwrap_or(100_000);
    let rounds = numbers.next().unwrap_or(3);
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _server = Running(
        Command::new(nats_server())
            .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
            .arg(folder.path().join("nats"))
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts"),
    );
    let url = format!("nats://127.0.0.1:{port}");
    let jetstream = connect(&url).await;
    let bytes = publish(&jetstream, events, keys).await;
    println!("{events} events over {keys} keys, {} bytes each, published", bytes / events);
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let bare = bare_consumer(&jetstream, events).await;
        let data = folder.path().join(format!("data-{round}"));
        let (ours, peak_kib) = daemon(folder.path(), &data, &url, events, keys);
        let ratio = bare.as_secs_f64() / ours.as_secs_f64();
        println!(
            "round {round}: bare consumer {:.2} s ({:.0} events/s), readside {:.2} s ({:.0} events/s), ratio {ratio:.2}, peak {} MiB",
            bare.as_secs_f64(),
            events as f64 / bare.as_secs_f64(),
            ours.as_secs_f64(),
            events as f64 / ours.as_secs_f64(),
            peak_kib / 1024,
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ratios.len() / 2]);
}

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nats_server() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/nats-server");
    let output = Command::new(script).output().expect("scripts/nats-server runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn connect(url: &str) -> jetstream::Context {
    let began = Instant::now();
    loop {
        if let Ok(client) = async_nats::connect(url).await {
            return jetstream::new(client);
        }
        assert!(began.elapsed() < DEADLINE, "no server at {url}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Publishes the events and gives the bytes of their bodies.
async fn publish(jetstream: &jetstream::Context, events: u64, keys: u64) -> u64 {
    let config = jetstream::stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["bench.>".to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let (mut bytes, mut acks) = (0, std::collections::VecDeque::new());
    for number in 0..events {
        // Spreads the keys as a multiplicative hash does.
        let key = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys;
        let body = format!(
            r#"{{"account":"account-{key:07}","amount":{},"at":"2026-11-21T10:00:{:02}.{:06}Z","note":"{:0>90}"}}"#,
            number % 1000,
            number / 1_000_000 % 60,
            number % 1_000_000,
            number,
        );
        bytes += body.len() as u64;
        acks.push_back(jetstream.publish("bench.paid", body.into()).await.unwrap());
        if acks.len() >= 2_000 {
            for ack in acks.drain(..1_000) {
                ack.await.unwrap();
            }
        }
    }
    for ack in acks {
        ack.await.unwrap();
    }
    bytes
}

/// Reads the whole stream and does nothing with it.
async fn bare_consumer(jetstream: &jetstream::Context, events: u64) -> Duration {
    let began = Instant::now();
    let stream = jetstream.get_stream(STREAM).await.unwrap();
    let config = pull::Config {
        ack_policy: AckPolicy::None,
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: 1 },
        memory_storage: true,
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.stream().max_messages_per_batch(50_000).messages().await.unwrap();
    for _ in 0..events {
        messages.next().await.unwrap().unwrap();
    }
    began.elapsed()
}

/// Runs the daemon until its checkpoint covers the stream and a point read gives the right row. Gives the time since its
/// start and its peak memory in KiB.
fn daemon(folder: &Path, data: &Path, url: &str, events: u64, keys: u64) -> (Duration, u64) {
    let (http, metrics) = (free_port(), free_port());
    let config = format!(
        "nats: {{url: \"{url}\"}}\ndata_dir: {}\nsources: source.yaml\nprojections: projection.yaml\n\
         checkpoint: {{interval: 1s}}\nhttp: {{listen: \"127.0.0.1:{http}\"}}\nmetrics: {{listen: \"127.0.0.1:{metrics}\"}}\n",
        data.display()
    );
    let source = "source: bench\njetstream: {stream: BENCH}\n\
         envelope: {type: const:Paid, key: body:/account, time: body:/at, data: body}\n\
         events: {Paid: {fields: {account: string!, amount: int64!, at: timestamp!, note: string}}}\n";
    let projection = "projection: accounts\nkey: [account]\n\
         sql: SELECT account, count(*) AS payments, sum(amount) AS total, max(at) AS last FROM bench.paid GROUP BY account\n";
    std::fs::write(folder.join("readside.yaml"), config).unwrap();
    std::fs::write(folder.join("source.yaml"), source).unwrap();
    std::fs::write(folder.join("projection.yaml"), projection).unwrap();
    let began = Instant::now();
    let daemon = Running(
        Command::new(env!("CARGO_BIN_EXE_readside"))
            .args(["run", "--config"])
            .arg(folder.join("readside.yaml"))
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap(),
    );
    while durable_position(data) < events {
        assert!(began.elapsed() < DEADLINE, "{}", std::fs::read_to_string(folder.join("log")).unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
    let row: serde_json::Value = ureq::get(format!("http://127.0.0.1:{http}/v1/tables/accounts/account-0000001"))
        .call()
        .unwrap()
        .body_mut()
        .read_json()
        .unwrap();
    let elapsed = began.elapsed();
    let expected = (0..events).filter(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys == 1).count();
    assert_eq!(row["item"]["payments"], expected, "{row}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    (elapsed, peak.split_whitespace().nth(1).unwrap().parse().unwrap())
}

/// The position of the newest manifest; 0 while there is none.
fn durable_position(data: &Path) -> u64 {
    let manifests = std::fs::read_dir(data.join("manifests")).into_iter().flatten().flatten();
    let Some(newest) = manifests.map(|entry| entry.path()).filter(|path| is_number(path)).max() else { return 0 };
    let text = std::fs::read_to_string(newest).unwrap_or_default();
    let Some((_, rest)) = text.split_once("\"covered\":") else { return 0 };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn is_number(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}
