//! Tells over NATS that events were parked: where each is to be looked at and why, never what is in it.
//!
//! It looks at the snapshots that are published, from a task of its own and over a connection of its own, so that nothing waits for
//! it. What it cannot send it drops and counts. The parked list is what counts; a notice only says that it is worth a look.

mod difference;
mod ration;
mod sender;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use crate::config::Nats;
use crate::lifecycle::Parked;
use crate::progress::SourceName;
use crate::read_model::ReadView;
use crate::read_model::catalog::{Catalog, Snapshot};
use crate::telemetry;

use difference::newly_parked;
use ration::{Ration, Turn};
use sender::Sender;
use text::{about, about_more};

/// Between looks: what is parked in the meantime is looked at together.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is wanted of the notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub subject: String,
    /// Streams of which a source reads every subject: nothing is sent where one of them would take it.
    pub streams: BTreeSet<String>,
}

/// Tells what is parked from the current snapshot on, until whoever publishes them or wants to know is gone.
pub fn tell_parked(
    catalog: &Catalog,
    nats: Nats,
    wanted: watch::Receiver<Option<Wanted>>,
) -> impl Future<Output = ()> + Send + use<> {
    // Now, and not when the task has its first turn.
    let mut snapshots = catalog.subscribe();
    let known = parked_of(&snapshots.borrow_and_update());
    tell(snapshots, known, nats, wanted)
}

async fn tell(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    mut known: Arc<[Arc<Parked>]>,
    nats: Nats,
    mut wanted: watch::Receiver<Option<Wanted>>,
) {
    loop {
        let Some(now) = wanted.borrow_and_update().clone() else {
            if wanted.changed().await.is_err() {
                return;
            }
            // What was parked while nobody wanted to know is not told.
            known = parked_of(&snapshots.borrow_and_update());
            continue;
        };
        let mut teller = Teller::new(now, &nats).await;
        let is_wanted_otherwise = loop {
            let changed = tokio::select! {
                changed = wanted.changed() => break changed.is_ok(),
                changed = snapshots.changed() => changed,
                () = until(teller.ration.next_summary()) => Ok(()),
            };
            if changed.is_err() {
                break false;
            }
            let parked = parked_of(&snapshots.borrow_and_update());
            teller.tell(&known, &parked).await;
            known = parked;
            tokio::select! {
                changed = wanted.changed() => break changed.is_ok(),
                () = sleep(LOOK_EVERY) => {}
            }
        };
        if !is_wanted_otherwise {
            return;
        }
    }
}

fn parked_of(snapshot: &Arc<Snapshot>) -> Arc<[Arc<Parked>]> {
    ReadView::of_daemon(snapshot.clone()).parked().cloned().unwrap_or_default()
}

/// Until then; for ever if there is no such time.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Sends notices to one subject.
struct Teller {
    sender: Sender,
    ration: Ration,
    /// Events that no notice has told of since the last summary, by source.
    more: BTreeMap<SourceName, u64>,
}

impl Teller {
    async fn new(wanted: Wanted, nats: &Nats) -> Self {
        let mut sender = Sender::new(wanted, nats.clone());
        sender.connect().await;
        Self { sender, ration: Ration::default(), more: BTreeMap::new() }
    }

    /// Tells what is parked now and was not before, and sums up what is due.
    async fn tell(&mut self, before: &Arc<[Arc<Parked>]>, now: &Arc<[Arc<Parked>]>) {
        self.sender.log_complaint();
        if !Arc::ptr_eq(before, now) {
            for parked in newly_parked(before, now) {
                self.tell_one(parked).await;
            }
        }
        let time = Instant::now();
        if self.ration.next_summary().is_some_and(|due| time >= due) {
            let sent = self.sender.send(about_more(&self.more)).await;
            self.ration.summed_up(sent, time);
            if sent {
                self.more.clear();
            }
        }
    }

    async fn tell_one(&mut self, parked: &Parked) {
        let time = Instant::now();
        let turn = self.ration.take(time);
        if turn == Turn::First {
            self.sender.look_where_it_goes().await;
        }
        let result = match turn {
            Turn::None => "summarised",
            Turn::First | Turn::Next if self.sender.send(about(parked)).await => "sent",
            Turn::First | Turn::Next => "dropped",
        };
        telemetry::count_notice(&parked.source, result);
        if result != "sent" {
            *self.more.entry(parked.source.clone()).or_default() += 1;
            self.ration.owe_summary(time);
        }
    }
}
