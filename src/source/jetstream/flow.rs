//! Patience with a server as long as bytes come over the connection, whatever they belong to.
//!
//! A slow link carries everything one behind the other: an answer waits behind the messages that were asked for before it,
//! and while a large message arrives nothing else does. So no time-out says that a server is silent, only that nothing came.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Client, Statistics};
use tokio::time::{Instant, interval};

use crate::source::connect::Complaints;

/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(6);
/// Fewer bytes are heartbeats and small answers, and no flow.
const TRICKLE: u64 = 4 << 10;
const LOOK: Duration = Duration::from_millis(100);

/// The bytes that come over a connection.
#[derive(Debug)]
pub(super) struct Flow {
    statistics: Arc<Statistics>,
    connects: u64,
    /// The bytes that had come when anything came last, and when more than a trickle had.
    anything: Mark,
    more: Mark,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    bytes: u64,
    at: Instant,
}

/// How a wait for an answer ends without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing at all came over the connection.
    Connection,
    /// What came was no flow, or a complaint of the server's.
    Request,
}

impl Flow {
    pub(super) fn of(client: &Client) -> Self {
        let statistics = client.statistics();
        let now = Mark { bytes: statistics.in_bytes.load(Ordering::Relaxed), at: Instant::now() };
        let connects = statistics.connects.load(Ordering::Relaxed);
        Self { statistics, connects, anything: now, more: now }
    }

    /// Notes what has come.
    pub(super) fn look(&mut self) {
        let now = Mark { bytes: self.statistics.in_bytes.load(Ordering::Relaxed), at: Instant::now() };
        if now.bytes > self.anything.bytes {
            self.anything = now;
        }
        if now.bytes >= self.more.bytes + TRICKLE {
            self.more = now;
        }
    }

    /// Leaves out what has come until now: it was an answer.
    pub(super) fn leave_out(&mut self) {
        self.more.bytes = self.statistics.in_bytes.load(Ordering::Relaxed);
    }

    /// Whether nothing at all has come for longer than a live server is silent.
    pub(super) fn is_dead(&self) -> bool {
        self.anything.at.elapsed() > PATIENCE
    }

    /// Whether more than a trickle came within this time.
    pub(super) fn is_steady(&self, within: Duration) -> bool {
        self.more.at.elapsed() <= within
    }

    /// Whether it goes over another connection than at first.
    pub(super) fn has_reconnected(&self) -> bool {
        self.statistics.connects.load(Ordering::Relaxed) != self.connects
    }
}

/// Waits for an answer for as long as bytes flow. After a complaint of the server's it is not waited for much longer: what the
/// server does not permit, it does not answer.
pub(super) async fn answer<T>(
    client: &Client,
    complaints: &Complaints,
    answer: impl Future<Output = T>,
) -> Result<T, Silence> {
    let mut flow = Flow::of(client);
    let (asked_at, complaints_before) = (Instant::now(), complaints.count());
    let mut looks = interval(LOOK);
    tokio::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => return Ok(answer),
            _ = looks.tick() => flow.look(),
        }
        let is_refused = complaints.count() > complaints_before && asked_at.elapsed() > PATIENCE;
        if flow.is_dead() {
            return Err(Silence::Connection);
        }
        if !flow.is_steady(PATIENCE) || is_refused {
            return Err(Silence::Request);
        }
    }
}
