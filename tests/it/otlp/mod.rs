//! What a collector gets of a daemon over OTLP, and that nothing depends on the collector.

mod collector;
mod same;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;
use crate::support::nats::{NatsServer, create, needs_nats};
use collector::{Collector, attribute, message};

/// In events, keys and queries, and in nothing that is exported or logged.
const SECRET: &str = "hunter2";
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The files of a daemon.
struct World(TempDir);

impl World {
    fn new(nats: &str, input: &str) -> Self {
        let world = Self(TempDir::new().unwrap());
        let root = format!(
            "nats: {{url: \"{nats}\"}}\ndata_dir: data\nsources: source.yaml\nprojections: projections.yaml\n\
             http: {{listen: \"127.0.0.1:0\"}}\nmetrics: {{listen: \"127.0.0.1:0\"}}\ncommit: {{max_delay: 100ms}}\n"
        );
        let source = format!(
            "source: orders\n{input}\nenvelope: {{type: const:Placed, data: body}}\n\
             events: {{Placed: {{fields: {{customer: string!, cents: int64!}}}}}}\n"
        );
        let projection = "projection: totals\nkey: [customer]\n\
                          sql: SELECT customer, sum(cents) AS cents FROM orders.placed GROUP BY customer\n";
        for (name, text) in [("readside.yaml", &*root), ("source.yaml", &source), ("projections.yaml", projection)] {
            std::fs::write(world.path(name), text).unwrap();
        }
        world
    }

    fn of_file() -> Self {
        let world = Self::new("nats://127.0.0.1:1", "file: {path: events.ndjson, follow: true}");
        std::fs::write(world.path("events.ndjson"), "").unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn append(&self, events: usize) {
        let mut lines = String::new();
        for event in 0..events {
            writeln!(lines, "{{\"customer\":\"c{}\",\"cents\":1}}", event % 7).unwrap();
        }
        let mut file = std::fs::OpenOptions::new().append(true).open(self.path("events.ndjson")).unwrap();
        std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
    }

    fn start(&self, variables: &[(&str, &str)]) -> Daemon {
        Daemon::start_among(&self.path("readside.yaml"), variables)
    }
}

/// What makes exports come soon.
fn soon(endpoint: &str) -> Vec<(&str, &str)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BLRP_SCHEDULE_DELAY", "100"),
    ]
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The request of a caller who traces it.
fn ask(daemon: &Daemon, path: &str) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    agent.get(format!("{}{path}", daemon.url())).header("traceparent", CALLER).call().unwrap().status().as_u16()
}

