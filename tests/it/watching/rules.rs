//! The rules: Prometheus takes them, and each alert fires when it should and stays quiet when it should.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::expressions::alerts;
use super::prometheus::{needs_prometheus, promtool};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/rules.yaml");
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alerts.test.yaml");

#[test]
fn prometheus_takes_the_rules() {
    needs_prometheus!();
    let (is_fine, said) = promtool(&["check", "rules", RULES], "");
    assert!(is_fine && said.contains("SUCCESS"), "{said}");
}

#[test]
fn each_alert_fires_and_stays_quiet_as_its_tests_say() {
    needs_prometheus!();
    let (is_fine, said) = promtool(&["test", "rules", TESTS], "");
    assert!(is_fine, "{said}");
}

/// A test is called `ALERT fires: …` or `ALERT is quiet: …`.
#[test]
fn each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let file: Value = serde_yaml::from_str(&std::fs::read_to_string(TESTS).unwrap()).unwrap();
    let mut tested: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for test in file["tests"].as_array().unwrap() {
        let name = test["name"].as_str().unwrap();
        let alert = name.split(' ').next().unwrap();
        let fires = name.starts_with(&format!("{alert} fires: "));
        assert!(fires || name.starts_with(&format!("{alert} is quiet: ")), "{name}");
        for asked in test["promql_expr_test"].as_array().expect(name) {
            assert!(asked["expr"].as_str().unwrap().contains(&format!("alertname=\"{alert}\"")), "{name}");
            assert_eq!(asked["exp_samples"].as_array().is_some_and(|samples| !samples.is_empty()), fires, "{name}");
        }
        tested.entry(alert.to_owned()).or_default()[usize::from(fires)] = true;
    }
    let alerts: BTreeMap<String, [bool; 2]> =
        alerts(Path::new(RULES)).into_iter().map(|(name, _)| (name, [true, true])).collect();
    assert_eq!(tested, alerts);
}
