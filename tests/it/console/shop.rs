//! A daemon with something of everything that the console shows: tables, a search index, a view, a query, and parked events.

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, create_orders};

const SOURCE: &str = "source: orders
jetstream: {stream: ORDERS, filter_subjects: [\"orders.>\"]}
envelope: {type: header:Type}
events:
  Placed: {fields: {customer: string!, cents: int64!, note: string}}
  Cancelled: {fields: {customer: string!}}
";
const PROJECTIONS: &str = "projection: totals
owner: team-sales
freshness: {slo: 5s, objective: 90%}
key: [customer]
sql: |
  SELECT customer, count(*) AS orders, sum(cents) AS cents, latest(note) AS note
  FROM orders.placed GROUP BY customer
---
projection: found
kind: search
key: [customer]
sql: SELECT customer, orders, note FROM totals
fields: {customer: keyword, note: text}
---
projection: shares
key: [position]
sql: SELECT _seq AS position, 100 / cents AS share FROM orders.placed
---
projection: large
kind: view
sql: SELECT customer, cents FROM totals WHERE orders > 1
---
query: best
params: {least: {type: int64, default: 0}}
sql: SELECT customer, cents FROM large WHERE cents > $least
sort: [-cents]
";
/// Of 100 customers, with a number that doubles would lose.
const PLACED: u64 = 200;

pub(super) struct Shop {
    pub(super) folder: TempDir,
    pub(super) daemon: Daemon,
    _server: NatsServer,
    _runtime: Runtime,
}

impl Shop {
    pub(super) fn open() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = NatsServer::start();
        let jetstream = runtime.block_on(server.jetstream());
        runtime.block_on(create_orders(&jetstream));
        let last = runtime.block_on(publish_all(&jetstream));
        let folder = TempDir::new().unwrap();
        let root = format!(
            "nats: {{url: \"{}\"}}\ndata_dir: data\nsources: source.yaml\nprojections: projections.yaml\n\
             checkpoint: {{interval: 200ms}}\nhttp: {{listen: \"127.0.0.1:0\"}}\nmetrics: {{listen: \"127.0.0.1:0\"}}\n",
            server.url()
        );
        for (name, text) in
            [("readside.yaml", root.as_str()), ("source.yaml", SOURCE), ("projections.yaml", PROJECTIONS)]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let daemon = Daemon::start(&folder.path().join("readside.yaml"));
        daemon.catch_up(last, DEADLINE);
        daemon.wait("an index", DEADLINE, |daemon| {
            let (_, answer) = daemon.get("/v1/search/found?text=late");
            (answer["total"].as_u64() > Some(0)).then_some(())
        });
        Self { folder, daemon, _server: server, _runtime: runtime }
    }
}

/// Events that fit and events that do not; gives the last sequence.
async fn publish_all(jetstream: &Context) -> u64 {
    for number in 0..PLACED {
        let note = if number % 7 == 0 { "late delivery" } else { "<b>bold</b>" };
        let cents = if number == 3 { 9_007_199_254_740_993 } else { number + 1 };
        let body = json!({"customer": format!("c{}", number % 100), "cents": cents, "note": note});
        publish(jetstream, "Placed", body.to_string()).await;
    }
    let script = json!({"customer": "<script>window.stranger = 1</script>", "cents": "<img src=x onerror='window.stranger = 2'>"});
    publish(jetstream, "Placed", script.to_string()).await;
    publish(jetstream, "Placed", r#"{"customer": "ann", "order": 12345678901234567890}"#.to_owned()).await;
    publish(jetstream, "Shipped", json!({"customer": "ann"}).to_string()).await;
    // One that a single projection cannot take.
    publish(jetstream, "Placed", json!({"customer": "bob", "cents": 0, "note": "gift"}).to_string()).await
}

async fn publish(jetstream: &Context, event_type: &str, body: String) -> u64 {
    let mut headers = HeaderMap::new();
    headers.insert("Type", event_type);
    let ack = jetstream.publish_with_headers("orders.1", headers, body.into()).await.unwrap();
    ack.await.unwrap().sequence
}
