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

use super::{body, no_route, serve, wrong_method};
use crate::query::{Reader, now_us};
use crate::telemetry::{render_queries, render_snapshot};

/// A bound metrics listener that does not answer yet.
pub struct MetricsServer {
    listener: TcpListener,
    page: Page,
}

#[derive(Clone)]
struct Page {
    handle: PrometheusHandle,
    reader: Arc<Reader>,
}

impl MetricsServer {
    pub async fn bind(listen: &str, handle: PrometheusHandle, reader: Arc<Reader>) -> io::Result<Self> {
        Ok(MetricsServer { listener: TcpListener::bind(listen).await?, page: Page { handle, reader } })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
            .with_state(self.page);
        serve(self.listener, router, shutdown, Duration::from_secs(1)).await
    }
}

async fn metrics(State(page): State<Page>) -> Response {
    let admission = page.reader.admission();
    let text = [
        page.handle.render(),
        render_snapshot(&page.reader.catalog().snapshot(), now_us()),
        render_queries(admission.running(), admission.queued(), admission.waiting()),
    ];
    body(200, "text/plain; version=0.0.4; charset=utf-8", text.concat())
}
