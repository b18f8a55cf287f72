//! `/livez`, `/readyz` and `/healthz`, the first two also on a listener of their own.
//!
//! Ready means serving, not caught up: a sidecar gates its whole pod, and how fresh answers are every answer says
//! itself. So a daemon is ready when the app says it is and every projection has something to serve. A failed projection
//! does not count against it: waiting would not mend it, and the others serve.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::connections::{Listener, serve};
use super::reader::Reader;
use super::{Api, CurrentApi, body, no_route, wrong_method};
use crate::config::ConnectionLimits;
use crate::progress::Phase;
use crate::query::now_us;
use crate::read_model::ReadView;

/// Of probes at once.
const CONNECTIONS_MAX: usize = 64;

/// Why the daemon is not ready, and what is wrong although it is, as far as the app knows. Cheap to clone; all clones are
/// one.
#[derive(Debug, Clone)]
pub struct Readiness {
    reasons: Arc<ArcSwap<Vec<String>>>,
    warnings: Arc<ArcSwap<Vec<String>>>,
    stays_ready: Arc<AtomicBool>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::starting()
    }
}

impl Readiness {
    pub fn starting() -> Self {
        let reasons = Arc::new(ArcSwap::from_pointee(vec!["starting".to_owned()]));
        Readiness { reasons, warnings: Arc::default(), stays_ready: Arc::default() }
    }

    pub fn set_ready(&self) {
        self.reasons.store(Arc::default());
    }

    /// Replaces the reasons.
    pub fn set_not_ready(&self, reasons: Vec<String>) {
        self.reasons.store(Arc::new(reasons));
    }

    /// Replaces what a person should mend, but no reader has to wait for.
    pub fn set_warnings(&self, warnings: Vec<String>) {
        self.warnings.store(Arc::new(warnings));
    }

    /// Declares that the daemon has been ready: what is built from now on is no reason to send its readers away.
    pub fn stay_ready(&self) {
        self.stays_ready.store(true, Ordering::Relaxed);
    }

    /// The reasons and the warnings as the reader may see them: there are some, or there are none.
    fn texts(&self, view: &ReadView, reasons: Vec<String>) -> (Vec<String>, Vec<String>) {
        let warnings = Vec::clone(&self.warnings.load());
        if view.sees_operations() {
            return (reasons, warnings);
        }
        let withheld = |texts: Vec<String>| texts.first().map(|_| WITHHELD.to_owned()).into_iter().collect();
        (withheld(reasons), withheld(warnings))
    }

    /// Every reason, the app's and the snapshot's; none when ready.
    fn reasons(&self, view: &ReadView) -> Vec<String> {
        let stays_ready = self.stays_ready.load(Ordering::Relaxed);
        let building = view.projections().values().filter(|one| !stays_ready && one.state == Phase::Building);
        let building = building.map(|status| format!("projection `{}` is being built", status.name));
        self.reasons.load().iter().cloned().chain(building).collect()
    }
}

/// In the place of texts in which values of rows may stand.
const WITHHELD: &str = "for administrators: policies hide rows from some readers";

/// A bound listener for probes that does not answer yet. Whoever may reach it learns whether the daemon serves, and nothing else.
pub struct HealthServer {
    listener: Listener,
    api: CurrentApi,
}

impl HealthServer {
    /// `limits` are those of the listener for readers; fewer connections are taken here.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn bind(listen: &str, limits: &ConnectionLimits, api: impl Into<CurrentApi>) -> io::Result<Self> {
        let limits = ConnectionLimits { max: CONNECTIONS_MAX, max_per_peer: CONNECTIONS_MAX, ..limits.clone() };
        let listener = Listener { name: "health", socket: TcpListener::bind(listen).await?, limits, tls: None };
        Ok(HealthServer { listener, api: api.into() })
    }

    /// # Errors
    /// Where the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.socket.local_addr()
    }

    /// Answers until `shutdown`.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let router = Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .fallback(no_route)
            .method_not_allowed_fallback(wrong_method)
            .with_state(self.api);
        serve(self.listener, router, shutdown, Duration::from_secs(1)).await;
    }
}

/// Whether a request is about health, which is answered even where nothing else is.
pub(super) fn is_asked_by<B>(request: &Request<B>) -> bool {
    ["/livez", "/readyz", "/healthz"].contains(&request.uri().path())
}

pub(super) async fn livez() -> Response {
    render(200, &json!({"status": "alive"}))
}

pub(super) async fn readyz(State(api): State<Api>, Reader(caller): Reader) -> Response {
    let view = api.service.view(caller);
    let reasons = api.readiness.reasons(&view);
    let (code, status) = verdict(&reasons);
    let (reasons, warnings) = api.readiness.texts(&view, reasons);
    render(code, &json!({"status": status, "reasons": reasons, "warnings": warnings}))
}

/// Readiness with the state of every part, for people.
pub(super) async fn healthz(State(api): State<Api>, Reader(caller): Reader) -> Response {
    let view = api.service.view(caller);
    let reasons = api.readiness.reasons(&view);
    let (code, status) = verdict(&reasons);
    let now = now_us();
    let sources = view.sources().iter().map(|(name, progress)| {
        let state = json!({
            "state": progress.state_at(now),
            "lagSeconds": progress.lag_seconds(now),
            "message": progress.message(),
        });
        (name.to_string(), state)
    });
    let sources: serde_json::Map<String, Value> = sources.collect();
    let projections = view.projections().values().map(|status| {
        let state = json!({"state": status.state, "error": status.error});
        (status.name.clone(), state)
    });
    let projections: serde_json::Map<String, Value> = projections.collect();
    let (reasons, warnings) = api.readiness.texts(&view, reasons);
    render(
        code,
        &json!({
            "status": status,
            "reasons": reasons,
            "warnings": warnings,
            "sources": sources,
            "projections": projections,
        }),
    )
}

fn verdict(reasons: &[String]) -> (u16, &'static str) {
    if reasons.is_empty() { (200, "ready") } else { (503, "not ready") }
}

fn render(status: u16, json: &Value) -> Response {
    body(status, "application/json", json.to_string())
}
