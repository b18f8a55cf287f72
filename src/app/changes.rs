//! What a configuration changes in a daemon that runs another one. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::builds::Contents;
use super::declaration::{Input, needs_restart, settings};
use super::placing::{placed, still_rolled_back};
use crate::config::{Config, NodePath, Query, Source, SourceKind};
use crate::lifecycle::RolledBack;
use crate::pipeline::{Declared, Definition, Facts, Group, Intake, Reading};
use crate::plan::{PlannedProjection, Program, ProgramSource, inputs};
use crate::progress::SourceName;
use crate::serve::http::Change;

const ROLLED_BACK: &str =
    "it is not built, because it was rolled back from; `readside projection rebuild` builds it again";

/// What has to be done.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) declared: Declared,
    pub(super) new_sources: BTreeMap<SourceName, Intake>,
    pub(super) moved_sources: BTreeSet<SourceName>,
    /// What is built together.
    pub(super) groups: Vec<Group>,
    /// Views, each with what it reads.
    pub(super) views: Vec<(String, Vec<String>)>,
    /// Sources that are declared in a way which was rolled back from.
    pub(super) held_sources: BTreeSet<SourceName>,
    /// For people. What stays as it is is left out.
    pub(super) told: Vec<Change>,
}

impl Changes {
    /// Compares what runs with what is declared now. The projections among `rebuilt` are built again in any case.
    pub(super) fn new(old: &Config, new: &Config, program: Program, facts: &Facts, rebuilt: &BTreeSet<String>) -> Self {
        let mut changes = Self { declared: Declared::of(&program), ..Self::default() };
        changes.views = program.views.iter().map(|view| (view.config.name.clone(), view.upstream.clone())).collect();
        changes.settings(old, new);
        changes.queries(&old.queries, &new.queries);
        let rolled_back = still_rolled_back(&facts.rolled_back, &program.projections, rebuilt);
        changes.sources(old, new, program.sources, facts, &rolled_back);
        changes.views(old, new);
        changes.projections(old, new, program.projections, facts, &rolled_back, rebuilt);
        changes.declared.held_sources.clone_from(&changes.held_sources);
        let built = changes.groups.iter().flat_map(|group| &group.projections);
        let built = built.map(|planned| planned.config.name.clone());
        changes.declared.awaited =
            built.chain(changes.declared.held_back.iter().chain(changes.declared.blocked.keys()).cloned()).collect();
        changes
    }

    fn tell(&mut self, kind: &'static str, name: &str, change: &'static str, detail: Option<String>) {
        self.told.push(Change { kind, name: name.to_owned(), change, detail });
    }

    fn settings(&mut self, old: &Config, new: &Config) {
        let old = settings(old);
        // The others are refused before.
        let now = settings(new).into_iter().filter(|(name, _)| !needs_restart(name));
        let changed = now.filter(|(name, value)| old.get(name) != Some(value));
        changed.for_each(|(name, _)| self.tell("setting", &name, "changed", None));
    }

    fn queries(&mut self, old: &[Query], new: &[Query]) {
        let unplaced = |query: &Query| (query.name.clone(), Query { node: NodePath::default(), ..query.clone() });
        let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (old.iter().map(unplaced).collect(), new.iter().map(unplaced).collect());
        self.compare("query", &old, &new);
    }

    fn views(&mut self, old: &Config, new: &Config) {
        let views = |config: &Config| -> BTreeMap<String, String> {
            let views = config.projections.iter().filter(|one| one.kind == crate::config::ProjectionKind::View);
            views.map(|view| (view.name.clone(), view.sql.clone())).collect()
        };
        self.compare("view", &views(old), &views(new));
    }

