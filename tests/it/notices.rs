//! Notices of parked events over NATS: they say where to look and why, never what is in an event, and nothing waits for them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::{Context, stream};
use futures::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;
use crate::support::link::{Link, Rate};
use crate::support::nats::{NatsServer, create, needs_nats};

const SUBJECT: &str = "readside.parked";
/// In every event that is parked, and in no notice.
const SECRET: &str = "hunter2";

/// A daemon, its files, and where its notices go.
struct World {
    folder: TempDir,
    daemon: Option<Daemon>,
}

impl World {
    /// `input` is where events come from, `more` more of the root file.
    fn new(url: &str, input: &str, more: &str) -> Self {
        let world = Self { folder: TempDir::new().unwrap(), daemon: None };
        world.root(url, &format!("parked: {{notify: {{subject: {SUBJECT}}}}}\n{more}"));
        let source = format!(
            "source: orders\n{input}\nenvelope: {{type: const:Placed, data: body}}\n\
             events: {{Placed: {{fields: {{customer: string!, n: int64!}}}}}}\n"
        );
        std::fs::write(world.path("source.yaml"), source).unwrap();
        let projection =
            "projection: shares\nkey: [position]\nsql: SELECT _seq AS position, 100 / n AS share FROM orders.placed\n";
        std::fs::write(world.path("projections.yaml"), projection).unwrap();
        world
    }

