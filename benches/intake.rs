//! How fast a stream is read: the driver's bare pull consumer against our source, without and with a filter.
//!
//! `cargo bench --bench intake [-- EVENTS]` starts a NATS server of its own (`scripts/nats-server`) and stores 200-byte
//! events in it. Both sides share the machine with the server.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Context, stream};
use futures::StreamExt;
use readside::config;
use readside::source::{BatchLimits, Input, JetStreamOptions, JetStreamSource, Source, Start};

const ROUNDS: usize = 3;
const SIZE: usize = 200;

/// Ends with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let store = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/nats-server")).output().unwrap();
    let child = Command::new(String::from_utf8(path.stdout).unwrap().trim())
        .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
        .arg(store.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Server(child);
    let nats = config::Nats::at(&format!("nats://127.0.0.1:{port}"));
    let context = jetstream::new(client(&nats).await);
    store_events(&context, count).await;
    for _ in 0..ROUNDS {
        report("bare consumer", count, bare(&context, count).await);
        report("source", count, source(&nats, &[], count).await);
        report("source, filtered", count, source(&nats, &["BENCH.>"], count).await);
    }
}

async fn client(nats: &config::Nats) -> async_nats::Client {
    loop {
        match readside::source::connect(nats).await {
            Ok(client) => return client,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn store_events(context: &Context, count: usize) {
    let config = stream::Config { name: "BENCH".into(), subjects: vec!["BENCH.>".into()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    let mut acks = VecDeque::new();
    for number in 0..count {
        acks.push_back(context.publish(format!("BENCH.{}", number % 1_000), vec![b'x'; SIZE].into()).await.unwrap());
        if acks.len() > 2_000 {
            acks.pop_front().unwrap().await.unwrap();
        }
    }
    for ack in acks {
        ack.await.unwrap();
    }
}

async fn bare(context: &Context, count: usize) -> Duration {
    let config =
        pull::Config { ack_policy: AckPolicy::None, memory_storage: true, num_replicas: 1, ..Default::default() };
    let consumer = context.create_consumer_on_stream(config, "BENCH").await.unwrap();
    let began = Instant::now();
    let mut messages = consumer.stream().max_messages_per_batch(50_000).messages().await.unwrap();
    for _ in 0..count {
        messages.next().await.unwrap().unwrap();
    }
    began.elapsed()
}

async fn source(nats: &config::Nats, filter_subjects: &[&str], count: usize) -> Duration {
    let options = JetStreamOptions {
        name: "bench".to_owned(),
        nats: nats.clone(),
        stream: "BENCH".to_owned(),
        filter_subjects: filter_subjects.iter().map(|subject| (*subject).to_owned()).collect(),
        limits: BatchLimits::default(),
    };
    let began = Instant::now();
    let mut source = JetStreamSource::open(options, Start::default());
    let mut taken = 0;
    while taken < count {
        match source.next().await {
            Input::Fetched { messages, .. } => taken += messages.len(),
            Input::Opened { .. } | Input::Heartbeat { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    began.elapsed()
}

fn report(name: &str, count: usize, elapsed: Duration) {
    println!("{name:>16}: {:>8.0} events/s", count as f64 / elapsed.as_secs_f64());
}
