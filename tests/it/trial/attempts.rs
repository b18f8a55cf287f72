//! `readside try` over files.

use expect_test::expect;
use serde_json::{Value, json};

use super::Workshop;

const ROOT: &str = "data_dir: data\nsources: sources.yaml\nprojections: projections.yaml\n";
const SOURCES: &str = r#"source: orders
file: {path: orders.ndjson, follow: true}
envelope: {type: header:Type, key: subject:2}
events:
  Placed: {fields: {customer: string!, cents: int64!}}
  Shipped: {fields: {carrier: string}}
---
source: catalog
file: {path: catalog.ndjson, lines: payload}
envelope: {type: const:Listed, data: body}
events: {Listed: {fields: {sku: string!, price: int64!}}}
"#;
const PROJECTIONS: &str = "projection: by_id
sql: SELECT _key AS id, latest(placed.customer) AS customer, latest(placed.cents) AS cents FROM orders.events GROUP BY _key
key: [id]
---
projection: rich
kind: view
sql: SELECT customer FROM by_id WHERE cents > 1000
---
projection: broken
sql: SELECT nothing FROM orders.placed
key: [nothing]
";
const ORDERS: &str = r#"{"subject": "orders.1", "headers": {"Type": "Placed"}, "data": {"customer": "ada", "cents": 1250}}
{"subject": "orders.2", "headers": {"Type": "Placed"}, "data": {"customer": "bob", "cents": 700}}

{"subject": "orders.3", "headers": {"Type": "Placed"}, "data": {"customer": "ada", "cents": "much"}}
{"subject": "orders.1", "headers": {"Type": "Placed"}, "data": {"customer": "ada", "cents": 50}}
{"subject": "orders.1", "headers": {"Type": "Shipped"}, "data": {"carrier": "post"}}
"#;
const CATALOG: &str = "{\"sku\": \"a\", \"price\": 3}\n{\"sku\": \"b\", \"price\": 0}\n";
const BY_CUSTOMER: &str = "SELECT customer, count(*) AS orders, sum(cents) AS cents FROM by_id GROUP BY customer";

fn shop() -> Workshop {
    Workshop::new(&[
        ("readside.yaml", ROOT),
        ("sources.yaml", SOURCES),
        ("projections.yaml", PROJECTIONS),
        ("orders.ndjson", ORDERS),
        ("catalog.ndjson", CATALOG),
    ])
}

