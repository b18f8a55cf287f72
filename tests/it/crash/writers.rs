//! Two daemons on one data directory: exactly one goes on, and nothing is corrupted.

use std::time::{Duration, Instant};

use super::daemon::Daemon;
use super::folder::Folder;
use super::shop::{create_stream, fates, publish};
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, needs_nats};

const SEED: u64 = 11;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_later_goes_on_even_if_nothing_happens() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    publish(&jetstream, SEED, 1..201).await;
    let folder = Folder::new(&server.url());
    let mut first = Daemon::start(&folder.config());
    first.catch_up(200, DEADLINE);
    let second = Daemon::start(&folder.config());
    assert_eq!(first.ended().code(), Some(3), "who is replaced leaves, with no event to tell it");
    assert!(first.wait_for_log("has taken over this place for checkpoints").contains("this daemon must stop"));
    publish(&jetstream, SEED, 201..401).await;
    second.catch_up(400, DEADLINE);
    assert_whole(second, &folder, 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_start_together_one_goes_on() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let folder = Folder::new(&server.url());
    let publisher = {
        let jetstream = jetstream.clone();
        tokio::spawn(async move { publish(&jetstream, SEED, 1..5_001).await })
    };
    let config = folder.config();
    let other = std::thread::spawn(move || Daemon::spawn(&config));
    let one = Daemon::spawn(&folder.config());
    let other = other.join().unwrap();
    publisher.await.unwrap();
    // Whoever ends says why; the other one never does.
    let why = "took over|has taken over";
    let gone = |daemon: &Daemon| why.split('|').any(|text| daemon.logged(text).is_some());
    let deadline = Instant::now() + DEADLINE;
    while !gone(&one) && !gone(&other) {
        assert!(Instant::now() < deadline, "both go on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (mut loser, mut winner) = if gone(&one) { (one, other) } else { (other, one) };
    assert_eq!(loser.ended().code(), Some(3));
    winner.listening();
    winner.catch_up(5_000, DEADLINE);
    assert_whole(winner, &folder, 5_000).await;
}

/// The tables, and the checkpoint that the daemon leaves, are those of one daemon alone.
async fn assert_whole(daemon: Daemon, folder: &Folder, events: u64) {
    let (admitted, rejected, indivisible) = fates(SEED, 1..events + 1);
    assert_eq!(daemon.sql("SELECT events FROM totals")["items"][0]["events"], admitted);
    assert!(daemon.terminate().0.success());
    let (manifest, parked) = folder.contents().await;
    assert_eq!(manifest.content.sources["orders"].covered, events.into());
    assert_eq!(parked.len() as u64, rejected + indivisible);
}
