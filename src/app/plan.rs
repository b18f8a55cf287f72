//! What a reload or a start with a configuration would do, without doing it. Pure, but for the checkpoint that is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::changes::{add_to_groups, changed_source, why_otherwise};
use super::declaration::{Declaration, Input};
use super::earlier::declared_by;
use super::placing::placed;
use super::replay::program_in_place;
use crate::checkpoint::{Place, newest_manifest};
use crate::config::{Config, SourceKind};
use crate::pipeline::{Definition, Difference, Facts, ProjectionFacts};
use crate::plan::Program;
use crate::progress::{Position, SourceName};
use crate::source::{self, Held};

mod build;
mod declared;
mod report;

use build::build;
use declared::{queries, settings, views, views_of};
pub use report::{
    BuildPlan, DeclaredChange, Estimate, Plan, ProjectionChange, ProjectionPlan, PromotionPlan, QueryPlan, SettingPlan,
    SourceChange, SourcePlan, Verdict, ViewPlan,
};

/// What the streams and files of a configuration hold now.
pub type Histories = BTreeMap<SourceName, Result<Held, String>>;

/// What runs, or what a checkpoint goes on from, and what was declared then.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub facts: Facts,
    pub declaration: Declaration,
}

impl Baseline {
    /// Where nothing was declared yet.
    fn nothing() -> Self {
        let facts = Facts { is_start: true, views: Some(BTreeMap::new()), ..Facts::default() };
        Self { facts, declaration: Declaration::of_nothing() }
    }
}

/// What a start from a data directory would go on from; nothing if there is none.
///
/// # Errors
/// The checkpoints cannot be read.
pub async fn baseline_of_data_dir(location: &str, config: &Config) -> Result<Baseline, String> {
    if !location.contains("://") && !Path::new(location).exists() {
        return Ok(Baseline::nothing());
    }
    let manifest =
        newest_manifest(Place::new(location, &config.object_store)).await.map_err(|error| error.to_string())?;
    let Some(manifest) = manifest else { return Ok(Baseline::nothing()) };
    let mut facts = Facts::of_checkpoint(&manifest);
    let earlier = declared_by(&manifest.content, config);
    facts.views = earlier.as_ref().map(views_of);
    let declaration = earlier.as_ref().map(Declaration::of_inputs).unwrap_or_default();
    Ok(Baseline { facts, declaration })
}

/// What the streams of a configuration hold now, as far as their server says it, and its files, as far as they can be read from here.
pub async fn histories(config: &Config) -> Histories {
    let mut histories = Histories::new();
    for source in &config.sources {
        let name: SourceName = source.schema.source.as_str().into();
        let held = match (&source.input, &config.nats) {
            (SourceKind::JetStream { stream, .. }, Some(nats)) => source::held(nats, stream).await,
            (SourceKind::JetStream { .. }, None) => continue,
            (SourceKind::File { path, follow, .. }, _) => source::held_lines(path, *follow),
        };
        histories.insert(name, held);
    }
    histories
}

