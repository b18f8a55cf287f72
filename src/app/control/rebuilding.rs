//! Building again what a person wants built again: of all events, or of those from some time on.

use std::collections::{BTreeMap, BTreeSet};

use super::Control;
use crate::config::{Config, Promotion};
use crate::lifecycle::Actor;
use crate::pipeline::{Facts, Group, NoLoop, StoredRollout};
use crate::plan::Program;
use crate::progress::{Position, SourceName};
use crate::serve::http::{Refused, Reloaded};
use crate::source;

/// What is built again although nothing has changed.
#[derive(Debug, Default)]
pub(super) struct Rebuilt {
    pub(super) names: BTreeSet<String>,
    /// Where the sources begin of which not all messages are to count.
    pub(super) since: BTreeMap<SourceName, Position>,
}

impl Rebuilt {
    /// What somebody had asked for before the start, and who.
    pub(super) fn asked(stored: &StoredRollout) -> Option<(Actor, Self)> {
        let by = stored.entry.asked.clone()?;
        let generations = &stored.entry.generations;
        let since = generations.values().flat_map(|entry| entry.since.clone()).collect();
        Some((by, Self { names: generations.keys().cloned().collect(), since }))
    }

    /// Lets a group count from where it is to. It has other rows then, although it is declared as what serves: a person looks at them.
    pub(super) fn place(&self, group: &mut Group, config: &Config, facts: &Facts) {
        let of_it = |one: &&crate::plan::PlannedProjection| self.names.contains(&one.config.name);
        let is_meant = !self.since.is_empty() && group.sources.is_empty();
        let Some(planned) = group.projections.iter().find(of_it).filter(|_| is_meant) else { return };
        let explicit = planned.config.promotion.or(config.promotion);
        group.keep = group.keep.max(planned.config.keep.unwrap_or(config.keep));
        let shows = |name: &String| facts.projections.get(name).is_some_and(|running| running.shows_rows);
        let replaces_rows = group.projections.iter().any(|one| shows(&one.config.name));
        // What else is built with it may have to wait for a person all the more. Rows of all events, although they are the last
        // ones of what has stopped, do not give way to those of a part without anybody having looked.
        let wanted = Some(explicit.unwrap_or(Promotion::Manual)).filter(|_| replaces_rows);
        group.promotion = group.promotion.max(wanted);
        group.since.clone_from(&self.since);
    }
}

impl Control {
    /// Builds a projection again, with all that reads it, as the running configuration declares it.
    pub(super) async fn rebuild(
        &mut self,
        name: String,
        since_us: Option<i64>,
        by: &Actor,
    ) -> Result<Reloaded, Refused> {
        let (config, program) = self.compiled().await?;
        if !program.projections.iter().any(|planned| planned.config.name == name) {
            let detail = format!("`{name}` is no table and no search index, so there is nothing to build");
            return Err(Refused { status: 404, kind: "unknown-relation", title: "Unknown relation", detail });
        }
        let since = match since_us {
            Some(since_us) => self.first_since(&name, &config, &program, since_us).await?,
            None => BTreeMap::new(),
        };
        let rebuilt = Rebuilt { names: BTreeSet::from([name]), since };
        let became = self.become_declared((config, program), by, &rebuilt).await;
        let (reloaded, durable) = became.map_err(|NoLoop| Refused::ending())?;
        self.durable(durable.wait()).await?;
        Ok(reloaded)
    }

    /// Goes on with what a person had asked for before the start, and lets go of what else was built then.
    pub(super) async fn ask_again(&mut self) {
        let asked: Vec<(Actor, Rebuilt)> = self.stored.iter().filter_map(Rebuilt::asked).collect();
        for (by, rebuilt) in asked {
            let became = match self.compiled().await {
                Ok(compiled) => self.become_declared(compiled, &by, &rebuilt).await.map(drop),
                // The configuration is the one that runs.
                Err(_) => Ok(()),
            };
            if became.is_err() {
                return;
            }
        }
        self.forget_stored(|_| true).await;
    }

    /// Lets go of what was built before the start and is not built any more.
    pub(super) async fn forget_stored(&mut self, is_meant: impl Fn(&StoredRollout) -> bool) {
        let gone: Vec<StoredRollout> = self.stored.extract_if(.., |stored| is_meant(stored)).collect();
        for stored in gone {
            self.commands.forget_build(stored.rollout).await;
        }
    }

    /// The first sequences that were published since a time, of the sources that are read for a projection and for all that reads it.
    ///
    /// # Errors
    /// It reads no events itself, or a source does not say when its messages were published.
    pub(super) async fn first_since(
        &self,
        name: &str,
        config: &Config,
        program: &Program,
        since_us: i64,
    ) -> Result<BTreeMap<SourceName, Position>, Refused> {
        let mut built = BTreeSet::from([name]);
        let (mut reads_events, mut read) = (false, BTreeSet::new());
        // Each comes after those that it reads.
        for planned in &program.projections {
            let compiled = &planned.compiled;
            if compiled.upstream.iter().any(|input| built.contains(input.as_str())) {
                built.insert(&planned.config.name);
            }
            if built.contains(planned.config.name.as_str()) && compiled.circuit.has_events() {
                reads_events |= planned.config.name == name;
                read.extend(compiled.schema.reads.keys().cloned());
            }
        }
        if !reads_events {
            let detail =
                format!("`{name}` reads no events itself; build what it reads again, and it is built with that");
            return Err(Refused::impossible(detail));
        }
        let facts = self.commands.facts().await.map_err(|NoLoop| Refused::ending())?;
        let mut since = BTreeMap::new();
        for declared in &config.sources {
            let source: SourceName = declared.schema.source.as_str().into();
            if !read.contains(&source) {
                continue;
            }
            let first = source::first_since(declared, config.nats.as_ref(), since_us).await;
            let first = first.map_err(Refused::impossible)?.map(Position::from);
            // What is not there yet counts in any case.
            let next = facts.sources.get(&source).map_or(1, |known| known.position.sequence() + 1);
            since.insert(source, first.unwrap_or(next.into()).min(next.into()));
        }
        Ok(since)
    }
}
