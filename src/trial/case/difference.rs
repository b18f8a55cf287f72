//! What is not as it should be, in lines that a person reads: `-` is missing, `+` should not be there, `~` is otherwise.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Finding;
use super::observed::{Observed, Rows};
use crate::config::{Case, ExpectedRow};

/// What tells parked events apart.
const PARKED_KEY: [&str; 3] = ["source", "sequence", "projection"];
const PARKED_COLUMNS: [&str; 7] = ["source", "sequence", "eventType", "projection", "reason", "pointer", "detail"];

/// What no case can say: the rows are not those of all events.
pub(super) fn faults(observed: &Observed) -> Vec<Finding> {
    let mut findings = Findings::default();
    for (source, why) in &observed.halted {
        findings.add(format!("source {source}"), vec![format!("it halts: {why}")]);
    }
    for (name, rows) in &observed.relations {
        if let Some(error) = &rows.error {
            findings.add(name.clone(), vec![format!("it is in error: {error}")]);
        }
    }
    findings.0
}

/// What is not as the case says.
pub(super) fn unexpected(case: &Case, observed: &Observed) -> Vec<Finding> {
    let mut findings = Findings::default();
    for (name, expected) in &case.then.rows {
        let Some(Rows { columns, key, rows, .. }) = observed.relations.get(name) else { continue };
        findings.add(name.clone(), compared(&texts(columns), &texts(key), expected, &objects(rows)));
    }
    let parked = observed.parked.iter().map(as_object).collect::<Vec<_>>();
    let none = Vec::new();
    let expected = case.then.parked.as_ref().unwrap_or(&none);
    findings.add("parked events".to_owned(), compared(&PARKED_COLUMNS, &PARKED_KEY, expected, &parked));
    let searches = case.then.search.iter().flat_map(|(name, searches)| searches.iter().map(move |one| (name, one)));
    for ((name, search), (_, _, hits)) in searches.zip(&observed.hits) {
        let Some(Rows { columns, key, .. }) = observed.relations.get(name) else { continue };
        let lines = compared(&texts(columns), &texts(key), &search.hits, &objects(hits));
        findings.add(format!("{name}, searched for `{}`", search.sought.text()), lines);
    }
    let expected = case.then.queries.values().flatten();
    for (expected, (name, params, answer)) in expected.zip(&observed.answers) {
        let rows = objects(&answer.rows);
        let mut lines = compared(&texts(&answer.columns), &[], &expected.rows, &rows);
        let in_place = || expected.rows.iter().zip(&rows).all(|(row, found)| differing(row, found).is_empty());
        if lines.is_empty() && answer.is_sorted && !in_place() {
            lines.push("its rows come in another order:".to_owned());
            lines.extend(rows.iter().map(|row| format!("  {}", shown(row))));
        }
        findings.add(asked(name, params), lines);
    }
    for (name, expected) in &case.then.freshness {
        let found = observed.freshness.get(name).map(as_object).unwrap_or_default();
        let columns: Vec<&str> = found.keys().map(String::as_str).collect();
        let unknown = expected.keys().find(|member| !found.contains_key(*member));
        let lines = match unknown {
            Some(unknown) => vec![format!("freshness has no `{unknown}`; it has {}", columns.join(", "))],
            None => {
                let otherwise = differing(expected, &found).into_iter();
                otherwise
                    .map(|member| format!("~ {member} is {}, not {}", value(&found, member), expected[member]))
                    .collect()
            }
        };
        findings.add(format!("the freshness of {name}"), lines);
    }
    findings.0
}

/// A declared query with its parameters.
fn asked(name: &str, params: &BTreeMap<String, String>) -> String {
    let params: Vec<String> = params.iter().map(|(param, value)| format!("{param}={value}")).collect();
    match params.is_empty() {
        true => format!("query {name}"),
        false => format!("query {name} of {}", params.join(", ")),
    }
}

