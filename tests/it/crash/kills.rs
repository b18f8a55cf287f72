//! P2: killed at any moment, again and again, the outcome is that of a run that nothing interrupted.

use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use fastrand::Rng;

use super::daemon::Daemon;
use super::digest::{Digest, digest};
use super::folder::Folder;
use super::shop::{create_stream, fates, publish};
use crate::support::nats::{NatsServer, needs_nats};

/// How large the test is.
#[derive(Debug, Clone, Copy)]
struct Size {
    events: u64,
    kills: u64,
    seed: u64,
}

impl Size {
    fn from_env() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.replace('_', "").parse().expect("a number"));
        Self {
            events: number("CRASH_EVENTS").unwrap_or(20_000),
            kills: number("CRASH_KILLS").unwrap_or(3),
            seed: number("CRASH_SEED").unwrap_or_else(|| fastrand::u64(1..1_000_000_000)),
        }
    }

    /// Generous: a debug build on a loaded machine applies a thousand events a second.
    fn deadline(self) -> Duration {
        Duration::from_secs(60 + self.events / 500)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_the_outcome_is_that_of_a_whole_run() {
    needs_nats!();
    let size = Size::from_env();
    println!("{} events, {} kills, CRASH_SEED={}", size.events, size.kills, size.seed);
    let interrupted = interrupted_run(size).await;
    let whole = whole_run(size).await;
    let (admitted, rejected, indivisible) = fates(size.seed, 1..size.events + 1);
    println!("{admitted} admitted, {rejected} rejected, {indivisible} indivisible: {:?}", whole.tables);
    let counted: u64 = whole.admitted.values().flat_map(|versions| versions.values()).sum();
    assert_eq!(counted, admitted);
    assert_eq!(whole.parked.len() as u64, rejected + indivisible, "the events that were made to fail are parked");
    assert!(whole.tables.values().chain(whole.searches.values()).all(|sum| sum.count > 0), "nothing is empty");
    interrupted.assert_same(&whole);
}

async fn whole_run(size: Size) -> Digest {
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    publish(&jetstream, size.seed, 1..size.events + 1).await;
    let folder = Folder::new(&server.url());
    let began = Instant::now();
    let daemon = Daemon::start(&folder.config());
    daemon.catch_up(size.events, size.deadline());
    println!("whole run: {:?}", began.elapsed());
    digest(daemon, &folder, size.events, size.deadline()).await
}

async fn interrupted_run(size: Size) -> Digest {
    let mut server = NatsServer::start();
    let mut jetstream = server.jetstream().await;
    create_stream(&jetstream).await;
    let folder = Folder::new(&server.url());
    let mut random = Rng::with_seed(size.seed);
    // Some to spare, for kills that come just after a checkpoint.
    let slice = (size.events / (size.kills + 2 + size.kills / 4)).max(1);
    let (mut published, mut kills, mut purges) = (0, 0, 0);
    while kills < size.kills {
        let until = published + slice;
        assert!(until <= size.events, "{kills} of {} kills found uncommitted work", size.kills);
        if random.u32(0..3) == 0 {
            kill_while_starting(&folder, &mut random);
        }
        let daemon = Daemon::start(&folder.config());
        let publisher = {
            let (jetstream, seed) = (jetstream.clone(), size.seed);
            tokio::spawn(async move { publish(&jetstream, seed, published + 1..until + 1).await })
        };
        let after = published + random.u64(slice / 10..=slice * 9 / 10);
        let killed = kill_with_uncommitted_work(daemon, &folder, after, until, size.deadline());
        publisher.await.expect("the publisher");
        published = until;
        let Some((seen, durable)) = killed else { continue };
        kills += 1;
        println!("kill {kills}: {seen} was served, {durable} is durable");
        // One of them always, so that the short form has both.
        if kills % 2 == 0 {
            purge(&jetstream, durable).await;
            purges += 1;
        } else {
            server.restart();
            jetstream = server.jetstream().await;
            let info = jetstream.get_stream("ORDERS").await.expect("the stream").cached_info().clone();
            assert_eq!(info.state.last_sequence, published, "the restarted server has everything");
        }
    }
    assert!(purges > 0 || size.kills < 2, "only state can have carried the rest");
    let daemon = Daemon::start(&folder.config());
    publish(&jetstream, size.seed, published + 1..size.events + 1).await;
    digest(daemon, &folder, size.events, size.deadline()).await
}

/// Waits until a manifest exists, `after` is served and something served is in no checkpoint; then kills. Gives what was
/// served and what is durable, or none if the last checkpoint was quicker than the kill.
fn kill_with_uncommitted_work(
    daemon: Daemon,
    folder: &Folder,
    after: u64,
    until: u64,
    within: Duration,
) -> Option<(u64, u64)> {
    let deadline = Instant::now() + within;
    loop {
        let (seen, durable) = (daemon.position(), folder.checkpointed());
        if durable.is_some_and(|durable| seen > durable) && seen >= after || durable == Some(until) {
            daemon.kill();
            let durable = folder.checkpointed().expect("a manifest exists");
            return (seen > durable).then_some((seen, durable));
        }
        assert!(Instant::now() < deadline, "{after} is not served but {seen}; {durable:?} is durable");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills within the first third of a second, when checkpoints are opened and restored.
fn kill_while_starting(folder: &Folder, random: &mut Rng) {
    let daemon = Daemon::spawn(&folder.config());
    std::thread::sleep(Duration::from_millis(random.u64(0..300)));
    daemon.kill();
}

/// Removes everything through `last` from the stream.
async fn purge(jetstream: &Context, last: u64) {
    let stream = jetstream.get_stream("ORDERS").await.expect("the stream");
    stream.purge().sequence(last + 1).await.expect("a purge");
    let info = stream.get_info().await.expect("the stream");
    assert_eq!(info.state.first_sequence, last + 1, "purged through the manifest's position");
}
