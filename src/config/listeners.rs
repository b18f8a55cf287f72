//! What a daemon listens on, and who may ask there.
//!
//! Readers come over `http`, which is a loopback address until somebody says otherwise, and says who may read then; and over `postgres`,
//! if it is declared.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::checked::{Auth, ConnectionLimits, Cors, Http, Jwt, Mtls, Postgres, Tls};
use super::code::Code;
use super::diagnostic::Mark;
use super::paths::resolve;
use super::reader::Mapping;

pub(super) struct Listeners {
    pub http: Http,
    pub metrics_listen: String,
    /// For probes alone; none if they come over `http`.
    pub health_listen: Option<String>,
    pub postgres: Option<Postgres>,
    pub auth: Auth,
    /// The policies of every relation that is not public, and where each is written.
    pub required_policies: Vec<(String, Mark)>,
}

const HTTP_KEYS: &[&str] = &[
    "listen",
    "hosts",
    "cors",
    "tls",
    "max_connections",
    "max_connections_per_peer",
    "header_timeout",
    "body_timeout",
    "idle_timeout",
    "write_timeout",
    "answers",
];

const POSTGRES_KEYS: &[&str] = &[
    "listen",
    "tls",
    "max_connections",
    "max_connections_per_peer",
    "header_timeout",
    "idle_timeout",
    "write_timeout",
];

/// Every origin.
const ANY_ORIGIN: &str = "*";
const AUTH_KEYS: &[&str] = &["tokens", "jwt", "mtls", "anonymous", "require"];
const JWT_KEYS: &[&str] = &["keys", "issuer", "audience", "leeway", "roles", "admin_role"];
/// So long a browser remembers that a page may ask.
const MAX_AGE: Duration = Duration::from_secs(600);
/// Of clocks that are kept in step.
const LEEWAY: Duration = Duration::from_secs(60);

/// Reads what the daemon listens on, and who may ask there. `folder` is that of the file.
pub(super) fn listeners(map: &Mapping<'_>, folder: &str) -> Listeners {
    let (http, metrics) = (map.map("http", HTTP_KEYS, &[]), map.map("metrics", &["listen"], &[]));
    let health = map.map("health", &["listen"], &[]);
    let listen = |listener: &Option<Mapping<'_>>, default: &str| {
        listener.as_ref().and_then(address).unwrap_or_else(|| default.to_owned())
    };
    let (http_listen, metrics_listen) = (listen(&http, "127.0.0.1:8080"), listen(&metrics, "127.0.0.1:9464"));
    if let Some(health) = &health {
        health.need("listen", "write host and port: `health: {listen: \"0.0.0.0:8081\"}`");
    }
    let health_listen = health.as_ref().and_then(address);
    let postgres = map.map("postgres", POSTGRES_KEYS, &[]);
    if let Some(postgres) = &postgres {
        postgres.need("listen", "write host and port: `postgres: {listen: \"127.0.0.1:5432\"}`");
    }
    let postgres_listen = postgres.as_ref().and_then(address);
    apart(
        map,
        [
            ("http", Some(&http_listen)),
            ("metrics", Some(&metrics_listen)),
            ("health", health_listen.as_ref()),
            ("postgres", postgres_listen.as_ref()),
        ],
    );
    let (auth, required_policies) = auth(map, folder);
    let read_from = [("http", Some(&http_listen)), ("postgres", postgres_listen.as_ref())];
    let open = read_from.into_iter().filter_map(|(key, listen)| Some((key, listen?)));
    for (key, listen) in open.filter(|(_, listen)| auth.is_none() && !is_loopback(listen)) {
        let message = format!("`{key}` listens on {listen}, where others reach it, and nobody has said who may read");
        let hint = "name a file of tokens, `auth: {tokens: FILE}` (`readside token create NAME` makes one), or say that everybody may: \
                    `auth: {anonymous: read}`";
        map.error_at_key(Code::OpenListener, key, message, hint);
    }
    let hosts = http.iter().flat_map(|http| http.texts("hosts")).map(|(host, _)| host.to_ascii_lowercase()).collect();
    let answer_bytes = http.as_ref().and_then(|http| http.bytes("answers")).unwrap_or(256 << 20);
    let tls = |listener: &Option<Mapping<'_>>| listener.as_ref().and_then(|listener| tls(listener, folder));
    let (http_tls, postgres_tls) = (tls(&http), tls(&postgres));
    let asks = |tls: &Option<Tls>| tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let is_asked = asks(&http_tls) || asks(&postgres_tls);
    if auth.as_ref().is_some_and(|auth| auth.mtls.is_some()) != is_asked {
        let message = "`auth.mtls` and the `tls.client_ca` of a listener go together: the one is who signs certificates of clients, the other what they say";
        let hint = "write both: `http: {tls: {certificate: FILE, key: FILE, client_ca: FILE}}` and `auth: {mtls: {admins: []}}`";
        let key = match (asks(&http_tls), is_asked) {
            (true, _) => "http",
            (false, true) => "postgres",
            (false, false) => "auth",
        };
        map.error_at_key(Code::NotTogether, key, message, hint);
    }
    let postgres = postgres_listen.map(|listen| Postgres {
        listen,
        tls: postgres_tls,
        connections: connections(postgres.as_ref(), &OF_SESSIONS),
    });
    let cors = http.as_ref().and_then(|http| http.map("cors", &["origins", "max_age"], &[]));
    let cors = cors.map(|map| self::cors(&map, auth.as_ref()));
    let connections = connections(http.as_ref(), &OF_REQUESTS);
    let http = Http { listen: http_listen, hosts, cors, tls: http_tls, connections, answer_bytes };
    let auth = auth.unwrap_or(Auth { tokens: None, jwt: None, mtls: None, anonymous: true });
    Listeners { http, metrics_listen, health_listen, postgres, auth, required_policies }
}

