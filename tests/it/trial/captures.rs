//! `readside test --capture`: a case from messages that are there, which holds at once.

use async_nats::HeaderMap;
use expect_test::expect;

use super::{Said, Workshop};
use crate::support::nats::{NatsServer, create_orders, needs_nats};

const ROOT: &str = "data_dir: data\nsources: sources.yaml\nprojections: \"*.yaml\"\n";
const SOURCES: &str = r#"source: orders
file: {path: orders.ndjson}
envelope: {type: header:Type, key: subject:2}
events: {Placed: {fields: {customer: string!, total: "decimal(18,2)!", at: timestamp}}}
---
source: names
file: {path: names.ndjson, lines: payload}
envelope: {type: const:Named, key: body:/id, data: body}
events: {Named: {fields: {id: string!, name: string!}}}
---
source: clouds
file: {path: clouds.ndjson, lines: cloudevents}
envelope: {type: header:ce-type}
events: {A: {fields: {}}}
"#;
const PROJECTIONS: &str = "projection: totals
sql: SELECT customer, sum(total) AS total FROM orders.placed GROUP BY customer
key: [customer]
---
projection: shares
sql: SELECT customer, 100 / total AS share, name FROM totals LEFT JOIN names.named ON id = customer
key: [customer]
---
projection: found
kind: search
key: [id]
sql: SELECT id, name FROM names.named
fields: {name: text}
";
/// A total with a digit that YAML would not write, one that no number keeps, a header that comes twice, and what is not text.
const ORDERS: &str = r#"{"subject": "orders.1", "headers": {"Type": "Placed"}, "data": {"customer": "ada", "total": 12.50}, "published_at": "2026-03-01T00:00:00.25Z"}
{"subject": "orders.2", "headers": {"Type": "Placed", "X": ["1", "yes"]}, "data": {"customer": "no", "total": "7.00", "at": "2026-03-01T00:00:00Z"}}

{"subject": "orders.3", "headers": {"Type": "Placed"}, "data": {"customer": "0x1f", "total": 12345678901234567890123}}
{"headers": {"Type": "Placed"}, "data_base64": "/w=="}
"#;

fn shop() -> Workshop {
    Workshop::new(&[
        ("readside.yaml", ROOT),
        ("sources.yaml", SOURCES),
        ("projections.yaml", PROJECTIONS),
        ("orders.ndjson", ORDERS),
        ("names.ndjson", "{\"id\": \"ada\", \"name\": \"Ada\"}\n{\"id\": \"no\", \"name\": \"2026-03-01\"}\n"),
        ("clouds.ndjson", "{\"specversion\": \"1.0\", \"type\": \"A\", \"source\": \"s\", \"id\": \"1\"}\n"),
    ])
}

fn captured(shop: &Workshop, range: &str, file: &str) -> Said {
    shop.run(&["test", "--capture", range, "--out", file])
}

