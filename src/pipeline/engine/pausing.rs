//! Projections that a person stops for a while. What reads a paused one stops with it, at the same cut, because it could not go
//! on without it. What they had goes on from there once they are resumed; where that is not known, they are built again.

use std::collections::BTreeSet;

use super::super::generation::Generation;
use super::Engine;
use crate::checkpoint::{KeptEntry, Pause};
use crate::lifecycle::{Action, Actor, GenerationState, NewStep};
use crate::progress::{Phase, SourceName};

/// What goes on.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Resumed {
    pub projections: BTreeSet<String>,
    /// What it goes on from, and its number; without, it has to be built again.
    pub from: Option<(u64, KeptEntry)>,
}

/// Why a projection takes nothing.
pub(in crate::pipeline) fn told_paused(name: &str, by: &Actor) -> String {
    let who = by.actor.as_deref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let why = by.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("paused{who}{why}; `readside projection resume {name}` goes on")
}

impl Engine {
    /// What is paused with a projection.
    ///
    /// # Errors
    /// Why it cannot be paused, as a sentence.
    pub(in crate::pipeline) fn to_pause(&self, name: &str) -> Result<BTreeSet<String>, String> {
        let shown = self.shown().find(|one| one.projection() == name);
        match shown.map(|one| (one.state(), one.has_right_rows())) {
            Some((GenerationState::Serving, true)) => {}
            Some((GenerationState::Serving, false)) => {
                return Err(format!("`{name}` is in error and never had right rows, which could be served meanwhile"));
            }
            Some((GenerationState::Paused { .. }, _)) => return Err(format!("`{name}` is paused already")),
            Some((state, _)) => {
                let reason = state.reason().unwrap_or("it is built");
                return Err(format!("`{name}` takes nothing as it is: {reason}"));
            }
            None => return Err(format!("nothing of `{name}` serves that could be paused")),
        }
        let mut names = BTreeSet::from([name.to_owned()]);
        // Each generation comes after those that it reads.
        for one in self.generations.iter().filter(|one| one.state().steps()) {
            if one.definition.upstream.iter().any(|input| names.contains(input)) {
                names.insert(one.projection().to_owned());
            }
        }
        Ok(names)
    }

    /// Whether some of these read a projection that goes on without them.
    pub(in crate::pipeline) fn read_others(&self, names: &BTreeSet<String>) -> bool {
        let own = self.generations.iter().filter(|one| names.contains(one.projection()));
        own.flat_map(|one| &one.definition.upstream).any(|input| !names.contains(input))
    }

    /// Stops projections at this cut, and records it. `rollout` is what they go on from. Says what was done.
    pub(in crate::pipeline) fn pause_projections(
        &mut self,
        names: &BTreeSet<String>,
        rollout: Option<u64>,
        by: &Actor,
        now_us: i64,
    ) -> String {
        let at = format!("at {}", self.cut());
        for one in self.generations.iter_mut().filter(|one| names.contains(one.projection()) && one.state().steps()) {
            let name = one.projection().to_owned();
            one.pause(told_paused(&name, by));
            let step = NewStep {
                action: Action::Paused,
                subject: format!("projection {name}"),
                from: Some(format!("generation {}", one.id.number)),
                to: Some(at.clone()),
            };
            self.ledger.record(step, by, now_us);
        }
        if let Some(rollout) = rollout {
            self.is_kept_paused(rollout);
        }
        self.share();
        let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
        format!("paused {at}, and served as they are there: {names}")
    }

    /// Lets what was paused go on. What it had has yet to be brought to the live cut.
    ///
    /// # Errors
    /// Why it cannot go on, as a sentence.
    pub(in crate::pipeline) fn resume_projections(
        &mut self,
        name: &str,
        by: &Actor,
        now_us: i64,
    ) -> Result<Resumed, String> {
        let is_paused = self.shown().any(|one| one.projection() == name && one.phase() == Phase::Paused);
        if !is_paused {
            return Err(format!("`{name}` is not paused"));
        }
        let from = self.kept_paused(name);
        if from.as_ref().is_some_and(|(_, entry)| entry.pause == Some(Pause::Resuming)) {
            return Err(format!("`{name}` is resumed already, and comes to the live cut"));
        }
        let own = |(_, entry): &(u64, KeptEntry)| entry.generations.keys().cloned().collect();
        let projections: BTreeSet<String> = from.as_ref().map_or_else(|| self.paused_with(name), own);
        let shown = |name: &String| self.shown().find(|one| one.projection() == name);
        let read = projections.iter().filter_map(shown).flat_map(|one| &one.definition.upstream);
        let stopped = read.filter(|input| !projections.contains(*input)).filter_map(shown);
        if let Some(input) = stopped.into_iter().find(|one| !one.state().steps()) {
            let (input, reason) = (input.projection(), input.state().reason().unwrap_or_default());
            return Err(format!("it reads `{input}`, which has to go on first: {reason}"));
        }
        for one in self.generations.iter_mut().filter(|one| projections.contains(one.projection())) {
            if from.is_some() {
                // It is recorded once it has come there, or could not.
                one.pause("it was resumed, and comes to the live cut".to_owned());
                continue;
            }
            one.leave_last_rows("it was resumed, and is built again");
            let (subject, from) = (format!("projection {}", one.projection()), format!("generation {}", one.id.number));
            self.ledger.record(NewStep { action: Action::Resumed, subject, from: Some(from), to: None }, by, now_us);
        }
        if let Some((rollout, _)) = &from {
            self.is_kept_resuming(*rollout, by);
        }
        Ok(Resumed { projections, from })
    }

