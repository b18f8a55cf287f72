//! The dashboard: every expression gives data, and Grafana's own types read it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::prometheus::Prometheus;
use super::shop::{Shop, generated};
use crate::support::DEADLINE;

/// Expressions without data of a daemon to which nothing has happened, each with why.
const EMPTY: &[(&str, &str)] = &[
    ("readside_process_memory_limit_bytes", "the test has no limit of its own"),
    ("readside_build_progress_ratio", "nothing is built any more; seen while it was"),
    ("readside_build_remaining_seconds", "what waits, or is done, has nothing before it"),
    ("readside_build_state", "nothing is built any more; seen while it was"),
    ("readside_shadow_differing_rows", "nothing waits any more; seen while it did"),
    ("query_result_stale_total", "no answer was stale"),
];

/// Every expression of the dashboard, as Grafana asks it.
pub(super) fn has_data(prometheus: &Prometheus, shop: &Shop) {
    let path = shop.folder.path().join("dashboard.json");
    generated("dashboard", &shop.config(), &path);
    let expressions = expressions(&std::fs::read_to_string(path).unwrap());
    assert!(expressions.len() > 40, "{}", expressions.len());
    for expression in expressions {
        let asked =
            expression.replace("$job", "readside").replace("$projection", ".*").replace("$__rate_interval", "20s");
        let may_be_empty = EMPTY.iter().any(|(name, _)| expression.contains(name));
        if may_be_empty {
            prometheus.ask(&asked);
        } else {
            assert!(!prometheus.samples(&asked, DEADLINE).is_empty(), "{asked}");
        }
    }
}

fn expressions(dashboard: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Reads a dashboard with Grafana's types and writes it again; what they do not know is gone then.
const READ: &str = "
import json, sys
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog import plugins
plugins.register_default_plugins()
read = dashboard.Dashboard.from_json(json.load(sys.stdin))
print(JSONEncoder(sort_keys=True).encode(read))
";

#[test]
fn grafanas_own_types_read_all_of_the_dashboard() {
    let python = match python() {
        Ok(python) => python,
        Err(missing) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana/readside.json");
    let output = Command::new(python).args(["-c", READ]).stdin(std::fs::File::open(path).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let written: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut lost = Vec::new();
    compare(&written, &read, "", &mut lost);
    assert!(lost.is_empty(), "Grafana does not know\n{}", lost.join("\n"));
    assert_eq!(written["uid"], "readside");
    let names: Vec<&Value> = written["templating"]["list"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["datasource", "job", "projection"]);
}

/// What of `written` is not in `read`, or is otherwise there.
fn compare(written: &Value, read: &Value, at: &str, lost: &mut Vec<String>) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                match read.get(key) {
                    Some(read) => compare(value, read, &format!("{at}/{key}"), lost),
                    // Their writer leaves out what is null.
                    None if value.is_null() => {}
                    None => lost.push(format!("{at}/{key}")),
                }
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            let pairs = written.iter().zip(read).enumerate();
            pairs.for_each(|(index, (written, read))| compare(written, read, &format!("{at}/{index}"), lost));
        }
        _ if written == read || written.as_f64().is_some_and(|number| read.as_f64() == Some(number)) => {}
        _ => lost.push(format!("{at}: {written} became {read}")),
    }
}

/// A Python that has Grafana's foundation SDK, or why there is none.
fn python() -> Result<PathBuf, String> {
    match std::env::var("GRAFANA_SDK_PYTHON").as_deref() {
        Ok("none") => return Err("there is no Grafana foundation SDK".to_owned()),
        Ok(path) if !path.is_empty() => return Ok(path.into()),
        _ => {}
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/grafana-sdk");
    let output = Command::new(script).output().map_err(|error| format!("{script}: {error}"))?;
    match output.status.success() {
        true => Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
