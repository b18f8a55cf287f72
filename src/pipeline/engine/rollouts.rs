//! What was replaced and can be rolled back to, and what was rolled back from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use crate::checkpoint::{KeptEntry, Pause};
use crate::identity::Identity;
use crate::lifecycle::{Action, Actor, NewStep, RolledBack, Ticket};
use crate::plan::PlannedView;
use crate::progress::{Phase, SourceName};
use crate::read_model::catalog::{BuildState, BuildStatus, KeptState, KeptStatus, ProjectionStatus};

/// Rollouts that can be taken back.
#[derive(Debug, Default)]
pub(super) struct KeptRollouts {
    pub(super) entries: BTreeMap<u64, KeptEntry>,
    /// What has yet to replace the generations of some.
    pending: BTreeMap<u64, Ticket>,
    /// The views when generations were replaced, of rollouts of this process.
    views: BTreeMap<u64, Vec<Arc<PlannedView>>>,
    pub(super) rolled_back: RolledBack,
}

impl Engine {
    /// Takes account of what is about to be replaced, by the build that has this ticket, and is kept then. Its stores are in the
    /// checkpoint that is captured.
    pub(in crate::pipeline) fn will_keep(&mut self, rollout: u64, entry: KeptEntry, ticket: Ticket) {
        self.persisted.extend(entry.stores(rollout));
        self.kept.entries.insert(rollout, entry);
        self.kept.pending.insert(rollout, ticket);
        self.kept.views.insert(rollout, self.views.clone());
    }

    /// Makes status show that what is declared of a projection was rolled back from.
    pub(super) fn tell_rolled_back(&mut self, name: &str) {
        let Some(definition) = self.declared.projections.get(name) else { return };
        let message =
            "what is declared was rolled back from; change its declaration, or `readside projection rebuild` it";
        let build =
            BuildStatus { state: BuildState::RolledBack, message: Some(message.to_owned()), ..BuildStatus::waiting() };
        let status = ProjectionStatus { build: Some(build), ..definition.status() };
        self.announced.insert(name.to_owned(), status);
    }

    /// Makes status show what is kept, and is yet to come to the live cut.
    fn tell_kept(&mut self, entry: &KeptEntry) {
        for (name, generation) in &entry.generations {
            let status = KeptStatus {
                generation: generation.generation,
                state: KeptState::CatchingUp,
                lag_events: 0,
                rows: generation.table.as_ref().map_or(0, |table| table.rows),
                state_bytes: 0,
                disk_bytes: None,
                until_us: entry.until_us,
                message: None,
            };
            self.kept_shown.insert(name.clone(), status);
        }
    }

    /// Makes it known that what is kept is paused: what is, by name; none if nothing is.
    pub(super) fn is_kept_paused(&mut self, rollout: u64) -> Option<BTreeSet<String>> {
        self.kept.pending.remove(&rollout);
        self.kept.views.remove(&rollout);
        let entry = self.kept.entries.get_mut(&rollout)?;
        (entry.replaced, entry.pause, entry.asked) = (true, Some(Pause::Paused), None);
        let names: BTreeSet<String> = entry.generations.keys().cloned().collect();
        names.iter().for_each(|name| _ = self.kept_shown.remove(name));
        Some(names)
    }

    /// Makes it known that what was paused comes to the live cut, and who wants that.
    pub(super) fn is_kept_resuming(&mut self, rollout: u64, by: &Actor) {
        if let Some(entry) = self.kept.entries.get_mut(&rollout) {
            (entry.pause, entry.asked) = (Some(Pause::Resuming), Some(by.clone()));
        }
    }

    /// Who wants that it goes on, of a rollout that was paused and comes to the live cut.
    pub(super) fn resumed_by(&self, rollout: u64) -> Option<Actor> {
        let entry = self.kept.entries.get(&rollout).filter(|entry| entry.pause == Some(Pause::Resuming))?;
        Some(entry.asked.clone().unwrap_or_default())
    }

    /// Keeps nothing more of what is paused and reads a source, and gives what of it was to go on.
    pub(super) fn let_go_paused(&mut self, source: &SourceName) -> BTreeSet<String> {
        let reads = |entry: &KeptEntry| entry.pause.is_some() && entry.sources.contains_key(source);
        let gone: Vec<KeptEntry> =
            self.kept.entries.extract_if(.., |_, entry| reads(entry)).map(|(_, entry)| entry).collect();
        let resuming = gone.into_iter().filter(|entry| entry.pause == Some(Pause::Resuming));
        resuming.flat_map(|entry| entry.generations.into_keys()).collect()
    }

    /// Lets go of what paused projections go on from that are not paused any more, because others are declared in their place.
    pub(super) fn forget_paused(&mut self) {
        let paused = self.generations.iter().filter(|one| one.phase() == Phase::Paused);
        let paused: BTreeSet<&str> = paused.map(|one| one.projection()).collect();
        let is_of_use = |entry: &KeptEntry| entry.generations.keys().any(|name| paused.contains(name.as_str()));
        self.kept.entries.retain(|_, entry| entry.pause.is_none() || is_of_use(entry));
    }

