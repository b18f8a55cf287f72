//! `readside.yaml` itself: what the daemon connects to, keeps to and listens on, with defaults.

use std::path::PathBuf;
use std::time::Duration;

use super::checked::{Commit, Nats, ParkedLimits, QueryLimits};
use super::diagnostic::Mark;
use super::paths::resolve;
use super::reader::{Mapping, NodeReader};
use super::yaml::Yaml;

const KEYS: &[&str] = &[
    "nats",
    "data_dir",
    "sources",
    "projections",
    "commit",
    "search",
    "checkpoint",
    "http",
    "metrics",
    "parked",
    "limits",
];
const LATER: &[&str] = &["auth", "pg", "postgres", "console", "telemetry", "tls"];

const NATS_KEYS: &[&str] =
    &["url", "urls", "user", "password", "token", "credentials_file", "nkey_file", "jetstream_domain"];

pub(super) const NATS_DEFAULT: &str = "nats://127.0.0.1:4222";

/// The checked settings, and the patterns of the files that hold the rest.
pub(super) struct Settings {
    pub nats: Option<Nats>,
    pub data_dir: String,
    pub commit: Commit,
    pub search_commit: Duration,
    pub checkpoint_interval: Duration,
    pub http_listen: String,
    pub metrics_listen: String,
    pub parked: ParkedLimits,
    pub limits: QueryLimits,
    /// Already resolved.
    pub patterns: Vec<Pattern>,
}

/// Which files to read.
pub(super) struct Pattern {
    pub path: String,
    pub mark: Mark,
    /// Whether a pattern that names no file is a mistake rather than an empty folder.
    pub must_match: bool,
}

/// Reads the settings. Mistakes are reported and stand at their defaults, so that the other files are still read.
pub(super) fn settings(reader: NodeReader<'_>, yaml: &Yaml, folder: &str) -> Option<Settings> {
    let map = reader.map(yaml, "the configuration", KEYS, LATER)?;
    let data_dir = map.text("data_dir").unwrap_or("./data");
    let commit = map.map("commit", &["max_delay", "max_events"], &[]);
    let search = map.map("search", &["commit"], &[]);
    let checkpoint = map.map("checkpoint", &["interval"], &[]);
    let mut patterns = patterns(&map, "sources", true, folder);
    patterns.extend(self::patterns(&map, "projections", false, folder));
    let (http_listen, metrics_listen) = listeners(&map);
    Some(Settings {
        nats: map.map("nats", NATS_KEYS, &["context", "tls"]).and_then(|nats| self::nats(&nats, folder)),
        data_dir: if data_dir.contains("://") { data_dir.to_owned() } else { resolve(folder, data_dir) },
        commit: Commit {
            max_delay: commit.as_ref().and_then(|c| c.duration("max_delay")).unwrap_or(Duration::from_millis(20)),
            max_events: commit.as_ref().and_then(|c| c.count("max_events")).unwrap_or(65_536),
        },
        search_commit: search.and_then(|s| s.interval("commit")).unwrap_or(Duration::from_millis(200)),
        checkpoint_interval: checkpoint.and_then(|c| c.interval("interval")).unwrap_or(Duration::from_secs(5)),
        http_listen,
        metrics_listen,
        parked: parked(&map),
        limits: limits(&map),
        patterns,
    })
}

fn patterns(map: &Mapping<'_>, key: &str, must_match: bool, folder: &str) -> Vec<Pattern> {
    let texts = map.texts(key).into_iter();
    texts.map(|(text, yaml)| Pattern { path: resolve(folder, text), mark: yaml.mark, must_match }).collect()
}

