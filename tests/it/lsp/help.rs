//! What an editor offers and explains while SQL and YAML are written.

use expect_test::expect;
use serde_json::json;

use super::editor::{Editor, plain, shop};

const FILE: &str = "projections/new.yaml";

/// A projection with this SQL.
fn projection(sql: &str) -> String {
    format!("projection: fresh\nsql: |\n  {}\nkey: [x]\n", sql.replace('\n', "\n  "))
}

#[test]
fn columns_are_offered_before_the_text_parses() {
    let mut editor = Editor::of_shop(&plain());
    let mut offered = |sql: &str| editor.offered(FILE, &projection(sql));
    let behind =
        |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with('_')).collect::<Vec<_>>().join(" ");
    assert_eq!(behind(offered("SELECT o.¦ FROM orders.order_placed o")), "customer_id lines notes order_id total");
    assert_eq!(
        behind(offered("SELECT sum(o.to¦ FROM orders.order_placed AS o GROUP BY")),
        "customer_id lines notes order_id total"
    );
    assert_eq!(behind(offered("SELECT latest(order_shipped.¦) FROM orders.events")), "carrier order_id");
    assert_eq!(
        behind(offered("SELECT line.¦ FROM (SELECT unnest(lines) AS line FROM orders.order_placed)")),
        "price quantity sku"
    );
    assert_eq!(behind(offered("SELECT l.¦ FROM orders.order_placed o, unnest(o.lines) AS l")), "price quantity sku");
    assert_eq!(behind(offered("SELECT o.lines[1].¦ FROM orders.order_placed o")), "price quantity sku");
    assert_eq!(
        behind(offered("WITH big AS (SELECT customer_id AS who FROM customers) SELECT b.¦ FROM big b WHERE")),
        "who"
    );
    assert_eq!(
        behind(offered("SELECT w.¦ FROM TUMBLE(orders.order_shipped, _time, x) w")),
        "carrier order_id window_end window_start"
    );
    assert_eq!(
        behind(offered("SELECT 1 FROM customers c WHERE EXISTS (SELECT c.¦ FROM orders.events)")),
        "city customer_id email last_seen name orders revenue"
    );
    let grouped = offered("SELECT city AS town, sum(revenue) AS sold FROM customers GROUP BY ¦");
    assert!(grouped.contains(&"town".to_owned()) && grouped.contains(&"sold".to_owned()), "{grouped:?}");
    assert_eq!(behind(offered("SELECT 'o.¦' FROM orders.order_placed o")), "");
    let all = offered("SELECT ¦\nFROM orders.order_shipped s");
    for expected in ["carrier", "_time", "s", "latest", "split_part", "CASE"] {
        assert!(all.contains(&expected.to_owned()), "{expected} is not among {all:?}");
    }
    assert_eq!(all[..2], ["carrier", "order_id"]);
    assert_eq!(offered("¦"), ["FROM", "SELECT", "WITH"]);
    assert!(!all.contains(&"now".to_owned()) && !all.contains(&"total".to_owned()), "{all:?}");
}

#[test]
fn relations_are_offered_behind_from() {
    let mut editor = Editor::of_shop(&plain());
    let all = editor.offered(FILE, &projection("SELECT a FROM ¦"));
    for expected in ["orders.order_placed", "orders.events", "catalog.events", "customers", "unnest"] {
        assert!(all.contains(&expected.to_owned()), "{expected} is not among {all:?}");
    }
    assert!(!all.contains(&"big_customers".to_owned()), "what is kept reads no view: {all:?}");
    let of_source = editor.offered(FILE, &projection("SELECT a FROM customers JOIN orders.¦ WHERE"));
    assert_eq!(of_source, ["customer_registered", "events", "order_cancelled", "order_placed", "order_shipped"]);
    // A query reads projections and no events.
    let of_query = editor.offered(FILE, "query: q\nsql: SELECT a FROM ¦\n");
    assert!(
        of_query.contains(&"customers".to_owned()) && !of_query.contains(&"orders.events".to_owned()),
        "{of_query:?}"
    );
    // An upcaster has the columns of its own version.
    let source = "config/sources/orders.yaml";
    let text = shop().into_iter().find(|(name, _)| name == source).unwrap().1;
    let of_version = editor.offered(source, &text.replace("{total: \"cents / 100.0\"}", "{total: ce¦nts}"));
    assert!(of_version.contains(&"cents".to_owned()) && !of_version.contains(&"total".to_owned()), "{of_version:?}");
}

