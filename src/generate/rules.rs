//! Prometheus' recording and alert rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::alerts::{self, Alert, Scope, Watched};
use super::{Surroundings, sources};
use crate::config::{Config, Projection};
use crate::telemetry::{SLO_MISSED, SLO_OBSERVED};

/// Over which the share of the time above the SLO is recorded.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];

#[derive(Debug, Serialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

/// A rule as Prometheus reads it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Rule {
    Recording {
        record: String,
        expr: String,
    },
    Alert {
        alert: &'static str,
        expr: String,
        #[serde(rename = "for")]
        hold: &'static str,
        labels: BTreeMap<&'static str, String>,
        annotations: BTreeMap<&'static str, String>,
    },
}

/// The file of rules, in YAML.
///
/// # Errors
/// What cannot be written as YAML, which is nothing.
pub fn rules(config: &Config, around: &Surroundings) -> Result<String, serde_yaml::Error> {
    let mut groups = Vec::new();
    if config.projections.iter().any(|projection| projection.slo.is_some()) {
        let rules = WINDOWS.iter().map(|window| recording(window, around)).collect();
        groups.push(Group { name: "readside-freshness".to_owned(), rules });
    }
    let owners: BTreeSet<&str> = config.projections.iter().map(|projection| around.owner_of(projection)).collect();
    for owner in owners {
        let own: Vec<&Projection> =
            config.projections.iter().filter(|projection| around.owner_of(projection) == owner).collect();
        let all = own.iter().map(|projection| projection.name.clone()).collect();
        let promised = own.iter().filter(|projection| projection.slo.is_some());
        let promised = promised.map(|projection| projection.name.clone()).collect();
        let mut rules = alerting(Scope::Promised, promised, owner, config, around);
        rules.extend(alerting(Scope::Projection, all, owner, config, around));
        groups.push(Group { name: format!("readside-projections-of-{owner}"), rules });
    }
    let names = sources(config).into_iter().map(str::to_owned).collect();
    let rules = alerting(Scope::Source, names, &around.owner, config, around);
    groups.push(Group { name: "readside-sources".to_owned(), rules });
    let watched = Watched::new(&around.job, None, config.checkpoint_interval);
    let rules = of_scope(Scope::Daemon).map(|alert| rule(alert, &watched, &around.owner, around)).collect();
    groups.push(Group { name: "readside-daemon".to_owned(), rules });
    groups.retain(|group| !group.rules.is_empty());
    let head = "# Written by `readside generate rules`: change the configuration and write it again.\n";
    Ok(format!("{head}{}", serde_yaml::to_string(&File { groups })?))
}

/// The name of the recorded share of the time above the SLO.
pub(super) fn missed(window: &str) -> String {
    format!("projection:readside_slo_missed:ratio_rate{window}")
}

fn recording(window: &str, around: &Surroundings) -> Rule {
    let labels = Watched::new(&around.job, None, Default::default()).all();
    let expr = format!("rate({SLO_MISSED}{labels}[{window}]) / rate({SLO_OBSERVED}{labels}[{window}])");
    Rule::Recording { record: missed(window), expr }
}

fn of_scope(scope: Scope) -> impl Iterator<Item = &'static Alert> {
    alerts::all().filter(move |alert| alert.scope == scope)
}

/// The alerts of a scope over those names.
fn alerting(scope: Scope, names: Vec<String>, owner: &str, config: &Config, around: &Surroundings) -> Vec<Rule> {
    let Some(label) = scope.label().filter(|_| !names.is_empty()) else { return Vec::new() };
    let watched = Watched::new(&around.job, Some((label, names)), config.checkpoint_interval);
    of_scope(scope).map(|alert| rule(alert, &watched, owner, around)).collect()
}

fn rule(alert: &'static Alert, watched: &Watched, owner: &str, around: &Surroundings) -> Rule {
    let labels = BTreeMap::from([("owner", owner.to_owned()), ("severity", alert.severity.label().to_owned())]);
    let annotations = BTreeMap::from([
        ("summary", alert.summary.to_owned()),
        ("description", alert.description.to_owned()),
        ("runbook_url", format!("{}#{}", around.runbook, alert.name.to_lowercase())),
    ]);
    Rule::Alert { alert: alert.name, expr: (alert.expression)(watched), hold: alert.hold, labels, annotations }
}
