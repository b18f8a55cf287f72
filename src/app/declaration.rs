//! What a configuration declares beside projections and events, in a form that can be compared with another one elsewhere: settings,
//! declared queries, and where each source reads. Pure.
//!
//! What is secret is not in it. Paths are as they are written, because they are resolved to others where the files lie elsewhere.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Jwt, Nats, Postgres, Projection, Promotion, Query, SourceKind};
use crate::progress::SourceName;
use crate::source::without_user;

/// The policies of all relations, which a reload takes with those that they name.
const REQUIRED: &str = "auth.require";

/// What is not set.
const NONE: &str = "none";

/// What is declared. What is none is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// All keys of the root file but those that name other files, with their values.
    pub settings: Option<BTreeMap<String, String>>,
    /// Declared queries, as text.
    pub queries: Option<BTreeMap<String, String>>,
    pub inputs: Option<BTreeMap<SourceName, Input>>,
}

/// Where a source reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    Stream(String),
    File { path: String, follow: bool, lines: String },
}

impl Declaration {
    pub fn of(config: &Config) -> Self {
        let queries = config.queries.iter().map(|query| (query.name.clone(), query_text(query)));
        Self { settings: Some(settings(config)), queries: Some(queries.collect()), inputs: Some(inputs(config)) }
    }

    pub(super) fn of_nothing() -> Self {
        Self { settings: Some(BTreeMap::new()), queries: Some(BTreeMap::new()), inputs: Some(BTreeMap::new()) }
    }

    /// The same without what nothing but a running daemon tells.
    pub(super) fn of_inputs(config: &Config) -> Self {
        Self { inputs: Some(inputs(config)), ..Self::default() }
    }
}

impl Input {
    pub(super) fn of(kind: &SourceKind) -> Self {
        match kind {
            SourceKind::JetStream { stream, .. } => Input::Stream(stream.clone()),
            SourceKind::File { written, follow, lines, .. } => {
                Input::File { path: written.clone(), follow: *follow, lines: lines.name().to_owned() }
            }
        }
    }

    /// Why a running daemon does not take another one in its place, if it does not.
    pub(super) fn cannot_become(&self, other: &Input, source: &str) -> Option<String> {
        let other = match (self, other) {
            (Input::Stream(old), Input::Stream(new)) if old != new => {
                format!("source `{source}` would read the stream `{new}` in place of `{old}`")
            }
            (Input::File { lines: old, .. }, Input::File { lines: new, .. }) if old != new => {
                format!("source `{source}` would read the lines of its file in another way")
            }
            (Input::Stream(_), Input::Stream(_)) | (Input::File { .. }, Input::File { .. }) => return None,
            _ => format!("source `{source}` would read something else than before"),
        };
        Some(format!("{other}, which is another source; give it a name of its own"))
    }
}

/// Whether a reload refuses another value of a setting.
pub(super) fn needs_restart(setting: &str) -> bool {
    let is_fixed = setting == "data_dir"
        || ["nats.", "object_store.", "http.", "metrics.", "health.", "postgres.", "auth."]
            .iter()
            .any(|section| setting.starts_with(section));
    is_fixed && setting != REQUIRED
}

fn inputs(config: &Config) -> BTreeMap<SourceName, Input> {
    config.sources.iter().map(|source| (source.schema.source.as_str().into(), Input::of(&source.input))).collect()
}

fn query_text(query: &Query) -> String {
    let Query { sql, params, sort, page_default, page_max, .. } = query;
    format!("{sql} {params:?} {sort:?} {page_default} {page_max}")
}