    /// What paused projections go on from that a build of these is about to replace, as it is kept then: until that time,
    /// microseconds since the epoch.
    pub(in crate::pipeline) fn paused_to_keep(
        &self,
        projections: &BTreeSet<String>,
        until_us: i64,
    ) -> Vec<(u64, KeptEntry)> {
        let is_meant = |entry: &&KeptEntry| {
            let is_replaced = entry.generations.keys().all(|name| projections.contains(name));
            entry.pause == Some(Pause::Paused) && is_replaced
        };
        let meant = self.kept.entries.iter().filter(|(_, entry)| is_meant(entry));
        meant.map(|(rollout, entry)| (*rollout, KeptEntry { pause: None, until_us, ..entry.clone() })).collect()
    }

    /// Keeps rollouts until then that were paused and are replaced, if they still are paused: which.
    pub(in crate::pipeline) fn keep_paused(&mut self, rollouts: &BTreeMap<u64, i64>) -> BTreeSet<u64> {
        let mut kept = BTreeSet::new();
        for (rollout, until_us) in rollouts {
            let paused = self.kept.entries.get_mut(rollout).filter(|entry| entry.pause == Some(Pause::Paused));
            if let Some(entry) = paused {
                (entry.pause, entry.until_us) = (None, *until_us);
                kept.insert(*rollout);
            }
        }
        kept
    }

    /// What a paused projection goes on from.
    pub(super) fn kept_paused(&self, name: &str) -> Option<(u64, KeptEntry)> {
        let mut paused = self.kept.entries.iter().filter(|(_, entry)| entry.pause.is_some());
        let (rollout, entry) = paused.find(|(_, entry)| entry.generations.contains_key(name))?;
        Some((*rollout, entry.clone()))
    }

    /// Makes status show how what is kept gets on: whether something of that was recorded.
    pub(in crate::pipeline) fn announce_kept(&mut self, statuses: Vec<(String, KeptStatus)>, now_us: i64) -> bool {
        let mut is_recorded = false;
        for (name, status) in statuses {
            // What was paused and cannot go on is paused again.
            if status.state == KeptState::Failed
                && let Some((rollout, _)) = self.kept_paused(&name).filter(|(_, entry)| {
                    let own = entry.generations.get(&name).map(|one| one.generation);
                    // What could not be begun has no number.
                    own == Some(status.generation) || status.generation == 0 && entry.pause == Some(Pause::Resuming)
                })
            {
                self.cannot_resume(rollout, status.message.as_deref().unwrap_or("it has failed"), now_us);
                is_recorded = true;
                continue;
            }
            let mut replaced = self.kept.entries.values().filter(|entry| entry.replaced);
            // What has been let go of may not know it yet.
            if let Some((entry, until_us)) =
                replaced.find_map(|kept| Some((kept.generations.get(&name)?, kept.until_us)))
                && (status.generation == 0 || status.generation == entry.generation)
            {
                let generation = entry.generation;
                self.kept_shown.insert(name, KeptStatus { generation, until_us, ..status });
            }
        }
        is_recorded
    }

    /// Makes status show why a rollout cannot be gone back to.
    pub(in crate::pipeline) fn cannot_keep(&mut self, rollout: u64, reason: &str) {
        let names = self.kept.entries.get(&rollout).map(|entry| entry.generations.keys().cloned().collect::<Vec<_>>());
        for name in names.unwrap_or_default() {
            if let Some(status) = self.kept_shown.get_mut(&name) {
                (status.state, status.message) = (KeptState::Failed, Some(reason.to_owned()));
            }
        }
    }

    /// Lets go of what was to be kept of generations whose successors are not built any more.
    pub(super) fn forget_pending(&mut self) {
        let KeptRollouts { entries, pending, views, .. } = &mut self.kept;
        pending.retain(|_, ticket| ticket.is_open());
        entries.retain(|rollout, entry| entry.replaced || pending.contains_key(rollout));
        views.retain(|rollout, _| entries.contains_key(rollout));
    }

    /// Takes account of what a checkpoint has kept, as far as it goes on.
    pub fn keeps(
        &mut self,
        entries: BTreeMap<u64, KeptEntry>,
        rolled_back: RolledBack,
        awaited: BTreeMap<String, Identity>,
    ) {
        self.awaited_rows = awaited;
        entries.values().filter(|entry| entry.pause.is_none()).for_each(|entry| self.tell_kept(entry));
        self.kept.entries = entries;
        self.kept.rolled_back = rolled_back;
    }

    /// Takes account of the views when a rollout was replaced.
    pub fn keeps_views(&mut self, rollout: u64, views: Vec<PlannedView>) {
        self.kept.views.insert(rollout, views.into_iter().map(Arc::new).collect());
    }

