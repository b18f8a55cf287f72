//! What the configuration declares by now, and how the engine comes to be that: what is declared no more goes once nothing
//! reads it, and a view changes once everything that it reads is as declared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::generation::Definition;
use super::Engine;
use crate::config::ParkedLimits;
use crate::identity::Identity;
use crate::lifecycle::{Action, Actor, GenerationId, NewStep, RolledBack};
use crate::plan::{PlannedView, Program};
use crate::progress::SourceName;
use crate::read_model::catalog::{BuildState, BuildStatus};

/// What a configuration declares, as far as a running engine has to know.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Each with the identity of how its messages are read.
    pub readings: BTreeMap<SourceName, Identity>,
    /// Tables and search projections.
    pub projections: BTreeMap<String, Definition>,
    /// Each after those that it reads.
    pub views: Vec<Arc<PlannedView>>,
    /// Projections that the engine does not have as they are declared: they are built.
    pub awaited: BTreeSet<String>,
    /// Those among them that are not built, because they, or what they read, was rolled back from.
    pub held_back: BTreeSet<String>,
    /// Those among them that are not built before what they read goes on, which is paused: each with that.
    pub blocked: BTreeMap<String, String>,
    /// Sources that are read as before, because how they are declared was rolled back from.
    pub held_sources: BTreeSet<SourceName>,
}

impl Declared {
    /// What a program declares, if all of it is there.
    pub fn of(program: &Program) -> Self {
        let readings =
            program.sources.iter().map(|source| (source.config.schema.source.as_str().into(), source.identity));
        let projections =
            program.projections.iter().map(|planned| (planned.config.name.clone(), Definition::of(planned)));
        Self {
            readings: readings.collect(),
            projections: projections.collect(),
            views: program.views.iter().cloned().map(Arc::new).collect(),
            awaited: BTreeSet::new(),
            held_back: BTreeSet::new(),
            blocked: BTreeMap::new(),
            held_sources: BTreeSet::new(),
        }
    }
}

/// What an engine has let go of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::pipeline) struct Retired {
    pub generations: Vec<GenerationId>,
    pub sources: Vec<SourceName>,
}

impl Engine {
    /// Begins to become what is declared now. What needs no build is so at once.
    pub(in crate::pipeline) fn declare(&mut self, declared: Declared, limits: ParkedLimits) {
        self.limits = limits;
        for generation in &mut self.generations {
            let to = declared.projections.get(generation.projection());
            if let Some(to) = to.filter(|to| generation.definition.is_kept_as(to)) {
                generation.definition.adapt(to);
            }
        }
        for name in &declared.awaited {
            if let Some(definition) = declared.projections.get(name) {
                let announced = self.announced.entry(name.clone()).or_insert_with(|| definition.status());
                let build = announced.build.get_or_insert_with(BuildStatus::waiting);
                // It is tried once more.
                if let BuildState::Failed | BuildState::RolledBack = build.state {
                    *build = BuildStatus::waiting();
                }
            }
        }
        self.declared = declared;
        let awaited = self.declared.awaited.iter();
        let rows = awaited.filter_map(|name| Some((name.clone(), self.declared.projections.get(name)?.rows?)));
        self.awaited_rows = rows.collect();
        // What is built, or declared in another way by now, is no more what was rolled back from.
        let RolledBack { projections, sources } = &mut self.kept.rolled_back;
        projections.retain(|name, _| self.declared.held_back.contains(name));
        sources.retain(|name, _| self.declared.held_sources.contains(name));
        for name in self.declared.held_back.clone() {
            self.tell_rolled_back(&name);
        }
        for (name, input) in &self.declared.blocked {
            if let Some(build) = self.announced.get_mut(name).and_then(|status| status.build.as_mut()) {
                let message =
                    format!("it reads what `readside projection resume {input}` lets go on, and is built then");
                *build = BuildStatus { message: Some(message), ..BuildStatus::waiting() };
            }
        }
    }

