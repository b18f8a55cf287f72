//! The configuration as it counts: one text of all its files, with defaults and substituted values, and without secrets.
//!
//! Its first document has every setting. The others are the documents of all files as they are read: aliases, merge keys and
//! variables replaced. The password and the token for NATS are left out, and all that a context of NATS says of who the daemon is. What comes from a file stays as it is written, `${file:…}`.

use std::time::Duration;

use saphyr_parser::ScalarStyle;
use serde_yaml::{Mapping, Value};

use super::checked::{Config, Cors, Jwt, Nats, NatsTls, Postgres, PrincipalLimits, Promotion, StoreAccess, Tls};
use super::load::Loaded;
use super::yaml::{Data, Scalar, Yaml};

#[cfg(test)]
mod tests;

/// Stands for a secret.
const REDACTED: &str = "(redacted)";

/// # Errors
/// If a value cannot be written as YAML.
pub fn effective(loaded: &Loaded) -> Result<String, serde_yaml::Error> {
    let mut settings = settings(&loaded.config);
    escape(&mut settings);
    if let Some(document) = loaded.places.files().next().and_then(|file| file.documents.first()) {
        keep_files(&mut settings, document);
    }
    let mut text = serde_yaml::to_string(&settings)?;
    for (place, file) in loaded.places.files().enumerate() {
        // The first document of the first file has the settings.
        for document in file.documents.iter().skip(usize::from(place == 0)) {
            text.push_str(&format!("---\n# {}\n", file.path));
            text.push_str(&serde_yaml::to_string(&value(document))?);
        }
    }
    Ok(text)
}

fn settings(config: &Config) -> Value {
    let duration = |duration: &Duration| Value::from(written_duration(*duration));
    let bytes = |bytes: usize| Value::from(written_bytes(bytes));
    let http = &config.http;
    let connections = &http.connections;
    let mut parked =
        vec![("max_events", config.parked.max_events.into()), ("max_bytes", bytes(config.parked.max_bytes))];
    parked.extend(config.parked_notify.as_deref().map(|subject| ("notify", mapping([("subject", subject.into())]))));
    let mut verify = vec![("memory", bytes(config.verify.memory_bytes))];
    verify.extend(config.verify.every.as_ref().map(|every| ("every", duration(every))));
    verify.extend(config.verify.every.map(|_| ("shares", config.verify.shares.into())));
    let nats = config.nats.as_ref().map(|own| ("nats", nats(own)));
    let promotion = Promotion::ALL.iter().find(|(_, promotion)| Some(*promotion) == config.promotion);
    let promotion = promotion.map(|(name, _)| ("promotion", Value::from(*name)));
    let mut auth = vec![("anonymous", if config.auth.anonymous { "read" } else { "deny" }.into())];
    auth.extend(
        (!config.required_policies.is_empty())
            .then(|| ("require", config.required_policies.iter().map(String::as_str).collect())),
    );
    auth.extend(
        config
            .auth
            .mtls
            .as_ref()
            .map(|own| ("mtls", mapping([("admins", own.admins.iter().map(String::as_str).collect::<Value>())]))),
    );
    auth.extend(config.auth.jwt.as_ref().map(|own| ("jwt", jwt(own))));
    auth.extend(config.auth.tokens.as_ref().map(|path| ("tokens", Value::from(path.display().to_string()))));
    let http_tls = http.tls.as_ref().map(|own| ("tls", tls(own)));
    let postgres = config.postgres.as_ref().map(|own| ("postgres", postgres(own)));
    let http_cors = http.cors.as_ref().map(|own| ("cors", cors(own)));
    let health = config.health_listen.as_deref().map(|listen| ("health", mapping([("listen", listen.into())])));
    let mut limits = vec![
        ("max_rows", config.limits.max_rows.into()),
        ("memory", bytes(config.limits.memory_bytes)),
        ("timeout", duration(&config.limits.timeout)),
        ("concurrency", config.limits.concurrency.into()),
        ("scan_limit", config.limits.scan_limit.into()),
        ("result_cache", bytes(config.limits.result_cache_bytes)),
    ];
    limits.extend(config.state_limit.map(|limit| ("state", bytes(limit as usize))));
    let of_one = config.limits.per_principal;
    limits.extend((of_one != PrincipalLimits::default()).then(|| ("per_principal", per_principal(of_one))));
    let settings = [
        ("data_dir", config.data_dir.as_str().into()),
        // They follow as documents.
        ("sources", Value::Sequence(Vec::new())),
        (
            "commit",
            mapping([
                ("max_delay", duration(&config.commit.max_delay)),
                ("max_events", config.commit.max_events.into()),
            ]),
        ),
        ("search", mapping([("commit", duration(&config.search_commit))])),
        ("checkpoint", mapping([("interval", duration(&config.checkpoint_interval))])),
        (
            "http",
            mapping(http_tls.into_iter().chain(http_cors).chain([
                ("listen", http.listen.as_str().into()),
                ("hosts", http.hosts.iter().map(String::as_str).collect()),
                ("max_connections", connections.max.into()),
                ("max_connections_per_peer", connections.max_per_peer.into()),
                ("header_timeout", duration(&connections.header_timeout)),
                ("body_timeout", duration(&connections.body_timeout)),
                ("idle_timeout", duration(&connections.idle_timeout)),
                ("write_timeout", duration(&connections.write_timeout)),
                ("answers", bytes(http.answer_bytes)),
            ])),
        ),
        ("metrics", mapping([("listen", config.metrics_listen.as_str().into())])),
        ("auth", mapping(auth)),
        ("parked", mapping(parked)),
        ("limits", mapping(limits)),
        ("verify", mapping(verify)),
        ("keep", duration(&config.keep)),
    ];
    let store = Some(&config.object_store).filter(|access| **access != StoreAccess::default());
    let store = store.map(|access| ("object_store", object_store(access)));
    mapping(nats.into_iter().chain(settings).chain(store).chain(health).chain(postgres).chain(promotion))
}