    fn of_file(url: &str) -> Self {
        let world = Self::new(url, "file: {path: events.ndjson, follow: true}", "");
        std::fs::write(world.path("events.ndjson"), "").unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn root(&self, url: &str, more: &str) {
        let root = format!(
            "nats: {{url: \"{url}\"}}\ndata_dir: data\nsources: source.yaml\nprojections: projections.yaml\n\
             http: {{listen: \"127.0.0.1:0\"}}\nmetrics: {{listen: \"127.0.0.1:0\"}}\n{more}"
        );
        std::fs::write(self.path("readside.yaml"), root).unwrap();
    }

    fn start(&mut self) {
        self.daemon = None;
        self.daemon = Some(Daemon::start(&self.path("readside.yaml")));
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    fn append(&self, lines: &str) {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.path("events.ndjson")).unwrap();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
    }

    fn notices(&self, result: &str) -> f64 {
        self.daemon().metric("parked_notices_total", &["source=\"orders\"", &format!("result=\"{result}\"")])
    }
}

/// Lines that cannot be decoded.
fn wrong(count: usize) -> String {
    let mut lines = String::new();
    for _ in 0..count {
        writeln!(lines, "{{\"customer\":\"{SECRET}\",\"n\":\"{SECRET}\"}}").unwrap();
    }
    lines
}

async fn publish(jetstream: &Context, body: &str) -> u64 {
    jetstream.publish("orders.1", body.to_owned().into()).await.unwrap().await.unwrap().sequence
}

async fn heard(subscription: &mut async_nats::Subscriber) -> Value {
    let message = tokio::time::timeout(DEADLINE, subscription.next()).await.expect("a notice in time").unwrap();
    let text = String::from_utf8(message.payload.to_vec()).unwrap();
    assert!(!text.contains(SECRET), "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn subscribed(server: &NatsServer, subject: &'static str) -> (async_nats::Client, async_nats::Subscriber) {
    let client = server.client().await;
    let subscription = client.subscribe(subject).await.unwrap();
    client.flush().await.unwrap();
    (client, subscription)
}

async fn stream_of(jetstream: &Context, subjects: &[&str]) {
    let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
    create(jetstream, stream::Config { name: "ORDERS".to_owned(), subjects, ..Default::default() }).await;
}

#[tokio::test]
async fn a_notice_says_where_to_look_and_why_and_nothing_of_the_event() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    stream_of(&jetstream, &["orders.>"]).await;
    let (_client, mut notices) = subscribed(&server, SUBJECT).await;
    let input = "jetstream: {stream: ORDERS, filter_subjects: [orders.>]}";
    let mut world = World::new(&server.url(), input, "");
    world.start();
    publish(&jetstream, &format!("{{\"customer\":\"{SECRET}\",\"n\":4}}")).await;
    publish(&jetstream, &format!("{{\"customer\":\"{SECRET}\",\"n\":\"{SECRET}\"}}")).await;
    let notice = heard(&mut notices).await;
    let parked = world.daemon().get("/v1/parked/orders/2").1["item"].clone();
    let expected = json!({
        "source": "orders", "sequence": 2, "type": "Placed", "projection": null, "reason": "wrong_type", "pointer": "/n",
        "publishedAt": parked["publishedAt"], "see": "/v1/parked/orders/2",
    });
    assert_eq!(notice, expected);
    // What only a projection cannot take.
    publish(&jetstream, "{\"customer\":\"a\",\"n\":0}").await;
    let notice = heard(&mut notices).await;
    assert_eq!((&notice["sequence"], &notice["projection"]), (&json!(3), &json!("shares")), "{notice}");
    let (status, shown) = world.daemon().get(notice["see"].as_str().unwrap());
    assert_eq!((status, &shown["item"]["faults"][0]["reason"]), (200, &notice["reason"]));
    // What is parked already is not told again by the next start.
    world.daemon().wait("a checkpoint", DEADLINE, |daemon| {
        (daemon.metric("checkpoint_duration_seconds_count", &[]) > 0.0).then_some(())
    });
    assert!(world.daemon.take().unwrap().terminate().0.success());
    world.start();
    publish(&jetstream, "{\"n\":1}").await;
    let notice = heard(&mut notices).await;
    assert_eq!((&notice["sequence"], &notice["reason"]), (&json!(4), &json!("missing_field")));
    assert_eq!((world.notices("sent"), world.notices("dropped")), (1.0, 0.0));
    // A reload sends them elsewhere, or nowhere.
    let (_client, mut elsewhere) = subscribed(&server, "elsewhere").await;
    let reload = |notify: &str| {
        world.root(&server.url(), notify);
        world.daemon().post("/v1/admin/reload", &json!({})).1["changes"][0]["name"].clone()
    };
    assert_eq!(reload("parked: {notify: {subject: elsewhere}}\n"), "parked.notify.subject");
    publish(&jetstream, "{\"n\":2}").await;
    assert_eq!(heard(&mut elsewhere).await["sequence"], 5);
    assert_eq!(reload(""), "parked.notify.subject");
    let last = publish(&jetstream, "{\"n\":3}").await;
    world.daemon().catch_up(last, DEADLINE);
    assert_eq!(reload("parked: {notify: {subject: elsewhere}}\n"), "parked.notify.subject");
    publish(&jetstream, "{\"n\":4}").await;
    assert_eq!(heard(&mut elsewhere).await["sequence"], 7, "what was parked while nobody wanted to know is not told");
}

#[tokio::test]
async fn a_burst_is_summed_up() {
    needs_nats!();
    const BURST: u64 = 10_000;
    let server = NatsServer::start();
    let (_client, mut notices) = subscribed(&server, SUBJECT).await;
    let mut world = World::of_file(&server.url());
    world.start();
    world.append(&wrong(BURST as usize));
    let (mut single, mut more, mut messages) = (0, 0, 0);
    while single + more < BURST {
        let notice = heard(&mut notices).await;
        messages += 1;
        match notice["more"].as_u64() {
            Some(count) => {
                assert_eq!(notice, json!({"more": count, "sources": {"orders": count}, "see": "/v1/parked"}));
                more += count;
            }
            None => single += 1,
        }
    }
    assert_eq!(single + more, BURST);
    assert!(messages <= 4 * 21, "{messages} notices");
    assert_eq!(world.notices("sent") + world.notices("summarised"), BURST as f64);
}

#[tokio::test]
async fn nothing_waits_for_a_server_that_is_not_there() {
    needs_nats!();
    let mut server = NatsServer::stopped();
    let mut world = World::of_file(&server.url());
    world.start();
    let goes_on = |world: &World, position: u64| world.daemon().catch_up(position, DEADLINE);
    world.append(&wrong(3_000));
    goes_on(&world, 3_000);
    world.daemon().wait("what is dropped to be counted", DEADLINE, |daemon| {
        let count = |result: &str| daemon.metric("parked_notices_total", &[&format!("result=\"{result}\"")]);
        (count("dropped") + count("summarised") == 3_000.0 && count("sent") == 0.0).then_some(())
    });
    // It comes, and what was not told is summed up.
    server.restart();
    let (_client, mut notices) = subscribed(&server, SUBJECT).await;
    let summary = heard(&mut notices).await;
    assert_eq!(summary["more"], 3_000, "{summary}");
    world.append(&wrong(1));
    goes_on(&world, 3_001);
    assert_eq!(heard(&mut notices).await["sequence"], 3_001);
    // It goes, and events are taken as before.
    server.kill();
    world.append(&wrong(500));
    goes_on(&world, 3_501);
    server.restart();
    let (_client, mut notices) = subscribed(&server, SUBJECT).await;
    let mut told = 0;
    while told < 500 {
        told += heard(&mut notices).await["more"].as_u64().unwrap_or(1);
    }
    // One that takes nothing any more, as when a network fails.
    let link = Link::to(server.port(), Rate::Unlimited).await;
    let mut world = World::of_file(&link.url());
    world.start();
    world.append(&wrong(1));
    assert_eq!(heard(&mut notices).await["sequence"], 1);
    link.set(Rate::Stalled);
    world.append(&wrong(5_000));
    goes_on(&world, 5_001);
    let took = std::time::Instant::now();
    assert!(world.daemon.take().unwrap().terminate().0.success());
    assert!(took.elapsed() < Duration::from_secs(10), "its end waits for no notice");
}

#[tokio::test]
async fn no_notice_goes_into_a_stream_that_a_source_reads() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    stream_of(&jetstream, &["orders.>", "readside.>"]).await;
    let (_client, mut notices) = subscribed(&server, SUBJECT).await;
    let mut world = World::new(&server.url(), "jetstream: {stream: ORDERS}", "");
    world.start();
    publish(&jetstream, "{\"n\":1}").await;
    world.daemon().wait("what is dropped to be counted", DEADLINE, |daemon| {
        (daemon.metric("parked_notices_total", &["result=\"dropped\""]) == 1.0).then_some(())
    });
    let line = world.daemon().says("no notice of parked events is sent");
    assert!(line.contains("ORDERS") && line.contains("parked.notify.subject"), "{line}");
    world.daemon().catch_up(1, DEADLINE);
    let mut stream = jetstream.get_stream("ORDERS").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.last_sequence, 1);
    assert!(futures::FutureExt::now_or_never(notices.next()).is_none());
}
