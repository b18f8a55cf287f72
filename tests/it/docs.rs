//! The documentation against the code: what it shows works, and what there is it shows.

use std::collections::BTreeMap;
use std::io;

use readside::app::Declaration;
use readside::config::{Files, load};
use readside::plan::program;
use readside::telemetry::{METRICS, Metric, MetricKind};

const README: &str = include_str!("../../README.md");
const METRICS_PAGE: &str = include_str!("../../docs/metrics.md");

#[test]
fn every_metric_is_documented() {
    let rows: Vec<&str> = METRICS_PAGE.lines().filter(|line| line.starts_with("| `")).collect();
    let kind = |kind: MetricKind| match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram(_) => "histogram",
    };
    let is_shown = |metric: &Metric| {
        let start = format!("| `{}` | {} |", metric.name, kind(metric.kind));
        rows.iter().any(|row| row.starts_with(&start) && row.ends_with(&format!("| {} |", metric.description)))
    };
    let missing: Vec<&str> = METRICS.iter().filter(|metric| !is_shown(metric)).map(|metric| metric.name).collect();
    assert_eq!(missing, [""; 0], "docs/metrics.md lacks them or describes them in other words");
}

#[test]
fn every_documented_metric_is_exported() {
    let shown = METRICS_PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let gone: Vec<&str> = shown.filter(|name| METRICS.iter().all(|metric| metric.name != *name)).collect();
    assert_eq!(gone, [""; 0], "docs/metrics.md shows what is not exported");
}

/// The files that the first example writes.
#[test]
fn the_example_in_the_readme_is_valid() {
    let mut files = BTreeMap::new();
    let mut rest = README;
    while let Some((_, after)) = rest.split_once("cat > ") {
        let (name, after) = after.split_once(" <<'END'\n").expect("a here-document");
        let (text, after) = after.split_once("END\n").expect("its end");
        files.insert(name, text);
        rest = after;
    }
    assert!(files.contains_key("readside.yaml") && files.contains_key("projections.yaml"), "{files:?}");
    let read = |path: &str| {
        files.get(path).map(|text| (*text).to_owned()).ok_or_else(|| io::Error::other(format!("no file {path}")))
    };
    let files = Files { list: &|_| Ok(Vec::new()), read: &read };
    let loaded = load("readside.yaml", &files, &|_| None).unwrap_or_else(|found| panic!("{}", found[0]));
    let planned = program(&loaded.config).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(planned.projections.len(), 2);
}

#[test]
fn every_setting_is_compared_with_that_of_the_daemon() {
    let root =
        "sources: []\n---\nsource: s\njetstream: {stream: S}\nenvelope: {type: body:/t}\nevents: {A: {fields: {}}}\n";
    let read = |_: &str| Ok(root.to_owned());
    let loaded = load("readside.yaml", &Files { list: &|_| Ok(Vec::new()), read: &read }, &|_| None).unwrap();
    let compared = Declaration::of(&loaded.config).settings.unwrap();
    let docs = include_str!("../../docs/config.md");
    let section = docs.split("\n## ").find(|section| section.starts_with("The root file")).unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let documented: Vec<&str> = cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`'))).collect();
    assert!(documented.len() > 30, "{documented:?}");
    let named_elsewhere = ["sources", "projections", "nats.url"];
    let missing: Vec<&&str> =
        documented.iter().filter(|name| !named_elsewhere.contains(name) && !compared.contains_key(**name)).collect();
    assert_eq!(missing, [&""; 0], "a plan would not see them change");
    let undocumented: Vec<&String> = compared.keys().filter(|name| !documented.contains(&name.as_str())).collect();
    assert_eq!(undocumented, [&""; 0]);
}
