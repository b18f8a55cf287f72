//! How what stands beside the live generations begins with state that is there: a cut and the names of the stores when a
//! checkpoint is captured, and what the stores hold once that is durable. So the loop waits for nothing.

use tokio::sync::oneshot;

use super::build::{Ground, Keeping, Kept};
use super::commands::Wanted;
use super::engine::Engine;
use crate::checkpoint::{Draft, OperatorEntry};
use crate::lifecycle::Ticket;
use crate::state::Stores;

/// Someone who waits for state of the next checkpoint.
pub(super) enum Asked {
    /// Who would begin builds.
    Ground { wanted: Wanted, reply: oneshot::Sender<Ground> },
    /// A build that is about to replace what is to be kept.
    Keep { keeping: Keeping, ticket: Ticket, reply: oneshot::Sender<Result<Kept, String>> },
}

/// What was gathered for one who waits, but what the stores hold.
pub(super) enum Gathered {
    Ground { ground: Ground, reply: oneshot::Sender<Ground> },
    Keep { kept: Box<Kept>, reply: oneshot::Sender<Result<Kept, String>> },
}

impl Asked {
    /// Gathers what the checkpoint to be will have, if anything. Call it right after the capture.
    pub(super) fn gather(self, engine: &mut Engine, draft: &mut Draft, now_us: i64) -> Option<Gathered> {
        match self {
            Asked::Ground { wanted, reply } => {
                let donors = engine.donors(&wanted.operators, &draft.content);
                Some(Gathered::Ground { ground: Ground::at(engine, &wanted, donors), reply })
            }
            Asked::Keep { keeping, ticket, reply } => match Kept::of(engine, &keeping, &ticket, draft, now_us) {
                Ok(kept) => Some(Gathered::Keep { kept: Box::new(kept), reply }),
                Err(why) => {
                    let _ = reply.send(Err(why));
                    None
                }
            },
        }
    }
}

impl Gathered {
    /// The stores that have to be read back.
    pub(super) fn stores(&self) -> Vec<String> {
        match self {
            Gathered::Ground { ground, .. } => {
                let entries = ground.donors.values().map(|donor| &donor.entry);
                let named = |entry: &OperatorEntry| {
                    entry.stores.keys().map(|store| format!("{}{store}", entry.prefix)).collect::<Vec<_>>()
                };
                entries.flat_map(named).collect()
            }
            Gathered::Keep { kept, .. } => kept.stores_needed().into_iter().collect(),
        }
    }

    /// Answers with what the stores hold, of which each takes its own. An answer that is no more waited for is lost.
    pub(super) fn answer(self, stores: &Result<Stores, String>) {
        match (self, stores) {
            (Gathered::Ground { mut ground, reply }, Ok(stores)) => {
                ground.stores.clone_from(stores);
                let _ = reply.send(ground);
            }
            (Gathered::Ground { mut ground, reply }, Err(error)) => {
                tracing::warn!(%error, "the state of running projections cannot be read back; what is built begins without");
                ground.donors.clear();
                let _ = reply.send(ground);
            }
            (Gathered::Keep { mut kept, reply }, Ok(stores)) => {
                kept.take_stores(stores);
                let _ = reply.send(Ok(*kept));
            }
            (Gathered::Keep { reply, .. }, Err(error)) => drop(reply.send(Err(error.clone()))),
        }
    }
}
