//! The section `object_store`: how the object store at `data_dir` is reached, as far as the environment does not say it.

use super::checked::StoreAccess;
use super::code::Code;
use super::reader::Mapping;

const KEYS: &[&str] = &[
    "endpoint",
    "allow_http",
    "region",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "service_account",
    "account",
    "account_key",
    "timeout",
];

/// The kinds of object stores by their scheme, each with the keys that mean something to it.
const SCHEMES: &[(&str, &[&str])] = &[
    ("s3", &["endpoint", "allow_http", "region", "access_key_id", "secret_access_key", "session_token", "timeout"]),
    ("gs", &["service_account", "timeout"]),
    ("az", &["endpoint", "allow_http", "account", "account_key", "timeout"]),
];

/// Reads the section. What it says in vain for this data directory is a mistake.
pub(super) fn store_access(root: &Mapping<'_>, data_dir: &str) -> StoreAccess {
    let (scheme, rest) = data_dir.split_once("://").unwrap_or_default();
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme).map(|(_, keys)| *keys);
    if known.is_some() && rest.split('/').next().is_some_and(|bucket| bucket.contains('@')) {
        let hint = "name the bucket alone: keys come from the environment, or from `object_store`";
        root.error_at_key(Code::BadAddress, "data_dir", "`data_dir` carries credentials in its address", hint);
    }
    let Some(section) = root.map("object_store", KEYS, &[]) else { return StoreAccess::default() };
    let Some(known) = known else {
        let hint = "write `data_dir: s3://bucket/prefix` (or gs://, az://), or leave `object_store` out";
        let message = "`object_store` has no meaning where `data_dir` is in none";
        root.error_at_key(Code::NotTogether, "object_store", message, hint);
        return StoreAccess::default();
    };
    for key in KEYS.iter().filter(|key| section.get(key).is_some() && !known.contains(key)) {
        let hint = format!("leave it out; for {scheme}:// there are {}", known.join(", "));
        section.error_at_key(Code::NotTogether, key, format!("`{key}` has no meaning for {scheme}://"), hint);
    }
    let text = |key: &str| section.text(key).map(str::to_owned);
    let access = StoreAccess {
        endpoint: text("endpoint"),
        allow_http: section.flag("allow_http").unwrap_or(false),
        region: text("region"),
        access_key_id: text("access_key_id"),
        secret_access_key: text("secret_access_key"),
        session_token: text("session_token"),
        service_account: text("service_account"),
        account: text("account"),
        account_key: text("account_key"),
        timeout: section.interval("timeout"),
    };
    check(&section, &access);
    access
}

fn check(section: &Mapping<'_>, access: &StoreAccess) {
    let needs = [
        ("access_key_id", "secret_access_key"),
        ("secret_access_key", "access_key_id"),
        ("session_token", "access_key_id"),
        ("account_key", "account"),
    ];
    for (one, other) in needs {
        if section.get(one).is_some() && section.get(other).is_none() {
            let hint = format!("add `{other}`, best from a file: `${{file:/run/secrets/…}}`");
            section.error_at_key(Code::NotTogether, one, format!("`{one}` needs `{other}`"), hint);
        }
    }
    let Some((endpoint, yaml)) = access.endpoint.as_deref().zip(section.get("endpoint")) else { return };
    let is_plain = endpoint.starts_with("http://");
    if !is_plain && !endpoint.starts_with("https://") {
        let hint = "such as `https://minio.example:9000`";
        section.reader.error(Code::BadAddress, yaml.mark, format!("`{endpoint}` is no address of a server"), hint);
    }
    if is_plain && !access.allow_http {
        let message = format!("`{endpoint}` is not encrypted: rows would cross the network as they are");
        let hint = "write https://, or add `allow_http: true` if that is meant";
        section.error_at_key(Code::NotTogether, "endpoint", message, hint);
    }
}
