//! `readside graph`: what reads what, in the languages of two drawing programs.

use expect_test::expect;

use super::Workshop;

const ROOT: &str = "data_dir: data\nsources: sources.yaml\nprojections: projections.yaml\n";
const SOURCES: &str = "source: orders
file: {path: orders.ndjson}
envelope: {type: header:Type, key: subject:2}
events:
  shop.\"Placed\": {table: placed, fields: {customer: string!, cents: int64!}}
  Shipped: {fields: {carrier: string}}
  Unread: {fields: {}}
";
const PROJECTIONS: &str = "projection: by_id
key: [id]
sql: |
  WITH shipped AS (SELECT * FROM orders.shipped)
  SELECT e._key AS id, latest(e.placed.cents) AS cents FROM orders.events e
  WHERE EXISTS (SELECT 1 FROM shipped) GROUP BY e._key
---
projection: found
kind: search
key: [id]
sql: SELECT id, cents FROM by_id
fields: {id: keyword}
---
projection: rich
kind: view
sql: SELECT a.id FROM by_id a JOIN by_id b ON a.id = b.id WHERE a.cents > 1000
---
query: richer
params: {least: int64!}
sql: SELECT r.id FROM rich r JOIN by_id b ON b.id = r.id WHERE b.cents > $least
";

fn shop() -> Workshop {
    Workshop::new(&[("readside.yaml", ROOT), ("sources.yaml", SOURCES), ("projections.yaml", PROJECTIONS)])
}

#[test]
fn what_reads_what_is_drawn() {
    let said = shop().run(&["graph"]);
    assert_eq!((said.code, said.error.as_str()), (0, ""));
    expect![[r#"
        digraph readside {
          rankdir=LR;
          node [fontname="sans-serif"];
          n0 [label="orders", shape=cylinder];
          n1 [label="shop.\"Placed\"", shape=note];
          n2 [label="Shipped", shape=note];
          n3 [label="Unread", shape=note];
          n4 [label="by_id", shape=box];
          n5 [label="found", shape=folder];
          n6 [label="rich", shape=box, style=dashed];
          n7 [label="richer", shape=box, style=rounded];
          n0 -> n1;
          n0 -> n2;
          n0 -> n3;
          n0 -> n4;
          n2 -> n4;
          n4 -> n5;
          n4 -> n6;
          n4 -> n7;
          n6 -> n7;
        }
    "#]]
    .assert_eq(&said.out);
    let said = shop().run(&["graph", "--format", "mermaid"]);
    assert_eq!((said.code, said.error.as_str()), (0, ""));
    expect![[r#"
        flowchart LR
          n0[("orders")]
          n1>"shop.#34;Placed#34;"]
          n2>"Shipped"]
          n3>"Unread"]
          n4["by_id"]
          n5[["found"]]
          n6[/"rich"/]
          n7(["richer"])
          n0 --> n1
          n0 --> n2
          n0 --> n3
          n0 --> n4
          n2 --> n4
          n4 --> n5
          n4 --> n6
          n4 --> n7
          n6 --> n7
    "#]]
    .assert_eq(&said.out);
}

#[test]
fn what_is_not_valid_is_not_drawn() {
    let shop = shop();
    shop.write("projections.yaml", &PROJECTIONS.replace("FROM rich r", "FROM poor r"));
    let said = shop.run(&["graph"]);
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(
        said.error.contains("--> projections.yaml:") && said.error.contains("readside.yaml cannot be used"),
        "{said:?}"
    );
}
