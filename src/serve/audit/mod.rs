//! The audit log: what administrators did, and who was denied what, a line each. It knows no protocol.
//!
//! A line has names of principals and of the configuration, and codes; no token, no claim, and nothing of what a request or an answer has in it.

mod ration;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ration::{By, LeftOut, Origin, Ration};

use crate::serve::auth::{Credential, Identity};
use crate::telemetry::count_denied;

/// What `RUST_LOG` names these lines by.
const TARGET: &str = "readside::audit";
/// How soon it is told how much was left out.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// Writes the lines. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Audit(Arc<Mutex<Ration>>);

/// Who asks for what, as far as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    pub by: Option<Arc<str>>,
    pub credential: Option<Credential>,
    /// As it is declared, with names of parameters and no value. None: there is none.
    pub route: Option<Arc<str>>,
    /// What an administrator wants done.
    pub action: Option<&'static str>,
    /// A declared one.
    pub relation: Option<String>,
    /// A declared one.
    pub source: Option<String>,
    pub peer: Option<IpAddr>,
}

/// What became of it; a code says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Denied(&'static str),
    Failed(&'static str),
    /// Who asked went away before they were answered: it may be done, or may be yet.
    Unanswered,
}

impl Asking {
    /// Of somebody who is known, or need not be.
    pub fn of(identity: Option<&Identity>) -> Self {
        let Some(Identity::Known(principal)) = identity else { return Self::default() };
        Self { by: Some(principal.name.clone()), credential: Some(principal.credential), ..Self::default() }
    }

    fn origin(&self) -> Origin {
        let by = self.by.clone().map_or(By::Address(self.peer), By::Principal);
        Origin { by, route: self.route.clone() }
    }
}

impl Audit {
    /// Tells that somebody was denied something for who they are, as often as may be.
    pub fn denied(&self, asking: &Asking, reason: &'static str) {
        count_denied(reason);
        if self.take(asking) {
            tell("denial", asking, "denied", Some(reason), "a request is denied");
        }
    }

    /// Tells what became of what an administrator wanted done; what has come to nothing, as often as may be: anybody may try.
    pub fn acted(&self, asking: &Asking, outcome: Outcome) {
        let (outcome, reason) = match outcome {
            Outcome::Denied(reason) => return self.denied(asking, reason),
            Outcome::Done => ("done", None),
            Outcome::Failed(_) | Outcome::Unanswered if !self.take(asking) => return,
            Outcome::Failed(reason) => ("failed", Some(reason)),
            Outcome::Unanswered => ("unanswered", None),
        };
        tell("action", asking, outcome, reason, "an administrator has asked");
    }

    /// Tells how many lines were left out, for as long as it is polled.
    pub async fn follow(self) {
        let mut ticks = tokio::time::interval(LOOKS_EVERY);
        loop {
            ticks.tick().await;
            let left_out = self.0.lock().unwrap_or_else(PoisonError::into_inner).left_out(Instant::now());
            left_out.into_iter().for_each(tell_left_out);
        }
    }

    fn take(&self, asking: &Asking) -> bool {
        let now = Instant::now();
        let (left_out, has_line) = {
            let mut ration = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (ration.left_out(now), ration.take(&asking.origin(), now))
        };
        left_out.into_iter().for_each(tell_left_out);
        has_line
    }
}

/// Texts go as such and not by how they are displayed: so they are quoted, and a name has no line of its own.
fn tell(audit: &str, asking: &Asking, outcome: &str, reason: Option<&str>, message: &str) {
    let Asking { by, credential, route, action, relation, source, peer } = asking;
    tracing::info!(
        target: TARGET,
        audit,
        by = by.as_deref(),
        credential = credential.map(Credential::label),
        route = route.as_deref(),
        action,
        relation = relation.as_deref(),
        source = source.as_deref(),
        outcome,
        reason,
        peer = peer.map(tracing::field::display),
        "{message}"
    );
}

fn tell_left_out(left_out: LeftOut) {
    let LeftOut { origin, lines: left } = left_out;
    let (by, route) = origin.map(|origin| (origin.by, origin.route)).unzip();
    let (by, peer) = match by {
        Some(By::Principal(name)) => (Some(name), None),
        Some(By::Address(address)) => (None, address),
        None => (None, None),
    };
    tracing::info!(
        target: TARGET,
        audit = "left-out",
        by = by.as_deref(),
        route = route.flatten().as_deref(),
        left,
        peer = peer.map(tracing::field::display),
        "requests that were denied or failed are not told one by one"
    );
}
