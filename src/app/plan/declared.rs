//! What is declared otherwise and nothing is built for: settings, views and queries.

use std::collections::{BTreeMap, BTreeSet};

use super::{DeclaredChange, Plan, QueryPlan, SettingPlan, ViewPlan};
use crate::app::declaration::{self, Declaration, needs_restart};
use crate::config::{Config, ProjectionKind};
use crate::pipeline::{Facts, ViewFacts, missed};
use crate::plan::{PlannedView, inputs};

/// Names the settings with other values, and those of them that a reload refuses.
pub(super) fn settings(plan: &mut Plan, before: &Declaration, config: &Config) {
    let Some(before) = &before.settings else {
        plan.unknown.push("which settings are others: a checkpoint does not say them".to_owned());
        return;
    };
    for (name, now) in declaration::settings(config) {
        // One that the running build does not know is new with the next one.
        let Some(before) = before.get(&name).filter(|before| **before != now) else { continue };
        let needs_restart = needs_restart(&name);
        if needs_restart {
            plan.needs_restart.push(format!("`{name}` cannot change while the daemon runs"));
        }
        plan.settings.push(SettingPlan { name, before: before.clone(), now, needs_restart });
    }
}

pub(super) fn queries(plan: &mut Plan, before: &Declaration, config: &Config) {
    let Some(before) = &before.queries else {
        plan.unknown.push("which queries are others: a checkpoint does not say them".to_owned());
        return;
    };
    let now = Declaration::of(config).queries.unwrap_or_default();
    for (name, change) in compared(before, &now) {
        plan.queries.push(QueryPlan { name, change, breaking: change == DeclaredChange::Removed });
    }
}

pub(super) fn views(plan: &mut Plan, facts: &Facts, views: &[PlannedView], config: &Config) {
    let Some(before) = &facts.views else {
        if !views.is_empty() {
            plan.unknown
                .push("which views are others: the checkpoint does not say them so that they can be read".to_owned());
        }
        return;
    };
    let now: BTreeMap<String, ViewFacts> =
        views.iter().map(|view| (view.config.name.clone(), ViewFacts::of(view))).collect();
    let text = |views: &BTreeMap<String, ViewFacts>| -> BTreeMap<String, String> {
        views.iter().map(|(name, view)| (name.clone(), view.sql.clone())).collect()
    };
    for (name, change) in compared(&text(before), &text(&now)) {
        let columns = |views: &BTreeMap<String, ViewFacts>| views.get(&name).and_then(|view| view.columns.clone());
        let (earlier, later) = (columns(before), columns(&now));
        let mut reasons =
            earlier.as_ref().zip(later.as_ref()).map(|(one, other)| missed(one, other)).unwrap_or_default();
        let breaking = change == DeclaredChange::Removed || !reasons.is_empty();
        // What it reads has other columns, with the same SQL.
        let has_others = earlier.is_some() && later.is_some() && earlier != later;
        let change = if change == DeclaredChange::NoOp && has_others { DeclaredChange::Changed } else { change };
        if has_others && reasons.is_empty() {
            reasons.push("it has more columns, or in another order".to_owned());
        }
        let readers = readers(&name, config);
        plan.views.push(ViewPlan { name, change, reasons, readers, breaking });
    }
}

/// The views of a configuration that is not compiled.
pub(super) fn views_of(config: &Config) -> BTreeMap<String, ViewFacts> {
    let views = config.projections.iter().filter(|one| one.kind == ProjectionKind::View);
    views.map(|view| (view.name.clone(), ViewFacts { sql: view.sql.clone(), columns: None })).collect()
}

/// All names of both sides, with what becomes of each.
fn compared(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<(String, DeclaredChange)> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let change = |name: &String| match (before.get(name), now.get(name)) {
        (None, _) => DeclaredChange::New,
        (Some(_), None) => DeclaredChange::Removed,
        (Some(before), Some(now)) if before != now => DeclaredChange::Changed,
        (Some(_), Some(_)) => DeclaredChange::NoOp,
    };
    names.into_iter().map(|name| (name.clone(), change(name))).collect()
}

/// The views and queries that read a view, directly or through other views.
fn readers(view: &str, config: &Config) -> Vec<String> {
    let views = config.projections.iter().filter(|one| one.kind == ProjectionKind::View);
    let views: Vec<(&str, &str)> = views.map(|one| (one.name.as_str(), one.sql.as_str())).collect();
    let read_by = |sql: &str| inputs(sql).unwrap_or_default();
    let mut reached: BTreeSet<String> = BTreeSet::from([view.to_owned()]);
    loop {
        let next = views
            .iter()
            .find(|(name, sql)| !reached.contains(*name) && read_by(sql).iter().any(|input| reached.contains(input)));
        let Some((name, _)) = next else { break };
        reached.insert((*name).to_owned());
    }
    let queries = config.queries.iter().filter(|query| read_by(&query.sql).iter().any(|input| reached.contains(input)));
    let queries: Vec<String> = queries.map(|query| query.name.clone()).collect();
    reached.into_iter().filter(|name| name != view).chain(queries).collect()
}
