//! P4 at the edges of a stream: whatever happens to its history, the rows are those of all that was published, or the answer
//! says that they are not. There is no third way.
//!
//! Each fault happens while a daemon runs, while it is stopped, and before a build from the stream's beginning, to a stream
//! that keeps its history and to one whose own rules delete from it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{Config, Source};
use async_nats::jetstream::{Context, stream};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;
use crate::support::link::{Link, Rate};
use crate::support::nats::{NatsServer, create, needs_nats};

const STREAM: &str = "ORDERS";
const KEYS: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Running,
    Stopped,
    /// Stopped, and then started with another definition, which is built from the beginning.
    Building,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// Nothing is deleted by the stream's own rules.
    All,
    /// Limits, roll-ups and messages that end delete from within.
    Some,
}

struct World {
    server: NatsServer,
    jetstream: Context,
    folder: TempDir,
    keeps: Keeps,
    /// Between the daemon and the server, where there is one.
    link: Option<Link>,
    daemon: Option<Daemon>,
    /// Events that were published to the stream as it is now.
    published: u64,
    /// Bytes in each event that nothing reads.
    padding: usize,
}

impl World {
    async fn new(keeps: Keeps) -> Self {
        let server = NatsServer::start();
        let jetstream = server.jetstream().await;
        let folder = TempDir::new().unwrap();
        let world = Self { server, jetstream, folder, keeps, link: None, daemon: None, published: 0, padding: 0 };
        create(&world.jetstream, world.config()).await;
        world.configure("", "count(*) AS n");
        world
    }

    fn config(&self) -> Config {
        let plain = Config { name: STREAM.to_owned(), subjects: vec!["orders.>".to_owned()], ..Config::default() };
        match self.keeps {
            Keeps::All => plain,
            Keeps::Some => {
                Config { max_messages_per_subject: 1_000, allow_rollup: true, allow_message_ttl: true, ..plain }
            }
        }
    }

    async fn update(&self, change: impl FnOnce(&mut Config)) {
        let mut config = self.config();
        change(&mut config);
        self.jetstream.update_stream(config).await.unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration: what the source's `jetstream` has beside the stream, and the columns of the projection.
    fn configure(&self, filter: &str, columns: &str) {
        let root = format!(
            "nats: {{url: \"{}\"}}\ndata_dir: data\nsources: source.yaml\nprojections: projection.yaml\n\
             http: {{listen: \"127.0.0.1:0\"}}\nmetrics: {{listen: \"127.0.0.1:0\"}}\ncheckpoint: {{interval: 100ms}}\npromotion: auto\nkeep: 0s\n",
            self.link.as_ref().map_or_else(|| self.server.url(), Link::url)
        );
        let source = format!(
            "source: orders\njetstream: {{stream: {STREAM}{filter}}}\n\
             envelope: {{type: const:Placed, key: subject:2, data: body}}\nevents: {{Placed: {{fields: {{n: int64!}}}}}}\n"
        );
        let projection = format!(
            "projection: totals\nkey: [k]\nsql: SELECT _key AS k, {columns} FROM orders.placed GROUP BY _key\n"
        );
        for (name, text) in [("readside.yaml", root), ("source.yaml", source), ("projection.yaml", projection)] {
            std::fs::write(self.path(name), text).unwrap();
        }
    }

    async fn publish(&mut self, count: u64) -> u64 {
        let mut last = 0;
        for _ in 0..count {
            last = self.publish_with(HeaderMap::new()).await;
        }
        last
    }

    async fn publish_with(&mut self, headers: HeaderMap) -> u64 {
        let subject = format!("orders.k{}", self.published % KEYS);
        let body = format!("{{\"n\": {}, \"more\": \"{}\"}}", self.published, "x".repeat(self.padding));
        self.published += 1;
        let ack = self.jetstream.publish_with_headers(subject, headers, body.into()).await.unwrap();
        ack.await.unwrap().sequence
    }

    async fn publish_to(&self, subject: &'static str) -> u64 {
        self.jetstream.publish(subject, "{\"n\": 1}".into()).await.unwrap().await.unwrap().sequence
    }

    async fn stream(&self) -> stream::Stream {
        self.jetstream.get_stream(STREAM).await.unwrap()
    }

    async fn last_sequence(&self) -> u64 {
        self.stream().await.cached_info().state.last_sequence
    }

    /// Waits until the stream has come to a sequence.
    async fn arrived(&self, sequence: u64) {
        while self.last_sequence().await < sequence {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(&self.path("readside.yaml")));
    }

    fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            assert!(daemon.terminate().0.success());
        }
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// Restarts the server, with another store in between if one is given.
    async fn restart_server(&mut self, store: Option<&TempDir>) {
        self.server.kill();
        if let Some(store) = store {
            self.server.restore_store(store);
        }
        self.server.restart();
        self.jetstream = self.server.jetstream().await;
    }