#[test]
fn what_is_offered_replaces_the_word_alone() {
    let mut editor = Editor::of_shop(&plain());
    let items = editor.ask_at("completion", FILE, &projection("SELECT '😀', o.cust¦ FROM orders.order_placed o"));
    let item = items.as_array().unwrap().iter().find(|item| item["label"] == "customer_id").unwrap();
    expect![[
        r#"{"newText":"customer_id","range":{"end":{"character":21,"line":2},"start":{"character":17,"line":2}}}"#
    ]]
    .assert_eq(&item["textEdit"].to_string());
    assert_eq!(item["detail"], "string!");
    let items = editor.ask_at("completion", FILE, "projection: fresh\nfresh¦\n");
    let item = items.as_array().unwrap().iter().find(|item| item["label"] == "freshness").unwrap();
    assert_eq!(item["textEdit"]["newText"], "freshness: ");
    assert!(
        item["documentation"]["value"].as_str().unwrap().starts_with("What is promised of its freshness"),
        "{item}"
    );
}

#[test]
fn keys_and_values_are_offered_where_the_schema_knows_them() {
    let mut editor = Editor::of_shop(&plain());
    let mut offered = |text: &str| editor.offered(FILE, text).join(" ");
    assert_eq!(offered("¦"), "policy projection query source");
    assert!(!offered("projection: p\nsql: SELECT 1\n¦").split(' ').any(|key| key == "sql" || key == "projection"));
    assert_eq!(offered("projection: p\nkind: ¦\n"), "search table view");
    assert_eq!(offered("projection: p\nfreshness: {on_stale: m¦}\n"), "mark refuse");
    assert_eq!(offered("projection: p\nfreshness:\n  ¦\n"), "objective on_stale slo");
    assert_eq!(
        offered("projection: p\nsql: SELECT city, sum(revenue) AS sold FROM customers GROUP BY city\nkey: [¦]\n"),
        "city sold"
    );
    assert_eq!(
        offered("projection: p\nkind: search\nsql: SELECT * FROM products\nfields: {na¦}\n"),
        "category name price price_changes sku"
    );
    let of_case = editor.offered("projections/new.test.yaml", "case: x\ngiven:\n- source: ¦\n");
    assert_eq!(of_case, ["catalog", "orders"]);
    let root = "config/readside.yaml";
    let of_root = editor.offered(root, "sources: sources/*.yaml\nprojections: ../projections/*.yaml\nche¦\n");
    assert!(of_root.contains(&"checkpoint".to_owned()), "{of_root:?}");
}

#[test]
fn another_file_that_is_broken_does_not_matter() {
    let mut editor = Editor::of_shop(&plain());
    editor.open("projections/sales.yaml", "projection: [\n");
    editor.open("config/sources/catalog.yaml", "source: catalog\n  nonsense");
    let names = editor.offered(FILE, &projection("SELECT o.¦ FROM orders.order_placed o"));
    assert!(names.contains(&"total".to_owned()), "{names:?}");
}