    /// A paused projection that has nothing to go on from, and those that were paused with it because they read it: they stand where it
    /// does.
    fn paused_with(&self, name: &str) -> BTreeSet<String> {
        let mut together = BTreeSet::from([name.to_owned()]);
        let Some(first) = self.shown().find(|one| one.projection() == name) else { return together };
        let sources: Vec<&SourceName> = first.definition.reads.keys().collect();
        let stands_there = |one: &Generation| {
            let at = |source: &SourceName| one.cut().position(source) == first.cut().position(source);
            one.phase() == Phase::Paused && sources.iter().all(|source| at(source))
        };
        // Each generation comes after those that it reads.
        for one in self.shown().filter(|one| stands_there(one) && self.kept_paused(one.projection()).is_none()) {
            if one.definition.upstream.iter().any(|input| together.contains(input)) {
                together.insert(one.projection().to_owned());
            }
        }
        together
    }

    /// Takes account of what goes on again, by the rollout that it went on from. What is declared may be something else, as where
    /// that was rolled back from, and is awaited as before. Gives the rollouts that are of no more use: they have read other rows of it.
    pub(in crate::pipeline) fn was_resumed(&mut self, rollout: u64, by: &Actor, now_us: i64) -> Vec<u64> {
        let resumed_by = self.resumed_by(rollout);
        let Some(entry) = self.let_go(rollout) else { return Vec::new() };
        for (name, generation) in &entry.generations {
            let step = NewStep {
                action: Action::Resumed,
                subject: format!("projection {name}"),
                from: None,
                to: Some(format!("generation {}", generation.generation)),
            };
            self.ledger.record(step, resumed_by.as_ref().unwrap_or(by), now_us);
            let declared = self.declared.projections.get(name).and_then(|definition| definition.rows);
            let Some(rows) = declared.filter(|rows| generation.rows != Some(*rows)) else { continue };
            self.declared.awaited.insert(name.clone());
            self.awaited_rows.insert(name.clone(), rows);
            if self.rolled_back().projections.contains_key(name) {
                self.tell_rolled_back(name);
            }
        }
        let reads =
            |other: &KeptEntry| other.replaced && other.inputs.iter().any(|name| entry.generations.contains_key(name));
        let unkept: Vec<u64> =
            self.kept().iter().filter(|(_, other)| reads(other)).map(|(rollout, _)| *rollout).collect();
        unkept.iter().for_each(|rollout| _ = self.retire(*rollout, by, now_us));
        unkept
    }

    /// Makes what was to go on wait for a person again, who sees why, and records that.
    pub(in crate::pipeline) fn cannot_resume(&mut self, rollout: u64, reason: &str, now_us: i64) {
        // Each of its projections may tell it.
        let Some(by) = self.resumed_by(rollout) else { return };
        let Some(names) = self.is_kept_paused(rollout) else { return };
        for index in 0..self.generations.len() {
            let name = self.generations[index].projection().to_owned();
            if !names.contains(&name) {
                continue;
            }
            let first = self.first_read(&name, &names);
            tracing::error!(projection = name, reason, "what was paused cannot go on");
            let step = NewStep {
                action: Action::NotResumed,
                subject: format!("projection {name}"),
                from: None,
                to: Some(reason.to_owned()),
            };
            self.ledger.record(step, &by, now_us);
            self.generations[index].pause(format!(
                "paused, and cannot go on: {reason}; `readside projection rebuild {first}` builds it again, with `--from-timestamp` \
                 where not all events are there any more"
            ));
        }
    }

    /// The one of these projections that has to be built again for a projection to be, because it is made of it.
    fn first_read(&self, name: &str, names: &BTreeSet<String>) -> String {
        let mut first = name.to_owned();
        // Each generation comes after those that it reads.
        for one in self.generations.iter().rev() {
            if one.projection() == first
                && let Some(input) = one.definition.upstream.iter().find(|input| names.contains(*input))
            {
                first.clone_from(input);
            }
        }
        first
    }
}
