//! What is wanted of builds: when they take the place of what serves, for how long that is kept, and what is left alone because it
//! was rolled back from. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::{Config, Promotion};
use crate::lifecycle::RolledBack;
use crate::pipeline::{Facts, Group, ProjectionFacts};
use crate::plan::PlannedProjection;
use crate::progress::SourceName;
use crate::serve::http::Waits;

/// What stays rolled back where a person wants projections built again: not what these read, or what reads them.
pub(super) fn still_rolled_back(
    rolled_back: &RolledBack,
    planned: &[PlannedProjection],
    rebuilt: &BTreeSet<String>,
) -> RolledBack {
    let mut wanted = rebuilt.clone();
    let mut sources: BTreeSet<SourceName> = BTreeSet::new();
    loop {
        let before = (wanted.len(), sources.len());
        for one in planned {
            let (name, compiled) = (&one.config.name, &one.compiled);
            let reads = compiled.schema.reads.keys().filter(|source| rolled_back.sources.contains_key(*source));
            let is_read = planned
                .iter()
                .any(|other| wanted.contains(&other.config.name) && other.compiled.upstream.contains(name));
            let is_connected = wanted.contains(name)
                || rolled_back.projections.contains_key(name)
                    && (is_read
                        || compiled.upstream.iter().any(|input| wanted.contains(input))
                        || reads.clone().any(|source| sources.contains(source)));
            if is_connected {
                wanted.insert(name.clone());
                sources.extend(reads.cloned());
            }
        }
        if before == (wanted.len(), sources.len()) {
            break;
        }
    }
    let mut left = rolled_back.clone();
    left.projections.retain(|name, _| !wanted.contains(name));
    left.sources.retain(|name, _| !sources.contains(name));
    left
}

/// What is wanted of the build of a projection: a group without any projection yet.
pub(super) fn placed(
    planned: &PlannedProjection,
    definition: &ProjectionFacts,
    facts: &Facts,
    config: &Config,
    afresh: bool,
) -> Group {
    let name = &planned.config.name;
    let running = facts.projections.get(name);
    // What waited before the start waits on.
    let is_decided = facts.is_start && facts.awaited.get(name).copied() != definition.rows;
    let follows = !afresh && running.is_some_and(|running| running.has_rows_for(definition));
    let mut placed = Group { afresh, ..Group::default() };
    placed.followers.extend(follows.then(|| planned.config.name.clone()));
    // What does not serve as it should is replaced as soon as that is possible. What is paused is as somebody wants it.
    if let Some(running) = running.filter(|running| running.is_right || running.is_paused) {
        let means_the_same = running.rows == definition.rows;
        // Going back to the same is of no use.
        let keep = planned.config.keep.unwrap_or(config.keep);
        placed.keep = if means_the_same { Duration::ZERO } else { keep };
        let explicit = planned.config.promotion.or(config.promotion);
        placed.breaking = running.difference(definition).breaking;
        let by_change = match means_the_same {
            _ if is_decided => Promotion::Auto,
            true => Promotion::WhenEqual,
            false => Promotion::Manual,
        };
        let wanted = explicit.unwrap_or(by_change);
        placed.promotion = Some(if placed.breaking.is_empty() { wanted } else { Promotion::Manual });
    }
    placed
}

/// What a group waits for once it is built; none if it takes its place by itself.
pub(super) fn waits(group: &Group) -> Option<Waits> {
    let mut projections: Vec<String> = group.projections.iter().map(|planned| planned.config.name.clone()).collect();
    projections.sort_unstable();
    let unless_equal = match group.promotion {
        Some(Promotion::Manual) => false,
        Some(Promotion::WhenEqual) => true,
        None | Some(Promotion::Auto) => return None,
    };
    (!projections.is_empty()).then_some(Waits { projections, unless_equal, breaking: !group.breaking.is_empty() })
}