fn nats(map: &Mapping<'_>, folder: &str) -> Option<Nats> {
    if map.get("url").is_some() && map.get("urls").is_some() {
        map.error_at_key("urls", "`nats` has both `url` and `urls`", "keep `urls` with all of them");
    }
    let mut urls = map.texts("url");
    urls.extend(map.texts("urls"));
    for (url, yaml) in &urls {
        let scheme = url.split_once("://").map_or("nats", |(scheme, _)| scheme);
        let host = url.split_once("://").map_or(*url, |(_, host)| host);
        if !matches!(scheme, "nats" | "tls") || host.is_empty() || host.contains(char::is_whitespace) {
            map.reader.error(
                yaml.mark,
                format!("`{url}` is not a NATS URL"),
                "such as `nats://127.0.0.1:4222` or `tls://host:4222`",
            );
        }
    }
    credentials(map);
    let file = |key: &str| map.text(key).map(|path| PathBuf::from(resolve(folder, path)));
    let text = |key: &str| map.text(key).map(str::to_owned);
    let mut urls: Vec<String> = urls.into_iter().map(|(url, _)| url.to_owned()).collect();
    if urls.is_empty() {
        urls.push(NATS_DEFAULT.to_owned());
    }
    Some(Nats {
        urls,
        user: text("user"),
        password: text("password"),
        token: text("token"),
        credentials_file: file("credentials_file"),
        nkey_file: file("nkey_file"),
        jetstream_domain: text("jetstream_domain"),
    })
}

/// One way to authenticate, and that complete.
fn credentials(map: &Mapping<'_>) {
    for (one, other) in [("user", "password"), ("password", "user")] {
        if map.get(one).is_some() && map.get(other).is_none() {
            map.error_at_key(
                one,
                format!("`{one}` needs `{other}`"),
                format!("add `{other}`, best from the environment: `${{NAME}}`"),
            );
        }
    }
    let ways = ["user", "token", "credentials_file", "nkey_file"].into_iter().filter(|key| map.get(key).is_some());
    if let [first, second, ..] = ways.collect::<Vec<&str>>()[..] {
        let message = format!("`nats` has both `{first}` and `{second}`");
        map.error_at_key(second, message, "keep one way to authenticate");
    }
}

fn listeners(map: &Mapping<'_>) -> (String, String) {
    let listen = |key: &str, default: &str| {
        let address = map.map(key, &["listen"], &[]).and_then(|listener| address(&listener));
        address.unwrap_or_else(|| default.to_owned())
    };
    let (http, metrics) = (listen("http", "127.0.0.1:8080"), listen("metrics", "127.0.0.1:9464"));
    if http == metrics && !http.ends_with(":0") {
        let key = if map.get("metrics").is_some() { "metrics" } else { "http" };
        map.error_at_key(key, format!("`http` and `metrics` both listen on {http}"), "give each its own port");
    }
    (http, metrics)
}

fn address(listener: &Mapping<'_>) -> Option<String> {
    let text = listener.text("listen")?;
    let fine = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !fine && let Some(yaml) = listener.get("listen") {
        let hint = "write host and port: `127.0.0.1:8080`, or `0.0.0.0:8080` for all interfaces";
        listener.reader.error(yaml.mark, format!("`{text}` is not an address to listen on"), hint);
    }
    fine.then(|| text.to_owned())
}

fn parked(map: &Mapping<'_>) -> ParkedLimits {
    let parked = map.map("parked", &["max_events", "max_bytes"], &[]);
    ParkedLimits {
        max_events: parked.as_ref().and_then(|p| p.count("max_events")).unwrap_or(10_000),
        max_bytes: parked.as_ref().and_then(|p| p.bytes("max_bytes")).unwrap_or(64 << 20),
    }
}

fn limits(map: &Mapping<'_>) -> QueryLimits {
    let limits = map.map("limits", &["max_rows", "memory", "timeout", "concurrency", "scan_limit"], &[]);
    let count = |key: &str, default| limits.as_ref().and_then(|limits| limits.count(key)).unwrap_or(default);
    QueryLimits {
        max_rows: count("max_rows", 10_000),
        memory_bytes: limits.as_ref().and_then(|limits| limits.bytes("memory")).unwrap_or(256 << 20),
        timeout: limits.as_ref().and_then(|limits| limits.interval("timeout")).unwrap_or(Duration::from_secs(30)),
        concurrency: count("concurrency", 8),
        scan_limit: count("scan_limit", 100_000),
    }
}