#[test]
fn a_person_sees_rows_what_is_parked_and_what_would_be_kept() {
    let shop = shop();
    let said = shop.attempt(BY_CUSTOMER, &[]);
    // Bytes of state are the implementation's.
    let sized = said.out.split_inclusive('\n').map(|line| match line.trim_start().split_once(" keeps ") {
        Some((operator, rest)) => format!("  {operator} keeps … in {}", rest.split_once(" in ").unwrap().1),
        None if line.starts_with("state: ") => format!("state: … {}", line.split_once(" for ").unwrap().1),
        None => line.to_owned(),
    });
    expect![[r#"
        customer  orders  cents
        --------  ------  -----
        ada            1     50
        bob            1    700
        2 rows from 5 events of orders

        source  sequence  type    projection  reason      pointer  detail
        ------  --------  ------  ----------  ----------  -------  ------------------------------
        orders         4  Placed              wrong_type  /cents   expected int64, found a string
        1 event parked

        key: [customer], which no two rows can share
        state: … 2 rows and the operators
          aggregate keeps … in 2 rows, which grow with its groups
        computed beside this SQL, because it is read: by_id
    "#]]
    .assert_eq(&sized.collect::<String>());
    assert_eq!((said.code, said.error.as_str()), (0, ""));
    assert!(!shop.path("data").exists());
}

#[test]
fn each_event_changes_rows() {
    let said = shop().attempt(BY_CUSTOMER, &["--deltas"]);
    expect![[r#"
        source  sequence     customer  orders  cents
        ------  --------  -  --------  ------  -----
        orders         1  +  ada            1   1250
        orders         2  +  bob            1    700
        orders         5  -  ada            1   1250
                          +  ada            1     50
        3 of 5 events changed rows"#]]
    .assert_eq(said.out.split_once("\n\n").unwrap().0);
    let (_, outcome) = shop().outcome(BY_CUSTOMER, &["--deltas"]);
    let last = json!({
        "source": "orders", "sequence": 5,
        "removed": [{"customer": "ada", "orders": 1, "cents": 1250}], "added": [{"customer": "ada", "orders": 1, "cents": 50}],
    });
    assert_eq!(outcome["changes"].as_array().unwrap().last(), Some(&last));
    assert_eq!(shop().outcome(BY_CUSTOMER, &[]).1["changes"], Value::Null);
}

#[test]
fn only_the_newest_events_are_read_if_so_many_are_asked_for() {
    let rows = |sql: &str, flags: &[&str]| shop().outcome(sql, flags).1["rows"].clone();
    let sql = "SELECT _seq AS at, customer FROM orders.placed";
    assert_eq!(rows(sql, &["--last", "2"]), json!([{"at": 5, "customer": "ada"}]));
    // The blank line is none.
    assert_eq!(rows(sql, &["--last", "4"]), json!([{"at": 2, "customer": "bob"}, {"at": 5, "customer": "ada"}]));
    assert_eq!(rows(sql, &[]).as_array().unwrap().len(), 3);
}

#[test]
fn events_of_a_file_stand_for_those_of_the_source() {
    let shop = shop();
    shop.write("other.ndjson", "{\"subject\": \"orders.9\", \"headers\": {\"Type\": \"Placed\"}, \"data\": {\"customer\": \"eve\", \"cents\": 1}}");
    shop.write("new.ndjson", "{\"sku\": \"eve\", \"price\": 8}\n");
    let (code, outcome) = shop.outcome(BY_CUSTOMER, &["--events", "other.ndjson"]);
    assert_eq!((code, &outcome["rows"]), (0, &json!([{"customer": "eve", "orders": 1, "cents": 1}])));
    assert_eq!(outcome["events"], json!({"orders": 1}));
    // A file of a source's own format, for each of several sources.
    let joined = "SELECT sku, price, cents FROM by_id JOIN catalog.listed ON sku = customer";
    let given = ["--events", "orders=other.ndjson", "--events", "catalog=new.ndjson"];
    let (_, outcome) = shop.outcome(joined, &given);
    assert_eq!(outcome["rows"], json!([{"sku": "eve", "price": 8, "cents": 1}]));
    let said = shop.attempt(joined, &["--events", "other.ndjson"]);
    assert_eq!(said.code, 1);
    assert!(said.error.contains("several sources (orders, catalog); say which one's"), "{said:?}");
    let (_, outcome) = shop.outcome(joined, &["--source", "catalog"]);
    assert_eq!((&outcome["rows"], &outcome["events"]), (&json!([]), &json!({"catalog": 2})));
}

#[test]
fn what_is_wrong_with_the_sql_has_its_place() {
    let shop = shop();
    let told = |sql: &str, flags: &[&str]| {
        let said = shop.attempt(sql, flags);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        said.error
    };
    expect![[r#"
        error[RS0503]: No field named cent. Did you mean 'orders.placed.cents'?
        Valid fields are orders.placed._seq, orders.placed._ord, orders.placed._type, orders.placed._version, orders.placed._id, orders.placed._key, orders.placed._time, orders.placed._published_at, orders.placed._subject, orders.placed._late, orders.placed.customer, orders.placed.cents.
         --> SQL:2:3
          |
        2 |   cent FROM orders.placed
          |   ^^^^


        error: the SQL cannot be a projection's
    "#]].assert_eq(&told("SELECT customer,\n  cent FROM orders.placed", &[]));
    expect![[r#"
        error[RS0513]: `rich` is a view, which is computed at query time and cannot be kept from
         --> SQL:1:1
          |
        1 | SELECT * FROM rich
          | ^^^^^^
        hint: make it a table, or write its SQL here


        error: the SQL cannot be a projection's
    "#]]
    .assert_eq(&told("SELECT * FROM rich", &[]));
    expect![[r#"
        error[RS0503]: No field named nothing.
        Valid fields are orders.placed._seq, orders.placed._ord, orders.placed._type, orders.placed._version, orders.placed._id, orders.placed._key, orders.placed._time, orders.placed._published_at, orders.placed._subject, orders.placed._late, orders.placed.customer, orders.placed.cents.
          --> projections.yaml:10:13
           |
        10 | sql: SELECT nothing FROM orders.placed
           |             ^^^^^^^


        error: readside.yaml cannot be used
    "#]].assert_eq(&told("SELECT customer FROM by_di", &[]));
    let key = told("SELECT customer FROM by_id", &["--key", "id"]);
    assert!(key.contains("the key column `id` is not among the query's columns"), "{key}");
    // It is somebody else's mistake, in a file.
    let broken = told("SELECT * FROM broken", &[]);
    assert!(broken.contains("--> projections.yaml:") && broken.contains("readside.yaml cannot be used"), "{broken}");
}

#[test]
fn what_fails_over_some_events_is_a_finding() {
    let shop = shop();
    let (code, outcome) = shop.outcome("SELECT sku, 6 / price AS n FROM catalog.listed", &[]);
    assert_eq!((code, &outcome["rows"]), (2, &json!([{"sku": "a", "n": 2}])));
    let parked = &outcome["parked"][0];
    assert_eq!((&parked["sequence"], &parked["projection"]), (&json!(2), &json!("this SQL")), "{outcome}");
    // No single event is to blame.
    let (code, outcome) = shop.outcome("SELECT sku, 6 / sum(price) AS n FROM catalog.listed GROUP BY sku", &[]);
    assert!(code == 2 && outcome["error"].as_str().unwrap().contains("cannot be computed"), "{outcome}");
    assert_eq!(outcome["rowErrors"].as_array().unwrap().len(), 1, "{outcome}");
    // Two rows of a key that somebody names are shown, and are no table.
    let (code, outcome) = shop.outcome("SELECT customer FROM orders.placed", &["--key", "customer"]);
    assert_eq!((code, outcome["rows"].as_array().unwrap().len()), (2, 3), "{outcome}");
    assert_eq!((&outcome["key"], &outcome["keyProven"]), (&json!(["customer"]), &json!(false)));
    assert!(outcome["error"].as_str().unwrap().contains("ada"), "{outcome}");
    // Where nobody does, they are rows that repeat.
    let (code, outcome) = shop.outcome("SELECT customer FROM orders.placed", &[]);
    assert_eq!((code, outcome["rows"].as_array().unwrap().len()), (0, 3), "{outcome}");
    assert_eq!((&outcome["key"], &outcome["rowsMayRepeat"]), (&json!([]), &json!(true)));
    assert_eq!((&outcome["keyProven"], &outcome["columns"].as_array().unwrap().len()), (&json!(false), &1));
    shop.write("catalog.ndjson", "{\"sku\": \"a\", \"price\": 3}\n");
    shop.write("orders.ndjson", "{\"subject\": \"orders.1\", \"headers\": {\"Type\": \"Burnt\"}, \"data\": {}}\n");
    shop.write("sources.yaml", &SOURCES.replacen("events:\n", "unknown_events: halt\nevents:\n", 1));
    let (code, outcome) = shop.outcome("SELECT count(*) AS n FROM orders.placed", &[]);
    assert!(code == 2 && outcome["halted"]["orders"].as_str().unwrap().contains("Burnt"), "{outcome}");
}

#[test]
fn sources_that_cannot_be_read_say_why() {
    let shop = shop();
    let error = |sql: &str, flags: &[&str]| {
        let said = shop.attempt(sql, flags);
        assert_eq!(said.code, 1, "{said:?}");
        said.error
    };
    let placed = "SELECT count(*) AS n FROM orders.placed";
    let missing = error(placed, &["--events", "none.ndjson"]);
    assert!(missing.contains("source `orders`: none.ndjson cannot be read from here: "), "{missing}");
    let unread = error(placed, &["--source", "catalog"]);
    assert!(unread.contains("the SQL does not read source `catalog`; it reads orders"), "{unread}");
    let unknown = error(placed, &["--source", "oders"]);
    assert!(unknown.contains("there is no source `oders`; the SQL reads orders"), "{unknown}");
}