/// Two listeners have two addresses.
fn apart(map: &Mapping<'_>, listeners: [(&str, Option<&String>); 4]) {
    let known = listeners.into_iter().filter_map(|(key, listen)| Some((key, listen?)));
    let known: Vec<(&str, &String)> = known.filter(|(_, listen)| !listen.ends_with(":0")).collect();
    for (place, (key, listen)) in known.iter().enumerate() {
        if let Some((other, _)) = known[..place].iter().find(|(_, other)| other == listen) {
            let written = if map.get(key).is_some() { key } else { other };
            let message = format!("`{other}` and `{key}` both listen on {listen}");
            map.error_at_key(Code::BadAddress, written, message, "give each its own port");
        }
    }
}

/// Who may ask, none if that is not said; and the policies of all relations.
fn auth(map: &Mapping<'_>, folder: &str) -> (Option<Auth>, Vec<(String, Mark)>) {
    let Some(auth) = map.map("auth", AUTH_KEYS, &[]) else { return (None, Vec::new()) };
    let required = auth.texts("require").into_iter().map(|(policy, yaml)| (policy.to_owned(), yaml.mark)).collect();
    let tokens = auth.text("tokens").map(|path| PathBuf::from(resolve(folder, path)));
    let anonymous = auth.choice("anonymous", &[("deny", false), ("read", true)]);
    let jwt = auth.map("jwt", JWT_KEYS, &[]).and_then(|jwt| self::jwt(&jwt, folder));
    let mtls = auth.map("mtls", &["admins"], &[]);
    let mtls =
        mtls.map(|mtls| Mtls { admins: mtls.texts("admins").into_iter().map(|(name, _)| name.to_owned()).collect() });
    let is_declared = |key| auth.get(key).is_some();
    if tokens.is_none() && !is_declared("jwt") && !is_declared("mtls") && anonymous != Some(true) {
        let hint =
            "name their file, `tokens: FILE` (`readside token create NAME` makes one), or write `anonymous: read`";
        let message = "`auth` has neither `tokens` nor `jwt` nor `mtls`, so nobody could ask";
        map.error_at_key(Code::NotTogether, "auth", message, hint);
    }
    (Some(Auth { tokens, jwt, mtls, anonymous: anonymous.unwrap_or(false) }), required)
}

fn jwt(jwt: &Mapping<'_>, folder: &str) -> Option<Jwt> {
    let texts = |key: &str| jwt.texts(key).into_iter().map(|(text, _)| text.to_owned()).collect();
    jwt.need("keys", "name the keys of who signs: `keys: jwks.json`, or `keys: \"https://id.example/jwks.json\"`");
    let keys = jwt.text("keys")?;
    let is_url = keys.starts_with("https://") || keys.starts_with("http://");
    let host = keys.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    if host.is_some_and(|host| !is_loopback(host)) {
        let message = "the keys come over `http://`, where anybody on the way can give others";
        jwt.error_at_key(Code::BadAddress, "keys", message, "ask for them over `https://`, or name a file");
    }
    Some(Jwt {
        keys: if is_url { keys.to_owned() } else { resolve(folder, keys) },
        issuers: texts("issuer"),
        audiences: texts("audience"),
        leeway: jwt.duration("leeway").unwrap_or(LEEWAY),
        roles: jwt.text("roles").unwrap_or("roles").to_owned(),
        admin_role: jwt.text("admin_role").map(str::to_owned),
    })
}