    /// Projections that are not built before a paused one goes on.
    pub fn blocked(&self) -> BTreeSet<String> {
        self.declared.blocked.keys().cloned().collect()
    }

    /// Makes status show projections that will be declared, and are built then.
    pub fn expect(&mut self, definitions: impl Iterator<Item = Definition>) {
        for definition in definitions {
            let mut status = definition.status();
            status.build = Some(BuildStatus::waiting());
            self.declared.awaited.insert(status.name.clone());
            self.announce(status);
        }
    }

    /// Whether a source is declared by now.
    pub(in crate::pipeline) fn declares(&self, source: &SourceName) -> bool {
        self.declared.readings.contains_key(source)
    }

    /// Lets go of what is declared no more and read by nothing, and changes the views whose inputs are as declared.
    pub(in crate::pipeline) fn settle(&mut self, by: &Actor, now_us: i64) -> Retired {
        self.settle_views();
        let declared = &self.declared;
        self.announced.retain(|name, _| declared.awaited.contains(name));
        let mut needed: BTreeSet<String> = declared.projections.keys().cloned().collect();
        let is_view = |name: &&String| declared.views.iter().any(|view| view.config.name == **name);
        let read = self.views.iter().flat_map(|view| &view.upstream).filter(|name| !is_view(name));
        needed.extend(read.cloned());
        // Each generation comes after those that it reads.
        for generation in self.generations.iter().rev() {
            if needed.contains(generation.projection()) {
                needed.extend(generation.definition.upstream.iter().cloned());
            }
        }
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.generations).into_iter().partition(|one| needed.contains(one.projection()));
        self.generations = kept;
        let mut retired: Vec<GenerationId> = std::mem::take(&mut self.replaced);
        for generation in &gone {
            let (subject, from) = (generation.projection(), format!("generation {}", generation.id.number));
            let step = NewStep {
                action: Action::Retired,
                subject: format!("projection {subject}"),
                from: Some(from),
                to: None,
            };
            self.ledger.record(step, by, now_us);
        }
        retired.extend(gone.into_iter().map(|generation| generation.id));
        let read: BTreeSet<&SourceName> =
            self.generations.iter().flat_map(|generation| generation.definition.reads.keys()).collect();
        let is_gone = |name: &&SourceName| !self.declares(name) && !read.contains(*name);
        let sources: Vec<SourceName> = self.intakes.keys().filter(is_gone).cloned().collect();
        sources.iter().for_each(|source| drop(self.intakes.remove(source)));
        if !retired.is_empty() || !sources.is_empty() {
            self.forget_parked();
            self.share();
        }
        Retired { generations: retired, sources }
    }

    /// Makes status show why projections are not built any more, and records who has decided so.
    pub(in crate::pipeline) fn end_build(
        &mut self,
        projections: &[String],
        message: &str,
        by: Option<&Actor>,
        now_us: i64,
    ) {
        for name in projections {
            if let Some(build) = self.announced.get_mut(name).and_then(|status| status.build.as_mut()) {
                (build.state, build.message) = (BuildState::Failed, Some(message.to_owned()));
            }
            if let Some(by) = by {
                let subject = format!("projection {name}");
                self.ledger.record(NewStep { action: Action::Aborted, subject, from: None, to: None }, by, now_us);
            }
        }
    }

    /// A view that reads what is yet to come stays as it was, if it was there.
    fn settle_views(&mut self) {
        let mut awaited = self.declared.awaited.clone();
        let mut views: Vec<Arc<PlannedView>> = Vec::new();
        for view in &self.declared.views {
            let is_ahead = view.upstream.iter().any(|name| awaited.contains(name));
            let earlier = self.views.iter().find(|earlier| earlier.config.name == view.config.name);
            match earlier.filter(|_| is_ahead) {
                Some(earlier) => {
                    awaited.insert(view.config.name.clone());
                    views.push(earlier.clone());
                }
                None => views.push(view.clone()),
            }
        }
        self.views = views;
    }
}
