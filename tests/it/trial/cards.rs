//! What `readside validate NAME` says of a projection before anything runs.

use expect_test::{Expect, expect};
use serde_json::json;

use super::Workshop;

const ROOT: &str = "data_dir: data\nsources: source.yaml\nprojections: projections.yaml\n";
const SOURCES: &str = "source: shop
file: {path: events.ndjson}
envelope: {type: const:Placed, data: body}
events: {Placed: {fields: {id: int64!, customer: string!, n: int64}}}
---
source: clicks
jetstream: {stream: CLICKS}
envelope: {type: const:Click, time: body:/at}
event_time: {lateness: 1h, late: drop}
events: {Click: {fields: {page: string!}}}
";
const PROJECTIONS: &str = "projection: totals
owner: team-sales
sql: SELECT customer, sum(n) AS n FROM shop.placed GROUP BY customer
---
projection: rows
key: [id]
sql: SELECT id, customer, n FROM shop.placed
---
projection: named
kind: search
fields: {customer: text}
sql: SELECT r.id, r.customer, t.n FROM rows r JOIN totals t ON r.customer = t.customer
---
projection: whole
sql: SELECT count(*) AS n FROM shop.placed
---
projection: hourly
sql: SELECT page, date_trunc('hour', _time) AS hour, count(*) AS n FROM clicks.click GROUP BY page, hour
---
projection: by_total
sql: SELECT n, count(*) AS customers FROM (SELECT customer, sum(n) AS n FROM shop.placed GROUP BY customer) GROUP BY n
---
projection: events
sql: SELECT _seq, _ord, id FROM shop.placed WHERE n > 1
---
projection: newest
sql: SELECT id, customer FROM (SELECT *, row_number() OVER (PARTITION BY customer ORDER BY _seq DESC) AS r FROM shop.placed) WHERE r = 1
key: [customer]
---
projection: great
kind: view
sql: SELECT * FROM totals WHERE n > 10
";

fn workshop() -> Workshop {
    Workshop::new(&[("readside.yaml", ROOT), ("source.yaml", SOURCES), ("projections.yaml", PROJECTIONS)])
}

fn check(name: &str, expected: Expect) {
    let said = workshop().run(&["validate", name]);
    assert_eq!((said.code, said.error.as_str()), (0, ""));
    expected.assert_eq(said.out.trim_end());
}

#[test]
fn a_card_says_what_is_known() {
    check(
        "totals",
        expect![[r#"
        totals (table, projections.yaml, of team-sales)
          reads    `shop.placed`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      customer; taken from the query; its GROUP BY or DISTINCT proves it
          state    its rows
                   aggregate keeps state that grows with its groups, shared with `by_total`
          closes   nothing: all of it is kept for good
          verify   as a whole or by shares of its keys, each over its own part of what is read
          rebuild  from the file of `shop`; together with what reads it: `named`"#]],
    );
    check(
        "rows",
        expect![[r#"
        rows (table, projections.yaml)
          reads    `shop.placed`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      id; declared; not proven, so it is checked with every commit: two rows of one key fail the projection
          state    its rows
          closes   nothing: no state is kept beside its rows
          verify   as a whole or by shares of its keys, each over its own part of what is read
          rebuild  from the file of `shop`; together with what reads it: `named`"#]],
    );
    check(
        "named",
        expect![[r#"
        named (search, projections.yaml)
          reads    `rows`, `totals`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      id; taken from the query; its join proves it
          state    its rows
                   inner join keeps state that grows with the rows of both inputs
          closes   nothing: all of it is kept for good
          verify   as a whole or by shares of its keys, each over all of `totals`
          rebuild  from the rows of `rows`, `totals`"#]],
    );
    check(
        "whole",
        expect![[r#"
        whole (table, projections.yaml)
          reads    `shop.placed`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      none: there is one row; taken from the query; the query gives one row at most
          state    its rows
                   aggregate keeps state that grows with its groups
          closes   nothing: all of it is kept for good
          verify   as a whole: its keys cannot be divided
          rebuild  from the file of `shop`"#]],
    );
    check(
        "hourly",
        expect![[r#"
        hourly (table, projections.yaml)
          reads    `clicks.click`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      page, hour; taken from the query; its GROUP BY or DISTINCT proves it
          state    its rows
                   aggregate keeps state that grows with its open windows
          closes   windows, once the watermark of `clicks` has passed them; their rows stay
          verify   as a whole or by shares of its keys, each over all of `clicks.click`
          rebuild  from what the stream of `clicks` still has"#]],
    );
    check(
        "by_total",
        expect![[r#"
        by_total (table, projections.yaml)
          reads    `shop.placed`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      n; taken from the query; its GROUP BY or DISTINCT proves it
          state    its rows
                   aggregate keeps state that grows with its groups, shared with `totals`
                   aggregate keeps state that grows with its groups
          closes   nothing: all of it is kept for good
          verify   as a whole or by shares of its keys, each over all of `shop.placed`
          rebuild  from the file of `shop`"#]],
    );
    check(
        "events",
        expect![[r#"
        events (table, projections.yaml)
          reads    `shop.placed`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      _seq, _ord; taken from the query; each event has a place of its own in its source
          state    its rows
          closes   nothing: no state is kept beside its rows
          verify   as a whole or by shares of its keys, each over its own part of what is read
          rebuild  from the file of `shop`"#]],
    );
    check(
        "newest",
        expect![[r#"
        newest (table, projections.yaml)
          reads    `shop.placed`
          result   each event counts exactly once; equal to its SQL over all events that were admitted
          key      customer; declared; the query proves it
          state    its rows
                   top-k keeps state that grows with the rows of its input
          closes   nothing: all of it is kept for good
          verify   as a whole or by shares of its keys, each over its own part of what is read
          rebuild  from the file of `shop`"#]],
    );
    check(
        "great",
        expect![[r#"
        great (view, projections.yaml)
          reads    `totals`
          result   computed for each query from what it reads; keeps nothing"#]],
    );
}

#[test]
fn machines_get_all_cards_or_those_that_are_named() {
    let workshop = workshop();
    let all = workshop.run(&["validate", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!((all["diagnostics"].as_array().unwrap().len(), all["projections"].as_array().unwrap().len()), (0, 9));
    let one = workshop.run(&["validate", "--json", "hourly"]);
    let one: serde_json::Value = serde_json::from_str(&one.out).unwrap();
    let [card] = one["projections"].as_array().unwrap().as_slice() else { panic!("{one}") };
    assert_eq!(card["kept"]["key"], json!(["page", "hour"]));
    assert_eq!(card["kept"]["keyProof"], json!("group-by"));
    assert_eq!(card["kept"]["state"][0]["closedBy"], json!("clicks"));
}

#[test]
fn an_unknown_name_is_an_error() {
    let said = workshop().run(&["validate", "total"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.error.contains("there is no projection or view `total` in readside.yaml"), "{said:?}");
}
