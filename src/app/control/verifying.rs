//! Verification in turns: one share of one projection after the other.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::verify::Which;
use super::Control;
use crate::config::ProjectionKind;
use crate::state::KeyShare;

impl Control {
    pub(super) fn plan_check(&mut self) {
        self.next_check = self.config.verify.every.map(|every| Instant::now() + every);
    }

    /// The turn that a daemon begins with: one that never runs for a whole round still comes to every share in time.
    pub(super) fn first_turn(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.config.verify.every.map_or(0, |every| (since_epoch.as_millis() / every.as_millis().max(1)) as u64)
    }

    /// Verifies the share whose turn it is: the same one of each projection, and then the next.
    pub(super) fn check(&mut self) {
        // It waits for none: they would pile up where they take longer than they are apart.
        if self.verifications.are_under_way() {
            return self.plan_check();
        }
        let kept = self.config.projections.iter().filter(|one| one.kind != ProjectionKind::View);
        let names: BTreeSet<&str> = kept.map(|one| one.name.as_str()).collect();
        let number = names.len().max(1) as u64;
        if let Some(name) = names.iter().nth((self.turn % number) as usize) {
            let share = KeyShare::numbered(self.turn / number, self.config.verify.shares);
            // What is found is in the log, in metrics and in readiness.
            let (reply, _) = oneshot::channel();
            self.verifications.start(((*name).to_owned(), Which::Serving), share, self.config.clone(), reply);
        }
        self.turn += 1;
        self.plan_check();
    }
}