/// What is not the same when the events come in another way.
pub(super) fn differences(way: &str, measure: &Observed, observed: &Observed) -> Vec<Finding> {
    let mut findings = Findings::default();
    let about = |what: &str| format!("{what}, {way}");
    for (name, expected) in &measure.relations {
        let Some(rows) = observed.relations.get(name) else { continue };
        let lines = match (&expected.error, &rows.error) {
            (None, None) => whole(&texts(&rows.columns), &texts(&rows.key), &expected.rows, &rows.rows),
            // Which rows were right last depends on the way.
            (Some(_), Some(_)) => continue,
            (None, Some(error)) => vec![format!("it is in error: {error}")],
            (Some(error), None) => vec![format!("it is in no error, and else: {error}")],
        };
        findings.add(about(name), lines);
    }
    let parked = |observed: &Observed| observed.parked.iter().map(as_object).collect::<Vec<_>>();
    let lines = compared(&PARKED_COLUMNS, &PARKED_KEY, &parked(measure), &parked(observed));
    findings.add(about("parked events"), lines);
    for ((name, sought, expected), (_, _, hits)) in measure.hits.iter().zip(&observed.hits) {
        let Some(rows) = observed.relations.get(name) else { continue };
        let lines = whole(&texts(&rows.columns), &texts(&rows.key), expected, hits);
        findings.add(about(&format!("{name}, searched for `{}`", sought.text())), lines);
    }
    for ((name, params, expected), (_, _, answer)) in measure.answers.iter().zip(&observed.answers) {
        let mut lines = whole(&texts(&answer.columns), &[], &expected.rows, &answer.rows);
        if lines.is_empty() && expected.rows.iter().map(|row| row.get()).ne(answer.rows.iter().map(|row| row.get())) {
            lines.push("its rows come in another order".to_owned());
        }
        findings.add(about(&asked(name, params)), lines);
    }
    if measure.halted != observed.halted {
        findings.add(about("sources"), vec![format!("{:?} halt, and else {:?}", observed.halted, measure.halted)]);
    }
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, about: String, lines: Vec<String>) {
        if !lines.is_empty() {
            self.0.push(Finding { about, lines });
        }
    }
}

fn whole(columns: &[&str], key: &[&str], expected: &[Box<RawValue>], actual: &[Box<RawValue>]) -> Vec<String> {
    compared(columns, key, &objects(expected), &objects(actual))
}

/// Compares rows without regard to their order, of each the columns that the expected one names.
fn compared(columns: &[&str], key: &[&str], expected: &[ExpectedRow], actual: &[ExpectedRow]) -> Vec<String> {
    let mut lines = Vec::new();
    let unknown = expected.iter().flat_map(ExpectedRow::keys).find(|name| !columns.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        return vec![format!("there is no column `{unknown}`; there are {}", columns.join(", "))];
    }
    let mut left: Vec<&ExpectedRow> = actual.iter().collect();
    let mut missing: Vec<&ExpectedRow> = Vec::new();
    // A row that says less fits more, so it has to leave them to those that say more.
    let mut by_columns: Vec<&ExpectedRow> = expected.iter().collect();
    by_columns.sort_by_key(|row| Reverse(row.len()));
    for row in by_columns {
        match left.iter().position(|found| differing(row, found).is_empty()) {
            Some(place) => drop(left.remove(place)),
            None => missing.push(row),
        }
    }
    for row in missing {
        let of_key = |found: &&ExpectedRow| {
            let mut named = key.iter().filter(|column| row.contains_key(**column)).peekable();
            named.peek().is_some() && named.all(|column| is_same(&row[*column], value(found, column)))
        };
        let Some(place) = left.iter().position(of_key) else {
            lines.push(format!("- {}", shown(row)));
            continue;
        };
        let found = left.remove(place);
        let which: Vec<String> =
            key.iter().filter_map(|column| Some(format!("{column} {}", row.get(*column)?))).collect();
        let what = differing(row, found);
        let what = what.iter().map(|column| format!("{column} is {}, not {}", value(found, column), row[*column]));
        lines.push(format!("~ {}: {}", which.join(", "), what.collect::<Vec<_>>().join("; ")));
    }
    lines.extend(left.into_iter().map(|row| format!("+ {}", shown(row))));
    lines
}

/// The columns that a row names and another one has otherwise.
fn differing<'a>(row: &'a ExpectedRow, found: &ExpectedRow) -> Vec<&'a str> {
    let otherwise = row.iter().filter(|(column, expected)| !is_same(expected, value(found, column)));
    otherwise.map(|(column, _)| column.as_str()).collect()
}

fn value<'a>(row: &'a ExpectedRow, column: &str) -> &'a str {
    row.get(column).map_or("null", String::as_str)
}

/// Whether two texts of JSON mean the same. A decimal, which is a string, may be written as a number with all its digits, and a time
/// without the zeros at its end.
fn is_same(expected: &str, actual: &str) -> bool {
    let (Ok(wanted), Ok(found)) = (serde_json::from_str(expected), serde_json::from_str(actual)) else {
        return expected == actual;
    };
    match (&wanted, &found) {
        (Value::Number(_), Value::String(text)) => text == expected,
        (Value::String(wanted), Value::String(found)) => {
            wanted == found || is_time(found) && with_micros(wanted) == *found
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => one.as_f64() == other.as_f64(),
        _ => wanted == found,
    }
}

/// Whether this is how times are shown, `2026-03-02T08:00:00.000000Z`, with or without a zone.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 26 | 27) && bytes[10] == b'T' && bytes[19] == b'.'
}

