//! The OpenAPI document by what others wrote: a client is made of it and reads rows, and schemathesis asks a daemon what its document
//! describes and what it rules out, and compares every answer with it. How they are driven is in the Python files beside this one.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::access::token;
use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;

const CONFIG: &str = r#"
data_dir: data
sources: orders.yaml
projections: relations.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
auth: {tokens: tokens}
"#;
/// A column of each type, with and without values, and keys of one and of several columns.
const SOURCE: &str = r#"
source: orders
file: {path: events.ndjson, follow: true}
envelope: {type: body:/type}
events:
  Placed:
    fields:
      customer: string!
      day: date!
      number: int64!
      cents: decimal(18,2)!
      notes: string!
      status: string!
      at: timestamp!
      place: list<float32>!
  Filled:
    fields:
      id: string!
      flag: bool
      small: int32
      large: int64
      single: float32
      double: float64
      amount: decimal(18,2)
      day: date
      at: timestamp
      anything: json
      tags: list<string>
      numbers: map<string,int64>
      line: "struct<sku: string!, price: decimal(10,3)>"
"#;
const RELATIONS: &str = r#"
projection: types
key: [id]
sql: SELECT *, double / CAST(0 AS DOUBLE) AS beyond FROM orders.filled
---
projection: placed
key: [customer, day, number]
indexes: [[status], [cents]]
sql: SELECT customer, day, number, cents, notes, status, at FROM orders.placed
---
projection: customers
freshness: {slo: 5s, objective: 99%}
sql: SELECT customer, count(*) AS orders, sum(cents) AS revenue, max(at) AS last_at FROM orders.placed GROUP BY customer
---
projection: totals
kind: view
sql: SELECT status, count(*) AS orders, avg(CAST(cents AS DOUBLE)) AS average FROM placed GROUP BY status
---
projection: found
kind: search
key: [number]
sql: SELECT number, customer, notes, status, cents, at, place FROM orders.placed
fields:
  notes: {type: text, tokenizer: en_stem}
  customer: keyword
  status: {type: keyword, facet: true, sort: true}
  cents: {type: keyword, sort: true, facet: true}
  at: {type: keyword, sort: true}
  place: {type: vector, dimensions: 2}
---
query: dear
params: {least: {type: "decimal(18,2)", default: 1.00}, status: string!, since: timestamp, early: {type: bool, default: false}}
sql: |
  SELECT number, customer, cents FROM placed
  WHERE cents >= $least AND status = $status AND ($since IS NULL OR at >= $since) AND $early IS NOT NULL
sort: [-cents, number]
page: {default: 10, max: 20}
---
query: everything
sql: SELECT id, flag, amount, anything, tags, beyond FROM types
sort: [id]
"#;
/// Events that are placed; among them are names with characters that mean something in a URL, and values with commas.
const PLACED: u64 = 60;

fn events() -> String {
    let placed = |number: u64| {
        json!({
            "type": "Placed",
            "customer": (["ada", "bob", "c/d é", "eve"][number as usize % 4]),
            "day": format!("2026-0{}-1{}", 1 + number % 9, number % 9),
            "number": number,
            "cents": format!("{}.{}0", number * 7, number % 10),
            "notes": format!("{} {number}", ["late delivery", "red apples and pears", "", "fast & cheap"][number as usize % 4]),
            "status": (["NEW", "PAID", "A,B"][number as usize % 3]),
            "at": format!("2026-01-{:02}T0{}:00:00.{number:03}Z", 1 + number % 28, number % 10),
            "place": [number as f64 / 10.0, -1.0],
        })
    };
    let filled = [
        json!({
            "type": "Filled", "id": "all", "flag": true, "small": i32::MIN, "large": i64::MAX, "single": 0.1, "double": 1e300,
            "amount": "-12.50", "day": "1969-12-31", "at": "2026-11-30T10:00:00.123456Z", "anything": {"a": [1, null, {"b": "c"}]},
            "tags": ["x", null, "y"], "numbers": {"a": 1, "b": null}, "line": {"sku": "s", "price": "1.250"},
        }),
        json!({"type": "Filled", "id": "none"}),
        json!({
            "type": "Filled", "id": "odd", "double": 0, "single": 1.5, "anything": "text", "tags": [], "numbers": {},
            "line": {"sku": "t"}, "day": "2026-02-28",
        }),
        json!({"type": "Filled", "id": "negative", "double": -1}),
        // Parked, each for a reason of its own.
        json!({"type": "Filled", "id": 7}),
        json!({"type": "Unknown", "id": "q"}),
    ];
    let events = (0..PLACED).map(placed).chain(filled).map(|event| format!("{event}\n"));
    events.chain(["not json\n".to_owned()]).collect()
}

/// A Python with these clients.
fn python() -> &'static Result<String, String> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let none = || "scripts/http-clients finds no Python with schemathesis".to_owned();
        if let Ok(named) = std::env::var("HTTP_CLIENTS_PYTHON") {
            return if named == "none" { Err(none()) } else { Ok(named) };
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/http-clients");
        let output = Command::new(script).output().map_err(|_| none())?;
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !printed.is_empty() { Ok(printed) } else { Err(none()) }
    })
}

/// The first line of every test that needs these clients: skips the test where there are none. In CI that fails instead.
macro_rules! needs_http_clients {
    () => {
        if let Err(missing) = python() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
}

#[test]
fn every_answer_is_what_the_document_says() {
    needs_http_clients!();
    let home = tempfile::tempdir().unwrap();
    let files = [
        ("readside.yaml", CONFIG),
        ("orders.yaml", SOURCE),
        ("relations.yaml", RELATIONS),
        ("events.ndjson", &events()),
    ];
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    let admin = token(home.path(), &["ada", "--role", "admin"]);
    let daemon = Daemon::start(&home.path().join("readside.yaml"));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = daemon.url().to_owned();
    let rows = || -> Option<u64> {
        let request =
            agent.get(format!("{url}/v1/projections/found")).header("Authorization", format!("Bearer {admin}"));
        let text = request.call().ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str::<Value>(&text).ok()?["item"]["rows"].as_u64()
    };
    daemon.wait("all documents", DEADLINE, |_| (rows() == Some(PLACED)).then_some(()));
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/openapi/tried.py");
    let tried =
        Command::new(python().as_ref().unwrap()).arg(script).args([&url, &admin]).arg(folder.path()).output().unwrap();
    let said = [&tried.stdout, &tried.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    assert!(tried.status.success(), "{said}");
    assert!(said.contains("Tested: "), "{said}");
}
