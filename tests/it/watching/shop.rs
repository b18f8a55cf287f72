//! A daemon that reads a JetStream under load, with something of everything that has a metric.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, create_orders};

/// One event in a hundred has no cents, which one projection divides by; and one is of no declared type.
const SOURCE: &str = "source: orders
jetstream: {stream: ORDERS, filter_subjects: [\"orders.>\"]}
envelope: {type: header:Type}
events: {Placed: {fields: {customer: string!, cents: int64!}}}
";
const PROJECTIONS: &str = "projection: totals
owner: team-sales
freshness: {slo: 2s, objective: 99.9%}
key: [customer]
sql: SELECT customer, count(*) AS orders, sum(cents) AS cents FROM orders.placed GROUP BY customer HAVING count(*) > 0
---
projection: found
owner: team-search
kind: search
freshness: {slo: 3s}
key: [customer]
sql: SELECT customer, orders FROM totals
fields: {customer: keyword}
---
projection: shares
key: [position]
sql: SELECT _seq AS position, 100 / cents AS share FROM orders.placed
---
projection: large
kind: view
sql: SELECT customer FROM totals WHERE orders > 10
";

pub(super) struct Shop {
    pub(super) folder: TempDir,
    pub(super) daemon: Daemon,
    pub(super) metrics: String,
    _server: NatsServer,
    runtime: Runtime,
    jetstream: Context,
    goes_on: Arc<AtomicBool>,
    /// Gives how many messages there are.
    load: Option<JoinHandle<u64>>,
}

impl Shop {
    pub(super) fn open() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = NatsServer::start();
        let jetstream = runtime.block_on(server.jetstream());
        runtime.block_on(create_orders(&jetstream));
        let folder = TempDir::new().unwrap();
        let root = format!(
            "nats: {{url: \"{}\"}}\ndata_dir: data\nsources: source.yaml\nprojections: projections.yaml\nverify: {{every: 2s}}\n\
             checkpoint: {{interval: 200ms}}\nhttp: {{listen: \"127.0.0.1:0\"}}\nmetrics: {{listen: \"127.0.0.1:0\"}}\nlimits: {{state: 1GiB}}\n",
            server.url()
        );
        std::fs::write(folder.path().join("readside.yaml"), root).unwrap();
        std::fs::write(folder.path().join("source.yaml"), SOURCE).unwrap();
        std::fs::write(folder.path().join("projections.yaml"), PROJECTIONS).unwrap();
        runtime.block_on(publish(&jetstream, 0, 1_000));
        let daemon = Daemon::start(&folder.path().join("readside.yaml"));
        let listening: serde_json::Value = serde_json::from_str(&daemon.logged("\"listening\"").unwrap()).unwrap();
        let metrics = format!("http://{}", listening["fields"]["metrics"].as_str().unwrap());
        let goes_on = Arc::new(AtomicBool::new(true));
        let (is_wanted, publisher) = (goes_on.clone(), jetstream.clone());
        let load = runtime.spawn(async move {
            let mut number = 1_000;
            while is_wanted.load(Ordering::Relaxed) {
                publish(&publisher, number, 100).await;
                number += 100;
                // A load that leaves the other tests of a small machine some of it.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            number
        });
        daemon.wait("1,000 events", DEADLINE, |daemon| (daemon.position() >= 1_000).then_some(()));
        Self { folder, daemon, metrics, _server: server, runtime, jetstream, goes_on, load: Some(load) }
    }

    pub(super) fn config(&self) -> PathBuf {
        self.folder.path().join("readside.yaml")
    }

    /// Readers ask, and some of them wrongly.
    pub(super) fn ask(&self) {
        self.daemon.sql("SELECT count(*) AS customers FROM totals");
        assert_eq!(self.daemon.get("/v1/tables/totals").0, 200);
        assert_eq!(self.daemon.get("/v1/search/found?text=c1").0, 200);
        assert_eq!(self.daemon.get("/v1/tables/nothing").0, 404);
    }

    /// Declares a projection otherwise and waits until what is built of that waits to be promoted.
    pub(super) fn change(&self) {
        let path = self.folder.path().join("projections.yaml");
        std::fs::write(path, PROJECTIONS.replace("count(*) > 0", "count(*) > 5")).unwrap();
        assert_eq!(self.daemon.post("/v1/admin/reload", &json!({})).0, 200);
        self.daemon.wait("a shadow", DEADLINE, |daemon| {
            let status = daemon.get("/v1/projections/totals").1;
            (status["item"]["build"]["state"] == "shadowing").then_some(())
        });
    }

    pub(super) fn promote(&self) {
        let answer = self.daemon.post("/v1/admin/projections/totals/promote", &json!({"allowBreaking": true}));
        assert_eq!(answer.0, 200, "{answer:?}");
        self.daemon.wait("what was built to serve", DEADLINE * 4, |daemon| {
            let status = daemon.get("/v1/projections/totals").1;
            (status["item"]["build"].is_null() && status["item"]["kept"]["state"] == "ready").then_some(())
        });
    }

    /// Removes the first messages of the stream, all of them read.
    pub(super) fn expire(&self, through: u64) {
        self.runtime.block_on(async {
            let stream = self.jetstream.get_stream("ORDERS").await.unwrap();
            stream.purge().sequence(through + 1).await.unwrap();
        });
    }

    /// No more load: what is measured stands. Gives how many messages there are, all of them read.
    pub(super) fn rest(&mut self) -> u64 {
        self.goes_on.store(false, Ordering::Relaxed);
        let load = self.load.take().expect("it rests once");
        let last = self.runtime.block_on(load).unwrap();
        self.daemon.catch_up(last, DEADLINE);
        last
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
    }
}

/// What a configuration is written to.
pub(super) fn generated(what: &str, config: &Path, to: &Path) {
    let output = std::process::Command::new(crate::crash::daemon::binary())
        .args(["generate", what, "--config"])
        .arg(config)
        .arg("--out")
        .arg(to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn publish(jetstream: &Context, from: u64, count: u64) {
    let mut acks = Vec::new();
    for number in from..from + count {
        let cents = if number % 100 == 7 { 0 } else { number + 1 };
        let mut headers = HeaderMap::new();
        headers.insert("Type", if number % 100 == 9 { "Unheard" } else { "Placed" });
        let body = json!({"customer": format!("c{}", number % 50), "cents": cents}).to_string();
        let ack = jetstream.publish_with_headers("orders.1", headers, body.into()).await;
        // The server of the test may have ended.
        let Ok(ack) = ack else { return };
        acks.push(ack);
    }
    for ack in acks {
        if ack.await.is_err() {
            return;
        }
    }
}
