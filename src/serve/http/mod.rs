//! HTTP/JSON: the routes, the listeners, and their limits.
//!
//! Envelopes are camelCase, columns as declared. Errors are problem details (RFC 9457). Every answer carries its
//! freshness.

mod accepted;
mod admin;
mod answer;
mod asked;
mod audited;
mod authentication;
mod compressed;
mod connections;
mod console;
mod content_coding;
mod cross_origin;
mod declared_queries;
mod etag;
mod health;
mod held_body;
mod history;
mod hosts;
mod limited;
mod list_parameters;
mod metrics;
mod nearest_parameters;
mod openapi;
mod parameters;
mod parked;
mod passage;
mod problem;
mod reader;
mod rendered_rows;
mod request_body;
mod search;
mod search_body;
mod search_parameters;
mod spans;
mod sql;
mod status;
mod tables;
#[cfg(test)]
mod tests;
mod weights;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use connections::{Listener, serve};
use hosts::Hosts;
use passage::{Passage, pass};

pub use admin::{Admin, AdminRequest, Change, Done, Refused, Reloaded, Waits};
pub use health::{HealthServer, Readiness};
pub use metrics::{MetricsPage, MetricsServer};

use crate::access::Caller;
use crate::config::{Cors, Http, Query, QueryLimits};
use crate::query::{Limits, QueryService, Rules, Streams};
use crate::read_model::catalog::Catalog;
use crate::serve::audit::Audit;
use crate::serve::auth::Gate;
use crate::serve::byte_budget::ByteBudget;
use crate::serve::json::AnswerLimits;
use crate::serve::quotas::Quotas;
use crate::serve::tls::Tls;

/// Of all request bodies together that are being read or answered.
const BODIES_BYTES: usize = 64 << 20;
const URI_BYTES_MAX: usize = 16 * 1024;
/// Of routes for readers and administrators.
const API: &str = "/v1/";
/// Of routes for administrators alone.
const ADMIN: &str = "/v1/admin/";

/// What the routes answer from. Each request has one as it was when the request came.
#[derive(Debug, Clone)]
pub struct Api {
    service: Arc<QueryService>,
    readiness: Readiness,
    quotas: Quotas,
    admin: Option<Admin>,
    answers: AnswerLimits,
    bodies: ByteBudget,
    body_timeout: Duration,
}

impl Api {
    /// Starts the query threads. `streams` names the stream of each source.
    ///
    /// # Errors
    /// As [`QueryService::new`].
    pub fn new(
        catalog: Catalog,
        readiness: Readiness,
        http: &Http,
        limits: &QueryLimits,
        queries: Vec<Query>,
        streams: Streams,
    ) -> io::Result<Self> {
        let service = QueryService::new(catalog, Limits::from(limits), queries, streams)?;
        let answers = AnswerLimits { bytes: service.limits().max_bytes, budget: ByteBudget::new(http.answer_bytes) };
        let (bodies, body_timeout) = (ByteBudget::new(BODIES_BYTES), http.connections.body_timeout);
        let quotas = Quotas::new(limits.per_principal);
        Ok(Api { service: Arc::new(service), readiness, quotas, admin: None, answers, bodies, body_timeout })
    }

    /// With someone who does what an administrator asks for.
    pub fn administered_by(self, admin: Admin) -> Self {
        Self { admin: Some(admin), ..self }
    }

    /// What an answer may have, whatever the protocol.
    pub(in crate::serve) fn answer_limits(&self) -> AnswerLimits {
        self.answers.clone()
    }

    /// Of all requests together that are not whole yet, or being answered.
    pub(in crate::serve) fn bodies(&self) -> &ByteBudget {
        &self.bodies
    }

    /// To be shared, and so its admission control, with other protocols.
    pub fn service(&self) -> &Arc<QueryService> {
        &self.service
    }
}

/// What requests are answered from by now. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct CurrentApi(Arc<ArcSwap<Api>>);

impl CurrentApi {
    /// Answers new requests from another configuration.
    ///
    /// # Errors
    /// As [`QueryService::new`].
    pub fn change(&self, limits: &QueryLimits, queries: Vec<Query>, streams: Streams) -> io::Result<()> {
        let current = self.0.load_full();
        let service = Arc::new(current.service.changed(Limits::from(limits), queries, streams)?);
        current.quotas.change(limits.per_principal);
        let answers = AnswerLimits { bytes: service.limits().max_bytes, ..current.answers.clone() };
        self.0.store(Arc::new(Api { service, answers, ..Api::clone(&current) }));
        Ok(())
    }

    /// Answers by these rules from now on, also requests that wait already.
    pub fn rule(&self, rules: Rules) {
        self.0.load().service.rule(rules);
    }

    /// What holds for readers.
    pub fn rules(&self) -> Arc<Rules> {
        self.0.load().service.rules()
    }

    /// The SQL that the rows of each projection were selected by, as far as they serve.
    pub fn served(&self) -> BTreeMap<String, Arc<str>> {
        let view = self.0.load().service.view(Caller::Daemon);
        let sql = view.projections().iter().map(|(name, status)| Some((name.clone(), status.sql.clone()?)));
        sql.flatten().collect()
    }

    /// How much one principal may ask, to be shared with other protocols.
    pub fn quotas(&self) -> Quotas {
        self.0.load().quotas.clone()
    }

