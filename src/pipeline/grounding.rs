//! How what stands beside the live generations begins with state that is there: a cut and the names of the stores when a
//! checkpoint is captured, and what the stores hold once that is durable. So the loop waits for nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::oneshot;

use super::build::{Ground, Keeping, Kept, Replaced, StoredRollout};
use super::commands::Wanted;
use super::engine::{Engine, Resumed};
use super::runner::Acknowledgement;
use crate::checkpoint::{Draft, OperatorEntry};
use crate::lifecycle::{Actor, Ticket};
use crate::state::Stores;

/// Someone who waits for state of the next checkpoint.
pub(super) enum Asked {
    /// Who would begin builds.
    Ground { wanted: Wanted, reply: oneshot::Sender<Ground> },
    /// A build that is about to replace what is to be kept.
    Keep { keeping: Keeping, ticket: Ticket, reply: oneshot::Sender<Result<Replaced, String>> },
    /// Who pauses a projection.
    Pause { projection: String, by: Actor, reply: oneshot::Sender<Result<String, String>> },
    /// Who goes on with what was paused.
    Resume { resumed: Resumed, reply: oneshot::Sender<Result<GoesOn, String>> },
}

/// What was gathered for one who waits, but what the stores hold.
pub(super) enum Gathered {
    Ground {
        ground: Ground,
        reply: oneshot::Sender<Ground>,
    },
    Keep {
        replaced: Replaced,
        reply: oneshot::Sender<Result<Replaced, String>>,
    },
    /// What was paused, as a sentence: durable with the next checkpoint.
    Paused {
        told: String,
        reply: oneshot::Sender<Result<String, String>>,
    },
    Resumed {
        resumed: Box<GoesOn>,
        reply: oneshot::Sender<Result<GoesOn, String>>,
    },
}

/// What goes on that was paused.
#[derive(Debug)]
pub struct GoesOn {
    pub projections: BTreeSet<String>,
    /// What it goes on from; without, it has to be built again.
    pub from: Option<StoredRollout>,
}

impl Asked {
    /// Gathers what the checkpoint to be will have, if anything. Call it right after the capture.
    pub(super) fn gather(self, engine: &mut Engine, draft: &mut Draft, now_us: i64) -> Option<Gathered> {
        match self {
            Asked::Ground { wanted, reply } => {
                let donors = engine.donors(&wanted.operators, &draft.content);
                Some(Gathered::Ground { ground: Ground::at(engine, &wanted, donors), reply })
            }
            Asked::Keep { keeping, ticket, reply } => match replaced(engine, &keeping, &ticket, draft, now_us) {
                Ok(replaced) => Some(Gathered::Keep { replaced, reply }),
                Err(why) => {
                    let _ = reply.send(Err(why));
                    None
                }
            },
            Asked::Pause { projection, by, reply } => match pause(&projection, &by, engine, draft, now_us) {
                Ok(told) => Some(Gathered::Paused { told, reply }),
                Err(why) => {
                    let _ = reply.send(Err(why));
                    None
                }
            },
            Asked::Resume { resumed: Resumed { projections, from }, reply } => {
                let stored = |(rollout, entry)| StoredRollout::without_stores(rollout, entry, engine.revision);
                let resumed = Box::new(GoesOn { projections, from: from.map(stored) });
                Some(Gathered::Resumed { resumed, reply })
            }
        }
    }
}

/// What goes on beside a build that is about to replace it: what runs, from the checkpoint to be, and what is paused.
fn replaced(
    engine: &mut Engine,
    keeping: &Keeping,
    ticket: &Ticket,
    draft: &mut Draft,
    now_us: i64,
) -> Result<Replaced, String> {
    let paused = match keeping.changed_sources.is_empty() {
        true => engine.paused_to_keep(&keeping.projections, keeping.until_us(now_us)),
        // What it would read of a source that is read in another way by then, it would not know.
        false => Vec::new(),
    };
    let paused = paused.into_iter();
    let paused: Vec<StoredRollout> =
        paused.map(|(rollout, entry)| StoredRollout::without_stores(rollout, entry, engine.revision)).collect();
    match Kept::of(engine, keeping, ticket, draft, now_us) {
        Ok(kept) => Ok(Replaced { running: Some(Box::new(kept)), paused }),
        // Where all of it is paused, nothing runs that could be kept.
        Err(_) if !paused.is_empty() => Ok(Replaced { running: None, paused }),
        Err(why) => Err(why),
    }
}