#[tokio::test]
async fn a_collector_has_spans_metrics_and_logs_and_nothing_of_an_event() {
    needs_nats!();
    let server = NatsServer::start();
    let jetstream = server.jetstream().await;
    let subjects = vec!["orders.>".to_owned()];
    create(&jetstream, stream::Config { name: "ORDERS".to_owned(), subjects, ..Default::default() }).await;
    let collector = Collector::start();
    let world = World::new(&server.url(), "jetstream: {stream: ORDERS}");
    let mut variables = soon(&collector.url);
    variables.extend([("OTEL_SERVICE_NAME", "orders"), ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")]);
    let daemon = world.start(&variables);
    // Forty events of as many spans, of which the newest are linked.
    for span in 1..=40_u64 {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", format!("00-{:032x}-{span:016x}-01", 0xabc));
        let body = json!({"customer": SECRET, "cents": span}).to_string();
        jetstream.publish_with_headers("orders.1", headers, body.into()).await.unwrap().await.unwrap();
    }
    let wrong = json!({"customer": SECRET, "cents": SECRET}).to_string();
    let last = jetstream.publish("orders.1", wrong.into()).await.unwrap().await.unwrap().sequence;
    daemon.catch_up(last, DEADLINE);

    spans_are_linked(&collector);
    assert_eq!(ask(&daemon, &format!("/v1/tables/totals/{SECRET}")), 200);
    assert_eq!(daemon.sql(&format!("SELECT * FROM totals WHERE customer = '{SECRET}'"))["items"][0]["cents"], 820);
    assert_eq!((ask(&daemon, "/readyz"), ask(&daemon, &format!("/{SECRET}"))), (200, 404));
    requests_continue_the_callers_trace(&collector);
    same::metrics(&collector, &daemon);
    assert_eq!(collector.has(|received| attribute(&received.resources[0].attributes, "service.name")), "orders");
    assert!(collector.has(|received| received.headers.iter().all(|headers| headers["authorization"] == "Bearer abc")));

    let log = daemon.log();
    assert!(daemon.terminate().0.success());
    // Whatever was left came before the process ended.
    let told = counted(log.lock().unwrap().iter().map(|line| text(line)));
    let exported = collector.has(|received| counted(received.records.iter().map(message)));
    let parked: usize =
        told.iter().filter(|(text, _)| text.starts_with("an event is parked")).map(|(_, count)| count).sum();
    assert!(parked == 1 && told.contains_key("listening"), "{told:?}");
    let twice: Vec<_> = told.iter().filter(|(text, count)| exported.get(*text) != Some(count)).collect();
    assert!(twice.is_empty(), "on standard error {twice:?}, over OTLP {exported:?}");
    let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    assert!(!collector.has(|received| received.bodies.iter().any(|body| holds(body))));
    assert!(!log.lock().unwrap().iter().any(|line| holds(line.as_bytes())));
}

/// Each commit with the newest of its events.
fn spans_are_linked(collector: &Collector) {
    let linked = |spans: &[Span]| {
        let commits = spans.iter().filter(|span| span.name == "commit");
        let links = commits.flat_map(|span| span.links.iter());
        let links: Vec<(String, String)> =
            links.map(|link| (hexadecimal(&link.trace_id), hexadecimal(&link.span_id))).collect();
        links
    };
    let newest = (format!("{:032x}", 0xabc), format!("{:016x}", 40));
    let links = collector.wait("commit that is linked with the newest event", |received| {
        Some(linked(&received.spans)).filter(|links| links.contains(&newest))
    });
    assert!(links.iter().all(|(trace, _)| *trace == newest.0), "{links:?}");
    collector.has(|received| {
        let most = received.spans.iter().map(|span| span.links.len()).max();
        assert!(most <= Some(32), "{most:?}");
    });
}

fn requests_continue_the_callers_trace(collector: &Collector) {
    let named = |name: &'static str| {
        collector.wait(name, move |received| received.spans.iter().find(|span| span.name == name).cloned())
    };
    let row = named("GET /v1/tables/{name}/{k1}");
    let (trace, parent) = (hexadecimal(&row.trace_id), hexadecimal(&row.parent_span_id));
    assert_eq!(CALLER, format!("00-{trace}-{parent}-01"));
    let of = |key| attribute(&row.attributes, key);
    assert_eq!(
        ["http.request.method", "http.route", "http.response.status_code"].map(of),
        ["GET", "/v1/tables/{name}/{k1}", "200"]
    );
    assert_eq!(attribute(&named("GET").attributes, "http.response.status_code"), "404");
    let untraced = named("POST /v1/sql");
    assert!(untraced.parent_span_id.is_empty() && untraced.trace_id != row.trace_id);
    assert!(!collector.has(|received| received.spans.iter().any(|span| span.name.contains("readyz"))));
}

/// The message of a line of the log.
fn text(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    line["fields"]["message"].as_str().unwrap().to_owned()
}

fn counted(texts: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    texts.for_each(|text| *counted.entry(text).or_default() += 1);
    counted
}

#[test]
fn a_collector_that_is_gone_or_says_nothing_holds_nothing_up() {
    // One takes connections, and never answers; the other does not even listen.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let gone_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for port in [gone_port, silent_port] {
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut variables = soon(&endpoint);
        variables.extend([("OTEL_BSP_MAX_QUEUE_SIZE", "16"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")]);
        let world = World::of_file();
        let daemon = world.start(&variables);
        for round in 1..=10 {
            world.append(200);
            daemon.catch_up(200 * round, DEADLINE);
        }
        // More spans than may wait.
        daemon.wait("what is dropped to be counted", DEADLINE, |daemon| {
            assert_eq!(daemon.get("/v1/tables/totals/c1").0, 200);
            let lost =
                |result: &str| daemon.metric("readside_otlp_items_total", &["traces", &format!("=\"{result}\"")]);
            (lost("dropped") > 0.0 && lost("failed") > 0.0 && lost("sent") == 0.0).then_some(())
        });
        // Though pages fail again and again, it is said once for each signal.
        let warnings = daemon.wait("a warning for each signal", DEADLINE, |daemon| {
            let warnings = daemon.all_logged("telemetry cannot be exported");
            let failed = daemon.metric("readside_otlp_items_total", &["metrics", "=\"failed\""]);
            (failed > 1000.0 && warnings.len() >= 3).then_some(warnings)
        });
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains(&format!("\"collector\":\"127.0.0.1:{port}\"")), "{}", warnings[0]);
        let (status, took) = daemon.terminate();
        assert!(status.success() && took < Duration::from_secs(10), "{status}, {took:?}");
    }
}

#[test]
fn what_cannot_be_exported_as_asked_for_is_an_error_at_the_start() {
    let world = World::of_file();
    let mut command = Command::new(binary());
    command.args(["run", "--config"]).arg(world.path("readside.yaml"));
    command.envs([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        told.contains("`OTEL_EXPORTER_OTLP_PROTOCOL` is `grpc`, and only `http/protobuf` is spoken here"),
        "{told}"
    );
}
