//! What a person decides about what was built and what was replaced: to promote the one, to roll back to the other, or to retire it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::super::Reloading;
use super::super::builds::{Beginning, Contents};
use super::super::keepers::Keeper;
use super::super::replay::InPlace;
use super::super::verify::Which;
use super::Control;
use crate::checkpoint::KeptEntry;
use crate::config::{Config, Query};
use crate::lifecycle::Actor;
use crate::pipeline::{Facts, NoLoop, Replayed};
use crate::serve::http::{Done, Refused};

/// For what stands at the live cut to take its place.
const SWAP_LONGEST: Duration = Duration::from_secs(10);

impl Control {
    /// Lets what was built of a projection, and of all that is built with it, take the place of what serves.
    pub(super) async fn promote(&mut self, name: &str, allow_breaking: bool, by: &Actor) -> Result<Done, Refused> {
        let running = self.running.iter().find(|one| one.contents.projections.contains_key(name) && one.goes_on());
        let Some(running) = running else {
            return Err(Refused::impossible(format!("nothing is built of `{name}` that could be promoted")));
        };
        if !running.breaking.is_empty() && !allow_breaking {
            let breaking = running.breaking.join("; ");
            let detail =
                format!("readers of today may miss something: {breaking}. `--allow-breaking` promotes it all the same");
            return Err(Refused { status: 409, kind: "breaking", title: "Breaking change", detail });
        }
        let names = running.contents.projections.keys().cloned().collect::<Vec<_>>().join(", ");
        let id = running.id;
        running.promote(by.clone());
        self.swapped(id, "promoted", name, &names).await
    }

    /// What is built of a projection, to be verified.
    pub(super) fn built(&self, name: &str) -> Result<Which, Refused> {
        let running = self.running.iter().find(|one| one.contents.projections.contains_key(name) && one.goes_on());
        let running = running
            .ok_or_else(|| Refused::impossible(format!("nothing is built of `{name}` that could be verified")))?;
        let together = running.contents.projections.keys().cloned().collect();
        Ok(Which::Built { observers: running.observers.clone(), together })
    }

    /// Lets what was replaced take its place again.
    pub(super) async fn roll_back(&mut self, name: &str, by: &Actor) -> Result<Done, Refused> {
        let keeper = self.kept(name)?;
        let (id, names) = (keeper.running.id, keeper.projections.iter().cloned().collect::<Vec<_>>().join(", "));
        let back = keeper.projections.clone();
        if let Some(why) = &keeper.failed {
            return Err(Refused::impossible(format!("what was replaced has failed since: {why}")));
        }
        keeper.running.promote(by.clone());
        let done = self.swapped(id, "rolled back", name, &names).await?;
        // What has come back may be what is declared.
        let facts = self.commands.facts().await.map_err(|NoLoop| Refused::ending())?;
        self.awaited.retain(|name| !back.contains(name) || facts.rolled_back.projections.contains_key(name));
        self.answer_queries();
        Ok(done)
    }

    /// Waits until a build has taken the place of what serves, durably, though not for ever: others wait for their turn.
    pub(super) async fn swapped(&mut self, build: u64, what: &str, name: &str, names: &str) -> Result<Done, Refused> {
        match self.until_ended(build).await {
            Some(Ok(())) => {
                self.durable(self.commands.settled()).await?;
                Ok(Done { detail: format!("{what}: {names}") })
            }
            Some(Err(why)) => {
                // What was recorded of it is known from now on, whatever ends the daemon.
                let _ = self.durable(self.commands.settled()).await;
                let detail = format!("`{name}` was not {what}, and what serves goes on: {why}");
                Err(Refused::impossible(detail))
            }
            None => Ok(Done { detail: format!("to be {what} as soon as it stands at the live cut: {names}") }),
        }
    }

    /// Keeps what was replaced no more.
    pub(super) async fn retire(&mut self, name: &str, by: &Actor) -> Result<Done, Refused> {
        let keeper = self.kept(name)?;
        let (rollout, names) = (keeper.rollout, keeper.projections.iter().cloned().collect::<Vec<_>>().join(", "));
        self.let_go(vec![rollout], by).await?;
        Ok(Done { detail: format!("retired what was kept of {names}; there is no way back to it") })
    }

    /// Keeps nothing more whose time is over.
    pub(super) async fn end_expired(&mut self) {
        let by = Actor { actor: Some("keep".to_owned()), ..Actor::default() };
        // Where no checkpoint can be written, it is gone with the next one that is.
        let _ = self.let_go(self.keepers.expired(), &by).await;
    }

    /// Keeps rollouts no more, durably.
    pub(super) async fn let_go(&mut self, rollouts: Vec<u64>, by: &Actor) -> Result<(), Refused> {
        if rollouts.is_empty() {
            return Ok(());
        }
        self.keepers.end(&rollouts);
        self.durable(self.commands.retire(rollouts, by.clone())).await.map(drop)
    }

