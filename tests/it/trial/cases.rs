//! `readside test`: cases are run in every way in which their events can come.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use serde_json::Value;

use super::{Said, Workshop};
use crate::crash::daemon::binary;

const ROOT: &str = "data_dir: data\nsources: sources.yaml\nprojections: \"*.yaml\"\n";
const SOURCES: &str = r#"source: orders
file: {path: orders.ndjson}
envelope: {type: header:Type, version: header:Version, key: subject:2, time: body:/at}
event_time: {lateness: 1h}
events:
  Placed:
    version: 2
    fields: {customer: string!, total: "decimal(18,2)!"}
    history: {1: {fields: {total: none, cents: int64!}, to_next: {set: {total: "cents / 100.0"}}}}
---
source: names
file: {path: names.ndjson, lines: payload}
envelope: {type: const:Named, key: body:/id, data: body}
events: {Named: {fields: {id: string!, name: string!}}}
"#;
const PROJECTIONS: &str = "projection: totals
sql: SELECT customer, count(*) AS orders, sum(total) AS total FROM orders.placed GROUP BY customer
key: [customer]
---
projection: named
sql: SELECT customer, name, total, 10 / orders AS share FROM totals LEFT JOIN names.named ON id = customer
key: [customer]
---
projection: found
kind: search
sql: SELECT customer, name FROM named
key: [customer]
fields: {name: {type: text}}
---
projection: seen
sql: SELECT _seq AS at, _published_at AS published FROM orders.placed
key: [at]
";
const CASES: &str = r#"# Kept as it is.
case: orders of both versions are added up
clock: 2026-03-01T01:00:00Z
given:
  - {source: orders, headers: {Type: Placed, Version: "1"}, data: {customer: ada, cents: 1250, at: "2026-03-01T00:00:00Z"}}
  - {source: names, data: {id: ada, name: Ada Brandt}}
  - {source: orders, headers: {Type: Placed, Version: "2"}, data: {customer: ada, total: "1.00", at: "2026-03-01T00:01:00Z"}}
then:
  rows:
    # A decimal may be written as a number.
    totals: [{customer: ada, total: 13.50}]
    named: [{customer: ada, name: Ada Brandt, share: 5}]
    seen: [{at: 1, published: "2026-03-01T01:00:00.000000Z"}, {at: 2}]
  search: {found: [{query: brandt, hits: [{customer: ada}]}, {query: nobody, hits: []}]}

---
case: what nobody can read is parked # and this too
given:
  - {source: orders, headers: {Type: Placed, Version: "2"}, data: {customer: ada, total: much}}
  - {source: names, text: not json}
then:
  rows: {totals: []}
  parked:
    - {source: names, sequence: 1, reason: malformed}
    - {source: orders, sequence: 1, reason: wrong_type, pointer: /total}
"#;

fn shop() -> Workshop {
    Workshop::new(&[
        ("readside.yaml", ROOT),
        ("sources.yaml", SOURCES),
        ("projections.yaml", PROJECTIONS),
        ("shop.test.yaml", CASES),
    ])
}

fn test(shop: &Workshop, flags: &[&str]) -> Said {
    shop.run(&[&["test"], flags].concat())
}

/// What is told, without how long it took.
fn told(said: &Said) -> String {
    let line = |line: &str| match line.split_once(" s: ") {
        Some((before, verdict)) => format!("{} … s: {verdict}\n", before.rsplit_once(' ').unwrap().0),
        None => format!("{line}\n"),
    };
    said.out.lines().map(line).collect()
}