    fn compare<T: Debug>(&mut self, kind: &'static str, old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) {
        for (name, one) in new {
            match old.get(name) {
                None => self.tell(kind, name, "new", None),
                Some(earlier) if !look_alike(earlier, one) => self.tell(kind, name, "changed", None),
                Some(_) => {}
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            self.tell(kind, name, "removed", None);
        }
    }

    fn sources(
        &mut self,
        old: &Config,
        new: &Config,
        sources: Vec<ProgramSource>,
        facts: &Facts,
        rolled_back: &RolledBack,
    ) {
        for source in sources {
            let name: SourceName = source.config.schema.source.as_str().into();
            match facts.sources.get(&name) {
                None => {
                    self.tell("source", &name, "new", None);
                    let intake = Intake::new(source.decoder, source.identity);
                    self.new_sources.insert(name, intake.declared_by(source.config.text));
                }
                Some(known) if known.identity == Some(source.identity) && !is_moved(old, &source.config) => {}
                _ if rolled_back.sources.get(&name) == Some(&source.identity) => {
                    self.tell("source", &name, "changed", Some(ROLLED_BACK.to_owned()));
                    self.held_sources.insert(name);
                }
                Some(known) if known.identity != Some(source.identity) => {
                    let detail = "its messages are read again from the first, beside".to_owned();
                    self.tell("source", &name, "changed", Some(detail));
                    self.groups.push(changed_source(source));
                }
                Some(_) => {
                    self.tell("source", &name, "changed", Some("it is read from elsewhere from now on".to_owned()));
                    self.moved_sources.insert(name);
                }
            }
        }
        // It is tried again with every reload: what had stopped it may be mended, by what is declared now or elsewhere.
        let halted = facts.sources.iter().filter_map(|(name, known)| Some((name, known.halted.as_ref()?)));
        for (name, why) in halted.filter(|(name, _)| new.sources.iter().any(|one| one.schema.source == ***name)) {
            self.tell("source", name, "reopened", Some(format!("it had halted, and is tried again: {why}")));
        }
        for source in &old.sources {
            let name = &source.schema.source;
            if !new.sources.iter().any(|one| one.schema.source == *name) {
                self.tell("source", name, "removed", None);
            }
        }
    }

    fn projections(
        &mut self,
        old: &Config,
        new: &Config,
        planned: Vec<PlannedProjection>,
        facts: &Facts,
        rolled_back: &RolledBack,
        rebuilt: &BTreeSet<String>,
    ) {
        // With all that reads them.
        let mut rebuilt = rebuilt.clone();
        // What is paused, and what cannot be built before that goes on, each with that.
        let mut stopped: BTreeMap<String, String> = BTreeMap::new();
        let declared: BTreeSet<String> = planned.iter().map(|one| one.config.name.clone()).collect();
        for one in planned {
            let name = one.config.name.clone();
            let definition = Definition::of(&one).facts();
            if one.compiled.upstream.iter().any(|input| rebuilt.contains(input)) {
                rebuilt.insert(name.clone());
            }
            let rows = one.compiled.schema.identity;
            // What has stopped is built again: nothing is lost by that.
            if facts
                .projections
                .get(&name)
                .is_some_and(|running| (running.steps || running.is_paused) && running.rows != Some(rows))
                && rolled_back.projections.get(&name) == Some(&rows)
            {
                self.tell("projection", &name, "changed", Some(ROLLED_BACK.to_owned()));
                self.declared.held_back.insert(name);
                continue;
            }
            let (held_back, held_sources) = (&self.declared.held_back, &self.held_sources);
            let input = one.compiled.upstream.iter().find(|input| held_back.contains(*input));
            let source = one.compiled.schema.reads.keys().find(|source| held_sources.contains(*source));
            if let Some(held) = input.map(String::as_str).or(source.map(|source| &**source)) {
                let detail = format!("it is not built, because `{held}`, which it reads, was rolled back");
                self.tell("projection", &name, "changed", Some(detail));
                self.declared.held_back.insert(name);
                continue;
            }
            // What is paused goes on as it was, once it is resumed.
            let running = facts.projections.get(&name);
            let is_kept = running.is_some_and(|running| running.is_paused && running.is_kept_as(&definition));
            if is_kept && !rebuilt.contains(&name) {
                stopped.insert(name.clone(), name);
                continue;
            }
            if let Some(paused) = one.compiled.upstream.iter().find_map(|input| stopped.get(input)).cloned() {
                let detail = format!("it is not built before `{paused}` is resumed, of which it is made");
                self.tell("projection", &name, if running.is_some() { "changed" } else { "new" }, Some(detail));
                self.declared.blocked.insert(name.clone(), paused.clone());
                stopped.insert(name, paused);
                continue;
            }
            let (change, detail) = match running {
                None => ("new", None),
                Some(running) if !running.is_kept_as(&definition) => {
                    let mut reasons = running.difference(&definition).reasons;
                    reasons.extend(reasons.is_empty().then(|| why_otherwise(&one, &self.groups)));
                    ("changed", Some(reasons.join("; ")))
                }
                Some(_) if rebuilt.contains(&name) => ("changed", Some("it is built again, as was asked".to_owned())),
                Some(running) if !running.steps => ("changed", Some("it takes nothing as it is".to_owned())),
                Some(running) => {
                    if running.differs_in_settings(&definition) {
                        self.tell("projection", &name, "changed", Some("nothing has to be built for it".to_owned()));
                    }
                    continue;
                }
            };
            let since = running.map(|running| &running.since).filter(|since| !since.is_empty());
            let detail = match since.filter(|_| !rebuilt.contains(&name)) {
                Some(_) => {
                    detail.map(|detail| format!("{detail}; all events count in it again, and not only later ones"))
                }
                None => detail,
            };
            self.tell("projection", &name, change, detail);
            let placed = placed(&one, &definition, facts, new, rebuilt.contains(&name));
            add_to_groups(&mut self.groups, one, placed);
        }
        for name in facts.projections.keys().filter(|name| !declared.contains(*name)) {
            let was_declared = old.projections.iter().any(|one| one.name == *name);
            if was_declared {
                self.tell("projection", name, "removed", None);
            }
        }
    }

    /// What changes, in one line.
    pub(super) fn summary(&self) -> String {
        let told: Vec<String> =
            self.told.iter().map(|one| format!("{} {} {}", one.kind, one.name, one.change)).collect();
        if told.is_empty() { "nothing has changed".to_owned() } else { told.join(", ") }
    }

    /// What each group builds.
    pub(super) fn contents(&self) -> Vec<Contents> {
        self.groups.iter().map(Contents::of).collect()
    }
}

/// Puts a projection together with what it reads among those that are built, and with its changed sources. `placed` says what is
/// wanted of it.
pub(super) fn add_to_groups(groups: &mut Vec<Group>, planned: PlannedProjection, placed: Group) {
    let (upstream, reads) = (&planned.compiled.upstream, &planned.compiled.schema.reads);
    let is_read = |group: &Group| {
        group.projections.iter().any(|one| upstream.contains(&one.config.name))
            || group.sources.keys().any(|source| reads.contains_key(source))
    };
    let (read, mut apart): (Vec<_>, Vec<_>) = std::mem::take(groups).into_iter().partition(is_read);
    let mut joined = Group::default();
    for group in read.into_iter().chain([placed]) {
        joined.projections.extend(group.projections);
        joined.sources.extend(group.sources);
        joined.followers.extend(group.followers);
        joined.since.extend(group.since);
        joined.breaking.extend(group.breaking);
        joined.promotion = joined.promotion.max(group.promotion);
        joined.keep = joined.keep.max(group.keep);
        joined.afresh |= group.afresh;
    }
    joined.projections.push(planned);
    apart.push(joined);
    *groups = apart;
}

/// Why the rows of a projection are others, though it has the same columns, given what is built before it.
pub(super) fn why_otherwise(planned: &PlannedProjection, groups: &[Group]) -> String {
    let is_built =
        |input: &&String| groups.iter().flat_map(|group| &group.projections).any(|one| one.config.name == **input);
    if let Some(input) = planned.compiled.upstream.iter().find(is_built) {
        return format!("its input `{input}` is built again");
    }
    let mut changed = groups.iter().flat_map(|group| group.sources.keys());
    match changed.find(|source| planned.compiled.schema.reads.contains_key(*source)) {
        Some(source) => format!("source `{source}` is read in another way"),
        None => "its SQL computes other rows".to_owned(),
    }
}

/// A group of nothing yet but a source that is read in another way.
pub(super) fn changed_source(source: ProgramSource) -> Group {
    let name = source.config.schema.source.as_str().into();
    let reading = Reading { decoder: source.decoder, identity: source.identity, text: source.config.text };
    let sources = BTreeMap::from([(name, reading)]);
    Group { sources, ..Group::default() }
}

/// What cannot change while a daemon runs, as sentences.
pub(super) fn fixed(old: &Config, new: &Config) -> Vec<String> {
    const RESTART: &str = "cannot change while the daemon runs; restart it for that, or leave it as it was";
    let mut fixed = Vec::new();
    if old.nats != new.nats {
        // Its file may be what has changed.
        let context = new.nats.as_ref().and_then(|nats| nats.context.as_ref());
        let by = context.map_or_else(String::new, |context| format!(", with the context in {},", context.path));
        fixed.push(format!("`nats`{by} {RESTART}"));
    }
    let mut setting = |name: &str, changed: bool| {
        if changed {
            fixed.push(format!("`{name}` {RESTART}"));
        }
    };
    setting("data_dir", old.data_dir != new.data_dir);
    setting("object_store", old.object_store != new.object_store);
    setting("http", old.http != new.http);
    setting("metrics.listen", old.metrics_listen != new.metrics_listen);
    setting("health.listen", old.health_listen != new.health_listen);
    setting("postgres", old.postgres != new.postgres);
    setting("auth", old.auth != new.auth);
    for source in &new.sources {
        let name = &source.schema.source;
        let Some(earlier) = old.sources.iter().find(|one| one.schema.source == *name) else { continue };
        fixed.extend(Input::of(&earlier.input).cannot_become(&Input::of(&source.input), name));
    }
    for source in &new.sources {
        if matches!(source.input, SourceKind::JetStream { .. }) && new.nats.is_none() {
            let name = &source.schema.source;
            fixed.push(format!("source `{name}` reads JetStream, but the configuration has no `nats` section"));
        }
    }
    fixed
}

/// The queries that are answered by now: one that reads what is yet to come stays as it was, if it was there.
pub(super) fn active_queries(
    earlier: &BTreeMap<String, Query>,
    declared: &[Query],
    views: &[(String, Vec<String>)],
    awaited: &BTreeSet<String>,
) -> Vec<Query> {
    let mut ahead = awaited.clone();
    for (name, reads) in views {
        if reads.iter().any(|one| ahead.contains(one)) {
            ahead.insert(name.clone());
        }
    }
    let active = declared.iter().map(|query| {
        let is_ahead = inputs(&query.sql).unwrap_or_default().iter().any(|name| ahead.contains(name));
        earlier.get(&query.name).filter(|_| is_ahead).unwrap_or(query).clone()
    });
    active.collect()
}

/// Whether a source finds the same messages elsewhere.
fn is_moved(old: &Config, source: &Source) -> bool {
    let earlier = old.sources.iter().find(|one| one.schema.source == source.schema.source);
    match (earlier.map(|earlier| &earlier.input), &source.input) {
        (
            Some(SourceKind::File { path: old_path, follow: old_follow, .. }),
            SourceKind::File { path: new_path, follow: new_follow, .. },
        ) => old_path != new_path || old_follow != new_follow,
        _ => false,
    }
}

fn look_alike(one: &(impl Debug + ?Sized), other: &(impl Debug + ?Sized)) -> bool {
    format!("{one:?}") == format!("{other:?}")
}
