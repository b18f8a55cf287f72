//! What goes wrong with sources, listeners and signals: a clear word, and nothing lost.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::folder::Folder;
use super::shop::{create_stream, fates, publish};
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, needs_nats};

const SEED: u64 = 7;

/// Waits until the daemon is not ready for a reason that contains `text`.
fn wait_for_reason(daemon: &Daemon, text: &str) {
    daemon.wait(&format!("reason {text:?}"), DEADLINE, |daemon| {
        let (status, answer) = daemon.get("/readyz");
        let reasons = answer["reasons"].to_string();
        (status == 503 && reasons.contains(text)).then_some(())
    });
}

fn events(daemon: &Daemon) -> Value {
    daemon.sql("SELECT events FROM totals")["items"][0]["events"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_server_and_a_missing_stream_are_waited_for() {
    needs_nats!();
    let mut server = NatsServer::stopped();
    let folder = Folder::new(&server.url());
    let daemon = Daemon::start(&folder.config());
    wait_for_reason(&daemon, "source `orders` was not reached yet: cannot connect to NATS at nats://127.0.0.1");
    assert_eq!(daemon.get("/livez").0, 200);
    assert_eq!(daemon.source()["state"], "disconnected");
    // Nobody knows whether there are rows, so that none is no answer.
    let rows =
        ["/v1/tables/totals", "/v1/tables/totals/1", "/v1/search/customer_search?text=a"].map(|path| daemon.get(path));
    let sql = daemon.post("/v1/sql", &json!({"sql": "SELECT count(*) AS n FROM totals"}));
    for (status, told) in rows.into_iter().chain([sql]) {
        let detail = told["detail"].as_str().unwrap_or_default();
        assert!(status == 503 && detail.contains("source `orders` was not reached yet: cannot connect"), "{told}");
        assert_eq!(told["freshness"]["state"], "disconnected", "{told}");
    }
    server.restart();
    let jetstream = server.jetstream().await;
    wait_for_reason(&daemon, "stream `ORDERS` does not exist; create it");
    create_stream(&jetstream).await;
    publish(&jetstream, SEED, 1..101).await;
    daemon.catch_up(100, DEADLINE);
    daemon.wait("readiness", DEADLINE, |daemon| (daemon.get("/readyz").0 == 200).then_some(()));
    daemon.says("cannot connect to NATS");
    daemon.says("stream `ORDERS` does not exist");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_daemon_is_live_without_a_new_event() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    publish(&jetstream, SEED, 1..101).await;
    let folder = Folder::new(&server.url());
    let daemon = Daemon::start(&folder.config());
    daemon.catch_up(100, DEADLINE);
    let counted = events(&daemon);
    assert!(daemon.terminate().0.success());
    let daemon = Daemon::start(&folder.config());
    daemon.catch_up(100, DEADLINE);
    assert_eq!(events(&daemon), counted);
    // The index has nothing new to commit, and stands for the present all the same.
    for projection in ["totals", "customer_search"] {
        let freshness = daemon.get(&format!("/v1/projections/{projection}")).1["freshness"].clone();
        assert_eq!((&freshness["state"], &freshness["lagSeconds"]), (&"live".into(), &0.0.into()), "{freshness}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_created_anew_halts_its_source() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    publish(&jetstream, SEED, 1..51).await;
    let folder = Folder::new(&server.url());
    let daemon = Daemon::start(&folder.config());
    daemon.catch_up(50, DEADLINE);
    let counted = events(&daemon);

    // While it runs.
    jetstream.delete_stream("ORDERS").await.unwrap();
    create_stream(&jetstream).await;
    publish(&jetstream, SEED + 1, 1..101).await;
    let halted = |daemon: &Daemon| {
        let source = daemon.source();
        let is_told =
            source["message"].as_str().is_some_and(|text| text.contains("stream `ORDERS` was created anew at"));
        (source["state"] == "halted" && is_told).then_some(())
    };
    daemon.wait("halt", DEADLINE, halted);
    assert_eq!((daemon.position(), events(&daemon)), (50, counted.clone()), "nothing of the new stream is applied");
    assert!(daemon.terminate().0.success());

    // And after a restart.
    let daemon = Daemon::start(&folder.config());
    daemon.wait("halt", DEADLINE, halted);
    // It serves the rows that it has, and says what is wrong.
    daemon.wait("warning", DEADLINE, |daemon| {
        let (status, answer) = daemon.get("/readyz");
        (status == 200 && answer["warnings"].to_string().contains("was created anew at")).then_some(())
    });
    assert_eq!((daemon.position(), events(&daemon)), (50, counted));
    daemon.says("was created anew at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_drains_in_time() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    publish(&jetstream, SEED, 1..5_001).await;
    let folder = Folder::new(&server.url());
    let daemon = Daemon::start(&folder.config());
    let seen = daemon.wait("progress", DEADLINE, |daemon| Some(daemon.position()).filter(|seen| *seen > 0));
    let (status, took) = daemon.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(folder.checkpointed() >= Some(seen), "what was served is in the checkpoint");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_applied_is_counted() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    publish(&jetstream, SEED, 1..3_001).await;
    let folder = Folder::new(&server.url());
    let daemon = Daemon::start(&folder.config());
    daemon.catch_up(3_000, DEADLINE);
    let (_, rejected, indivisible) = fates(SEED, 1..3_001);
    assert!(rejected > 0 && indivisible > 0);
    let failures = daemon.metric("event_processing_failures_total", &["source=\"orders\""]);
    let errors = daemon.metric("projection_error_total", &["projection=\"loads\"", "event_type=\"OrderPlaced\""]);
    assert_eq!((failures, errors), (rejected as f64, indivisible as f64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named_and_disturbs_nobody() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let folder = Folder::new(&server.url());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    folder.listen(&server.url(), &free.to_string());
    let first = Daemon::start(&folder.config());
    let mut second = Daemon::spawn(&folder.config());
    second.wait_for_log(&format!("cannot listen on {free}"));
    assert_eq!(second.ended().code(), Some(1));
    // The one that failed has not taken the data directory over.
    publish(&jetstream, SEED, 1..101).await;
    first.catch_up(100, DEADLINE);
    first.wait("a checkpoint", DEADLINE, |_| (folder.checkpointed() == Some(100)).then_some(()));
}
