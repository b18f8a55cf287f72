//! How what builds begin with is gathered: a cut and the names of the stores when a checkpoint is captured, and what the
//! stores hold once that is durable. So the loop waits for nothing.

use tokio::sync::oneshot;

use super::build::Ground;
use super::commands::Wanted;
use super::engine::{Donors, Engine};
use crate::checkpoint::Content;
use crate::state::Stores;

/// Someone who wants to begin builds.
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    pub(super) reply: oneshot::Sender<Ground>,
}

/// What was gathered for one who waits, but what the stores hold.
pub(super) struct Gathered {
    ground: Ground,
    reply: oneshot::Sender<Ground>,
}

impl Asked {
    /// Gathers what the checkpoint to be will have. Call it right after the capture.
    pub(super) fn gather(self, engine: &mut Engine, content: &Content) -> Gathered {
        let donors = engine.donors(&self.wanted.operators, content);
        Gathered { ground: Ground::at(engine, &self.wanted, donors), reply: self.reply }
    }

    /// Answers without any state to go on from.
    pub(super) fn answer_without(self, engine: &mut Engine) {
        let _ = self.reply.send(Ground::at(engine, &self.wanted, Donors::new()));
    }
}

impl Gathered {
    /// The stores that have to be read back.
    pub(super) fn stores(&self) -> impl Iterator<Item = String> {
        let entries = self.ground.donors.values().map(|donor| &donor.entry);
        entries.flat_map(|entry| entry.stores.keys().map(move |store| format!("{}{store}", entry.prefix)))
    }

    /// Answers with what the stores hold; without anything to go on from if they cannot be read.
    pub(super) fn answer(self, stores: &Result<Stores, String>) {
        let Self { mut ground, reply } = self;
        match stores {
            Ok(stores) => ground.stores.clone_from(stores),
            Err(error) => {
                tracing::warn!(%error, "the state of running projections cannot be read back; what is built begins without");
                ground.donors.clear();
            }
        }
        // An answer that is no more waited for is lost.
        let _ = reply.send(ground);
    }
}
