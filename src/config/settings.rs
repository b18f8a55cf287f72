//! `readside.yaml` itself: what the daemon connects to, keeps to and listens on, with defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use super::checked::{
    Auth, Commit, Http, Nats, ParkedLimits, Postgres, PrincipalLimits, Promotion, QueryLimits, StoreAccess,
    Verification,
};
use super::code::Code;
use super::diagnostic::Mark;
use super::listeners::{Listeners, listeners};
use super::nats::nats;
use super::paths::resolve;
use super::projection::promotion;
use super::reader::{Mapping, NodeReader};
use super::store_access::store_access;
use super::subject::is_subject;
use super::substitute::Values;
use super::yaml::{Data, Yaml};

const KEYS: &[&str] = &[
    "nats",
    "data_dir",
    "object_store",
    "sources",
    "projections",
    "commit",
    "search",
    "checkpoint",
    "http",
    "metrics",
    "health",
    "postgres",
    "auth",
    "parked",
    "limits",
    "verify",
    "promotion",
    "keep",
];
const LATER: &[&str] = &["pg", "console", "telemetry", "tls"];

const LIMITS_KEYS: &[&str] =
    &["max_rows", "memory", "timeout", "concurrency", "scan_limit", "result_cache", "state", "per_principal"];

/// A working day later somebody has seen what is wrong with it.
const KEEP: Duration = Duration::from_secs(24 * 3600);

/// Of the keys of a projection.
const SHARES_MAX: u64 = 10_000;