fn postgres(postgres: &Postgres) -> Value {
    let (duration, connections) = (|of: Duration| Value::from(written_duration(of)), &postgres.connections);
    let tls = postgres.tls.as_ref().map(|own| ("tls", tls(own)));
    mapping(tls.into_iter().chain([
        ("listen", postgres.listen.as_str().into()),
        ("max_connections", connections.max.into()),
        ("max_connections_per_peer", connections.max_per_peer.into()),
        ("header_timeout", duration(connections.header_timeout)),
        ("idle_timeout", duration(connections.idle_timeout)),
        ("write_timeout", duration(connections.write_timeout)),
    ]))
}

fn per_principal(limits: PrincipalLimits) -> Value {
    let each = [("requests_per_second", limits.requests_per_second), ("concurrent", limits.concurrent)];
    mapping(each.into_iter().filter_map(|(key, limit)| Some((key, limit?.into()))))
}

fn cors(cors: &Cors) -> Value {
    let origins = cors.origins.iter().map(String::as_str).collect();
    mapping([("origins", origins), ("max_age", written_duration(cors.max_age).into())])
}

fn nats(nats: &Nats) -> Value {
    let urls = nats.urls.iter().map(|url| without_password(url));
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| Value::from(path.display().to_string()));
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let secret = |text: &Option<String>| text.as_ref().map(|_| Value::from(REDACTED));
    let context = nats.context.as_ref();
    // Who the daemon is stays in the context, if it says it.
    let who = [
        ("user", text(&nats.user)),
        ("password", secret(&nats.password)),
        ("token", secret(&nats.token)),
        ("credentials_file", path(&nats.credentials_file)),
        ("nkey_file", path(&nats.nkey_file)),
    ];
    let who = who.into_iter().filter(|_| context.is_none_or(|context| !context.authenticates));
    let others = [
        ("context", context.map(|context| context.name.as_str().into())),
        ("jetstream_domain", text(&nats.jetstream_domain)),
        ("jetstream_api_prefix", text(&nats.jetstream_api_prefix)),
        ("inbox_prefix", text(&nats.inbox_prefix)),
        ("tls", (nats.tls != NatsTls::default()).then(|| nats_tls(&nats.tls))),
    ];
    let optional = who.chain(others).filter_map(|(key, value)| Some((key, value?)));
    mapping([("urls", urls.collect())].into_iter().chain(optional))
}

fn nats_tls(tls: &NatsTls) -> Value {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| Value::from(path.display().to_string()));
    let all = [
        ("ca", path(&tls.ca)),
        ("certificate", path(&tls.certificate)),
        ("key", path(&tls.key)),
        ("first", tls.first.then(|| true.into())),
    ];
    mapping(all.into_iter().filter_map(|(key, value)| Some((key, value?))))
}

fn tls(tls: &Tls) -> Value {
    let path = |path: &std::path::Path| Value::from(path.display().to_string());
    let client_ca = tls.client_ca.as_deref().map(|own| ("client_ca", path(own)));
    mapping([("certificate", path(&tls.certificate)), ("key", path(&tls.key))].into_iter().chain(client_ca))
}