    /// What is kept, by the numbers of the rollouts.
    pub(in crate::pipeline) fn kept(&self) -> &BTreeMap<u64, KeptEntry> {
        &self.kept.entries
    }

    /// What is declared and was rolled back from.
    pub(in crate::pipeline) fn rolled_back(&self) -> &RolledBack {
        &self.kept.rolled_back
    }

    /// Takes account of what has replaced others: those in `kept` are kept from now on, and what was kept before of the same, or reads it,
    /// is of no more use.
    pub(in crate::pipeline) fn was_replaced(
        &mut self,
        kept: &BTreeSet<u64>,
        projections: &BTreeSet<String>,
        sources: &BTreeSet<SourceName>,
        by: &Actor,
        now_us: i64,
    ) -> Vec<u64> {
        for name in projections {
            self.kept.rolled_back.projections.remove(name);
        }
        for name in sources {
            self.kept.rolled_back.sources.remove(name);
        }
        let is_of_no_use = |(other, entry): (&u64, &KeptEntry)| {
            let overlaps = entry.generations.keys().chain(&entry.inputs).any(|name| projections.contains(name))
                || entry.sources.keys().any(|name| sources.contains(name));
            (!kept.contains(other) && entry.replaced && overlaps).then_some(*other)
        };
        let unkept: Vec<u64> = self.kept.entries.iter().filter_map(is_of_no_use).collect();
        unkept.iter().for_each(|other| _ = self.retire(*other, by, now_us));
        for rollout in kept {
            let replaced = self.kept.entries.get_mut(rollout);
            if let Some(entry) = replaced.filter(|entry| entry.pause.is_none()) {
                entry.replaced = true;
                let entry = entry.clone();
                self.tell_kept(&entry);
            }
        }
        unkept
    }

    /// Keeps a rollout no more, and records that: whether it was there.
    pub(in crate::pipeline) fn retire(&mut self, rollout: u64, by: &Actor, now_us: i64) -> bool {
        let Some(entry) = self.let_go(rollout) else { return false };
        for (name, generation) in &entry.generations {
            let from = Some(format!("generation {}, which was kept", generation.generation));
            let subject = format!("projection {name}");
            self.ledger.record(NewStep { action: Action::Retired, subject, from, to: None }, by, now_us);
        }
        true
    }

    /// Keeps a rollout no more.
    pub(in crate::pipeline) fn let_go(&mut self, rollout: u64) -> Option<KeptEntry> {
        self.kept.pending.remove(&rollout);
        self.kept.views.remove(&rollout);
        let entry = self.kept.entries.remove(&rollout)?;
        for name in entry.generations.keys() {
            self.kept_shown.remove(name);
        }
        Some(entry)
    }

    /// Takes account of generations that have come back: what they have taken the place of is declared, and is not built by
    /// itself. What reads it and has not come back with it stops.
    pub(in crate::pipeline) fn was_rolled_back(&mut self, rollout: u64) {
        let views = self.kept.views.get(&rollout).cloned().unwrap_or_default();
        let Some(entry) = self.let_go(rollout) else { return };
        let returned: BTreeSet<&String> = entry.generations.keys().collect();
        for name in &returned {
            let declared = self.declared.projections.get(*name).and_then(|definition| definition.rows);
            let back = entry.generations.get(*name).and_then(|generation| generation.rows);
            if let Some(rows) = declared.filter(|rows| back != Some(*rows)) {
                self.kept.rolled_back.projections.insert((*name).clone(), rows);
                self.declared.awaited.insert((*name).clone());
                self.tell_rolled_back(name);
            }
        }
        for name in &entry.changed_sources {
            let back = entry.sources.get(name).and_then(|source| source.admission);
            if let Some(identity) = self.declared.readings.get(name).filter(|identity| back != Some(**identity)) {
                self.kept.rolled_back.sources.insert(name.clone(), *identity);
            }
        }
        let mut stopped: BTreeSet<String> = BTreeSet::new();
        for generation in self.generations.iter_mut().filter(|one| !returned.contains(&one.projection().to_owned())) {
            let input =
                generation.definition.upstream.iter().find(|name| returned.contains(name) || stopped.contains(*name));
            let source = generation.definition.reads.keys().find(|name| entry.changed_sources.contains(*name));
            let what = input.map(|input| format!("its input `{input}`"));
            let what =
                what.or_else(|| source.filter(|_| generation.has_events()).map(|name| format!("source `{name}`")));
            if let Some(what) = what {
                generation.leave_last_rows(&format!("{what} was rolled back"));
                stopped.insert(generation.projection().to_owned());
            }
        }
        // A view of then reads what has come back.
        for view in views.into_iter().filter(|view| view.upstream.iter().any(|name| returned.contains(name))) {
            match self.views.iter_mut().find(|one| one.config.name == view.config.name) {
                Some(one) => *one = view,
                None => self.views.push(view),
            }
        }
    }
}
