//! A context of the command line tool `nats`: a JSON file that says how servers are reached, read as that tool reads it.
//!
//! What such a file says is used or refused, and never passed over, but for how it looks to people. No message has a value that
//! may be a secret, and no line of the file is shown.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::checked::{Nats, NatsContext, NatsTls};
use super::nats::{NATS_DEFAULT, is_prefix, is_server};
use super::paths::resolve;
use super::substitute::Values;
use super::suggest::did_you_mean;

#[cfg(test)]
mod tests;

/// For people alone.
const LOOKS: [&str; 3] = ["name", "description", "color_scheme"];

const USED: [&str; 15] = [
    "url",
    "user",
    "password",
    "token",
    "creds",
    "nkey",
    "user_jwt",
    "user_seed",
    "cert",
    "key",
    "ca",
    "tls_first",
    "jetstream_domain",
    "jetstream_api_prefix",
    "inbox_prefix",
];

const WINDOWS: &str = "take certificates from PEM files: `ca`, `cert` and `key`";

/// What a daemon cannot do, with what to write in its place.
const REFUSED: [(&str, &str); 7] = [
    ("socks_proxy", "reach the server without one: name an address in `url` to which connections can be made"),
    ("nsc", "write the credentials into a file by `nsc generate creds`, and name it in `creds`"),
    ("jetstream_event_prefix", "leave it out: nothing here listens to events of JetStream"),
    ("windows_cert_store", WINDOWS),
    ("windows_cert_match_by", WINDOWS),
    ("windows_cert_match", WINDOWS),
    ("windows_ca_certs_match", WINDOWS),
];

/// Why a context cannot be used, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub message: String,
    pub hint: String,
}

/// Reads the context of a name, or of a file where a path is written.
pub(super) fn read(written: &str, values: &Values<'_>) -> Result<Nats, Vec<Fault>> {
    let (name, path) = locate(written, values).map_err(|fault| vec![fault])?;
    let members = members(&path, values).map_err(|fault| vec![fault])?;
    let file = ContextFile { path, members, values, faults: RefCell::default() };
    file.unknown();
    let nats = file.nats(name);
    let faults = file.faults.into_inner();
    if faults.is_empty() { Ok(nats) } else { Err(faults) }
}

/// A name for messages, and the path of the file.
fn locate(written: &str, values: &Values<'_>) -> Result<(String, String), Fault> {
    let home = || (values.env)("HOME").filter(|home| !home.is_empty());
    let no_home = || Fault {
        message: format!("there is no folder to look for the context `{written}` in: HOME is not set"),
        hint: "set HOME or XDG_CONFIG_HOME, or write the path of the file: `context: ./production.json`".to_owned(),
    };
    if written.contains('/') || written.ends_with(".json") {
        let path = match written.strip_prefix("~/") {
            Some(rest) => format!("{}/{rest}", home().ok_or_else(no_home)?),
            None => resolve(values.folder, written),
        };
        // What is printed of it is read as a path again.
        let name = if path.contains('/') { path.clone() } else { format!("./{path}") };
        return Ok((name, path));
    }
    if written.contains("..") || written.contains('\\') {
        let message = format!("no context can be called `{written}`");
        return Err(Fault { message, hint: "`nats context ls` lists the names that there are".to_owned() });
    }
    let folder = match (values.env)("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => folder,
        None => format!("{}/.config", home().ok_or_else(no_home)?),
    };
    Ok((written.to_owned(), format!("{folder}/nats/context/{written}.json")))
}

fn members(path: &str, values: &Values<'_>) -> Result<Map<String, Value>, Fault> {
    let text = (values.read)(path).map_err(|error| {
        let message = format!("cannot read the context in {path}: {error}");
        let hint = if error.kind() == ErrorKind::NotFound {
            "`nats context ls` lists those of whoever calls it; another user has others. Or write the path of a file: `context: ./production.json`"
        } else {
            "let the user as whom the daemon runs read it"
        };
        Fault { message, hint: hint.to_owned() }
    })?;
    // What the library says of JSON that is none has a place, and nothing of the text.
    match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("it holds no JSON object".to_owned()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
    .map_err(|why| Fault {
        message: format!("the context in {path} cannot be used: {why}"),
        hint: "write it by `nats context save` or `nats context edit`".to_owned(),
    })
}

struct ContextFile<'a> {
    path: String,
    members: Map<String, Value>,
    values: &'a Values<'a>,
    faults: RefCell<Vec<Fault>>,
}

/// What a member refers to.
enum Referred {
    File(PathBuf),
    Text(String),
}