#[test]
fn a_captured_case_holds_at_once() {
    let shop = shop();
    let said = captured(&shop, "orders:1..5", "orders.test.yaml");
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    assert_eq!(said.error, "4 events in orders.test.yaml; read it, and say in its name what holds\n");
    expect![[r#"
        case: captured from orders, 1 to 5
        given:
        - source: orders
          subject: orders.1
          headers:
            Type: Placed
          published_at: 2026-03-01T00:00:00.250000Z
          text: '{"customer": "ada", "total": 12.50}'
        - source: orders
          subject: orders.2
          headers:
            Type: Placed
            X:
            - '1'
            - yes
          data:
            at: 2026-03-01T00:00:00Z
            customer: no
            total: '7.00'
        - source: orders
          subject: orders.3
          headers:
            Type: Placed
          text: '{"customer": "0x1f", "total": 12345678901234567890123}'
        - source: orders
          headers:
            Type: Placed
          data_base64: /w==
        then:
          rows:
            shares:
            - customer: ada
              share: '8.0000'
              name: null
            - customer: no
              share: '14.2857'
              name: null
            totals:
            - customer: ada
              total: '12.50'
            - customer: no
              total: '7.00'
          parked:
          - source: orders
            sequence: 3
            reason: out_of_range
            pointer: /total
          - source: orders
            sequence: 4
            reason: malformed
    "#]]
    .assert_eq(&std::fs::read_to_string(shop.path("orders.test.yaml")).unwrap());
    let said = captured(&shop, "names:1..2", "names.test.yaml");
    assert_eq!(said.code, 0, "{said:?}");
    let names = std::fs::read_to_string(shop.path("names.test.yaml")).unwrap();
    assert!(
        names.contains("\n  rows:\n    found:\n") && names.contains("name: 2026-03-01") && !names.contains("totals"),
        "{names}"
    );
    let ran = shop.run(&["test"]);
    assert!(ran.code == 0 && ran.out.contains("2 cases in "), "{ran:?}");
    let printed = shop.run(&["test", "--capture", "names:2..2"]);
    assert!(printed.code == 0 && printed.out.starts_with("case: captured from names, 2 to 2\n"), "{printed:?}");
}

#[test]
fn what_is_wrong_with_the_rows_is_told_beside_the_case() {
    let shop = shop();
    shop.write("orders.ndjson", &ORDERS.replace("12.50", "0.00"));
    let said = captured(&shop, "orders:1..2", "orders.test.yaml");
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.error.contains("shares\n  it is in error: "), "{said:?}");
    assert!(shop.path("orders.test.yaml").exists());
}

#[test]
fn what_cannot_be_captured_says_why() {
    let shop = shop();
    shop.write("there.yaml.txt", "mine");
    let error = |range: &str, file: &str| {
        let said = captured(&shop, range, file);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        said.error
    };
    assert!(error("orders:1..2", "there.yaml.txt").contains("there.yaml.txt is there already"));
    assert!(error("oders:1..2", "a").contains("there is no source `oders`; there are orders, names, clouds"));
    assert!(error("orders:1..9", "a").contains("source `orders`: it has the sequences 1 to 5"));
    assert!(error("orders:3..3", "a").contains("there is no message from 3 to 3 that source `orders` reads"));
    assert!(error("clouds:1..1", "a").contains("are CloudEvents, which are not captured"));
    shop.write("orders.ndjson", "{\"subject\": 1}\n");
    assert!(error("orders:1..1", "a").contains("message 1 of `orders` cannot be read"));
    assert!(!shop.path("a").exists());
    let said = shop.run(&["test", "--capture", "orders:2..1"]);
    assert!(said.code == 2 && said.error.contains("sequences begin at 1, ascend"), "{said:?}");
}

#[tokio::test]
async fn messages_of_a_stream_are_captured_with_their_subjects_and_times() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    create_orders(&jetstream).await;
    for n in 0..6 {
        let subject = if n % 2 == 0 { format!("orders.o{n}") } else { "other.x".to_owned() };
        let mut headers = HeaderMap::new();
        headers.insert("Type", "Placed");
        let body = format!("{{\"customer\": \"c{n}\", \"total\": {n}}}");
        jetstream.publish_with_headers(subject, headers, body.into()).await.unwrap().await.unwrap();
    }
    let shop = shop();
    shop.write("readside.yaml", &format!("nats: {{url: \"{}\"}}\n{ROOT}", server.url()));
    shop.write(
        "sources.yaml",
        &SOURCES.replacen(
            "file: {path: orders.ndjson}",
            "jetstream: {stream: ORDERS, filter_subjects: [\"orders.>\"]}",
            1,
        ),
    );
    let said = captured(&shop, "orders:2..5", "orders.test.yaml");
    assert_eq!(said.code, 0, "{said:?}");
    let case = std::fs::read_to_string(shop.path("orders.test.yaml")).unwrap();
    assert_eq!(case.matches("- source: orders\n").count(), 2, "{case}");
    assert!(
        case.contains("  subject: orders.o2\n") && case.contains("  published_at: ") && case.contains("    total: 4\n"),
        "{case}"
    );
    assert_eq!(shop.run(&["test"]).code, 0);
}