    /// What an answer says once everything that can be read has been: `whole`, or why not. What is declared and could not be
    /// built, so that what was there before goes on, is `unbuilt`.
    async fn outcome(&self) -> String {
        let is_built = self.daemon().wait("the end of the build", DEADLINE, |daemon| {
            let (status, body) = daemon.get("/v1/projections/totals");
            let build = &body["item"]["build"];
            (status == 200 && (build.is_null() || build["state"] == "failed")).then(|| build.is_null())
        });
        let outcome = self.answered().await;
        if is_built { outcome } else { format!("{outcome} unbuilt") }
    }

    async fn answered(&self) -> String {
        let last = self.last_sequence().await;
        let answer = self.daemon().wait("settled answer", DEADLINE, |daemon| {
            let (status, body) = daemon.get("/v1/tables/totals?pageSize=100");
            let freshness = &body["freshness"];
            let state = freshness["state"].as_str().unwrap_or("none");
            let is_there = freshness["positions"]["orders"] == last && matches!(state, "live" | "idle");
            let has_stopped = matches!(state, "halted" | "failed");
            (status == 200 && (is_there || has_stopped)).then_some(body)
        });
        let rows = answer["items"].as_array().unwrap();
        let counted: u64 = rows.iter().map(|row| row["n"].as_u64().unwrap()).sum();
        let freshness = &answer["freshness"];
        let source = &freshness["sources"]["orders"];
        let lost = source["lost"]["messages"].as_u64();
        match (freshness["state"].as_str().unwrap(), freshness["incomplete"].as_bool().unwrap()) {
            ("halted" | "failed", _) => {
                assert!(counted > 0, "the last rows stay");
                freshness["state"].as_str().unwrap().to_owned()
            }
            (_, true) => {
                let missing = self.published - counted;
                assert!(lost >= Some(missing), "{missing} messages are missing, but {source} says otherwise");
                "incomplete".to_owned()
            }
            _ if !source["since"].is_null() => format!("since {}", source["since"]),
            _ => {
                assert_eq!(counted, self.published, "a third way: rows are missing, and nothing says so: {answer}");
                "whole".to_owned()
            }
        }
    }
}

/// What becomes of a stream of 20 events that were read, and 10 that were read only if a daemon ran. What `fault` does to it
/// happens then. Five more come after it.
async fn happens<F>(keeps: Keeps, when: When, fault: F) -> String
where
    F: AsyncFn(&mut World),
{
    let mut world = World::new(keeps).await;
    world.publish(20).await;
    world.start();
    world.daemon().catch_up(20, DEADLINE);
    if when != When::Running {
        world.stop();
    }
    world.publish(10).await;
    if when == When::Running {
        world.daemon().catch_up(30, DEADLINE);
    }
    fault(&mut world).await;
    if when == When::Building {
        world.configure("", "count(*) AS n, max(n) AS last");
    }
    if when != When::Running {
        world.start();
    }
    world.publish(5).await;
    world.outcome().await
}

/// What becomes of the stream, by what it keeps: while the daemon runs, is stopped, and builds.
async fn check(keeps: &[Keeps], fault: impl AsyncFn(&mut World), expected: &str) {
    let mut outcomes = Vec::new();
    for keeps in keeps {
        let mut of = Vec::new();
        for when in [When::Running, When::Stopped, When::Building] {
            of.push(happens(*keeps, when, &fault).await);
        }
        outcomes.push(format!("{keeps:?}: {}", of.join(", ")));
    }
    assert_eq!(outcomes.join("; "), expected);
}

const BOTH: [Keeps; 2] = [Keeps::All, Keeps::Some];

#[tokio::test]
async fn nothing_happens() {
    needs_nats!();
    let expected = "All: whole, whole, whole; Some: whole, whole, whole";
    check(&BOTH, async |_| {}, expected).await;
}

#[tokio::test]
async fn what_was_read_is_purged() {
    needs_nats!();
    let purge = async |world: &mut World| {
        world.stream().await.purge().sequence(15).await.unwrap();
    };
    check(&BOTH, purge, "All: whole, whole, whole unbuilt; Some: whole, whole, incomplete").await;
}