/// The checked settings, and the patterns of the files that hold the rest.
pub(super) struct Settings {
    pub nats: Option<Nats>,
    pub data_dir: String,
    pub object_store: StoreAccess,
    /// Paths as they are written, by key.
    pub written_paths: BTreeMap<&'static str, String>,
    pub commit: Commit,
    pub search_commit: Duration,
    pub checkpoint_interval: Duration,
    pub http: Http,
    pub metrics_listen: String,
    pub health_listen: Option<String>,
    pub postgres: Option<Postgres>,
    pub auth: Auth,
    pub required_policies: Vec<(String, Mark)>,
    pub parked: ParkedLimits,
    /// The subject of notices of parked events, and where it is written.
    pub parked_notify: Option<(String, Mark)>,
    pub limits: QueryLimits,
    pub state_limit: Option<u64>,
    pub verify: Verification,
    pub promotion: Option<Promotion>,
    pub keep: Duration,
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
pub(super) fn settings(reader: NodeReader<'_>, yaml: &Yaml, values: &Values<'_>) -> Option<Settings> {
    let folder = values.folder;
    let map = reader.map(yaml, "the configuration", KEYS, LATER)?;
    let data_dir = map.text("data_dir").unwrap_or("./data");
    let commit = map.map("commit", &["max_delay", "max_events"], &[]);
    let search = map.map("search", &["commit"], &[]);
    let checkpoint = map.map("checkpoint", &["interval"], &[]);
    let parked = map.map("parked", &["max_events", "max_bytes", "notify"], &[]);
    let mut patterns = patterns(&map, "sources", true, folder);
    patterns.extend(self::patterns(&map, "projections", false, folder));
    let Listeners { http, metrics_listen, health_listen, postgres, auth, required_policies } = listeners(&map, folder);
    let (limits, state_limit) = limits(&map);
    Some(Settings {
        nats: nats(&map, values),
        written_paths: written_paths(&map, data_dir),
        object_store: store_access(&map, data_dir),
        data_dir: if data_dir.contains("://") { data_dir.to_owned() } else { resolve(folder, data_dir) },
        commit: Commit {
            max_delay: commit.as_ref().and_then(|c| c.duration("max_delay")).unwrap_or(Duration::from_millis(20)),
            max_events: commit.as_ref().and_then(|c| c.count("max_events")).unwrap_or(65_536),
        },
        search_commit: search.and_then(|s| s.interval("commit")).unwrap_or(Duration::from_millis(200)),
        checkpoint_interval: checkpoint.and_then(|c| c.interval("interval")).unwrap_or(Duration::from_secs(5)),
        http,
        metrics_listen,
        health_listen,
        postgres,
        auth,
        required_policies,
        parked: parked.as_ref().map_or_else(ParkedLimits::default, limits_of_parked),
        parked_notify: parked.as_ref().and_then(parked_notify),
        limits,
        state_limit,
        verify: verification(&map),
        promotion: promotion(&map),
        keep: map.duration("keep").unwrap_or(KEEP),
        patterns,
    })
}

/// The settings that name files, beside `data_dir`.
const FILES: [&str; 13] = [
    "nats.credentials_file",
    "nats.nkey_file",
    "nats.tls.ca",
    "nats.tls.certificate",
    "nats.tls.key",
    "http.tls.certificate",
    "http.tls.key",
    "http.tls.client_ca",
    "postgres.tls.certificate",
    "postgres.tls.key",
    "postgres.tls.client_ca",
    "auth.tokens",
    "auth.jwt.keys",
];

/// What is wrong with any of them is told where it is read.
fn written_paths(map: &Mapping<'_>, data_dir: &str) -> BTreeMap<&'static str, String> {
    let mut paths = BTreeMap::from([("data_dir", data_dir.to_owned())]);
    for key in FILES {
        let mut at = Some(map.yaml);
        for part in key.split('.') {
            at = at.and_then(|yaml| yaml.entry(part)).map(|entry| &entry.value);
        }
        if let Some(Data::Scalar(scalar)) = at.map(|yaml| &yaml.data) {
            paths.insert(key, scalar.text.clone());
        }
    }
    paths
}

fn patterns(map: &Mapping<'_>, key: &str, must_match: bool, folder: &str) -> Vec<Pattern> {
    let texts = map.texts(key).into_iter();
    texts.map(|(text, yaml)| Pattern { path: resolve(folder, text), mark: yaml.mark, must_match }).collect()
}

fn limits_of_parked(parked: &Mapping<'_>) -> ParkedLimits {
    let default = ParkedLimits::default();
    ParkedLimits {
        max_events: parked.count("max_events").unwrap_or(default.max_events),
        max_bytes: parked.bytes("max_bytes").unwrap_or(default.max_bytes),
    }
}

fn verification(map: &Mapping<'_>) -> Verification {
    let verify = map.map("verify", &["every", "shares", "memory"], &[]);
    let verify = verify.as_ref();
    let every = verify.and_then(|verify| verify.interval("every"));
    let shares = verify.and_then(|verify| verify.integer("shares", 1..=SHARES_MAX));
    if let Some(verify) = verify
        && verify.get("shares").is_some()
        && verify.get("every").is_none()
    {
        let hint = "add `every`, such as `every: 1h`: each turn looks at one share of the keys of one projection";
        verify.error_at_key(Code::NotTogether, "shares", "`shares` has no meaning without `every`", hint);
    }
    Verification {
        every,
        shares: shares.and_then(|shares| u32::try_from(shares).ok()).unwrap_or(1),
        memory_bytes: verify.and_then(|verify| verify.bytes("memory")).unwrap_or(1 << 30),
    }
}

/// The subject of notices, and where it is written. Whether a source reads it is seen once all sources are.
fn parked_notify(parked: &Mapping<'_>) -> Option<(String, Mark)> {
    let notify = parked.map("notify", &["subject"], &[])?;
    notify.need("subject", "name one: `notify: {subject: readside.parked}`");
    let (subject, mark) = (notify.text("subject")?, notify.get("subject")?.mark);
    let hint =
        "such as `readside.parked`: tokens between dots, without `*` and `>`, and not one of the server's own with `$`";
    if !is_subject(subject) || subject.contains(['*', '>']) || subject.starts_with('$') {
        notify.reader.error(Code::BadSubject, mark, format!("`{subject}` is no subject to publish to"), hint);
        return None;
    }
    Some((subject.to_owned(), mark))
}

/// Of readers' queries, and of all state.
fn limits(map: &Mapping<'_>) -> (QueryLimits, Option<u64>) {
    let limits = map.map("limits", LIMITS_KEYS, &[]);
    let of_one =
        limits.as_ref().and_then(|limits| limits.map("per_principal", &["requests_per_second", "concurrent"], &[]));
    let of_one = |key| of_one.as_ref().and_then(|limits| limits.count(key));
    let count = |key: &str, default| limits.as_ref().and_then(|limits| limits.count(key)).unwrap_or(default);
    let of_queries = QueryLimits {
        max_rows: count("max_rows", 10_000),
        memory_bytes: limits.as_ref().and_then(|limits| limits.bytes("memory")).unwrap_or(256 << 20),
        timeout: limits.as_ref().and_then(|limits| limits.interval("timeout")).unwrap_or(Duration::from_secs(30)),
        concurrency: count("concurrency", 8),
        scan_limit: count("scan_limit", 100_000),
        result_cache_bytes: limits.as_ref().and_then(|limits| limits.bytes_or_none("result_cache")).unwrap_or(64 << 20),
        per_principal: PrincipalLimits {
            requests_per_second: of_one("requests_per_second"),
            concurrent: of_one("concurrent"),
        },
    };
    (of_queries, limits.as_ref().and_then(|limits| limits.bytes("state")).map(|bytes| bytes as u64))
}
