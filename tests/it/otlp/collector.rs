//! A collector of a test's own: it takes OTLP over HTTP on a free loopback port, and keeps what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

use crate::support::DEADLINE;

/// All that has come.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) spans: Vec<Span>,
    pub(super) records: Vec<LogRecord>,
    /// Those of each request.
    pub(super) pages: Vec<Vec<Metric>>,
    pub(super) resources: Vec<Resource>,
    pub(super) headers: Vec<HeaderMap>,
    /// As they came over the wire.
    pub(super) bodies: Vec<Bytes>,
}

/// Listens until the test ends.
pub(super) struct Collector {
    pub(super) url: String,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    pub(super) fn start() -> Self {
        let received: Arc<Mutex<Received>> = Arc::default();
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/metrics", post(metrics))
            .route("/v1/logs", post(logs))
            .with_state(received.clone());
        let (listening, port) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                listening.send(listener.local_addr().unwrap().port()).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url: format!("http://127.0.0.1:{}", port.recv().unwrap()), received }
    }

    /// What `found` finds in all that has come by now.
    pub(super) fn has<T>(&self, found: impl FnOnce(&Received) -> T) -> T {
        found(&self.received.lock().unwrap())
    }

    /// Waits until `found` finds something in what has come.
    pub(super) fn wait<T>(&self, what: &str, found: impl Fn(&Received) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = self.has(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what}: {:?}", self.has(|received| format!("{received:?}")));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

type Kept = State<Arc<Mutex<Received>>>;

async fn traces(State(kept): Kept, headers: HeaderMap, body: Bytes) -> StatusCode {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let mut kept = kept.lock().unwrap();
    for of_resource in request.resource_spans {
        kept.resources.extend(of_resource.resource);
        kept.spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    kept.came(headers, body)
}

async fn metrics(State(kept): Kept, headers: HeaderMap, body: Bytes) -> StatusCode {
    let request = ExportMetricsServiceRequest::decode(body.clone()).unwrap();
    let mut kept = kept.lock().unwrap();
    for of_resource in request.resource_metrics {
        kept.resources.extend(of_resource.resource);
        kept.pages.push(of_resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect());
    }
    kept.came(headers, body)
}

async fn logs(State(kept): Kept, headers: HeaderMap, body: Bytes) -> StatusCode {
    let request = ExportLogsServiceRequest::decode(body.clone()).unwrap();
    let mut kept = kept.lock().unwrap();
    for of_resource in request.resource_logs {
        kept.resources.extend(of_resource.resource);
        kept.records.extend(of_resource.scope_logs.into_iter().flat_map(|scope| scope.log_records));
    }
    kept.came(headers, body)
}

impl Received {
    fn came(&mut self, headers: HeaderMap, body: Bytes) -> StatusCode {
        self.headers.push(headers);
        self.bodies.push(body);
        StatusCode::OK
    }
}

/// An attribute as text; empty where there is none.
pub(super) fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == key).and_then(|one| one.value.clone()?.value);
    match value {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => other.map(|other| format!("{other:?}")).unwrap_or_default(),
    }
}

/// The message of a record of the log.
pub(super) fn message(record: &LogRecord) -> String {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}