/// Whether nobody but this machine can reach an address. A name is where its resolver says, except for the one that is fixed.
fn is_loopback(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host).trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls(listener: &Mapping<'_>, folder: &str) -> Option<Tls> {
    let tls = listener.map("tls", &["certificate", "key", "client_ca"], &[])?;
    tls.need("certificate", "name the PEM file of the certificate and those between it and its authority");
    tls.need("key", "name the PEM file of the certificate's key");
    let path = |key: &str| tls.text(key).map(|path| PathBuf::from(resolve(folder, path)));
    Some(Tls { certificate: path("certificate")?, key: path("key")?, client_ca: path("client_ca") })
}

/// Whose pages may read. A page of any origin may where it needs a token to: else it would read, by way of the browser that shows it, what
/// only those may reach who sit there.
fn cors(map: &Mapping<'_>, auth: Option<&Auth>) -> Cors {
    map.need("origins", "name those of the pages that may read: `origins: [https://app.example]`");
    let mut origins = Vec::new();
    for (text, yaml) in map.texts("origins") {
        match origin(text) {
            Some(origin) => origins.push(origin),
            None => map.reader.error(
                Code::BadAddress,
                yaml.mark,
                format!("`{text}` is not an origin"),
                "write the scheme, the host, and the port unless it is the scheme's own: `https://app.example`, `http://localhost:3000`",
            ),
        }
    }
    let needs_token = auth.is_some_and(|auth| !auth.anonymous && (auth.tokens.is_some() || auth.jwt.is_some()));
    if origins.iter().any(|origin| origin == ANY_ORIGIN) {
        if origins.len() > 1 {
            let message = "`*` is every origin, and stands alone";
            map.error_at_key(
                Code::NotTogether,
                "origins",
                message,
                "write `origins: \"*\"`, or leave it out of the list",
            );
        } else if !needs_token {
            let message =
                "pages of every origin would read here without a token, through the browser of whoever opens one";
            let hint = "name the origins, or let nobody read without a token: `auth: {tokens: FILE}` or `auth: {jwt: …}`, without `anonymous: read`";
            map.error_at_key(Code::NotTogether, "origins", message, hint);
        }
    }
    Cors { origins, max_age: map.duration("max_age").unwrap_or(MAX_AGE) }
}

/// An origin as browsers write it: in small letters, and without the port that is the scheme's own.
fn origin(text: &str) -> Option<String> {
    if text == ANY_ORIGIN {
        return Some(text.to_owned());
    }
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<IpAddr>().is_ok());
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let fine = (is_address || is_name) && port.is_none_or(|port| port.parse::<u16>().is_ok());
    fine.then(|| format!("{scheme}://{}", authority.strip_suffix(own_port).unwrap_or(authority)))
}

/// What a listener has without a word.
struct Defaults {
    max: usize,
    idle: Duration,
}

/// A connection is had for some requests.
const OF_REQUESTS: Defaults = Defaults { max: 2_048, idle: Duration::from_secs(60) };
/// A connection is a session, which pools of clients keep for later.
const OF_SESSIONS: Defaults = Defaults { max: 512, idle: Duration::from_secs(600) };

fn connections(listener: Option<&Mapping<'_>>, defaults: &Defaults) -> ConnectionLimits {
    let interval = |key: &str| listener.and_then(|listener| listener.interval(key));
    let seconds = |key: &str, default: u64| interval(key).unwrap_or(Duration::from_secs(default));
    let count = |key: &str| listener.and_then(|listener| listener.count(key));
    let max = count("max_connections").unwrap_or(defaults.max);
    let max_per_peer = count("max_connections_per_peer");
    if let Some(listener) = listener
        && max_per_peer.is_some_and(|of_peer| of_peer > max)
    {
        let hint = "lower it, or raise `max_connections`";
        let message = format!("`max_connections_per_peer` is more than the {max} connections of all peers");
        listener.error_at_key(Code::NotTogether, "max_connections_per_peer", message, hint);
    }
    ConnectionLimits {
        max,
        // One peer leaves some for the others.
        max_per_peer: max_per_peer.unwrap_or((max - max / 4).max(1)),
        header_timeout: seconds("header_timeout", 10),
        body_timeout: seconds("body_timeout", 30),
        idle_timeout: interval("idle_timeout").unwrap_or(defaults.idle),
        write_timeout: seconds("write_timeout", 30),
    }
}

fn address(listener: &Mapping<'_>) -> Option<String> {
    let text = listener.text("listen")?;
    let fine = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !fine && let Some(yaml) = listener.get("listen") {
        let hint = "write host and port: `127.0.0.1:8080`, or `0.0.0.0:8080` for all interfaces";
        listener.reader.error(Code::BadAddress, yaml.mark, format!("`{text}` is not an address to listen on"), hint);
    }
    fine.then(|| text.to_owned())
}
