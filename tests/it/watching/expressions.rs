//! The expressions of rules, taken apart.

use std::path::Path;

use serde_json::Value;

use super::prometheus::Prometheus;
use super::scraped::ABSENT;
use crate::support::DEADLINE;

/// All alerts, with their expressions, of a file of rules.
pub(super) fn alerts(rules: &Path) -> Vec<(String, String)> {
    of(rules, "alert")
}

/// The rules of a kind: their names, and their expressions.
fn of(rules: &Path, kind: &str) -> Vec<(String, String)> {
    let file: Value = serde_yaml::from_str(&std::fs::read_to_string(rules).unwrap()).unwrap();
    let groups = file["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let text = |rule: &Value, key: &str| rule[key].as_str().map(str::to_owned);
    rules.filter_map(|rule| Some((text(rule, kind)?, text(rule, "expr")?))).collect()
}

/// Every series that a rule looks at is there: a rule over what is not can never fire.
pub(super) fn of_rules_give_data(prometheus: &Prometheus, rules: &Path) {
    for (name, expression) in of(rules, "record") {
        assert!(!prometheus.samples(&name, DEADLINE).is_empty(), "{name}: {expression}");
    }
    let alerts = alerts(rules);
    assert!(alerts.len() > 15, "{alerts:?}");
    for (name, expression) in &alerts {
        prometheus.ask(expression);
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{name}: {expression}");
        for selector in selectors {
            let is_absent = ABSENT.iter().any(|(absent, _)| selector.starts_with(&format!("{absent}{{")));
            // A reason that nobody was refused for has no series.
            if !is_absent && !selector.starts_with("query_refused_total") {
                assert!(!prometheus.samples(&selector, DEADLINE).is_empty(), "{name} looks at {selector}");
            }
        }
    }
}

/// The selectors of an expression: a name with what stands between its braces.
fn selectors(expression: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let opens = expression.match_indices('{').map(|(at, _)| at);
    let selector = |at: usize| {
        let begins = expression[..at].rfind(|c: char| !is_name(c)).map_or(0, |before| before + 1);
        let ends = at + expression[at..].find('}').expect("a closing brace") + 1;
        expression[begins..ends].to_owned()
    };
    opens.map(selector).collect()
}

#[test]
fn selectors_are_found() {
    let found = selectors("time() - a:b_c{job=\"x\"} > 60\nor rate(d{e=~\"f|g\"}[5m]) == 1");
    assert_eq!(found, ["a:b_c{job=\"x\"}", "d{e=~\"f|g\"}"]);
}