/// Compares what is declared with what runs.
pub fn plan(baseline: &Baseline, config: &Config, program: Program, histories: &Histories) -> Plan {
    let Baseline { facts, declaration } = baseline;
    let mut plan = Plan::default();
    settings(&mut plan, declaration, config);
    queries(&mut plan, declaration, config);
    views(&mut plan, facts, &program.views, config);
    let (program, in_place) = program_in_place(facts, config, program);
    let declared: BTreeSet<SourceName> =
        program.sources.iter().map(|source| source.config.schema.source.as_str().into()).collect();
    let mut groups = Vec::new();
    // What is paused, and what cannot be built before that goes on.
    let mut stopped: BTreeSet<String> = BTreeSet::new();
    let (mut held_sources, mut held_back): (BTreeSet<SourceName>, BTreeSet<String>) = Default::default();
    for source in program.sources {
        let name: SourceName = source.config.schema.source.as_str().into();
        let input = Input::of(&source.config.input);
        let change = match facts.sources.get(&name) {
            None => SourceChange::New,
            Some(_) if in_place.contains_key(&*name) => SourceChange::InPlace,
            Some(_) if facts.rolled_back.sources.get(&name) == Some(&source.identity) => {
                held_sources.insert(name.clone());
                SourceChange::RolledBack
            }
            Some(known) if known.identity != Some(source.identity) && known.position > Position::START => {
                groups.push(changed_source(source));
                SourceChange::ReadAgain
            }
            Some(_) => SourceChange::NoOp,
        };
        let before = declaration.inputs.as_ref().and_then(|inputs| inputs.get(&name));
        let refused = before.and_then(|before| before.cannot_become(&input, &name));
        let change = match change {
            _ if refused.is_some() => SourceChange::Replaced,
            SourceChange::NoOp if before.is_some_and(|before| *before != input) => SourceChange::Moved,
            change => change,
        };
        plan.needs_restart.extend(refused.filter(|_| !facts.is_start));
        plan.sources.push(SourcePlan { name, change });
    }
    let gone = facts.sources.keys().filter(|name| !declared.contains(*name));
    plan.sources.extend(gone.map(|name| SourcePlan { name: name.clone(), change: SourceChange::Removed }));
    // What a reload refuses, a start takes, which decides on its own what serves.
    let facts = &Facts { is_start: facts.is_start || !plan.needs_restart.is_empty(), ..facts.clone() };
    let names: BTreeSet<String> = program.projections.iter().map(|one| one.config.name.clone()).collect();
    for planned in program.projections {
        let definition = Definition::of(&planned).facts();
        let mut one = compare(&planned.config.name, facts.projections.get(&planned.config.name), &definition);
        let schema = &planned.compiled.schema;
        let is_held = facts.rolled_back.projections.get(&one.name) == Some(&schema.identity)
            || planned.compiled.upstream.iter().any(|input| held_back.contains(input))
            || schema.reads.keys().any(|source| held_sources.contains(source));
        if is_held && one.change != ProjectionChange::NoOp {
            held_back.insert(one.name.clone());
            one.change = ProjectionChange::RolledBack;
        }
        if planned.compiled.upstream.iter().any(|input| stopped.contains(input))
            && one.change != ProjectionChange::Paused
        {
            one.change = ProjectionChange::Waits;
        }
        if matches!(one.change, ProjectionChange::Paused | ProjectionChange::Waits) {
            stopped.insert(one.name.clone());
        }
        if one.change == ProjectionChange::Build && one.reasons.is_empty() {
            one.reasons.push(why_otherwise(&planned, &groups));
        }
        if matches!(one.change, ProjectionChange::Build | ProjectionChange::New | ProjectionChange::IndexOnly) {
            let placed = placed(&planned, &definition, facts, config, false);
            add_to_groups(&mut groups, planned, placed);
        }
        plan.projections.push(one);
    }
    let gone = facts.projections.keys().filter(|name| !names.contains(*name));
    plan.projections.extend(gone.map(|name| ProjectionPlan {
        name: name.clone(),
        change: ProjectionChange::Removed,
        reasons: Vec::new(),
        breaking: true,
    }));
    plan.builds = groups.iter().map(|group| build(group, facts, histories)).collect();
    let is_changed = plan.sources.iter().any(|one| one.change != SourceChange::NoOp)
        || plan.projections.iter().any(|one| !matches!(one.change, ProjectionChange::NoOp | ProjectionChange::Paused))
        || plan.views.iter().any(|one| one.change != DeclaredChange::NoOp)
        || plan.queries.iter().any(|one| one.change != DeclaredChange::NoOp)
        || !plan.settings.is_empty();
    plan.verdict = match is_changed {
        _ if plan.builds.iter().any(|build| build.blocked.is_some()) => Verdict::Blocked,
        _ if !plan.needs_restart.is_empty() => Verdict::NeedsRestart,
        true if is_breaking(&plan) => Verdict::Breaking,
        true => Verdict::Deployable,
        false => Verdict::InSync,
    };
    plan
}

fn is_breaking(plan: &Plan) -> bool {
    plan.projections.iter().any(|one| one.breaking)
        || plan.views.iter().any(|one| one.breaking)
        || plan.queries.iter().any(|one| one.breaking)
}

fn compare(name: &str, running: Option<&ProjectionFacts>, declared: &ProjectionFacts) -> ProjectionPlan {
    let (change, difference) = match running {
        None => (ProjectionChange::New, Difference::default()),
        Some(running) if !running.is_kept_as(declared) => {
            let difference = running.difference(declared);
            let change = if difference.is_layout_only { ProjectionChange::IndexOnly } else { ProjectionChange::Build };
            (change, difference)
        }
        Some(running) if running.is_paused => (ProjectionChange::Paused, Difference::default()),
        Some(running) if !running.steps => {
            let reasons = vec!["it takes nothing as it is".to_owned()];
            (ProjectionChange::Build, Difference { reasons, ..Difference::default() })
        }
        Some(running) if running.differs_in_settings(declared) => (ProjectionChange::Settings, Difference::default()),
        Some(_) => (ProjectionChange::NoOp, Difference::default()),
    };
    ProjectionPlan {
        name: name.to_owned(),
        change,
        reasons: difference.reasons,
        breaking: !difference.breaking.is_empty(),
    }
}
