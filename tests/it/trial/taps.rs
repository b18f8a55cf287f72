//! `readside tap` and `readside top`: what comes, and what a daemon does with it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Workshop;
use crate::crash::daemon::{Daemon, binary};

const ROOT: &str = "data_dir: \"memory://\"\nsources: sources.yaml\nprojections: projections.yaml\n\
                    http: {listen: \"127.0.0.1:0\"}\nmetrics: {listen: \"127.0.0.1:0\"}\n";
const SOURCES: &str = r#"source: orders
file: {path: orders.ndjson, follow: true}
envelope: {type: header:Type, version: header:Version, key: subject:2, time: body:/at}
event_time: {lateness: 1s, late: drop}
events:
  Placed:
    version: 2
    fields: {customer: string!, total: "decimal(18,2)!"}
    history: {1: {fields: {total: none, cents: int64!}, to_next: {set: {total: "cents / 100.0"}}}}
"#;
const PROJECTIONS: &str =
    "projection: totals\nsql: SELECT customer, sum(total) AS total FROM orders.placed GROUP BY customer\n";
const ORDERS: &str = r#"{"subject": "orders.1", "headers": {"Type": "Placed", "Version": "1"}, "data": {"customer": "ada", "cents": 1250, "at": "2026-03-01T00:00:00Z"}}
{"subject": "orders.2", "headers": {"Type": "Placed", "Version": "2"}, "data": {"customer": "bob", "total": "7.00", "at": "2025-03-01T00:00:00Z"}}
{"subject": "orders.3", "headers": {"Type": "Placed", "Version": "2"}, "data": {"customer": "ada", "total": "much"}}
"#;

fn shop() -> Workshop {
    let files = [
        ("readside.yaml", ROOT),
        ("sources.yaml", SOURCES),
        ("projections.yaml", PROJECTIONS),
        ("orders.ndjson", ORDERS),
    ];
    Workshop::new(&files)
}

