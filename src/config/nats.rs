//! The section `nats`: where its servers are, who the daemon is to them, and where JetStream's API is. What a context says is read
//! in `nats_context`; what stands beside it here counts in its place.

use std::path::PathBuf;

use super::checked::{Nats, NatsTls};
use super::code::Code;
use super::nats_context;
use super::paths::resolve;
use super::reader::Mapping;
use super::subject::is_subject;
use super::substitute::Values;

const KEYS: &[&str] = &[
    "context",
    "url",
    "urls",
    "user",
    "password",
    "token",
    "credentials_file",
    "nkey_file",
    "jetstream_domain",
    "jetstream_api_prefix",
    "inbox_prefix",
    "tls",
];

/// The keys that say who the daemon is.
const WHO: [&str; 5] = ["user", "password", "token", "credentials_file", "nkey_file"];

pub(super) const NATS_DEFAULT: &str = "nats://127.0.0.1:4222";

pub(super) fn nats(root: &Mapping<'_>, values: &Values<'_>) -> Option<Nats> {
    let map = root.map("nats", KEYS, &[])?;
    let mut nats = of_context(&map, values).unwrap_or_else(|| Nats::at(NATS_DEFAULT));
    let urls = urls(&map);
    if !urls.is_empty() {
        nats.urls = urls;
    }
    credentials(&map);
    let says = |keys: &[&str]| keys.iter().any(|key| map.get(key).is_some());
    if says(&WHO) {
        nats = with_own_credentials(nats, &map, values.folder);
    }
    if says(&["jetstream_domain", "jetstream_api_prefix"]) {
        nats.jetstream_domain = map.text("jetstream_domain").map(str::to_owned);
        nats.jetstream_api_prefix = prefix(&map, "jetstream_api_prefix");
        if map.get("jetstream_domain").is_some() && map.get("jetstream_api_prefix").is_some() {
            let message = "`nats` has both `jetstream_domain` and `jetstream_api_prefix`";
            map.error_at_key(Code::NotTogether, "jetstream_api_prefix", message, "keep one: a domain is a prefix too");
        }
    }
    if let Some(prefix) = prefix(&map, "inbox_prefix") {
        nats.inbox_prefix = Some(prefix);
    }
    if let Some(tls) = map.map("tls", &["ca", "certificate", "key", "first"], &[]) {
        nats.tls = tls_over(nats.tls, &tls, values.folder);
    }
    Some(nats)
}

/// What the named context says; none if none is named, or it cannot be used.
fn of_context(map: &Mapping<'_>, values: &Values<'_>) -> Option<Nats> {
    let written = map.text("context")?;
    match nats_context::read(written, values) {
        Ok(nats) => Some(nats),
        Err(faults) => {
            let mark = map.get("context").map_or(map.yaml.head(), |yaml| yaml.mark);
            for fault in faults {
                map.reader.error(Code::BadContext, mark, fault.message, fault.hint);
            }
            None
        }
    }
}

/// Whether it is the address of a server, as far as that is seen without asking for it.
pub(super) fn is_server(url: &str) -> bool {
    let (scheme, host) = url.split_once("://").unwrap_or(("nats", url));
    matches!(scheme, "nats" | "tls") && !host.is_empty() && !host.contains(char::is_whitespace)
}

/// Whether subjects may begin so.
pub(super) fn is_prefix(prefix: &str) -> bool {
    is_subject(prefix) && !prefix.contains(['*', '>'])
}

fn urls(map: &Mapping<'_>) -> Vec<String> {
    if map.get("url").is_some() && map.get("urls").is_some() {
        map.error_at_key(Code::NotTogether, "urls", "`nats` has both `url` and `urls`", "keep `urls` with all of them");
    }
    let mut urls = map.texts("url");
    urls.extend(map.texts("urls"));
    for (url, yaml) in urls.iter().filter(|(url, _)| !is_server(url)) {
        let hint = "such as `nats://127.0.0.1:4222` or `tls://host:4222`";
        map.reader.error(Code::BadAddress, yaml.mark, format!("`{url}` is not a NATS URL"), hint);
    }
    urls.into_iter().map(|(url, _)| url.to_owned()).collect()
}

/// In the place of all that a context says of who the daemon is.
fn with_own_credentials(nats: Nats, map: &Mapping<'_>, folder: &str) -> Nats {
    let file = |key: &str| map.text(key).map(|path| PathBuf::from(resolve(folder, path)));
    let text = |key: &str| map.text(key).map(str::to_owned);
    let mut context = nats.context;
    if let Some(context) = &mut context {
        context.authenticates = false;
    }
    Nats {
        context,
        user: text("user"),
        password: text("password"),
        token: text("token"),
        credentials_file: file("credentials_file"),
        nkey_file: file("nkey_file"),
        credentials: None,
        nkey: None,
        bearer_jwt: None,
        ..nats
    }
}

fn prefix(map: &Mapping<'_>, key: &str) -> Option<String> {
    let prefix = map.text(key)?;
    if !is_prefix(prefix) {
        let hint = "tokens between dots, without `*` and `>`, such as `_INBOX.readside`";
        let mark = map.get(key).map_or(map.yaml.head(), |yaml| yaml.mark);
        map.reader.error(Code::BadSubject, mark, format!("no subject begins with `{prefix}`"), hint);
    }
    Some(prefix.to_owned())
}

fn tls_over(context: NatsTls, tls: &Mapping<'_>, folder: &str) -> NatsTls {
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if tls.get(one).is_some() && tls.get(other).is_none() {
            tls.error_at_key(
                Code::NotTogether,
                one,
                format!("`{one}` needs `{other}`"),
                format!("name the PEM file: `{other}: FILE`"),
            );
        }
    }
    let file = |key: &str| tls.text(key).map(|path| PathBuf::from(resolve(folder, path)));
    NatsTls {
        ca: file("ca").or(context.ca),
        certificate: file("certificate").or(context.certificate),
        key: file("key").or(context.key),
        first: tls.flag("first").unwrap_or(context.first),
    }
}

/// One way to authenticate, and that complete.
fn credentials(map: &Mapping<'_>) {
    for (one, other) in [("user", "password"), ("password", "user")] {
        if map.get(one).is_some() && map.get(other).is_none() {
            map.error_at_key(
                Code::NotTogether,
                one,
                format!("`{one}` needs `{other}`"),
                format!("add `{other}`, best from the environment: `${{NAME}}`"),
            );
        }
    }
    let ways = ["user", "token", "credentials_file", "nkey_file"].into_iter().filter(|key| map.get(key).is_some());
    if let [first, second, ..] = ways.collect::<Vec<&str>>()[..] {
        let message = format!("`nats` has both `{first}` and `{second}`");
        map.error_at_key(Code::NotTogether, second, message, "keep one way to authenticate");
    }
}