#[test]
fn cases_that_hold_hold_in_every_way() {
    let shop = shop();
    let said = test(&shop, &[]);
    expect![[r#"
        ok    shop.test.yaml:2: orders of both versions are added up
        ok    shop.test.yaml:17: what nobody can read is parked
        2 cases in 12 ways, … s: all hold
    "#]]
    .assert_eq(&told(&said));
    assert_eq!((said.code, said.error.as_str()), (0, ""));
    // They are no declarations, and nothing of a daemon's is there.
    assert_eq!(shop.run(&["validate"]).code, 0);
    assert!(!shop.path("data").exists());
    assert_eq!(fs::read_to_string(shop.path("shop.test.yaml")).unwrap(), CASES);
}

#[test]
fn what_does_not_hold_is_told_by_row_and_column() {
    let shop = shop();
    let wrong = CASES
        .replace("total: 13.50", "total: 13.5, orders: 3")
        .replace("named: [{customer: ada,", "named: [{customer: bob},{customer: ada,")
        .replace("hits: []", "hits: [{customer: bob}]")
        .replace("    - {source: names, sequence: 1, reason: malformed}\n", "");
    shop.write("shop.test.yaml", &wrong);
    let said = test(&shop, &["--junit", "report.xml"]);
    expect![[r#"
        FAIL  shop.test.yaml:2: orders of both versions are added up
                named
                  - {customer: "bob"}
                totals
                  ~ customer "ada": orders is 2, not 3; total is "13.50", not 13.5
                found, searched for `nobody`
                  - {customer: "bob"}
        FAIL  shop.test.yaml:17: what nobody can read is parked
                parked events
                  + {detail: "the payload is not JSON: expected ident at line 1 column 2", eventType: "Named", pointer: null, projection: null, reason: "malformed", sequence: 1, source: "names"}
        2 cases in 12 ways, … s: 2 failed
    "#]].assert_eq(&told(&said));
    assert_eq!(said.code, 2);
    let report = fs::read_to_string(shop.path("report.xml")).unwrap();
    assert!(report.contains("tests=\"2\"") && report.contains("failures=\"2\""), "{report}");
    assert!(report.contains("classname=\"shop.test.yaml\"") && report.contains("not 13.5"), "{report}");
    let said = test(&shop, &["--json", "shop.test.yaml"]);
    let cases: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (said.code, &cases[0]["line"], &cases[1]["findings"][0]["about"]),
        (2, &2.into(), &"parked events".into())
    );
}

#[test]
fn an_outcome_is_written_down_and_nothing_else_is_touched() {
    let shop = shop();
    let (given, _) = CASES.split_once("then:").unwrap();
    let rest = CASES.split_once("\n---\n").unwrap().1.replace("wrong_type", "overdue");
    let open = format!(
        "{given}then: {{rows: {{totals: []}}, search: {{found: [{{query: ada, hits: []}}]}}}}\n\n# The next.\n---\n{rest}"
    );
    shop.write("shop.test.yaml", &open);
    assert_eq!(test(&shop, &["--accept"]).code, 0);
    expect![[r##"
        # Kept as it is.
        case: orders of both versions are added up
        clock: 2026-03-01T01:00:00Z
        given:
          - {source: orders, headers: {Type: Placed, Version: "1"}, data: {customer: ada, cents: 1250, at: "2026-03-01T00:00:00Z"}}
          - {source: names, data: {id: ada, name: Ada Brandt}}
          - {source: orders, headers: {Type: Placed, Version: "2"}, data: {customer: ada, total: "1.00", at: "2026-03-01T00:01:00Z"}}
        then:
          rows:
            totals:
            - customer: ada
              orders: 2
              total: '13.50'
          search:
            found:
            - query: ada
              hits:
              - customer: ada

        # The next.
        ---
        case: what nobody can read is parked # and this too
        given:
          - {source: orders, headers: {Type: Placed, Version: "2"}, data: {customer: ada, total: much}}
          - {source: names, text: not json}
        then:
          rows:
            totals: []
          parked:
          - source: names
            sequence: 1
            reason: malformed
          - source: orders
            sequence: 1
            reason: wrong_type
            pointer: /total
    "##]].assert_eq(&fs::read_to_string(shop.path("shop.test.yaml")).unwrap());
    let said = test(&shop, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    // What holds is left as it is written.
    let before = fs::read_to_string(shop.path("shop.test.yaml")).unwrap();
    assert_eq!(test(&shop, &["--accept"]).code, 0);
    assert_eq!(fs::read_to_string(shop.path("shop.test.yaml")).unwrap(), before);
}

#[test]
fn no_case_accepts_rows_that_cannot_be_right() {
    let shop = shop();
    // Two names of one customer are two rows with one key.
    let given = "[{source: orders, headers: {Type: Placed}, data: {customer: ada, cents: 1}},
  {source: names, data: {id: ada, name: Ada}}, {source: names, data: {id: ada, name: Adelaide}}]";
    shop.write("shop.test.yaml", &format!("case: two names\ngiven: {given}\nthen: {{rows: {{named: []}}}}\n"));
    let said = test(&shop, &["--accept"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.out.contains("it is in error: "), "{said:?}");
    assert!(fs::read_to_string(shop.path("shop.test.yaml")).unwrap().ends_with("{rows: {named: []}}\n"));
}

const QUERY: &str = r#"projection: now_and_then
kind: view
sql: SELECT customer, total, now() AS asked FROM totals
---
query: least
params: {least: "decimal(18,2)!"}
sql: SELECT customer, total, asked FROM now_and_then WHERE total >= $least
sort: [-total]
"#;

#[test]
fn what_queries_answer_and_how_fresh_it_is_is_a_part_of_the_outcome() {
    let shop = shop();
    shop.write("query.yaml", QUERY);
    let placed = |customer: &str, cents: &str| {
        format!(
            "{{source: orders, headers: {{Type: Placed}}, data: {{customer: {customer}, cents: {cents}, at: \"2026-03-01T00:00:00Z\"}}}}"
        )
    };
    let given = [placed("ada", "100"), placed("bob", "300"), placed("eve", "much")].join(", ");
    let case = |then: &str| format!("case: a\nclock: 2026-03-01T01:00:00Z\ngiven: [{given}]\nthen:\n  {then}\n");
    let parked = "parked: [{source: orders, sequence: 3}]";
    let asked = "asked: \"2026-03-01T01:00:00.000000Z\"";
    let rows = format!("[{{customer: bob, total: 3.00, {asked}}}, {{customer: ada}}]");
    let right = format!(
        "{parked}\n  queries: {{least: [{{params: {{least: 1}}, rows: {rows}}}, {{params: {{least: 4}}, rows: []}}]}}\n  freshness: {{totals: {{incomplete: true, lagEvents: 0}}}}"
    );
    shop.write("shop.test.yaml", &case(&right));
    let said = test(&shop, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    let wrong = format!(
        "{parked}\n  queries: {{least: [{{params: {{least: 1}}, rows: [{{customer: ada}}, {{customer: bob}}]}}, {{params: {{least: 2}}, rows: []}}]}}\n  freshness: {{totals: {{incomplete: false, nothing: 1}}, found: {{incomplete: false}}}}"
    );
    shop.write("shop.test.yaml", &case(&wrong));
    let said = test(&shop, &[]);
    assert_eq!(said.code, 2, "{said:?}");
    expect![[r#"
        FAIL  shop.test.yaml:1: a
                query least of least=1
                  its rows come in another order:
                    {asked: "2026-03-01T01:00:00.000000Z", customer: "bob", total: "3.00"}
                    {asked: "2026-03-01T01:00:00.000000Z", customer: "ada", total: "1.00"}
                query least of least=2
                  + {asked: "2026-03-01T01:00:00.000000Z", customer: "bob", total: "3.00"}
                the freshness of found
                  ~ incomplete is true, not false
                the freshness of totals
                  freshness has no `nothing`; it has asOf, caughtUpToRequestedPosition, incomplete, lagEvents, lagSeconds, phase, positions, revision, sources, state
    "#]]
    .assert_eq(said.out.rsplit_once("1 case in").unwrap().0);
    // What is accepted holds.
    assert_eq!(test(&shop, &["--accept"]).code, 0);
    let said = test(&shop, &[]);
    assert_eq!(said.code, 0, "{said:?}");
    expect![[r#"
        case: a
        clock: 2026-03-01T01:00:00Z
        given: [{source: orders, headers: {Type: Placed}, data: {customer: ada, cents: 100, at: "2026-03-01T00:00:00Z"}}, {source: orders, headers: {Type: Placed}, data: {customer: bob, cents: 300, at: "2026-03-01T00:00:00Z"}}, {source: orders, headers: {Type: Placed}, data: {customer: eve, cents: much, at: "2026-03-01T00:00:00Z"}}]
        then:
          parked:
          - source: orders
            sequence: 3
            reason: wrong_type
            pointer: /cents
          queries:
            least:
            - params:
                least: '1'
              rows:
              - customer: bob
                total: '3.00'
                asked: 2026-03-01T01:00:00.000000Z
              - customer: ada
                total: '1.00'
                asked: 2026-03-01T01:00:00.000000Z
            - params:
                least: '2'
              rows:
              - customer: bob
                total: '3.00'
                asked: 2026-03-01T01:00:00.000000Z
          freshness:
            found:
              incomplete: true
            totals:
              incomplete: true
    "#]].assert_eq(&fs::read_to_string(shop.path("shop.test.yaml")).unwrap());
    shop.write("shop.test.yaml", &case("queries: {least: [{rows: []}]}"));
    expect![[r#"
        error: shop.test.yaml:1: the query `least` cannot be answered: the parameter `least` has no value
    "#]]
    .assert_eq(&test(&shop, &[]).error);
    shop.write("shop.test.yaml", &case("queries: {most: [{rows: []}]}"));
    expect![[r#"
        error: shop.test.yaml:1: there is no declared query `most`
    "#]]
    .assert_eq(&test(&shop, &[]).error);
}

#[test]
fn a_case_that_cannot_be_run_says_where() {
    let shop = shop();
    let error = |text: &str| {
        shop.write("shop.test.yaml", text);
        let said = test(&shop, &[]);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        said.error
    };
    expect![[r#"
        error[RS0103]: the case has no `then`
         --> shop.test.yaml:1:1
          |
        1 | case: a
          | ^^^^
        hint: write `then: {rows: {NAME: []}}`, and `readside test --accept` fills it in


        error: the cases cannot be used
    "#]]
    .assert_eq(&error("case: a\ngiven: []\n"));
    expect![[r#"
        error: shop.test.yaml:1: `total` is no table and no search index of the configuration, so nothing of it is kept
    "#]]
    .assert_eq(&error("case: a\ngiven: []\nthen: {rows: {total: []}}\n"));
    expect![[r#"
        error: shop.test.yaml:1: there is no source `oders` in line 3: there are orders, names
    "#]]
    .assert_eq(&error("case: a\ngiven:\n  - {source: oders}\nthen: {}\n"));
    expect![[r#"
        error: shop.test.yaml:1: `totals` is a table; only a search index can be searched
    "#]]
    .assert_eq(&error("case: a\ngiven: []\nthen: {search: {totals: [{query: x, hits: []}]}}\n"));
    expect![[r#"
        error: shop.test.yaml:1: an event with `headers` in line 3: each line of `names` is a payload: write all of it as `data` or `text`
    "#]].assert_eq(&error("case: a\ngiven:\n  - {source: names, headers: {A: b}, data: {}}\nthen: {}\n"));
    fs::remove_file(shop.path("shop.test.yaml")).unwrap();
    expect![[r#"
        error: there is no case: no file beside the projections ends in `.test.yaml`; begin one with `case: WHAT HOLDS`
    "#]]
    .assert_eq(&test(&shop, &[]).error);
    expect![[r#"
        error[RS0001]: cannot read the cases: No such file or directory (os error 2)
         --> none.test.yaml:1:1


        error: the cases cannot be used
    "#]]
    .assert_eq(&test(&shop, &["none.test.yaml"]).error);
}

#[test]
fn the_shipped_projections_do_what_their_cases_say() {
    let mut command = Command::new(binary());
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).args(["test", "--config", "config/readside.yaml"]);
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.lines().filter(|line| line.starts_with("ok")).count() >= 9, "{out}");
}