impl ContextFile<'_> {
    fn fault(&self, message: impl AsRef<str>, hint: impl Into<String>) {
        let message = format!("the context in {} cannot be used: {}", self.path, message.as_ref());
        self.faults.borrow_mut().push(Fault { message, hint: hint.into() });
    }

    /// Refuses what is said and not used.
    fn unknown(&self) {
        for (name, _) in self.members.iter().filter(|(_, value)| says_something(value)) {
            if let Some((_, hint)) = REFUSED.iter().find(|(refused, _)| refused == name) {
                self.fault(format!("`{name}` is not supported"), *hint);
            } else if !USED.contains(&name.as_str()) && !LOOKS.contains(&name.as_str()) {
                let hint = did_you_mean(name, &USED).unwrap_or_else(|| "leave it out".to_owned());
                self.fault(format!("nobody here knows `{name}`"), hint);
            }
        }
    }

    fn nats(&self, name: String) -> Nats {
        self.check_credentials();
        let (mut credentials_file, mut credentials) = self.referred("creds");
        let (nkey_file, nkey) = self.referred("nkey");
        let (jwt, seed) = (self.literal("user_jwt"), self.literal("user_seed"));
        let mut bearer_jwt = jwt.clone();
        if let (Some(jwt), Some(seed)) = (jwt, seed) {
            (credentials_file, bearer_jwt) = (None, None);
            credentials = Some(as_creds(&jwt, &seed));
        }
        let says = |key| self.text(key).is_some();
        let authenticates = ["user", "token", "creds", "nkey", "user_jwt"].into_iter().any(says);
        Nats {
            context: Some(NatsContext { name, path: self.path.clone(), authenticates }),
            urls: self.urls(),
            user: self.text("user"),
            password: self.literal("password"),
            token: self.literal("token"),
            credentials_file,
            nkey_file,
            credentials,
            nkey,
            bearer_jwt,
            jetstream_domain: self.text("jetstream_domain"),
            jetstream_api_prefix: self.prefix("jetstream_api_prefix"),
            inbox_prefix: self.prefix("inbox_prefix"),
            tls: NatsTls {
                ca: self.file("ca"),
                certificate: self.file("cert"),
                key: self.file("key"),
                first: self.flag("tls_first"),
            },
        }
    }

    /// One way to authenticate, with which a token may come, and all pairs whole.
    fn check_credentials(&self) {
        let says = |key: &str| self.text(key).is_some();
        let pairs =
            [("user", "password"), ("password", "user"), ("user_seed", "user_jwt"), ("cert", "key"), ("key", "cert")];
        for (one, other) in pairs.into_iter().filter(|(one, other)| says(one) && !says(other)) {
            self.fault(format!("`{one}` needs `{other}`"), format!("add `{other}` by `nats context edit`"));
        }
        let ways = ["user", "creds", "nkey", "user_jwt"].into_iter().filter(|key| says(key));
        if let [first, second, ..] = ways.collect::<Vec<&str>>()[..] {
            self.fault(format!("it has both `{first}` and `{second}`"), "keep one way to authenticate");
        }
        if says("jetstream_domain") && says("jetstream_api_prefix") {
            self.fault(
                "it has both `jetstream_domain` and `jetstream_api_prefix`",
                "keep one: a domain is a prefix too",
            );
        }
    }

    fn urls(&self) -> Vec<String> {
        let written = self.text("url").unwrap_or_else(|| NATS_DEFAULT.to_owned());
        let urls: Vec<String> =
            written.split(',').map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()).collect();
        for url in urls.iter().filter(|url| !is_server(url)) {
            // A user and a password may stand before it.
            let shown = url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host);
            let hint = "such as `nats://127.0.0.1:4222` or `tls://host:4222`, or several with commas between them";
            self.fault(format!("`url` has `{shown}`, which is no address of a server here"), hint);
        }
        if urls.is_empty() { vec![NATS_DEFAULT.to_owned()] } else { urls }
    }

    /// A member's text; none if it says nothing.
    fn text(&self, key: &str) -> Option<String> {
        match self.members.get(key).filter(|value| says_something(value))? {
            Value::String(text) => Some(text.clone()),
            _ => {
                let told = format!("`{key}` is no text");
                // It is asked for more than once.
                if !self.faults.borrow().iter().any(|fault| fault.message.ends_with(&told)) {
                    self.fault(told, "write it between quotes");
                }
                None
            }
        }
    }

    fn flag(&self, key: &str) -> bool {
        let value = self.members.get(key).filter(|value| says_something(value));
        if value.is_some_and(|value| !value.is_boolean()) {
            self.fault(format!("`{key}` is neither true nor false"), "write `true` or `false`, without quotes");
        }
        value.is_some()
    }

    fn prefix(&self, key: &str) -> Option<String> {
        let prefix = self.text(key)?;
        if !is_prefix(&prefix) {
            let hint = "tokens between dots, without `*` and `>`";
            self.fault(format!("no subject begins with `{prefix}`, which is `{key}`"), hint);
        }
        Some(prefix)
    }

    /// What a member is itself, unless it refers to something.
    fn literal(&self, key: &str) -> Option<String> {
        let written = self.text(key)?;
        let text = match scheme(&written) {
            None => return Some(written),
            Some(("file", path)) => self.read(key, &self.expanded(key, path)?)?,
            Some((scheme, rest)) => self.resolved(key, scheme, rest)?,
        };
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The file that a member names, or the text that it refers to otherwise.
    fn referred(&self, key: &str) -> (Option<PathBuf>, Option<String>) {
        match self.reference(key) {
            Some(Referred::File(path)) => (Some(path), None),
            Some(Referred::Text(text)) => (None, Some(text)),
            None => (None, None),
        }
    }

    fn reference(&self, key: &str) -> Option<Referred> {
        let written = self.text(key)?;
        match scheme(&written) {
            None => self.expanded(key, &written).map(|path| Referred::File(path.into())),
            Some(("file", path)) => self.expanded(key, path).map(|path| Referred::File(path.into())),
            Some((scheme, rest)) => self.resolved(key, scheme, rest).map(Referred::Text),
        }
    }

    /// A file, and nothing else.
    fn file(&self, key: &str) -> Option<PathBuf> {
        let written = self.text(key)?;
        match scheme(&written) {
            None => self.expanded(key, &written).map(PathBuf::from),
            Some(("file", path)) => self.expanded(key, path).map(PathBuf::from),
            Some(_) => {
                self.fault(format!("`{key}` names no file"), format!("write the path of a PEM file into `{key}`"));
                None
            }
        }
    }

    fn read(&self, key: &str, path: &str) -> Option<String> {
        let read = (self.values.read)(path);
        if let Err(error) = &read {
            self.fault(
                format!("`{key}` names {path}, which cannot be read: {error}"),
                "check the path and who may read it",
            );
        }
        read.ok()
    }

    /// A secret that is no file.
    fn resolved(&self, key: &str, scheme: &str, rest: &str) -> Option<String> {
        let found = match scheme {
            "env" => (self.values.env)(rest).filter(|value| !value.is_empty()),
            "data" => decoded(rest),
            _ => {
                let hint = format!("write what it gives into a file, and `file:///path` into `{key}`");
                self.fault(format!("`{key}` is looked up by the program `{scheme}`, which is not run"), hint);
                return None;
            }
        };
        if found.is_none() {
            let (told, hint) = match scheme {
                "env" => (
                    format!("the environment variable `{rest}` that `{key}` refers to is not set"),
                    "set it for the daemon",
                ),
                _ => (format!("`{key}` has no text in base64"), "write `data:;base64,…`"),
            };
            self.fault(told, hint);
        }
        found
    }

    /// A path with variables and `~` replaced. A relative one begins where the process runs, as for the tool.
    fn expanded(&self, key: &str, path: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = path;
        while let Some(at) = rest.find('$') {
            text.push_str(&rest[..at]);
            let (name, after) = variable(&rest[at + 1..]);
            if name.is_empty() {
                text.push('$');
            } else if let Some(value) = (self.values.env)(name) {
                text.push_str(&value);
            } else {
                self.fault(format!("the environment variable `{name}` in `{key}` is not set"), "set it for the daemon");
                return None;
            }
            rest = after;
        }
        text.push_str(rest);
        let Some(below) = text.strip_prefix('~') else { return Some(text) };
        let home = (self.values.env)("HOME").filter(|home| !home.is_empty());
        if home.is_none() {
            self.fault(
                format!("`{key}` begins at the home folder, and HOME is not set"),
                "set it, or write the whole path",
            );
        }
        home.map(|home| format!("{home}{below}"))
    }
}