fn jwt(jwt: &Jwt) -> Value {
    let list = |texts: &[String]| texts.iter().map(String::as_str).collect::<Value>();
    let all = [
        ("keys", Some(jwt.keys.as_str().into())),
        ("issuer", (!jwt.issuers.is_empty()).then(|| list(&jwt.issuers))),
        ("audience", (!jwt.audiences.is_empty()).then(|| list(&jwt.audiences))),
        ("leeway", Some(written_duration(jwt.leeway).into())),
        ("roles", Some(jwt.roles.as_str().into())),
        ("admin_role", jwt.admin_role.as_deref().map(Value::from)),
    ];
    mapping(all.into_iter().filter_map(|(key, value)| Some((key, value?))))
}

fn object_store(access: &StoreAccess) -> Value {
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let secret = |text: &Option<String>| text.as_ref().map(|_| Value::from(REDACTED));
    let optional = [
        ("endpoint", text(&access.endpoint)),
        ("allow_http", access.allow_http.then(|| true.into())),
        ("region", text(&access.region)),
        ("access_key_id", secret(&access.access_key_id)),
        ("secret_access_key", secret(&access.secret_access_key)),
        ("session_token", secret(&access.session_token)),
        ("service_account", secret(&access.service_account)),
        ("account", text(&access.account)),
        ("account_key", secret(&access.account_key)),
        ("timeout", access.timeout.map(|timeout| written_duration(timeout).into())),
    ];
    mapping(optional.into_iter().filter_map(|(key, value)| Some((key, value?))))
}

fn mapping<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Mapping::from_iter(entries.into_iter().map(|(key, value)| (key.into(), value))).into()
}

/// A scalar as it is written, if it takes something from a file, which may be a secret.
fn from_file(scalar: &Scalar) -> Option<Value> {
    scalar.written.contains("${file:").then(|| scalar.written.as_str().into())
}

/// Puts what takes something from a file back as it is written.
fn keep_files(value: &mut Value, node: &Yaml) {
    match (value, &node.data) {
        (Value::Mapping(values), Data::Mapping(entries)) => {
            for entry in entries {
                // One server is printed as a list of one.
                let name = if entry.name == "url" { "urls" } else { &entry.name };
                if let Some(value) = values.get_mut(name) {
                    keep_files(value, &entry.value);
                }
            }
        }
        (Value::Sequence(values), Data::List(items)) => {
            values.iter_mut().zip(items).for_each(|(value, item)| keep_files(value, item));
        }
        (Value::Sequence(values), Data::Scalar(scalar)) => {
            values.iter_mut().zip(from_file(scalar)).for_each(|(value, written)| *value = written);
        }
        (value, Data::Scalar(scalar)) => from_file(scalar).into_iter().for_each(|written| *value = written),
        _ => {}
    }
}

/// Writes `${` so that it is read again as these characters.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("${", "$${"),
        Value::Sequence(items) => items.iter_mut().for_each(escape),
        Value::Mapping(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}

/// A node as it is read.
fn value(node: &Yaml) -> Value {
    match &node.data {
        Data::Scalar(scalar) => from_file(scalar).unwrap_or_else(|| {
            let mut value = plain(scalar);
            escape(&mut value);
            value
        }),
        Data::List(items) => items.iter().map(value).collect(),
        Data::Mapping(entries) => mapping(entries.iter().map(|entry| (entry.name.as_str(), value(&entry.value)))),
    }
}

/// What is written without quotes may be a number; it is read again as it is written here.
fn plain(scalar: &Scalar) -> Value {
    let read = (scalar.style == ScalarStyle::Plain).then(|| serde_yaml::from_str(&scalar.text).ok()).flatten();
    match read {
        Some(value @ (Value::Bool(_) | Value::Null)) => value,
        // `1.10` is no number to be made `1.1` of.
        Some(Value::Number(number)) if number.to_string() == scalar.text => Value::Number(number),
        _ => scalar.text.as_str().into(),
    }
}

/// `nats://user:secret@host` without the secret.
fn without_password(url: &str) -> Value {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (&url[..scheme.len() + 3], rest));
    match rest.rsplit_once('@') {
        None => url.into(),
        Some((credentials, host)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{scheme}{user}:{REDACTED}@{host}").into(),
            // A token alone.
            None => format!("{scheme}{REDACTED}@{host}").into(),
        },
    }
}

fn written_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.iter().find(|(unit, _)| milliseconds > 0 && milliseconds.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{milliseconds}ms"), |(unit, name)| format!("{}{name}", milliseconds / unit))
}

fn written_bytes(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(unit, name)| format!("{}{name}", bytes / unit))
}