#[tokio::test]
async fn what_was_not_read_is_purged() {
    needs_nats!();
    let purge = async |world: &mut World| {
        world.stream().await.purge().sequence(26).await.unwrap();
    };
    check(&BOTH, purge, "All: whole, halted, halted unbuilt; Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn everything_is_purged() {
    needs_nats!();
    let purge = async |world: &mut World| {
        world.stream().await.purge().await.unwrap();
    };
    check(&BOTH, purge, "All: whole, halted, halted unbuilt; Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn a_subject_is_purged() {
    needs_nats!();
    let purge = async |world: &mut World| {
        world.stream().await.purge().filter("orders.k1").await.unwrap();
    };
    check(&BOTH, purge, "All: whole, incomplete, incomplete; Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn single_messages_are_deleted() {
    needs_nats!();
    let delete = async |world: &mut World| {
        let stream = world.stream().await;
        for sequence in [3, 24, 25, 30] {
            assert!(stream.delete_message(sequence).await.unwrap());
        }
    };
    check(&BOTH, delete, "All: whole, incomplete, incomplete; Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn messages_expire_by_age() {
    needs_nats!();
    let expire = async |world: &mut World| {
        world.update(|config| config.max_age = Duration::from_millis(300)).await;
        while world.stream().await.cached_info().state.messages > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        world.update(|_| {}).await;
    };
    check(&BOTH, expire, "All: whole, halted, halted unbuilt; Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn messages_go_by_count() {
    needs_nats!();
    let limit = async |world: &mut World| {
        world.update(|config| config.max_messages = 6).await;
        world.update(|_| {}).await;
    };
    check(&BOTH, limit, "All: whole, halted, halted unbuilt; Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn messages_go_by_subject() {
    needs_nats!();
    let limit = async |world: &mut World| world.update(|config| config.max_messages_per_subject = 2).await;
    check(&BOTH, limit, "All: whole, incomplete, incomplete; Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn messages_end_by_themselves() {
    needs_nats!();
    let end = async |world: &mut World| {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-TTL", "1s");
        let last = world.publish_with(headers).await;
        if let Some(daemon) = &world.daemon {
            daemon.catch_up(last, DEADLINE);
        }
        while world.stream().await.get_raw_message(last).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    check(&[Keeps::Some], end, "Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn messages_are_rolled_up() {
    needs_nats!();
    let roll_up = async |world: &mut World| {
        for what in ["sub", "all"] {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Rollup", what);
            world.publish_with(headers).await;
        }
    };
    check(&[Keeps::Some], roll_up, "Some: whole, incomplete, incomplete").await;
}

#[tokio::test]
async fn the_stream_is_created_anew() {
    needs_nats!();
    check(
        &BOTH,
        async |world| recreate(world, 0).await,
        "All: halted, halted, halted unbuilt; Some: halted, halted, halted unbuilt",
    )
    .await;
}

#[tokio::test]
async fn the_stream_is_created_anew_and_overtakes() {
    needs_nats!();
    check(
        &BOTH,
        async |world| recreate(world, 40).await,
        "All: halted, halted, halted unbuilt; Some: halted, halted, halted unbuilt",
    )
    .await;
}

async fn recreate(world: &mut World, more: u64) {
    world.jetstream.delete_stream(STREAM).await.unwrap();
    create(&world.jetstream, world.config()).await;
    world.published = 0;
    world.publish(more).await;
}

#[tokio::test]
async fn the_stream_is_restored() {
    needs_nats!();
    let restore = async |world: &mut World| {
        world.server.kill();
        let copy = world.server.copy_of_store();
        world.restart_server(Some(&copy)).await;
    };
    check(&BOTH, restore, "All: whole, whole, whole; Some: whole, whole, whole").await;
}

#[tokio::test]
async fn the_stream_is_set_back() {
    needs_nats!();
    check(
        &BOTH,
        async |world| set_back(world, 0).await,
        "All: halted, halted, halted unbuilt; Some: halted, halted, halted unbuilt",
    )
    .await;
}

#[tokio::test]
async fn the_stream_is_set_back_and_overtakes() {
    needs_nats!();
    check(
        &BOTH,
        async |world| set_back(world, 40).await,
        "All: halted, halted, halted unbuilt; Some: halted, halted, halted unbuilt",
    )
    .await;
}

/// Restores the stream from a copy that lacks what was read last, and publishes to it again.
async fn set_back(world: &mut World, more: u64) {
    let (last, published) = (world.last_sequence().await, world.published);
    world.server.kill();
    let copy = world.server.copy_of_store();
    world.restart_server(None).await;
    let gone = world.publish(8).await;
    let is_running = world.daemon.is_some();
    if !is_running {
        world.start();
    }
    world.daemon().catch_up(gone, DEADLINE);
    if !is_running {
        world.stop();
    }
    world.restart_server(Some(&copy)).await;
    assert_eq!(world.last_sequence().await, last);
    // Other events than those that are gone.
    world.published = published + 1_000 * KEYS;
    world.publish(more).await;
    world.published = published + more;
}

/// What becomes of a build over a slow link, whose stream is changed by `fault` when some of it was read.
async fn changes_mid_build(keeps: Keeps, fault: impl AsyncFn(&mut World)) -> String {
    let mut world = World::new(keeps).await;
    world.link = Some(Link::to(world.server.port(), Rate::Unlimited).await);
    world.padding = 10_000;
    world.configure("", "count(*) AS n");
    world.publish(300).await;
    world.start();
    world.daemon().catch_up(300, DEADLINE);
    world.stop();
    world.configure("", "count(*) AS n, max(n) AS last");
    world.link.as_ref().unwrap().set(Rate::BytesPerSecond(1_000_000));
    world.start();
    let build = world.daemon().wait("progress", DEADLINE, |daemon| {
        let (_, body) = daemon.get("/v1/projections/totals");
        let build = body["item"]["build"].clone();
        (build["sources"]["orders"]["position"].as_u64() > Some(0)).then_some(build)
    });
    assert_eq!(build["state"], "building", "{build}");
    let (_, answer) = world.daemon().get("/v1/tables/totals?pageSize=1");
    assert_eq!(answer["freshness"]["state"], "live", "the definition of the checkpoint takes every event: {answer}");
    assert_eq!(build["sources"]["orders"]["target"], 300, "{build}");
    assert!(build["sources"]["orders"]["position"].as_u64() < Some(300), "the build is under way: {build}");
    assert!(build["remainingSeconds"].as_f64() > Some(0.0), "{build}");
    fault(&mut world).await;
    world.link.as_ref().unwrap().set(Rate::Unlimited);
    world.publish(5).await;
    world.outcome().await
}

async fn check_mid_build(fault: impl AsyncFn(&mut World), expected: [&str; 2]) {
    for (keeps, expected) in BOTH.into_iter().zip(expected) {
        assert_eq!(changes_mid_build(keeps, &fault).await, expected, "{keeps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_happens_mid_build() {
    needs_nats!();
    check_mid_build(async |_| {}, ["whole", "whole"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_build_has_not_read_is_purged() {
    needs_nats!();
    let purge = async |world: &mut World| {
        world.stream().await.purge().sequence(295).await.unwrap();
    };
    check_mid_build(purge, ["whole unbuilt", "incomplete"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_is_purged_mid_build() {
    needs_nats!();
    let purge = async |world: &mut World| {
        world.stream().await.purge().filter("orders.k1").await.unwrap();
    };
    check_mid_build(purge, ["incomplete", "incomplete"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_is_created_anew_mid_build() {
    needs_nats!();
    check_mid_build(async |world| recreate(world, 0).await, ["halted unbuilt", "halted unbuilt"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_is_created_anew_and_overtakes_mid_build() {
    needs_nats!();
    check_mid_build(async |world| recreate(world, 400).await, ["halted unbuilt", "halted unbuilt"]).await;
}

#[tokio::test]
async fn the_filter_is_changed() {
    needs_nats!();
    for keeps in BOTH {
        let mut world = World::new(keeps).await;
        world.configure(", filter_subjects: [\"orders.k1\"]", "count(*) AS n");
        world.publish(20).await;
        world.start();
        world.daemon().catch_up(20, DEADLINE);
        world.stop();
        world.configure("", "count(*) AS n");
        world.start();
        world.publish(5).await;
        assert_eq!(world.outcome().await, "whole");
        // Half of what is left out now is purged.
        world.stop();
        world.stream().await.purge().sequence(11).await.unwrap();
        world.configure(", filter_subjects: [\"orders.k1\", \"orders.k2\"]", "count(*) AS n");
        world.start();
        // Without a build all of the first ones are there.
        world.published = if keeps == Keeps::All { 25 } else { 12 };
        let outcome = world.outcome().await;
        assert_eq!(outcome, if keeps == Keeps::All { "whole unbuilt" } else { "incomplete" });
    }
}

#[tokio::test]
async fn a_filtered_source_tells_its_own_losses_from_those_of_others() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.update(|config| config.max_messages_per_subject = 1_000).await;
    world.configure(", filter_subjects: [\"orders.k1\"]", "count(*) AS n");
    world.publish(20).await;
    world.start();
    world.daemon().catch_up(20, DEADLINE);
    world.stop();
    // Nothing that is read was stored since, so what is deleted is of others.
    world.publish_to("orders.k0").await;
    world.stream().await.purge().filter("orders.k0").await.unwrap();
    world.publish_to("orders.k0").await;
    world.start();
    world.published = 5;
    assert_eq!(world.outcome().await, "whole");
    world.stop();
    let gone = world.publish_to("orders.k1").await;
    assert!(world.stream().await.delete_message(gone).await.unwrap());
    world.publish_to("orders.k1").await;
    world.start();
    world.published = 7;
    assert_eq!(world.outcome().await, "incomplete");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_source_tells_what_is_deleted_while_it_reads() {
    needs_nats!();
    for keeps in BOTH {
        let mut world = World::new(keeps).await;
        world.link = Some(Link::to(world.server.port(), Rate::Unlimited).await);
        world.padding = 10_000;
        world.configure(", filter_subjects: [\"orders.k1\", \"orders.k2\"]", "count(*) AS n");
        world.publish(600).await;
        world.link.as_ref().unwrap().set(Rate::BytesPerSecond(500_000));
        world.start();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        // Of others, and then of those that are read.
        world.stream().await.purge().filter("orders.k3").await.unwrap();
        world.stream().await.purge().filter("orders.k1").await.unwrap();
        world.link.as_ref().unwrap().set(Rate::Unlimited);
        world.publish_to("orders.k2").await;
        world.published = 301;
        assert_eq!(world.outcome().await, "incomplete", "{keeps:?}");
        let (_, body) = world.daemon().get("/v1/tables/totals?pageSize=100");
        let lost = &body["freshness"]["sources"]["orders"]["lost"]["messages"];
        let counted: u64 = body["items"].as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap()).sum();
        assert_eq!(*lost, 301 - counted, "{body}");
    }
}

#[tokio::test]
async fn a_stream_that_is_opened_late_says_so_for_good() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    world.stream().await.purge().sequence(11).await.unwrap();
    world.start();
    assert_eq!(world.outcome().await, "since 11");
    world.stop();
    world.configure("", "count(*) AS n, max(n) AS last");
    world.start();
    world.publish(5).await;
    assert_eq!(world.outcome().await, "since 11");
}

#[tokio::test]
async fn what_was_lost_is_said_after_a_restart_too() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    assert!(world.stream().await.delete_message(7).await.unwrap());
    world.start();
    assert_eq!(world.outcome().await, "incomplete");
    world.stop();
    world.start();
    world.publish(5).await;
    assert_eq!(world.outcome().await, "incomplete");
}

/// A stream fed by another, to which 20 events were published and which has lost the seventh.
async fn fed(by: impl FnOnce(&mut Config, Source)) -> World {
    let mut world = World::new(Keeps::All).await;
    let origin = Config { name: "ORIGIN".to_owned(), subjects: vec!["orders.>".to_owned()], ..Config::default() };
    world.jetstream.delete_stream(STREAM).await.unwrap();
    create(&world.jetstream, origin).await;
    world.publish(20).await;
    let origin = world.jetstream.get_stream("ORIGIN").await.unwrap();
    origin.delete_message(7).await.unwrap();
    let mut config = Config { name: STREAM.to_owned(), ..Config::default() };
    by(&mut config, Source { name: "ORIGIN".to_owned(), ..Source::default() });
    create(&world.jetstream, config).await;
    world
}

#[tokio::test]
async fn a_mirror_says_what_its_origin_has_lost() {
    needs_nats!();
    let mut world = fed(|config, origin| config.mirror = Some(origin)).await;
    world.arrived(20).await;
    world.start();
    assert_eq!(world.outcome().await, "incomplete");
}

#[tokio::test]
async fn a_stream_with_a_source_is_held_to_its_own_sequences() {
    needs_nats!();
    let mut world = fed(|config, origin| config.sources = Some(vec![origin])).await;
    world.arrived(19).await;
    // What the origin lost before never was an event of this stream.
    world.published = 19;
    world.start();
    assert_eq!(world.outcome().await, "whole");
    world.stop();
    world.publish(4).await;
    world.arrived(23).await;
    world.stream().await.delete_message(21).await.unwrap();
    world.start();
    assert_eq!(world.outcome().await, "incomplete");
}

impl World {
    /// Asks for something under `/v1/admin`, and gives the status and the answer's detail.
    fn admin(&self, path: &str, body: &Value) -> (u16, String) {
        let (status, answer) = self.daemon().post(&format!("/v1/admin/{path}"), body);
        (status, answer["detail"].as_str().unwrap_or_default().to_owned())
    }

    fn source_verb(&self, verb: &str) -> (u16, String) {
        self.admin(&format!("sources/orders/{verb}"), &json!({"actor": "me", "reason": "so"}))
    }

    /// Waits until the source is in a state, and gives what it says of itself.
    fn source_is(&self, state: &str) -> String {
        self.daemon().wait(state, DEADLINE, |daemon| {
            let source = daemon.source();
            (source["state"] == state).then(|| source["message"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// The actions of the ledger, the oldest first.
    fn actions(&self) -> Vec<String> {
        let history = self.daemon().get("/v1/history").1;
        let steps = history["items"].as_array().unwrap().iter().rev();
        steps.map(|step| step["action"].as_str().unwrap().to_owned()).collect()
    }

    async fn restart(&mut self) {
        self.stop();
        self.start();
    }
}

#[tokio::test]
async fn a_gap_that_is_accepted_is_read_behind_and_stays_told() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    world.start();
    world.daemon().catch_up(20, DEADLINE);
    assert_eq!(world.source_verb("accept-gap").0, 409, "there is none");
    world.stop();
    world.publish(10).await;
    world.stream().await.purge().sequence(26).await.unwrap();
    world.start();
    let message = world.source_is("halted");
    assert!(message.contains("21 to 25") && message.contains("`readside source accept-gap orders`"), "{message}");
    assert_eq!(world.source_verb("resume").0, 200, "which mends nothing");
    assert_eq!(world.source_is("halted"), message);
    let (status, told) = world.source_verb("accept-gap");
    assert!(status == 200 && told.contains("behind what is gone after 20"), "{told}");
    for _ in 0..2 {
        assert_eq!(world.outcome().await, "incomplete");
        let lost =
            world.daemon().get("/v1/tables/totals?pageSize=1").1["freshness"]["sources"]["orders"]["lost"].clone();
        assert_eq!((&lost["messages"], &lost["ranges"][0]["first"]), (&json!(5), &json!(21)));
        assert_eq!(world.actions(), ["served", "resumed", "gap-accepted"]);
        world.restart().await;
        world.publish(5).await;
    }
}

#[tokio::test]
async fn a_stream_that_was_created_anew_is_read_from_its_beginning_once_that_is_decided() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    world.start();
    world.daemon().catch_up(20, DEADLINE);
    world.jetstream.delete_stream(STREAM).await.unwrap();
    create(&world.jetstream, world.config()).await;
    world.published = 0;
    world.publish(7).await;
    let message = world.source_is("halted");
    assert!(message.contains("`readside source reset`"), "{message}");
    assert_eq!(world.source_verb("pause").0, 200);
    world.source_is("paused");
    assert_eq!(world.source_verb("resume").0, 200);
    world.source_is("halted");
    let (status, told) = world.source_verb("reset");
    assert!(status == 200 && told.contains("these are built again, and show their last rows: totals"), "{told}");
    for _ in 0..2 {
        assert_eq!(world.outcome().await, "whole");
        assert_eq!(world.actions(), ["served", "paused", "resumed", "reset", "reloaded", "served"]);
        world.restart().await;
        world.publish(5).await;
    }
}

#[tokio::test]
async fn a_source_that_is_paused_stays_so_until_it_is_resumed() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    world.start();
    world.daemon().catch_up(20, DEADLINE);
    assert_eq!(world.source_verb("resume").0, 409);
    assert_eq!(world.source_verb("pause").0, 200);
    let mut published = 0;
    for _ in 0..2 {
        world.publish(5).await;
        assert_eq!(world.source_is("paused"), "paused by me: so; `readside source resume orders` goes on");
        let (status, answer) = world.daemon().get("/v1/tables/totals?pageSize=1");
        assert_eq!((status, &answer["freshness"]["state"]), (200, &json!("paused")));
        // Nothing of it is read, but how much there is by now is known.
        published += 5;
        world.daemon().wait("the lag counts what is published", DEADLINE, |daemon| {
            let (_, source) = daemon.get("/v1/sources/orders");
            (source["item"]["lagEvents"] == json!(published)).then_some(())
        });
        let (_, answer) = world.daemon().get("/v1/tables/totals?pageSize=1");
        assert_eq!(answer["freshness"]["lagEvents"], json!(published));
        assert_eq!(world.daemon().position(), 20);
        world.restart().await;
    }
    assert_eq!(world.source_verb("resume").0, 200);
    assert_eq!(world.outcome().await, "whole");
    assert_eq!(world.admin("sources/orders/stop", &json!({})).0, 404);
    let (status, detail) = world.admin("sources/order/pause", &json!({}));
    assert!(status == 404 && detail.contains("did you mean `orders`"), "{detail}");
}

#[tokio::test]
async fn what_is_discarded_is_missed_no_more_by_whoever_reads_it_again() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    world.jetstream.publish("orders.k1", "{\"n\": \"x\"}".into()).await.unwrap().await.unwrap();
    world.jetstream.publish("orders.k1", "{}".into()).await.unwrap().await.unwrap();
    world.start();
    world.daemon().catch_up(22, DEADLINE);
    let incomplete = |world: &World| {
        world.daemon().get("/v1/tables/totals?pageSize=1").1["freshness"]["incomplete"].as_bool().unwrap()
    };
    assert!(incomplete(&world));
    let discard =
        |world: &World, which: Value| world.admin("parked/discard", &json!({"which": which, "reason": "test"}));
    assert_eq!(discard(&world, json!({})).0, 400, "all of them are not meant by nothing");
    assert_eq!(world.admin("parked/discard", &json!({"which": {"source": "orders"}})).0, 400, "without a reason");
    assert_eq!(discard(&world, json!({"source": "orders", "sequences": [3]})).0, 409);
    let (status, told) = discard(&world, json!({"source": "orders", "reason": "wrong_type"}));
    assert_eq!((status, told.as_str()), (200, "discarded 1 event of orders: 21"));
    assert!(incomplete(&world));
    assert_eq!(discard(&world, json!({"source": "orders", "sequences": [22]})).0, 200);
    assert!(!incomplete(&world));
    assert_eq!(world.daemon().metric("parked_events_discarded_total", &["source=\"orders\""]), 2.0);
    world.restart().await;
    world.daemon().catch_up(22, DEADLINE);
    assert!(!incomplete(&world));
    // Everything is read again, because the projection is another one.
    world.configure("", "count(*) AS n, max(n) AS last");
    assert_eq!(world.admin("reload", &json!({})).0, 200);
    world.daemon().wait("the build", DEADLINE, |daemon| {
        let status = daemon.get("/v1/projections/totals").1["item"].clone();
        (status["generation"] == 2 && status["build"].is_null()).then_some(())
    });
    assert!(!incomplete(&world));
    // So does the source, because its events have a field more; whatever was given up would be parked again.
    let source = std::fs::read_to_string(world.path("source.yaml")).unwrap();
    std::fs::write(world.path("source.yaml"), source.replace("n: int64!", "n: int64!, more: string")).unwrap();
    assert_eq!(world.admin("reload", &json!({})).0, 200);
    world.daemon().wait("the source", DEADLINE, |daemon| {
        let status = daemon.get("/v1/projections/totals").1["item"].clone();
        (status["generation"] == 3 && status["build"].is_null()).then_some(())
    });
    assert!(!incomplete(&world));
    assert_eq!(world.daemon().get("/v1/parked").1["items"], json!([]));
    assert_eq!(world.actions(), ["served", "discarded", "discarded", "reloaded", "served", "reloaded", "served"]);
}

#[tokio::test]
async fn an_atomic_batch_is_never_seen_in_half() {
    needs_nats!();
    batches_are_seen_whole("", 30).await;
}

#[tokio::test]
async fn what_a_filter_leaves_of_an_atomic_batch_is_never_seen_in_half() {
    needs_nats!();
    // The event that ends a batch is one of those that are left out.
    batches_are_seen_whole(", filter_subjects: [orders.k1, orders.k3]", 15).await;
}

/// Looks at the rows of batches of 30 events, of which a filter lets `read` through, while they are taken in.
async fn batches_are_seen_whole(filter: &str, read: u64) {
    const BATCH: u64 = 30;
    const STORED: u64 = 300;
    const LIVE: u64 = 60;
    let mut world = World::new(Keeps::All).await;
    world.configure(filter, "count(*) AS n");
    world.jetstream.delete_stream(STREAM).await.unwrap();
    let config = json!({"name": STREAM, "subjects": ["orders.>"], "allow_atomic": true, "num_replicas": 1});
    let created: Value = world.jetstream.request(format!("STREAM.CREATE.{STREAM}"), &config).await.unwrap();
    assert_eq!(created["config"]["allow_atomic"], true, "{created}");
    let client = world.server.client().await;
    for batch in 0..STORED {
        publish_batch(&client, batch, BATCH).await;
    }
    world.published = STORED * read;
    let root = std::fs::read_to_string(world.path("readside.yaml")).unwrap();
    std::fs::write(world.path("readside.yaml"), format!("{root}commit: {{max_events: 100, max_delay: 0ms}}\n"))
        .unwrap();
    world.start();
    let mut cuts = BTreeSet::new();
    // Once of what is there already, and then of one batch after the other.
    for batch in STORED..=STORED + LIVE {
        loop {
            let (status, answer) = world.daemon().get("/v1/tables/totals?pageSize=100");
            let rows = answer["items"].as_array().cloned().unwrap_or_default();
            let counted: u64 = rows.iter().map(|row| row["n"].as_u64().unwrap()).sum();
            assert_eq!((counted % read, status == 200 || status >= 404), (0, true), "{answer}");
            cuts.insert(counted);
            if counted == world.published {
                break;
            }
        }
        if batch < STORED + LIVE {
            publish_batch(&client, batch, BATCH).await;
            world.published += read;
        }
    }
    assert!(cuts.len() as u64 > LIVE, "{cuts:?}");
    assert_eq!(world.outcome().await, "whole");
}

/// Publishes so many events that are stored together or not at all.
async fn publish_batch(client: &async_nats::Client, batch: u64, size: u64) {
    for place in 1..=size {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", format!("b{batch}").as_str());
        headers.insert("Nats-Batch-Sequence", place.to_string().as_str());
        let subject = format!("orders.k{}", place % KEYS);
        if place < size {
            client.publish_with_headers(subject, headers, "{\"n\": 1}".into()).await.unwrap();
        } else {
            headers.insert("Nats-Batch-Commit", "1");
            let ack = client.request_with_headers(subject, headers, "{\"n\": 1}".into()).await.unwrap();
            let ack: Value = serde_json::from_slice(&ack.payload).unwrap();
            assert_eq!(ack["count"], size, "{ack}");
        }
    }
}

#[tokio::test]
async fn what_is_paused_and_lacks_what_has_gone_says_so_and_stays_paused() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    world.start();
    world.daemon().catch_up(20, DEADLINE);
    assert_eq!(world.admin("projections/totals/pause", &json!({})).0, 200);
    world.publish(10).await;
    world.daemon().catch_up(30, DEADLINE);
    world.stream().await.purge().sequence(26).await.unwrap();
    let by = json!({"actor": "ann"});
    let (status, refused) = world.admin("projections/totals/resume", &by);
    assert_eq!(status, 409, "{refused}");
    // The source has not halted, so there is nothing of it to be accepted.
    assert!(refused.contains("`totals` was not resumed") && refused.contains("21 to 25"), "{refused}");
    assert!(!refused.contains("accept-gap"), "{refused}");
    let check = |world: &World| {
        world.daemon().wait("the pause", DEADLINE, |daemon| {
            (daemon.get("/v1/projections/totals").1["item"]["state"] == "paused").then_some(())
        });
        let mut actions = world.actions();
        actions.sort();
        assert_eq!(actions, ["not-resumed", "paused", "served"]);
    };
    check(&world);
    let steps = world.daemon().get("/v1/history").1["items"].clone();
    let step = steps.as_array().unwrap().iter().find(|one| one["action"] == "not-resumed").unwrap().clone();
    assert_eq!(step["actor"], "ann", "{step}");
    assert!(step["to"].as_str().unwrap().contains("21 to 25"), "{step}");
    world.stop();
    world.start();
    check(&world);
}

#[tokio::test]
async fn a_build_whose_history_is_gone_is_foretold_and_leaves_what_serves() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    world.start();
    world.daemon().catch_up(20, DEADLINE);
    world.stream().await.purge().sequence(15).await.unwrap();
    world.configure("", "count(*) AS n, max(n) AS last");
    let mut command = std::process::Command::new(binary());
    let config = world.path("readside.yaml");
    let planned = command.args(["plan", "--url", world.daemon().url(), "--config"]).arg(config).output().unwrap();
    let text = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert_eq!(planned.status.code(), Some(3), "{text}");
    assert!(text.contains("blocked: messages 1 to 14 of source `orders` have expired"), "{text}");
    assert_eq!(world.admin("reload", &json!({})).0, 200);
    let message = world.daemon().wait("the build to fail", DEADLINE, |daemon| {
        let build = daemon.get("/v1/projections/totals").1["item"]["build"].clone();
        (build["state"] == "failed").then(|| build["message"].as_str().unwrap().to_owned())
    });
    assert!(message.contains("1 to 14") && message.contains("whole history"), "{message}");
    // What serves is right, and is not to be thrown away.
    assert!(message.contains("--from-timestamp") && !message.contains("data_dir"), "{message}");
    world.publish(5).await;
    assert_eq!(world.outcome().await, "whole unbuilt");
    // Back to what serves, of which nothing has to be built.
    world.configure("", "count(*) AS n");
    assert_eq!(world.admin("reload", &json!({})).0, 200);
    assert!(world.daemon().get("/v1/projections/totals").1["item"]["build"].is_null());
    assert_eq!(world.outcome().await, "whole");
}

#[tokio::test]
async fn what_is_built_from_a_time_on_counts_what_was_stored_since() {
    needs_nats!();
    let mut world = World::new(Keeps::All).await;
    world.publish(20).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.publish(11).await;
    // Only what it reads counts, and the others are in between.
    world.configure(", filter_subjects: [orders.k0, orders.k2]", "count(*) AS n");
    world.start();
    world.daemon().catch_up(31, DEADLINE);
    // The history before is gone: to build it again from the first message is not possible any more.
    world.stream().await.purge().sequence(13).await.unwrap();
    let (status, told) =
        world.daemon().post("/v1/admin/projections/totals/rebuild", &json!({"fromTimestamp": time, "actor": "ann"}));
    assert_eq!((status, &told["builds"]), (200, &json!([["totals"]])), "{told}");
    let counted = |world: &World| {
        let answer = world.daemon().wait("the later ones", DEADLINE, |daemon| {
            let answer = daemon.get("/v1/tables/totals?pageSize=100").1;
            (answer["freshness"]["sources"]["orders"]["since"] == 21).then_some(answer)
        });
        assert_eq!(answer["freshness"]["incomplete"], false, "{answer}");
        answer["items"].as_array().unwrap().iter().map(|row| row["n"].as_u64().unwrap()).sum::<u64>()
    };
    // Eleven from number 20 on: 20, 22, … 30.
    assert_eq!(counted(&world), 6);
    let verified = world.daemon().post("/v1/admin/projections/totals/verify", &json!({})).1;
    assert_eq!(verified["result"], "equal", "{verified}");
    // It goes on so, through a restart and with more events.
    world.stop();
    world.publish(4).await;
    world.start();
    world.daemon().catch_up(35, DEADLINE);
    world.daemon().wait("the new ones", DEADLINE, |_| (counted(&world) == 8).then_some(()));
    assert_eq!(world.daemon().get("/v1/projections/totals").1["item"]["since"], json!({"orders": 21}));
    let steps = world.daemon().get("/v1/history").1["items"].clone();
    assert!(steps[0]["to"].as_str().unwrap().ends_with(", of what came from orders:21 on"), "{steps}");
    // From a time before all that is left, all that is left counts; and from one without a message only what is yet to come.
    let rebuild = |time: &str| {
        let body = json!({"fromTimestamp": time});
        world.daemon().post("/v1/admin/projections/totals/rebuild", &body)
    };
    assert_eq!(rebuild("2020-01-01T00:00:00Z").0, 200);
    world.daemon().wait("all that is left", DEADLINE, |daemon| {
        let answer = daemon.get("/v1/tables/totals?pageSize=100").1;
        (answer["freshness"]["sources"]["orders"]["since"] == 13).then_some(())
    });
    for (time, why) in [("yesterday", "no time as in RFC 3339"), ("2999-01-01T00:00:00Z", "in the future")] {
        let (status, problem) = rebuild(time);
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
}