/// Stops a projection and what reads it at the cut of the checkpoint to be, which has what they go on from.
fn pause(name: &str, by: &Actor, engine: &mut Engine, draft: &mut Draft, now_us: i64) -> Result<String, String> {
    let projections = engine.to_pause(name)?;
    // Of the rows of another at an earlier cut nothing is known later. To be built again of those that are there then costs no event.
    let rollout = if engine.read_others(&projections) {
        None
    } else {
        let keeping =
            Keeping { projections: projections.clone(), changed_sources: BTreeSet::new(), keep: Duration::MAX };
        let kept = Kept::of(engine, &keeping, &Ticket::default(), draft, now_us);
        kept.inspect_err(|why| {
            tracing::warn!(projection = name, reason = why, "what is paused is built again when it is resumed")
        })
        .ok()
        .map(|kept| kept.rollout)
    };
    Ok(engine.pause_projections(&projections, rollout, by, now_us))
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
            Gathered::Keep { replaced, .. } => {
                let running = replaced.running.iter().flat_map(|kept| kept.stores_needed());
                running.chain(replaced.paused.iter().flat_map(|one| one.entry.stores(one.rollout))).collect()
            }
            Gathered::Paused { .. } => Vec::new(),
            Gathered::Resumed { resumed, .. } => {
                let from = resumed.from.iter();
                from.flat_map(|from| from.entry.stores(from.rollout)).collect()
            }
        }
    }

    /// Answers with what the stores hold, of which each takes its own. An answer that is no more waited for is lost. Gives what is to
    /// be answered once another checkpoint has what was done.
    pub(super) fn answer(
        self,
        stores: &Result<Stores, String>,
        engine: &mut Engine,
        now_us: i64,
    ) -> Option<Acknowledgement> {
        match (self, stores) {
            (Gathered::Paused { told, reply }, _) => return Some(Box::new(move || drop(reply.send(Ok(told))))),
            (Gathered::Resumed { mut resumed, reply }, stores) => {
                let rollout = resumed.from.as_ref().map(|from| from.rollout);
                let answer = stores.as_ref().map_err(String::clone).map(|stores| {
                    if let Some(from) = &mut resumed.from {
                        from.take_stores(stores);
                    }
                    *resumed
                });
                let why = answer.as_ref().err().cloned();
                let is_lost = reply.send(answer).is_err();
                let why = why.or_else(|| is_lost.then(|| "whoever resumed it has waited too long".to_owned()));
                if let (Some(rollout), Some(why)) = (rollout, why) {
                    engine.cannot_resume(rollout, &why, now_us);
                }
            }
            (Gathered::Ground { mut ground, reply }, Ok(stores)) => {
                ground.stores.clone_from(stores);
                let _ = reply.send(ground);
            }
            (Gathered::Ground { mut ground, reply }, Err(error)) => {
                tracing::warn!(%error, "the state of running projections cannot be read back; what is built begins without");
                ground.donors.clear();
                let _ = reply.send(ground);
            }
            (Gathered::Keep { mut replaced, reply }, Ok(stores)) => {
                replaced.running.iter_mut().for_each(|kept| kept.take_stores(stores));
                replaced.paused.iter_mut().for_each(|paused| paused.take_stores(stores));
                let _ = reply.send(Ok(replaced));
            }
            (Gathered::Keep { reply, .. }, Err(error)) => drop(reply.send(Err(error.clone()))),
        }
        None
    }
}