    /// Takes the configuration as it is now, if what was parked can be admitted by it in place.
    pub(super) async fn replay_parked(&mut self, by: &Actor, reloading: &Reloading) -> Result<Done, Refused> {
        let (config, program) = self.read_valid(reloading, by).await?;
        let needs_rebuild = |why: String| {
            let detail = format!(
                "{why}; `readside reload` builds what reads it again from the first event, beside, and counts what was parked as if \
                 it had been right at first"
            );
            Refused { status: 409, kind: "needs-rebuild", title: "Needs a rebuild", detail }
        };
        let (_, replayed) = self.replay(&config, by).await.map_err(|NoLoop| Refused::ending())?;
        let Some(Replayed { admitted, parked, .. }) = replayed.map_err(needs_rebuild)? else {
            let detail = "no source is declared in another way than it is read, so that what is parked would be parked again; \
                          correct the declaration first";
            return Err(Refused::impossible(detail.to_owned()));
        };
        self.take((config, program), by).await?;
        Ok(Done { detail: format!("{admitted} parked events are admitted, and {parked} are parked again") })
    }

    /// Reads sources that are declared in another way as they are declared, where that can be done in place. Gives what runs then, and
    /// what came of it: nothing where all are read as they are declared, and as error why a source has to be read again.
    pub(super) async fn replay(
        &mut self,
        config: &Config,
        by: &Actor,
    ) -> Result<(Facts, Result<Option<Replayed>, String>), NoLoop> {
        let facts = self.commands.facts_to_adapt().await?;
        let in_place = InPlace::of(&facts, config);
        if in_place.identities.is_empty() {
            return Ok((facts, Ok(None)));
        }
        let replays = in_place.refused.clone().map_or_else(|| in_place.replays(&facts, config), Err);
        let replayed = match replays {
            Ok(replays) => self.commands.replay(replays, by.clone()).await?,
            Err(why) => Err(why),
        };
        match replayed {
            Ok(replayed) => {
                let Replayed { admitted, parked, unkept } = &replayed;
                tracing::info!(admitted, parked, "what was parked was decoded again, and nothing else is read again");
                self.keepers.end(unkept);
                Ok((self.commands.facts_to_adapt().await?, Ok(Some(replayed))))
            }
            Err(why) => {
                tracing::info!(reason = why, "what has changed of a source cannot be taken in place");
                Ok((facts, Err(why)))
            }
        }
    }

    /// Goes on beside with what was replaced, or was paused, and gives the number of the build.
    pub(super) fn go_on(
        &mut self,
        rollout: u64,
        entry: &KeptEntry,
        beginning: Beginning,
        queries: Option<BTreeMap<String, Query>>,
    ) -> io::Result<u64> {
        let names = entry.generations.keys().cloned().collect();
        let running = self.builds.start(beginning, None, names, Contents::default(), self.config.clone())?;
        let id = running.id;
        self.keepers.push(Keeper::new(rollout, entry, running, queries));
        Ok(id)
    }

    /// Takes account of what serves again: what is declared is awaited until it is declared otherwise, and what was to be built
    /// with what has gone is of no use.
    pub(super) fn came_back(&mut self, keeper: Keeper) {
        let Keeper { projections, queries, resumes, .. } = keeper;
        if resumes {
            // What waited for it can be built now.
            self.has_awaited = !self.blocked.is_empty();
            return projections.iter().for_each(|name| self.verifications.forget(name));
        }
        self.running.retain(|running| {
            let contents = &running.contents;
            let is_of_use =
                !contents.inputs.iter().chain(contents.projections.keys()).any(|one| projections.contains(one));
            is_of_use || !running.cancel()
        });
        projections.iter().for_each(|name| self.verifications.forget(name));
        self.awaited.extend(projections);
        if let Some(queries) = queries {
            self.queries = queries;
        }
        self.answer_queries();
    }

    fn kept(&self, name: &str) -> Result<&Keeper, Refused> {
        let nothing = || {
            let detail = format!("nothing that was replaced is kept of `{name}`; declare it as it was, and reload");
            Refused::impossible(detail)
        };
        self.keepers.of(name).ok_or_else(nothing)
    }

    /// Waits until a build has ended: as error, why it does not serve; none if that takes long.
    async fn until_ended(&mut self, build: u64) -> Option<Result<(), String>> {
        let until = Instant::now() + SWAP_LONGEST;
        loop {
            let (id, outcome) = timeout_at(until, self.ended.recv()).await.ok().flatten()?;
            let serves = self.build_ended(id, outcome);
            if id == build {
                return Some(serves);
            }
        }
    }
}