fn with_micros(time: &str) -> String {
    let (clock, zone) = time.strip_suffix('Z').map_or((time, ""), |clock| (clock, "Z"));
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    format!("{seconds}.{fraction:0<6}{zone}")
}

fn shown(row: &ExpectedRow) -> String {
    let members = row.iter().map(|(column, value)| format!("{column}: {value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn objects(rows: &[Box<RawValue>]) -> Vec<ExpectedRow> {
    let object =
        |row: &RawValue| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(row.get()).unwrap_or_default();
    let texts = |row: &RawValue| object(row).into_iter().map(|(name, value)| (name, value.get().to_owned())).collect();
    rows.iter().map(|row| texts(row)).collect()
}

fn as_object(one: &impl Serialize) -> ExpectedRow {
    let members = serde_json::to_value(one).ok();
    let members = members.as_ref().and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (name.clone(), value.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::super::super::outcome::ParkedEvent;
    use super::*;

    fn rows(text: &str) -> Vec<ExpectedRow> {
        objects(&serde_json::from_str::<Vec<Box<RawValue>>>(text).unwrap_or_default())
    }

    fn check(expected: &str, actual: &str, told: Expect) {
        told.assert_eq(&compared(&["id", "n", "total"], &["id"], &rows(expected), &rows(actual)).join("\n"));
    }

    #[test]
    fn rows_differ_in_their_columns_by_key() {
        let actual = r#"[{"id": "a", "n": 1, "total": "1.50"}, {"id": "b", "n": 2, "total": null}]"#;
        check(r#"[{"id": "b"}, {"id": "a", "n": 1.0, "total": 1.50}]"#, actual, expect![[""]]);
        check(
            r#"[{"id": "b", "n": 3, "total": "2"}, {"id": "c"}]"#,
            actual,
            expect![[r#"
            ~ id "b": n is 2, not 3; total is null, not "2"
            - {id: "c"}
            + {id: "a", n: 1, total: "1.50"}"#]],
        );
        check(r#"[{"n": 2}, {"id": "a", "n": 2}]"#, r#"[{"id": "a", "n": 2}, {"id": "b", "n": 2}]"#, expect![[""]]);
        check(r#"[{"id": "b", "sum": 3}]"#, actual, expect!["there is no column `sum`; there are id, n, total"]);
        check(r#"[{"id": "a"}, {"id": "a"}, {"n": 2}]"#, actual, expect![[r#"- {id: "a"}"#]]);
    }

    #[test]
    fn a_time_may_lack_the_zeros_at_its_end() {
        let actual = r#"[{"id": "2026-03-02T08:00:00.500000Z", "n": "2026-03-02T08:00:00.000000"}]"#;
        check(r#"[{"id": "2026-03-02T08:00:00.5Z", "n": "2026-03-02T08:00:00"}]"#, actual, expect![[""]]);
        check(
            r#"[{"id": "2026-03-02T08:00:00.5Z", "n": "2026-03-02T08:00:00Z"}]"#,
            actual,
            expect![[
                r#"~ id "2026-03-02T08:00:00.5Z": n is "2026-03-02T08:00:00.000000", not "2026-03-02T08:00:00Z""#
            ]],
        );
    }

    fn observed(rows: &str, parked: &str, error: Option<&str>) -> Observed {
        let columns = ["id", "n"].map(str::to_owned).to_vec();
        let rows = serde_json::from_str(rows).unwrap_or_default();
        let rows = Rows { columns, key: vec!["id".to_owned()], rows, error: error.map(str::to_owned) };
        let parked =
            parked.split_whitespace().filter_map(|sequence| sequence.parse().ok()).map(|sequence| ParkedEvent {
                source: "orders".into(),
                sequence,
                event_type: None,
                projection: None,
                reason: "malformed",
                pointer: None,
                detail: String::new(),
            });
        Observed { relations: [("totals".to_owned(), rows)].into(), parked: parked.collect(), ..Observed::default() }
    }

    #[test]
    fn what_is_not_the_same_in_another_way_is_told() {
        let measure = observed(r#"[{"id": "a", "n": 1}]"#, "1 2", None);
        let told = |other: &Observed| {
            let found = differences("one by one", &measure, other);
            found.iter().map(|one| format!("{}: {}", one.about, one.lines.join("; "))).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(told(&measure), "");
        expect![[r#"
            totals, one by one: ~ id "a": n is 2, not 1
            parked events, one by one: - {detail: "", eventType: null, pointer: null, projection: null, reason: "malformed", sequence: 2, source: "orders"}"#]].assert_eq(&told(&observed(r#"[{"id": "a", "n": 2}]"#, "1", None)));
        expect!["totals, one by one: it is in error: division by zero"].assert_eq(&told(&observed(
            "[]",
            "1 2",
            Some("division by zero"),
        )));
    }
}