/// What the tool writes for a member that nobody has set says nothing.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Number(_) | Value::Object(_) => true,
    }
}

/// How a reference is looked up, and what follows; none of a plain value.
fn scheme(written: &str) -> Option<(&'static str, &str)> {
    let schemes = [("file", "file://"), ("env", "env://"), ("op", "op://"), ("nsc", "nsc://"), ("data", "data:")];
    schemes.into_iter().find_map(|(scheme, start)| {
        let (head, rest) = written.split_at_checked(start.len())?;
        head.eq_ignore_ascii_case(start).then_some((scheme, rest))
    })
}

/// The payload of a data URI, which has to be in base64.
fn decoded(rest: &str) -> Option<String> {
    let (head, payload) = rest.split_once(',')?;
    let is_base64 = head.split(';').any(|part| part.trim() == "base64");
    let bytes = is_base64.then(|| STANDARD.decode(payload).ok()).flatten()?;
    String::from_utf8(bytes).ok()
}

/// The name of a variable at the beginning of a text, as a shell writes it, and what follows.
fn variable(text: &str) -> (&str, &str) {
    if let Some((name, rest)) = text.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
        return (name, rest);
    }
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()))
}

/// As the file of credentials has them.
fn as_creds(jwt: &str, seed: &str) -> String {
    format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}
