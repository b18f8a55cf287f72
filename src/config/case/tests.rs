//! What is read of cases, and what is wrong with them.
#![allow(clippy::unwrap_used)]

use expect_test::{Expect, expect};

use super::*;

const WHOLE: &str = r#"# What the shop sells.
case: a mug
given:
  - {source: orders, headers: {Type: Placed}, data: {id: "7", total: 1.50, price: $x}}
  - source: orders
    text: not json
    published_at: 2026-03-01T00:00:00Z
then:
  rows:
    totals: [{id: "7", total: "1.50", note: ~}]

# The next one.
---
case: nothing
clock: 2026-03-01T00:00:01Z
given: []
then: {parked: []}
"#;

#[test]
fn a_case_is_read_as_it_is_written() {
    let cases = cases("x.test.yaml", WHOLE).unwrap();
    let [mug, nothing] = cases.as_slice() else { unreachable!() };
    assert_eq!((mug.name.as_str(), mug.line, mug.clock_us), ("a mug", 2, None));
    assert_eq!(mug.given[0].message, r#"{"headers":{"Type":"Placed"},"data":{"id":"7","total":1.50,"price":"$x"}}"#);
    assert_eq!(mug.given[0].data, r#"{"id":"7","total":1.50,"price":"$x"}"#);
    assert_eq!(mug.given[1].message, r#"{"published_at":"2026-03-01T00:00:00Z","data_base64":"bm90IGpzb24="}"#);
    let row = [("id", "\"7\""), ("total", "\"1.50\""), ("note", "null")];
    assert_eq!(mug.then.rows["totals"], [row.map(|(name, value)| (name.to_owned(), value.to_owned())).into()]);
    assert_eq!((mug.then_lines.clone(), nothing.then_lines.clone()), (Some(8..11), Some(17..18)));
    assert_eq!((nothing.clock_us, nothing.then.parked.as_deref()), (Some(1_772_323_201_000_000), Some([].as_slice())));
}

#[test]
fn an_outcome_has_lines_of_its_own_or_none() {
    let lines = |then: &str| {
        let text = format!("case: a\ngiven: []\n{then}");
        cases("x.test.yaml", &text).unwrap()[0].then_lines.clone()
    };
    assert_eq!(lines("then:\n  parked: []\n\n# more\n"), Some(3..5));
    assert_eq!(lines("then: {\n  parked: []\n}\n"), None);
    let flow = cases("x.test.yaml", "{case: a, given: [], then: {}}\n").unwrap();
    assert_eq!(flow[0].then_lines, None);
}

fn check(text: &str, expected: Expect) {
    let found = cases("x.test.yaml", text).unwrap_err();
    let told: Vec<String> = found
        .iter()
        .map(|one| format!("{}:{} {}; {}", one.line, one.column, one.message, one.hint.as_deref().unwrap_or("")))
        .collect();
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn what_is_wrong_has_its_place() {
    check("", expect!["1:1 this file is empty; begin with `case: WHAT HOLDS`, or remove the file"]);
    check(
        "case: a\ngiven: []\n",
        expect![
            "1:1 the case has no `then`; write `then: {rows: {NAME: []}}`, and `readside test --accept` fills it in"
        ],
    );
    check(
        "case: a\ngiven: [{sorce: a}]\nthen: {}\n",
        expect![[r#"
            2:10 unknown key `sorce` in the event; did you mean `source`?
            2:10 the event has no `source`; name the source that it comes from"#]],
    );
    check(
        "case: a\ngiven: [{source: a, data: 1, text: b}]\nthen: {rows: {x: 1}, queries: {q: [{}]}, searches: {}}\n",
        expect![[r#"
            2:30 an event has one payload; keep one of `data`, `data_base64` and `text`
            3:18 the rows of `x` must be a list; write a row a line, as in `- {id: a, total: 1}`
            3:42 unknown key `searches` in `then`; did you mean `search`?"#]],
    );
    check(
        "case: a\nclock: now\ngiven: []\nthen: {}\n---\ncase: b\ngiven: []\nthen: {}\n---\ncase: b\ngiven: []\nthen: {}\n",
        expect![[r#"
                2:1 `clock` must be a time, not `now`; write it as `2026-12-31T23:59:59Z`
                10:1 two cases are named `b`; the other is in line 6"#]],
    );
}
