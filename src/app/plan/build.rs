//! What a build would read, how long that takes, and what it needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{BuildPlan, Estimate, Histories, PromotionPlan};
use crate::config::Promotion;
use crate::pipeline::{Facts, Group, ProjectionFacts};
use crate::progress::{Position, SourceName};

/// What a group reads, by source.
#[derive(Default)]
struct HistoryToRead {
    reads: BTreeMap<SourceName, Option<u64>>,
    avoids: u64,
    blocked: Option<String>,
    unknown: Vec<String>,
}

pub(super) fn build(group: &Group, facts: &Facts, histories: &Histories) -> BuildPlan {
    let names: Vec<String> = group.projections.iter().map(|planned| planned.config.name.clone()).collect();
    let HistoryToRead { reads, avoids, blocked, unknown } = reading(group, facts, histories);
    let rates = facts.projections.iter().filter_map(|(name, one)| Some((names.contains(name), one.build_rate?)));
    // What it was built at before tells most.
    let rate = rates.max_by(|(own, rate), (other_own, other)| own.cmp(other_own).then(other.total_cmp(rate)));
    let total: Option<u64> = reads.values().copied().sum();
    let seconds = match total {
        Some(0) => Some(0.0),
        total => total.zip(rate).map(|(total, (_, rate))| total as f64 / rate),
    };
    let promotion = match group.promotion {
        _ if !group.breaking.is_empty() => PromotionPlan::Breaking,
        None | Some(Promotion::Auto) => PromotionPlan::Auto,
        Some(Promotion::WhenEqual) => PromotionPlan::WhenEqual,
        Some(Promotion::Manual) => PromotionPlan::Manual,
    };
    let keep_seconds = Some(group.keep.as_secs()).filter(|seconds| *seconds > 0);
    let estimate = estimate(&names, facts);
    BuildPlan { projections: names, promotion, reads, avoids, seconds, estimate, keep_seconds, blocked, unknown }
}

fn reading(group: &Group, facts: &Facts, histories: &Histories) -> HistoryToRead {
    let donors = facts.operators();
    let adopted: BTreeSet<_> = group.operators().intersection(&donors).copied().collect();
    let needs_history = group.needs_history(&adopted);
    let read_by = group.projections.iter().filter(|planned| planned.compiled.circuit.has_events());
    let mut sources: BTreeSet<SourceName> = read_by.flat_map(|one| one.compiled.schema.reads.keys().cloned()).collect();
    sources.extend(group.sources.keys().cloned());
    let mut reading = HistoryToRead::default();
    for name in sources {
        let known = facts.sources.get(&name).cloned().unwrap_or_default();
        let began = known.began.sequence().max(1);
        let is_known = known.position > Position::START;
        let last = match histories.get(&name) {
            Some(Ok(history)) => Some(history.last.max(known.position.sequence())),
            // At least as many, and as many as there are if it is caught up.
            _ => is_known.then(|| known.position.sequence()),
        };
        let sequences = last.map(|last| (last + 1).saturating_sub(began));
        if !needs_history {
            reading.avoids += sequences.unwrap_or(0);
            continue;
        }
        match histories.get(&name) {
            Some(Ok(history)) if history.first > began && !history.is_mutable && is_known => {
                reading.blocked.get_or_insert(format!(
                    "messages {began} to {} of source `{name}` have expired or were purged, and it takes all of them; restore \
                     them, leave the definition as it was, change only what goes on from state that is there, or build it of what \
                     is left (`readside projection rebuild NAME --from-timestamp TIME`)",
                    history.first - 1
                ));
            }
            Some(Err(why)) if is_known => {
                reading.unknown.push(format!(
                    "whether source `{name}` still has its history, and how much it holds by now: {why}"
                ));
            }
            Some(Err(why)) => reading.unknown.push(format!("how much source `{name}` holds: {why}")),
            _ => {}
        }
        reading.reads.insert(name, sequences);
    }
    reading
}

/// As much as what it replaces takes now.
fn estimate(names: &[String], facts: &Facts) -> Estimate {
    let sum = |measure: fn(&ProjectionFacts) -> Option<u64>| {
        let measured: Vec<u64> = names.iter().filter_map(|name| measure(facts.projections.get(name)?)).collect();
        (!measured.is_empty()).then(|| measured.iter().sum())
    };
    let without = names.iter().filter(|name| !facts.projections.contains_key(*name)).cloned();
    Estimate {
        memory_bytes: sum(|one| one.state_bytes),
        disk_bytes: sum(|one| one.disk_bytes),
        without: without.collect(),
    }
}