/// The settings by key, as they are in the root file or by default.
pub(super) fn settings(config: &Config) -> BTreeMap<String, String> {
    let mut settings = nats(config.nats.as_ref(), config);
    let Config { commit, http, parked, limits, object_store: access, .. } = config;
    let connections = &http.connections;
    let data_dir = config.written_paths.get("data_dir").unwrap_or(&config.data_dir);
    let time = |time: Duration| format!("{time:?}");
    let path = |key: &str| optional(config.written_paths.get(key));
    let of_jwt = |text: fn(&Jwt) -> String| config.auth.jwt.as_ref().map_or_else(|| NONE.to_owned(), text);
    settings.extend([
        ("data_dir", data_dir.clone()),
        ("object_store.endpoint", optional(access.endpoint.as_ref())),
        ("object_store.allow_http", text(access.allow_http)),
        ("object_store.region", optional(access.region.as_ref())),
        ("object_store.access_key_id", is_set(access.access_key_id.as_ref())),
        ("object_store.secret_access_key", is_set(access.secret_access_key.as_ref())),
        ("object_store.session_token", is_set(access.session_token.as_ref())),
        ("object_store.service_account", is_set(access.service_account.as_ref())),
        ("object_store.account", optional(access.account.as_ref())),
        ("object_store.account_key", is_set(access.account_key.as_ref())),
        ("object_store.timeout", optional(access.timeout.map(time))),
        ("commit.max_events", text(commit.max_events)),
        ("commit.max_delay", time(commit.max_delay)),
        ("search.commit", time(config.search_commit)),
        ("checkpoint.interval", time(config.checkpoint_interval)),
        ("http.listen", http.listen.clone()),
        ("http.hosts", list(&http.hosts)),
        ("http.cors.origins", http.cors.as_ref().map_or_else(|| NONE.to_owned(), |cors| list(&cors.origins))),
        ("http.cors.max_age", optional(http.cors.as_ref().map(|cors| time(cors.max_age)))),
        ("http.tls.certificate", path("http.tls.certificate")),
        ("http.tls.key", path("http.tls.key")),
        ("http.tls.client_ca", path("http.tls.client_ca")),
        ("http.max_connections", text(connections.max)),
        ("http.max_connections_per_peer", text(connections.max_per_peer)),
        ("http.header_timeout", time(connections.header_timeout)),
        ("http.body_timeout", time(connections.body_timeout)),
        ("http.idle_timeout", time(connections.idle_timeout)),
        ("http.write_timeout", time(connections.write_timeout)),
        ("http.answers", text(http.answer_bytes)),
        ("metrics.listen", config.metrics_listen.clone()),
        ("health.listen", optional(config.health_listen.as_ref())),
        ("auth.tokens", optional(config.written_paths.get("auth.tokens"))),
        ("auth.jwt.keys", path("auth.jwt.keys")),
        ("auth.jwt.issuer", of_jwt(|jwt| list(&jwt.issuers))),
        ("auth.jwt.audience", of_jwt(|jwt| list(&jwt.audiences))),
        ("auth.jwt.leeway", of_jwt(|jwt| format!("{:?}", jwt.leeway))),
        ("auth.jwt.roles", of_jwt(|jwt| jwt.roles.clone())),
        ("auth.jwt.admin_role", of_jwt(|jwt| optional(jwt.admin_role.as_ref()))),
        ("auth.mtls.admins", config.auth.mtls.as_ref().map_or_else(|| NONE.to_owned(), |mtls| list(&mtls.admins))),
        ("auth.anonymous", text(config.auth.anonymous)),
        (REQUIRED, list(&config.required_policies)),
        ("parked.max_events", text(parked.max_events)),
        ("parked.max_bytes", text(parked.max_bytes)),
        ("parked.notify.subject", optional(config.parked_notify.as_ref())),
        ("limits.max_rows", text(limits.max_rows)),
        ("limits.memory", text(limits.memory_bytes)),
        ("limits.timeout", time(limits.timeout)),
        ("limits.concurrency", text(limits.concurrency)),
        ("limits.scan_limit", text(limits.scan_limit)),
        ("limits.result_cache", text(limits.result_cache_bytes)),
        ("limits.per_principal.requests_per_second", optional(limits.per_principal.requests_per_second)),
        ("limits.per_principal.concurrent", optional(limits.per_principal.concurrent)),
        ("limits.state", optional(config.state_limit)),
        ("promotion", optional(config.promotion.map(promotion))),
        ("keep", time(config.keep)),
        ("verify.every", optional(config.verify.every.map(time))),
        ("verify.shares", text(config.verify.shares)),
        ("verify.memory", text(config.verify.memory_bytes)),
    ]);
    settings.extend(postgres(config));
    let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value));
    settings.chain(who_sees(config)).collect()
}

