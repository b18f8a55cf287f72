//! Builds, from what is wanted of them to how they have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use tokio::time::timeout;

use super::super::builds::{Beginning, Contents};
use super::{Control, DURABLE_LONGEST};
use crate::pipeline::{BuildOutcome, Definition, Group, NoLoop, StoredRollout, Wanted};

impl Control {
    /// Ends the builds that are not wanted as they are, and says of each that is whether it runs already.
    pub(super) fn keep_running(&mut self, wanted: &[Contents], declared: &BTreeMap<String, Definition>) -> Vec<bool> {
        let changing: BTreeSet<&String> = wanted.iter().flat_map(|one| one.projections.keys()).collect();
        let (kept, unwanted): (Vec<_>, Vec<_>) = self.running.drain(..).partition(|running| {
            let stands = running.contents.inputs.iter().all(|input| !changing.contains(input));
            let is_wanted = wanted.iter().any(|one| running.contents.is_same_as(one));
            // What a person has built again is no matter of what is declared, as long as it is declared like that.
            let is_asked_for = running.contents.is_of(declared, &changing);
            // One that has ended, which may not be heard of yet, is begun again where it is still wanted.
            stands && running.goes_on() && (is_wanted || is_asked_for)
        });
        unwanted.iter().for_each(|running| _ = running.cancel());
        self.running = kept;
        let begun = wanted.iter().map(|one| {
            let running = self.running.iter_mut().find(|running| running.contents.is_same_as(one));
            if let Some(running) = running {
                running.follow(one.promotion);
                return true;
            }
            false
        });
        begun.collect()
    }

    pub(super) async fn begin(&mut self, mut groups: Vec<Group>) -> Result<(), NoLoop> {
        let names = |group: &Group| group.projections.iter().map(|one| one.config.name.clone()).collect::<Vec<_>>();
        let mut refused = Vec::new();
        groups.retain(|group| {
            let why = self.state_limit.refuses(&names(group));
            refused.extend(why.iter().map(|why| (names(group), why.clone())));
            why.is_none()
        });
        for (names, why) in refused {
            tracing::error!(projections = names.join(", "), reason = why, "projections are not built");
            self.commands.end_build(names, why, None).await?;
        }
        if groups.is_empty() {
            return Ok(());
        }
        let wanted = Wanted {
            operators: groups.iter().flat_map(Group::operators).collect(),
            inputs: groups.iter().flat_map(Group::inputs).collect(),
            projections: groups.iter().flat_map(names).collect(),
        };
        let names = wanted.projections.clone();
        let ground = match timeout(DURABLE_LONGEST, self.commands.ground(wanted)).await {
            Ok(ground) => Arc::new(ground?),
            Err(_) => {
                let message =
                    "no checkpoint can be written, and what it would begin with comes with one; reload once that works";
                return self.commands.end_build(names, message.to_owned(), None).await;
            }
        };
        for group in groups {
            let contents = Contents::of(&group);
            if let Err(error) = self.build(Beginning::Group(Box::new(group), ground.clone()), contents) {
                tracing::error!(%error, "a build has no thread; reload to try again");
            }
        }
        Ok(())
    }

    pub(super) fn build(&mut self, beginning: Beginning, contents: Contents) -> io::Result<()> {
        let names = contents.projections.keys().cloned().collect();
        let is_of_it = |stored: &StoredRollout| stored.entry.generations.keys().eq(contents.projections.keys());
        // Of several the newest is the last one.
        let stored = self.stored.iter().rposition(is_of_it).map(|index| self.stored.remove(index));
        let running = self.builds.start(beginning, stored, names, contents, self.config.clone())?;
        self.running.push(running);
        Ok(())
    }

    /// Takes account of how a build has ended. As error, why it does not serve.
    pub(super) fn build_ended(&mut self, id: u64, outcome: BuildOutcome) -> Result<(), String> {
        let (kept, unkept) = match outcome {
            BuildOutcome::Joined { kept, unkept } => (kept, unkept),
            BuildOutcome::Failed(_) | BuildOutcome::Cancelled | BuildOutcome::NoLoop => {
                let why = match outcome {
                    BuildOutcome::Failed(why) => why,
                    _ => "it is not wanted any more".to_owned(),
                };
                // What is kept and has failed stays, so that its status says why.
                self.keepers.failed(id, &why);
                self.running.retain(|running| running.id != id);
                return Err(why);
            }
        };
        let returned = self.keepers.run_by(id);
        self.keepers.end(&unkept);
        if let Some(rollout) = returned {
            self.keepers.end(&[rollout]).into_iter().for_each(|keeper| self.came_back(keeper));
            return Ok(());
        }
        let Some(index) = self.running.iter().position(|running| running.id == id) else { return Ok(()) };
        let running = self.running.remove(index);
        running.contents.projections.keys().for_each(|name| self.verifications.forget(name));
        self.awaited.retain(|name| !running.contents.projections.contains_key(name));
        let queries = self.queries.clone();
        self.answer_queries();
        let running = kept.running.into_iter().filter_map(|kept| {
            let entry = kept.entry.clone()?;
            Some((kept.rollout, entry, Beginning::Kept(kept)))
        });
        let paused = kept.paused.into_iter();
        let paused = paused.map(|one| (one.rollout, one.entry.clone(), Beginning::Restored(Box::new(one))));
        for (rollout, entry, beginning) in running.chain(paused).collect::<Vec<_>>() {
            if let Err(error) = self.go_on(rollout, &entry, beginning, Some(queries.clone())) {
                tracing::error!(%error, "what was replaced has no thread to go on with; it does after a restart");
            }
        }
        Ok(())
    }
}
