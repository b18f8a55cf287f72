//! Sends the page of metrics, every now and then and once more at the end. Nothing is queued: what could not be sent is in the next page.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::Context;
use opentelemetry_http::{Bytes, Request};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::client::Client;
use super::outbox::Outbox;
use super::page::{Times, metrics, points};
use super::settings::Target;

/// Where pages go.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    pub(super) target: Target,
    pub(super) client: Client,
    pub(super) outbox: Arc<Outbox>,
    pub(super) resource: Resource,
    pub(super) every: Duration,
    /// Nanoseconds since the epoch.
    pub(super) started: u64,
}

/// The thread that sends them.
#[derive(Debug)]
pub(super) struct Pusher {
    stop: Sender<()>,
    ended: Receiver<()>,
}

impl Pusher {
    /// # Errors
    /// Where the system has no more threads.
    pub(super) fn start(pages: Pages, page: impl Fn() -> String + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        let body = move || {
            // What sending says of itself is not sent.
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pages.every) {
                pages.send(&page());
            }
            pages.send(&page());
            // Nobody may be waiting for it any more.
            let _ = end.send(());
        };
        std::thread::Builder::new().name("otlp-metrics".to_owned()).spawn(body)?;
        Ok(Self { stop, ended })
    }

    /// Sends a last page, and waits for that no longer than `within`.
    pub(super) fn finish(self, within: Duration) {
        drop(self.stop);
        let _ = self.ended.recv_timeout(within);
    }
}

impl Pages {
    fn send(&self, page: &str) {
        let metrics = metrics(page, Times { start: self.started, now: nanoseconds() });
        let points = points(&metrics);
        let scope = InstrumentationScope { name: "readside".to_owned(), ..InstrumentationScope::default() };
        let of_scope = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
        let resource = Some(self.resource.clone());
        let of_resource = ResourceMetrics { resource, scope_metrics: vec![of_scope], ..ResourceMetrics::default() };
        let body = ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }.encode_to_vec();
        let mut request = Request::post(&self.target.endpoint).header("content-type", "application/x-protobuf");
        for (name, value) in &self.target.headers {
            request = request.header(name, value);
        }
        let sent = request.body(Bytes::from(body)).map_err(Into::into).and_then(|request| self.client.send(request));
        self.outbox.ended(points, sent.is_ok_and(|answer| answer.status().is_success()));
    }
}

/// Since the epoch.
pub(super) fn nanoseconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
