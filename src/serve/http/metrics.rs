//! `/metrics`, on a listener of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use super::connections::{Listener, serve};
use super::{CurrentApi, body, no_route, wrong_method};
use crate::access::Caller;
use crate::config::ConnectionLimits;
use crate::query::now_us;
use crate::telemetry::{
    render_answers, render_process, render_queries, render_results, render_slo, render_snapshot, render_visible,
};

/// Of scrapers at once.
const CONNECTIONS_MAX: usize = 64;

/// A bound metrics listener that does not answer yet.
pub struct MetricsServer {
    listener: Listener,
    page: MetricsPage,
}

/// All metrics as they are by now, in the Prometheus text format. Cheap to clone.
#[derive(Clone)]
pub struct MetricsPage {
    handle: PrometheusHandle,
    api: CurrentApi,
}

impl MetricsPage {
    pub fn new(handle: PrometheusHandle, api: impl Into<CurrentApi>) -> Self {
        Self { handle, api: api.into() }
    }

    pub fn render(&self) -> String {
        let api = self.api.now();
        let (admission, results) = (api.service.admission(), api.service.result_counts());
        let parts = [
            self.handle.render(),
            render_snapshot(&api.service.view(Caller::Daemon), now_us()),
            render_queries(admission.running(), admission.queued(), admission.waiting()),
            render_results(results.hits, results.misses, results.bytes),
            render_answers(api.answers.budget.taken()),
            render_slo(),
            render_visible(),
            render_process(),
        ];
        parts.concat()
    }
}

impl MetricsServer {
    /// `limits` are those of the listener for readers; fewer connections are taken here.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn bind(listen: &str, limits: &ConnectionLimits, page: MetricsPage) -> io::Result<Self> {
        let limits = ConnectionLimits { max: CONNECTIONS_MAX, max_per_peer: CONNECTIONS_MAX, ..limits.clone() };
        let listener = Listener { name: "metrics", socket: TcpListener::bind(listen).await?, limits, tls: None };
        Ok(MetricsServer { listener, page })
    }

    /// # Errors
    /// Where the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.socket.local_addr()
    }

    /// Answers until `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
            .with_state(self.page);
        serve(self.listener, router, shutdown, Duration::from_secs(1)).await;
    }
}

async fn metrics(State(page): State<MetricsPage>) -> Response {
    body(200, "text/plain; version=0.0.4; charset=utf-8", page.render())
}