/// The listener for those who read as from PostgreSQL.
fn postgres(config: &Config) -> [(&'static str, String); 9] {
    let path = |key: &str| optional(config.written_paths.get(key));
    let of = |text: fn(&Postgres) -> String| config.postgres.as_ref().map_or_else(|| NONE.to_owned(), text);
    [
        ("postgres.listen", of(|own| own.listen.clone())),
        ("postgres.tls.certificate", path("postgres.tls.certificate")),
        ("postgres.tls.key", path("postgres.tls.key")),
        ("postgres.tls.client_ca", path("postgres.tls.client_ca")),
        ("postgres.max_connections", of(|own| text(own.connections.max))),
        ("postgres.max_connections_per_peer", of(|own| text(own.connections.max_per_peer))),
        ("postgres.header_timeout", of(|own| format!("{:?}", own.connections.header_timeout))),
        ("postgres.idle_timeout", of(|own| format!("{:?}", own.connections.idle_timeout))),
        ("postgres.write_timeout", of(|own| format!("{:?}", own.connections.write_timeout))),
    ]
}

/// Who sees what, as far as somebody is denied something.
fn who_sees(config: &Config) -> impl Iterator<Item = (String, String)> {
    let policies = config.policies.iter().map(|policy| (format!("policy.{}", policy.name), policy.row_filter.clone()));
    let projections = config.projections.iter().filter_map(|projection| {
        let Projection { name, policies, masks, is_public, .. } = projection;
        let says = *is_public || !policies.is_empty() || !masks.is_empty();
        says.then(|| (format!("access.{name}"), format!("{policies:?} {masks:?} {is_public}")))
    });
    policies.chain(projections)
}

fn nats(nats: Option<&Nats>, config: &Config) -> BTreeMap<&'static str, String> {
    // A context names files of its own.
    let path_of = |file: fn(&Nats) -> Option<&PathBuf>| {
        optional(nats.filter(|nats| nats.context.is_some()).and_then(file).map(|path| path.display()))
    };
    let path = |key: &str, file: fn(&Nats) -> Option<&PathBuf>| {
        config.written_paths.get(key).cloned().unwrap_or_else(|| path_of(file))
    };
    let context = nats.and_then(|nats| nats.context.as_ref());
    BTreeMap::from([
        ("nats.context", optional(context.map(|context| &context.name))),
        ("nats.urls", nats.map_or_else(|| NONE.to_owned(), |nats| list(&without_user(nats)))),
        ("nats.user", optional(nats.and_then(|nats| nats.user.as_ref()))),
        ("nats.password", is_set(nats.and_then(|nats| nats.password.as_ref()))),
        ("nats.token", is_set(nats.and_then(|nats| nats.token.as_ref()))),
        ("nats.credentials_file", path("nats.credentials_file", |nats| nats.credentials_file.as_ref())),
        ("nats.nkey_file", path("nats.nkey_file", |nats| nats.nkey_file.as_ref())),
        ("nats.tls.ca", path("nats.tls.ca", |nats| nats.tls.ca.as_ref())),
        ("nats.tls.certificate", path("nats.tls.certificate", |nats| nats.tls.certificate.as_ref())),
        ("nats.tls.key", path("nats.tls.key", |nats| nats.tls.key.as_ref())),
        ("nats.tls.first", optional(nats.map(|nats| nats.tls.first))),
        ("nats.jetstream_domain", optional(nats.and_then(|nats| nats.jetstream_domain.as_ref()))),
        ("nats.jetstream_api_prefix", optional(nats.and_then(|nats| nats.jetstream_api_prefix.as_ref()))),
        ("nats.inbox_prefix", optional(nats.and_then(|nats| nats.inbox_prefix.as_ref()))),
    ])
}

/// Says of a secret only whether there is one.
fn is_set(secret: Option<&String>) -> String {
    if secret.is_some() { "set".to_owned() } else { NONE.to_owned() }
}

fn promotion(promotion: Promotion) -> &'static str {
    match promotion {
        Promotion::Auto => "auto",
        Promotion::WhenEqual => "when-equal",
        Promotion::Manual => "manual",
    }
}

fn text(value: impl Display) -> String {
    value.to_string()
}

fn optional(value: Option<impl Display>) -> String {
    value.map_or_else(|| NONE.to_owned(), text)
}

fn list(values: &[String]) -> String {
    if values.is_empty() { NONE.to_owned() } else { values.join(", ") }
}