#[test]
fn a_card_is_what_validate_prints() {
    let mut editor = Editor::of_shop(&plain());
    let text = shop().into_iter().find(|(name, _)| name == "projections/customers.yaml").unwrap().1;
    let card = "customers (table, projections/customers.yaml, of team-sales)
  reads    `orders.events`
  result   each event counts exactly once; equal to its SQL over all events that were admitted
  key      customer_id; declared; its GROUP BY or DISTINCT proves it
  state    its rows
           aggregate keeps state that grows with its groups
  closes   nothing: all of it is kept for good";
    for cursor in
        [text.replace("projection: customers", "projection: cust¦omers"), text.replacen("sql: |", "s¦ql: |", 1)]
    {
        let said = editor.hover("projections/customers.yaml", &cursor);
        assert!(said.contains(card), "{said}");
    }
    let said =
        editor.hover("projections/customers.yaml", &text.replace("FROM customers WHERE", "FROM cust¦omers WHERE"));
    assert!(said.contains(card) && said.contains("- `revenue` decimal(29,2)!"), "{said}");
}

#[test]
fn a_word_is_explained() {
    let mut editor = Editor::of_shop(&plain());
    // Behind it may be the pages of problems.
    let mut said = |sql: &str| {
        let said = editor.hover(FILE, &projection(sql));
        said.split("\n\n---\n\n").next().unwrap_or_default().to_owned()
    };
    expect![[r#"
        `total` `decimal(18,2)!`, never NULL

        Field of `OrderPlaced` at version 3, config/sources/orders.yaml:24.

        From version 2 to 3: `cents / 100.0`"#]]
    .assert_eq(&said("SELECT o.tot¦al FROM orders.order_placed o"));
    expect![[r#"
        `revenue` `decimal(29,2)!`, never NULL

        Column of `customers`, projections/customers.yaml:2.
        ```sql
        coalesce(sum(order_placed.total), 0) - coalesce(sum(order_cancelled.refund), 0)
        ```"#]]
    .assert_eq(&said("SELECT rev¦enue, FROM customers"));
    expect![[r#"
        `_time` `timestamp!`, never NULL

        The event time; the time of publishing where the envelope says none."#]]
    .assert_eq(&said("SELECT _ti¦me FROM orders.events"));
    let relation = said("SELECT x FROM orders.order_sh¦ipped");
    assert!(relation.starts_with("**orders.order_shipped**\n\nOne row an event `OrderShipped`"), "{relation}");
    assert!(relation.contains("- `carrier` string!"), "{relation}");
    assert!(said("SELECT split_pa¦rt(x, ',', 1) FROM customers").contains("split_part("));
    assert!(!said("SELECT nowh¦ere FROM customers").contains("`nowhere`"));
    let key = editor.hover(FILE, "projection: p\nfreshness: {on_st¦ale: mark}\n");
    assert!(key.starts_with("`mark` (the default): stale answers say so."), "{key}");
}

#[test]
fn a_code_leads_to_its_page() {
    let mut editor = Editor::of_shop(&plain());
    let broken = "projection: p\nky: [a]\nsql: SELECT 1\n";
    editor.open(FILE, broken);
    assert!(!editor.problems(FILE).is_empty());
    let at = json!({"textDocument": {"uri": editor.uri(FILE)}, "position": {"line": 1, "character": 1}});
    let said = editor.ask("textDocument/hover", at)["contents"]["value"].to_string();
    assert!(said.contains("RS0101: "), "{said}");
    let said = editor.hover(FILE, "# RS05¦02 came from here\nprojection: p\n");
    assert!(said.starts_with("RS0502: "), "{said}");
}

#[test]
fn names_lead_to_their_declarations() {
    let mut editor = Editor::of_shop(&plain());
    let mut place = |sql: &str| {
        let found = editor.ask_at("definition", FILE, &projection(sql));
        let uri = found["uri"].as_str().unwrap_or_default().to_owned();
        format!("{} {}", uri.rsplit('/').next().unwrap(), found["range"]["start"]["line"])
    };
    assert_eq!(place("SELECT x FROM custo¦mers"), "customers.yaml 1");
    assert_eq!(place("SELECT x FROM orders.order_pl¦aced"), "orders.yaml 21");
    assert_eq!(place("SELECT o.tot¦al FROM orders.order_placed o"), "orders.yaml 23");
    assert_eq!(place("SELECT no¦thing FROM orders.order_placed o"), " null");
}