    pub(in crate::serve) fn now(&self) -> Api {
        Api::clone(&self.0.load())
    }
}

impl From<Api> for CurrentApi {
    fn from(api: Api) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(api)))
    }
}

impl FromRef<CurrentApi> for Api {
    fn from_ref(current: &CurrentApi) -> Self {
        current.now()
    }
}

/// A bound listener that does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    hosts: Hosts,
    /// None: no page of another origin may read.
    cors: Option<Cors>,
    gate: Gate,
    audit: Audit,
    api: CurrentApi,
}

impl Server {
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn bind(config: &Http, api: impl Into<CurrentApi>) -> io::Result<Self> {
        let socket = TcpListener::bind(&config.listen).await?;
        let hosts = Hosts { is_loopback: socket.local_addr()?.ip().is_loopback(), named: Arc::from(&*config.hosts) };
        Ok(Server {
            listener: Listener { name: "http", socket, limits: config.connections.clone(), tls: None },
            hosts,
            cors: config.cors.clone(),
            gate: Gate::default(),
            audit: Audit::default(),
            api: api.into(),
        })
    }

    /// Answers those alone whom the gate lets in.
    pub fn guarded_by(self, gate: Gate) -> Self {
        Server { gate, ..self }
    }

    /// Tells there what administrators do, and who is denied what.
    pub fn audited_by(self, audit: Audit) -> Self {
        Server { audit, ..self }
    }

    /// Speaks TLS.
    pub fn secured_by(self, tls: Tls) -> Self {
        Server { listener: Listener { tls: Some(tls), ..self.listener }, ..self }
    }

    /// # Errors
    /// Where the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.socket.local_addr()
    }

    /// Answers until `shutdown`, then finishes what was asked, for no longer than a query may take.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) {
        let drain = self.api.now().service.limits().timeout + Duration::from_secs(1);
        let Server { listener, hosts, cors, gate, audit, api } = self;
        let (ways, quotas) = (gate.ways(), api.quotas());
        let passage = Passage { hosts, cors, gate, ways, audit, quotas, api: api.clone() };
        let router = router(api).layer(from_fn_with_state(Arc::new(passage), pass));
        serve(listener, router, shutdown, drain).await;
    }
}

fn router(api: CurrentApi) -> Router {
    Router::new()
        .route("/", get(console::page))
        .route("/console/{file}", get(console::file))
        .route("/v1/tables/{name}", get(tables::list))
        .route("/v1/tables/{name}/{k1}", get(tables::row))
        .route("/v1/tables/{name}/{k1}/{k2}", get(tables::row))
        .route("/v1/tables/{name}/{k1}/{k2}/{k3}", get(tables::row))
        .route("/v1/tables/{name}/{k1}/{k2}/{k3}/{k4}", get(tables::row))
        .route("/v1/sql", post(sql::sql))
        .route("/v1/queries", get(declared_queries::list))
        .route("/v1/queries/{name}", get(sql::named))
        .route("/v1/search/{name}", get(search::search).post(search::search_by_body))
        .route("/v1/projections", get(status::projections))
        .route("/v1/projections/{name}", get(status::projection))
        .route("/v1/projections/{name}/freshness", get(status::freshness))
        .route("/v1/sources", get(status::sources))
        .route("/v1/sources/{name}", get(status::source))
        .route("/v1/parked", get(parked::list))
        .route("/v1/parked/{source}/{sequence}", get(parked::show))
        .route("/v1/history", get(history::history))
        .route("/v1/openapi.json", get(openapi::openapi))
        .route("/v1/admin/reload", post(admin::reload))
        .route("/v1/admin/facts", post(admin::facts))
        .route("/v1/admin/projections/{name}/{verb}", post(admin::projection))
        .route("/v1/admin/sources/{name}/{verb}", post(admin::source))
        .route("/v1/admin/parked/discard", post(admin::discard))
        .route("/v1/admin/parked/replay", post(admin::replay))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/healthz", get(health::healthz))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

async fn no_route(uri: Uri) -> Response {
    // Where that listens is not said: it may be closed to whoever asks here.
    let elsewhere = match uri.path() {
        "/metrics" => "; metrics have a listener of their own, whose address is the setting `metrics.listen`",
        _ => "",
    };
    problem::plain(404, "no-route", "No such route", format!("there is nothing at {}{elsewhere}", uri.path()), &uri)
}

async fn wrong_method(request: Request) -> Response {
    let detail = format!("{} is not possible at {}", request.method(), request.uri().path());
    problem::plain(405, "wrong-method", "Method not allowed", detail, request.uri())
}

async fn limit_uri(request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let uri = request.uri();
    let bytes = uri.authority().map_or(0, |host| host.as_str().len())
        + uri.path_and_query().map_or(0, |path| path.as_str().len());
    if bytes > URI_BYTES_MAX {
        let detail = format!("the path and the query are longer than {URI_BYTES_MAX} bytes");
        return problem::plain(414, "uri-too-long", "URI too long", detail, uri);
    }
    next(request).await
}

/// A body with a content type.
fn body(status: u16, content_type: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let status = axum::http::StatusCode::from_u16(status).unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (axum::http::header::CONTENT_TYPE, content_type),
        (axum::http::header::CACHE_CONTROL, "private, no-cache"),
        (axum::http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.into()).into_response()
}