fn tapped(shop: &Workshop, flags: &[&str]) -> Vec<Value> {
    let said = shop.run(&[&["tap", "orders", "--from", "1", "--once"], flags].concat());
    assert_eq!((said.code, said.error.as_str()), (0, ""));
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_each_event_changes_of_a_projection_is_printed() {
    let shop = shop();
    let more = r#"{"subject": "orders.4", "headers": {"Type": "Placed", "Version": "2"}, "data": {"customer": "ada", "total": "1.00", "at": "2026-03-01T00:00:02Z"}}
{"subject": "orders.5", "headers": {"Type": "Placed", "Version": "2"}, "data": {"customer": "eve", "total": "2.00", "at": "2026-03-01T00:00:03Z"}}
"#;
    shop.write("orders.ndjson", &format!("{ORDERS}{more}"));
    let tapped = |flags: &[&str]| {
        let said = shop.run(&[&["tap", "totals", "--once"], flags].concat());
        assert_eq!((said.code, said.error.as_str()), (0, ""));
        said.out
    };
    // The second comes too late, the third cannot be read.
    let first = r#"{"source":"orders","sequence":1,"added":[{"customer":"ada","total":"12.50"}],"removed":[]}"#;
    let fourth = r#"{"source":"orders","sequence":4,"added":[{"customer":"ada","total":"13.50"}],"removed":[{"customer":"ada","total":"12.50"}]}"#;
    let fifth = r#"{"source":"orders","sequence":5,"added":[{"customer":"eve","total":"2.00"}],"removed":[]}"#;
    assert_eq!(tapped(&["--from", "1"]), format!("{first}\n{fourth}\n{fifth}\n"));
    assert_eq!(tapped(&["--from", "2"]), format!("{fourth}\n{fifth}\n"));
    assert_eq!(tapped(&["--from", "1", "--filter", "total=12.50"]), format!("{first}\n{fourth}\n"));
    assert_eq!(tapped(&["--from", "1", "--limit", "1"]), format!("{first}\n"));
    let said = shop.run(&["tap", "total"]);
    assert_eq!(said.code, 1);
    assert!(said.error.contains("`total` is no source and no projection; there are orders, totals"), "{said:?}");
}

#[test]
fn events_are_printed_as_projections_see_them() {
    let shop = shop();
    let events = tapped(&shop, &[]);
    let first = json!({
        "source": "orders", "sequence": 1, "type": "Placed", "version": 1, "id": null, "key": "1", "time": "2026-03-01T00:00:00.000000Z",
        "publishedAt": "1970-01-01T00:00:00.000000Z", "subject": "orders.1", "data": {"customer": "ada", "total": "12.50"},
    });
    assert_eq!(events[0], first);
    // Late ones are shown, too.
    assert_eq!((events.len(), &events[1]["data"]["total"]), (3, &json!("7.00")));
    let parked = json!({"reason": "wrong_type", "pointer": "/total", "detail": events[2]["parked"]["detail"]});
    assert_eq!(events[2], json!({"source": "orders", "sequence": 3, "type": "Placed", "parked": parked}));
    let sequences = |flags: &[&str]| {
        tapped(&shop, flags).iter().map(|event| event["sequence"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(sequences(&["--filter", "customer=ada"]), [1]);
    assert_eq!(sequences(&["--filter", "type=Placed", "--filter", "version=2"]), [2]);
    assert_eq!(sequences(&["--filter", "total=7.00"]), [2]);
    assert_eq!(sequences(&["--limit", "2"]), [1, 2]);
    assert_eq!(sequences(&["--filter", "customer=eve"]), [0; 0]);
    assert!(!shop.path("data").exists());
}

#[test]
fn what_comes_is_printed_when_it_comes() {
    let shop = shop();
    let mut tap = Command::new(binary())
        .args(["tap", "orders", "--from", "2", "--limit", "3", "--config"])
        .arg(shop.path("readside.yaml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tap.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.next().unwrap().contains("\"sequence\":2"));
    assert!(lines.next().unwrap().contains("\"sequence\":3"));
    let mut file = std::fs::OpenOptions::new().append(true).open(shop.path("orders.ndjson")).unwrap();
    file.write_all(ORDERS.lines().next().unwrap().as_bytes()).unwrap();
    file.write_all(b"\n").unwrap();
    assert!(lines.next().unwrap().contains("\"sequence\":4"));
    assert!(tap.wait().unwrap().success() && lines.next().is_none());
}

#[test]
fn what_cannot_be_tapped_says_why() {
    let shop = shop();
    let error = |arguments: &[&str]| {
        let said = shop.run(&[&["tap"], arguments].concat());
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        said.error
    };
    assert_eq!(error(&["oders"]), "error: `oders` is no source and no projection; there are orders, totals\n");
    assert_eq!(error(&["orders", "--from", "1", "--filter", "x"]), "error: `x` is not NAME=VALUE\n");
    shop.write("orders.ndjson", "{\"headers\": {\"Type\": \"Burnt\"}, \"data\": {}}\n");
    shop.write("sources.yaml", &SOURCES.replace("events:\n", "unknown_events: halt\nevents:\n"));
    let said = shop.run(&["tap", "orders", "--from", "1", "--once"]);
    assert!(
        said.code == 1 && said.out.contains("unknown_type") && said.error.contains("the source would halt here"),
        "{said:?}"
    );
}

#[test]
fn a_daemon_is_looked_at() {
    let shop = shop();
    let daemon = Daemon::start(&shop.path("readside.yaml"));
    let shows = |wanted: &str| {
        let said = shop.run(&["top", "--once", "--url", daemon.url()]);
        assert_eq!((said.code, said.error.as_str()), (0, ""));
        said.out.contains(wanted).then_some(said.out)
    };
    let deadline = std::time::Instant::now() + crate::support::DEADLINE;
    let shown = loop {
        match shows("orders  live ") {
            Some(shown) => break shown,
            None => assert!(std::time::Instant::now() < deadline, "the source is not live"),
        }
    };
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].starts_with("source  state  position") && lines[2].starts_with("orders  live          3"),
        "{shown}"
    );
    assert!(lines.iter().any(|line| line.starts_with("totals  table  ")), "{shown}");
    let url = daemon.url().to_owned();
    drop(daemon);
    let said = shop.run(&["top", "--url", &url]);
    assert!(said.code == 1 && said.error.contains("no daemon answers"), "{said:?}");
}
