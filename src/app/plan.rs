//! What a reload or a start with a configuration would do, without doing it. Pure, but for the checkpoint that is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::changes::{add_to_groups, changed_source, why_otherwise};
use super::placing::placed;
use super::replay::program_in_place;
use crate::checkpoint::newest_content;
use crate::config::{Config, Promotion, SourceKind};
use crate::pipeline::{Definition, Difference, Facts, Group, ProjectionFacts};
use crate::plan::Program;
use crate::progress::{Position, SourceName};
use crate::source::{self, Held};

/// What the streams of a configuration hold now.
pub type Histories = BTreeMap<SourceName, Result<Held, String>>;

/// What would be done.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub verdict: Verdict,
    pub sources: Vec<SourcePlan>,
    pub projections: Vec<ProjectionPlan>,
    /// What is built, each together.
    pub builds: Vec<BuildPlan>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing would change.
    #[default]
    InSync,
    Deployable,
    /// Something cannot be built.
    Blocked,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourcePlan {
    pub name: SourceName,
    pub change: SourceChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceChange {
    NoOp,
    New,
    /// Its messages are read again from the first, in another way.
    ReadAgain,
    /// What was admitted is the same in the new way, and only what is parked is looked at again.
    InPlace,
    /// It was rolled back from, and is read as before.
    RolledBack,
    Removed,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionPlan {
    pub name: String,
    pub change: ProjectionChange,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whether a reader of today may miss something.
    pub breaking: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectionChange {
    NoOp,
    /// What nothing has to be built for, such as its owner.
    Settings,
    /// The same rows, kept in another way.
    IndexOnly,
    Build,
    New,
    /// It was rolled back from, and is not built by itself.
    RolledBack,
    Removed,
}

/// One build.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildPlan {
    pub projections: Vec<String>,
    /// When it takes the place of what serves.
    pub promotion: PromotionPlan,
    /// Sequences that have to be read, by source; none of it where what is there already is enough to go on from.
    pub reads: BTreeMap<SourceName, u64>,
    /// Sequences that need not be read, because of that.
    pub avoids: u64,
    /// As fast as what was measured; none if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Bytes of memory beside what is there until it has joined, as what it replaces takes now; none if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Why it cannot be built, and the ways out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// What could not be found out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromotionPlan {
    Auto,
    WhenEqual,
    Manual,
    /// By hand, and only with a word that readers of today may miss something.
    Breaking,
}

/// What a start from a data directory would go on from; nothing if there is none.
///
/// # Errors
/// The checkpoints cannot be read.
pub async fn facts_of_data_dir(location: &str) -> Result<Facts, String> {
    if !location.contains("://") && !Path::new(location).exists() {
        return Ok(Facts::default());
    }
    let content = newest_content(location).await.map_err(|error| error.to_string())?;
    Ok(content.map(|content| Facts::of_checkpoint(&content)).unwrap_or_default())
}

/// What the streams of a configuration hold now, as far as their server says it.
pub async fn histories(config: &Config) -> Histories {
    let mut histories = Histories::new();
    for source in &config.sources {
        let name: SourceName = source.schema.source.as_str().into();
        if let (SourceKind::JetStream { stream, .. }, Some(nats)) = (&source.input, &config.nats) {
            histories.insert(name, source::held(nats, stream).await);
        }
    }
    histories
}

/// Compares what is declared with what runs.
pub fn plan(facts: &Facts, config: &Config, program: Program, histories: &Histories) -> Plan {
    let mut plan = Plan::default();
    let (program, in_place) = program_in_place(facts, config, program);
    let declared: BTreeSet<SourceName> =
        program.sources.iter().map(|source| source.config.schema.source.as_str().into()).collect();
    let mut groups = Vec::new();
    let (mut held_sources, mut held_back): (BTreeSet<SourceName>, BTreeSet<String>) = Default::default();
    for source in program.sources {
        let name: SourceName = source.config.schema.source.as_str().into();
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
        plan.sources.push(SourcePlan { name, change });
    }
    let gone = facts.sources.keys().filter(|name| !declared.contains(*name));
    plan.sources.extend(gone.map(|name| SourcePlan { name: name.clone(), change: SourceChange::Removed }));
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
        || plan.projections.iter().any(|one| one.change != ProjectionChange::NoOp);
    plan.verdict = match plan.builds.iter().any(|build| build.blocked.is_some()) {
        true => Verdict::Blocked,
        false if is_changed => Verdict::Deployable,
        false => Verdict::InSync,
    };
    plan
}

fn compare(name: &str, running: Option<&ProjectionFacts>, declared: &ProjectionFacts) -> ProjectionPlan {
    let (change, difference) = match running {
        None => (ProjectionChange::New, Difference::default()),
        Some(running) if !running.is_kept_as(declared) => {
            let difference = running.difference(declared);
            let change = if difference.is_layout_only { ProjectionChange::IndexOnly } else { ProjectionChange::Build };
            (change, difference)
        }
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

fn build(group: &Group, facts: &Facts, histories: &Histories) -> BuildPlan {
    let donors = facts.operators();
    let names: Vec<String> = group.projections.iter().map(|planned| planned.config.name.clone()).collect();
    let adopted: BTreeSet<_> = group.operators().intersection(&donors).copied().collect();
    let needs_history = group.needs_history(&adopted);
    let read_by = group.projections.iter().filter(|planned| planned.compiled.circuit.has_events());
    let mut sources: BTreeSet<SourceName> = read_by.flat_map(|one| one.compiled.schema.reads.keys().cloned()).collect();
    sources.extend(group.sources.keys().cloned());
    let (mut reads, mut avoids, mut blocked, mut unknown) = (BTreeMap::new(), 0, None, Vec::new());
    for name in sources {
        let known = facts.sources.get(&name).cloned().unwrap_or_default();
        let began = known.began.sequence().max(1);
        let last = match histories.get(&name) {
            Some(Ok(history)) => history.last.max(known.position.sequence()),
            _ => known.position.sequence(),
        };
        let sequences = (last + 1).saturating_sub(began);
        if !needs_history {
            avoids += sequences;
            continue;
        }
        match histories.get(&name) {
            Some(Ok(history)) if history.first > began && !history.is_mutable && known.position > Position::START => {
                blocked.get_or_insert(format!(
                    "messages {began} to {} of source `{name}` have expired or were purged, and it takes all of them; restore \
                     them, leave the definition as it was, or change only what goes on from state that is there",
                    history.first - 1
                ));
            }
            Some(Err(why)) => unknown.push(format!("whether source `{name}` still has its history: {why}")),
            _ => {}
        }
        reads.insert(name, sequences);
    }
    let rates = facts.projections.iter().filter_map(|(name, one)| Some((names.contains(name), one.build_rate?)));
    // What it was built at before tells most.
    let rate = rates.max_by(|(own, rate), (other_own, other)| own.cmp(other_own).then(other.total_cmp(rate)));
    let total: u64 = reads.values().sum();
    let seconds = if total == 0 { Some(0.0) } else { rate.map(|(_, rate)| total as f64 / rate) };
    let bytes: Vec<u64> = names.iter().filter_map(|name| facts.projections.get(name)?.state_bytes).collect();
    let memory_bytes = (!bytes.is_empty()).then(|| bytes.iter().sum());
    let promotion = match group.promotion {
        _ if !group.breaking.is_empty() => PromotionPlan::Breaking,
        None | Some(Promotion::Auto) => PromotionPlan::Auto,
        Some(Promotion::WhenEqual) => PromotionPlan::WhenEqual,
        Some(Promotion::Manual) => PromotionPlan::Manual,
    };
    BuildPlan { projections: names, promotion, reads, avoids, seconds, memory_bytes, blocked, unknown }
}
