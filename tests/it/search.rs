//! Search as people use it: the daemon over a file of documents, asked over HTTP and on the command line.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;

mod answers;
mod configured;
mod queries;
mod relevance;
mod typed;
mod vectors;

const CONFIG: &str = r#"
data_dir: ./data
sources: sources.yaml
projections: projections.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
"#;
const SOURCE: &str = r#"
source: shop
file: {path: events.ndjson}
envelope: {type: body:/type, key: body:/id}
events:
  Added: {fields: {id: string!, title: string, body: string, status: string, price: "decimal(18,2)", added: date, tags: list<string>}}
"#;

/// A daemon that has indexed what was given.
struct Shop {
    _home: TempDir,
    daemon: Daemon,
    events: usize,
}

impl Shop {
    /// `fields` are those of the index `items`, with any keys that follow.
    fn open(fields: &str, items: &[Value]) -> Self {
        Self::over("SELECT id, title, body, status, price, added, tags FROM shop.added", fields, items)
    }

    fn over(sql: &str, fields: &str, items: &[Value]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
        write("readside.yaml", CONFIG);
        write("sources.yaml", SOURCE);
        write(
            "projections.yaml",
            &format!("projection: items\nkind: search\nsql: \"{sql}\"\nkey: [id]\nfields: {fields}\n"),
        );
        let mut events = String::new();
        for item in items {
            let mut event = item.clone();
            event["type"] = json!("Added");
            writeln!(events, "{event}").unwrap();
        }
        write("events.ndjson", &events);
        let daemon = Daemon::start(&home.path().join("readside.yaml"));
        // It is built first.
        daemon.wait("index", DEADLINE, |daemon| (daemon.get("/v1/search/items?text=").0 == 200).then_some(()));
        Self { _home: home, daemon, events: items.len() }
    }

    /// The answer to a search with these parameters, of all events.
    fn asked(&self, parameters: &[(&str, &str)]) -> (u16, Value) {
        let at = format!("shop:{}", self.events);
        let pairs = [("minPosition", at.as_str()), ("wait", "30s")];
        let pairs = parameters.iter().copied().chain(pairs).map(|(name, value)| format!("{name}={}", escaped(value)));
        self.daemon.get(&format!("/v1/search/items?{}", pairs.collect::<Vec<_>>().join("&")))
    }

    /// The ids of what is found, in the answer's order.
    fn found(&self, parameters: &[(&str, &str)]) -> String {
        let (status, answer) = self.asked(parameters);
        assert_eq!(status, 200, "{parameters:?}: {answer}");
        let items = answer["items"].as_array().unwrap();
        items.iter().map(|hit| hit["item"]["id"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    fn typed(&self, text: &str) -> String {
        self.found(&[("text", text)])
    }
}

/// Every byte, so that nothing depends on what need not be escaped.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn item(id: &str, title: &str, body: &str, status: &str) -> Value {
    json!({"id": id, "title": title, "body": body, "status": status})
}
