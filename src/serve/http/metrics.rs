//! `/metrics`, on a listener of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

use super::{body, caller, no_route, serve, wrong_method};
use crate::query::{QueryService, now_us};
use crate::telemetry::{render_queries, render_snapshot};

/// A bound metrics listener that does not answer yet.
pub struct MetricsServer {
    listener: TcpListener,
    page: MetricsPage,
}

#[derive(Clone)]
struct MetricsPage {
    handle: PrometheusHandle,
    service: Arc<QueryService>,
}

impl MetricsServer {
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn bind(listen: &str, handle: PrometheusHandle, service: Arc<QueryService>) -> io::Result<Self> {
        Ok(MetricsServer { listener: TcpListener::bind(listen).await?, page: MetricsPage { handle, service } })
    }

    /// # Errors
    /// Where the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `shutdown`.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
            .with_state(self.page);
        serve(self.listener, router, shutdown, Duration::from_secs(1)).await
    }
}

async fn metrics(State(page): State<MetricsPage>) -> Response {
    let admission = page.service.admission();
    let text = [
        page.handle.render(),
        render_snapshot(&page.service.view(caller()), now_us()),
        render_queries(admission.running(), admission.queued(), admission.waiting()),
    ];
    body(200, "text/plain; version=0.0.4; charset=utf-8", text.concat())
}
