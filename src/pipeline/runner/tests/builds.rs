//! What the loop does for a build that wants to join.

use std::collections::BTreeSet;

use super::*;
use crate::config::ParkedLimits;
use crate::pipeline::{Build, Commands};

/// A loop that runs, and what reaches it.
struct Running {
    commands: Commands,
    reports: mpsc::Sender<Report>,
    stop: watch::Sender<bool>,
    _indexes: TempDir,
}

impl Running {
    async fn start() -> Self {
        let Stepped { mut runner, reports, indexes } = Stepped::start().await;
        let (commands, received) = Commands::new();
        runner.commands = received;
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(runner.run(stopped));
        Self { commands, reports, stop, _indexes: indexes }
    }

    async fn report(&self, input: Input) {
        self.reports.send(of_orders(input)).await.unwrap();
    }

    async fn position(&self) -> u64 {
        self.commands.look(&BTreeSet::new()).await.unwrap().cut.position("orders").sequence()
    }

    /// Waits until the loop has come to a position, however long that takes.
    async fn comes_to(&self, position: u64) {
        while self.position().await < position {
            tokio::task::yield_now().await;
        }
    }
}

/// A build of nothing: it joins where it says that it stands.
fn build() -> Build {
    Build::new(Engine::new(ParkedLimits { max_events: 10, max_bytes: 1 << 20 }), BTreeSet::new())
}

#[tokio::test]
async fn a_hold_keeps_the_cut_until_the_build_has_joined() {
    let running = Running::start().await;
    running.report(fetched(1, &[ONE])).await;
    running.comes_to(1).await;
    let at = running.commands.hold(&BTreeSet::new()).await.unwrap();
    running.report(fetched(2, &[ONE])).await;
    for _ in 0..20 {
        assert_eq!(running.position().await, 1, "nothing is taken in");
    }
    let mut build = build();
    build.arrive(&at, now_us()).unwrap();
    assert!(running.commands.join(build, None, None).await.unwrap().is_ok());
    running.comes_to(2).await;
    running.stop.send_replace(true);
}

#[tokio::test]
async fn a_build_that_comes_late_gets_its_state_back_and_may_come_again() {
    let running = Running::start().await;
    let at = running.commands.hold(&BTreeSet::new()).await.unwrap();
    running.report(fetched(1, &[ONE])).await;
    // The hold ends by itself.
    running.comes_to(1).await;
    let mut late = build();
    late.arrive(&at, now_us()).unwrap();
    let mut late = running.commands.join(late, None, None).await.unwrap().unwrap_err();
    let at = running.commands.hold(&BTreeSet::new()).await.unwrap();
    late.arrive(&at, now_us()).unwrap();
    assert!(running.commands.join(*late, None, None).await.unwrap().is_ok());
    running.stop.send_replace(true);
}

#[tokio::test]
async fn whoever_asks_a_loop_that_has_ended_is_told() {
    let running = Running::start().await;
    running.stop.send_replace(true);
    while running.commands.look(&BTreeSet::new()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(running.commands.join(build(), None, None).await.is_none());
}
