//! Stopping projections for a while, and going on with them.

use super::super::builds::Beginning;
use super::{Control, Rebuilt};
use crate::lifecycle::{Actor, Ticket};
use crate::pipeline::{GoesOn, NoLoop};
use crate::serve::http::{Done, Refused};

impl Control {
    /// Stops a projection, and what reads it; their rows are served as they are.
    pub(super) async fn pause(&mut self, name: String, by: &Actor) -> Result<Done, Refused> {
        let stopped = self.commands.to_pause(name.clone()).await.map_err(|NoLoop| Refused::ending())?;
        let stopped = stopped.map_err(Refused::impossible)?;
        // What is built would join something that has stopped.
        let running = self.running.iter().filter(|running| running.goes_on()).map(|running| &running.contents);
        let mut meant = running
            .filter(|contents| contents.projections.keys().chain(&contents.inputs).any(|one| stopped.contains(one)));
        if let Some(built) = meant.next().and_then(|contents| contents.projections.keys().next()) {
            let detail = format!(
                "`{built}` is being built, with it or from it; `readside projection promote {built}` or `readside projection abort {built}` first"
            );
            return Err(Refused::impossible(detail));
        }
        let paused = self.durable(self.commands.pause(name, by.clone())).await?;
        let detail = paused.map_err(Refused::impossible)?;
        tracing::warn!(by = by.actor.as_deref().unwrap_or("nobody by name"), reason = by.reason, "{detail}");
        Ok(Done { detail })
    }

    /// Lets what was paused go on: from where it stopped, or built again where that is not known.
    pub(super) async fn resume(&mut self, name: String, by: &Actor) -> Result<Done, Refused> {
        let resumed = self.durable(self.commands.resume(name.clone(), by.clone())).await?;
        let GoesOn { projections, from } = resumed.map_err(Refused::impossible)?;
        let names = projections.into_iter().collect::<Vec<_>>().join(", ");
        let Some(from) = from else {
            self.begin_what_is_awaited(by).await?;
            return Ok(Done { detail: format!("resumed, and built again beside what it had: {names}") });
        };
        let (rollout, entry) = (from.rollout, from.entry.clone());
        let id = match self.go_on(rollout, &entry, Beginning::Restored(Box::new(from)), None) {
            Ok(id) => id,
            Err(error) => {
                let why = format!("there is no thread for it: {error}");
                let projections = entry.generations.keys().cloned().collect();
                self.commands.cannot_keep(projections, why.clone(), &Ticket::default()).await;
                return Err(Refused::impossible(why));
            }
        };
        if let Some(keeper) = self.keepers.running(id) {
            keeper.promote(by.clone());
        }
        self.swapped(id, "resumed", &name, &names).await
    }

    /// Builds what is declared and not there.
    pub(super) async fn begin_what_is_awaited(&mut self, by: &Actor) -> Result<(), Refused> {
        let compiled = self.compiled().await?;
        let became = self.become_declared(compiled, by, &Rebuilt::default()).await;
        let (_, durable) = became.map_err(|NoLoop| Refused::ending())?;
        self.durable(durable.wait()).await
    }
}
