//! Tokens and certificates as others make them, and clients that others wrote: PyJWT, cryptography, curl.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::readside;
use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;
use crate::support::nats::NatsServer;

const SOURCE: &str = r#"
source: orders
file: {path: events.ndjson, follow: true}
envelope: {type: body:/type}
events: {Placed: {fields: {id: string!, tenant: string!}}}
"#;
const PROJECTION: &str = r#"
policy: own
row_filter: tenant = CASE WHEN claim('sub') = 'spiffe://example.org/shop' THEN 'a' ELSE claim('tenant') END
---
policy: no_roles
row_filter: tenant = 'a' OR has_role('nobody')
---
projection: placed
key: [id]
access: {policies: [own]}
sql: SELECT id, tenant FROM orders.placed
---
projection: for_all
key: [id]
access: {policies: [no_roles]}
sql: SELECT id, tenant FROM orders.placed
"#;

/// What `material.py` writes. None where there is no Python for it; CI does not allow that.
pub(crate) fn material() -> Option<TempDir> {
    let home = tempfile::tempdir().unwrap();
    written_by("tests/it/access/material.py", home.path())?;
    Some(home)
}

/// Runs a script of this repository that writes into a folder.
pub(crate) fn written_by(script: &str, folder: &Path) -> Option<()> {
    let python = python()?;
    let writes = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let made = Command::new(python).arg(writes).arg(folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(())
}

/// A Python with PyJWT and cryptography.
fn python() -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/access-clients");
    let named = std::env::var("ACCESS_CLIENTS_PYTHON").ok();
    let python = named.or_else(|| {
        let output = Command::new(script).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    let Some(python) = python.filter(|python| python != "none") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "scripts/access-clients finds no Python");
        eprintln!("skipped: scripts/access-clients finds no Python");
        return None;
    };
    Some(python)
}

fn tokens(home: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(home.join("tokens.json")).unwrap()).unwrap()
}

/// Writes a configuration with these settings.
fn configured(home: &Path, settings: &str) -> PathBuf {
    let config = format!(
        "data_dir: data\nsources: orders.yaml\nprojections: placed.yaml\nmetrics: {{listen: \"127.0.0.1:0\"}}\n{settings}"
    );
    let events = "{\"type\": \"Placed\", \"id\": \"1\", \"tenant\": \"a\"}\n{\"type\": \"Placed\", \"id\": \"2\", \"tenant\": \"b\"}\n";
    let files = [
        ("readside.yaml", config.as_str()),
        ("orders.yaml", SOURCE),
        ("placed.yaml", PROJECTION),
        ("events.ndjson", events),
    ];
    for (name, text) in files {
        std::fs::write(home.join(name), text).unwrap();
    }
    home.join("readside.yaml")
}

fn ask(daemon: &Daemon, path: &str, token: &str) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("{}{path}", daemon.url());
    let mut response = agent.get(url).header("authorization", format!("Bearer {token}")).call().unwrap();
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn tokens_of_others_say_who_asks() {
    let Some(home) = material() else { return };
    let settings = "http: {listen: \"127.0.0.1:0\"}\nauth:\n  jwt: {keys: jwks.json, issuer: \"https://id.example\", audience: readside, \
                    roles: realm_access.roles, admin_role: operator}\n";
    let mut daemon = Daemon::start(&configured(home.path(), settings));
    let tokens = tokens(home.path());
    let token = |name: &str| tokens[name].as_str().unwrap();
    until("the rows", || ask(&daemon, "/v1/tables/placed/1", token("RS256")).0 == 200);
    for algorithm in ["RS256", "ES256", "EdDSA", "HS256"] {
        let (status, answer) = ask(&daemon, "/v1/tables/placed", token(algorithm));
        assert_eq!((status, &answer["items"]), (200, &json!([{"id": "1", "tenant": "a"}])), "{algorithm} {answer}");
    }
    assert_eq!(ask(&daemon, "/v1/tables/placed", token("b")).1["items"], json!([{"id": "2", "tenant": "b"}]));
    let (status, denied) = ask(&daemon, "/v1/tables/placed", token("no tenant"));
    assert_eq!(status, 403);
    assert!(denied["detail"].as_str().unwrap().contains("asks for the claim"), "{denied}");
    let cases = [
        ("expired", "the token has expired, or does not say when it does"),
        ("no end", "the token has expired, or does not say when it does"),
        ("not yet", "the token is not valid yet"),
        ("other audience", "the token is for somebody else: its `aud` is not this daemon's"),
        ("other issuer", "the token is by somebody else: its `iss` is not the declared one"),
        ("other algorithm", "the token's key is not known"),
        ("other key", "the token's signature does not hold"),
        ("rotated", "the token's key is not known"),
        ("none", "the token is no JSON Web Token"),
    ];
    for (name, detail) in cases {
        let (status, refused) = ask(&daemon, "/v1/tables/placed", token(name));
        assert_eq!((status, refused["detail"].as_str()), (401, Some(detail)), "{name} {refused}");
    }
    assert_eq!(daemon.metric("readside_requests_denied_total", &["reason=\"bad-token\""]), cases.len() as f64);
    let pause =
        |token: &str| readside(&["projection", "pause", "placed", "--reason", "a test", "--url", daemon.url()], token);
    assert!(!pause(token("RS256")).status.success());
    let paused = pause(token("admin"));
    assert!(paused.status.success(), "{}", String::from_utf8_lossy(&paused.stderr));
    // Keys that are gone open nothing any more.
    std::fs::copy(home.path().join("rotated.json"), home.path().join("jwks.json")).unwrap();
    until("the new key", || ask(&daemon, "/v1/tables/placed", token("rotated")).0 == 200);
    assert_eq!(ask(&daemon, "/v1/tables/placed", token("RS256")).0, 401);
    daemon.wait_for_log("the keys of tokens were read");
}

/// Serves a text over HTTP, each time as it is by then.
fn serve(text: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let _head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let body = text.lock().unwrap().clone();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    url
}

#[test]
fn keys_at_a_url_are_asked_for_again_after_a_rotation() {
    let Some(home) = material() else { return };
    let served = Arc::new(Mutex::new("not yet".to_owned()));
    let settings = format!(
        "http: {{listen: \"127.0.0.1:0\"}}\nauth:\n  jwt: {{keys: \"{}\", audience: readside}}\n",
        serve(served.clone())
    );
    // Whoever signs may be away when the daemon starts.
    let mut daemon = Daemon::start(&configured(home.path(), &settings));
    daemon.wait_for_log("the keys of tokens cannot be read");
    let tokens = tokens(home.path());
    let status = |name: &str| ask(&daemon, "/v1/projections", tokens[name].as_str().unwrap()).0;
    assert_eq!(status("RS256"), 401);
    let put = |file: &str| *served.lock().unwrap() = std::fs::read_to_string(home.path().join(file)).unwrap();
    put("jwks.json");
    until("the keys", || status("RS256") == 200);
    put("rotated.json");
    until("the new key", || status("rotated") == 200);
    assert_eq!(status("RS256"), 401);
}

/// curl with these arguments, which knows the authority.
fn curl(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command.current_dir(home).args(["--silent", "--show-error", "--cacert", "ca.pem", "--max-time", "20"]);
    command.args(arguments).output().expect("curl")
}

#[test]
fn curl_speaks_tls_and_shows_certificates() {
    let Some(home) = material() else { return };
    let home = home.path();
    for (from, to) in [("server.pem", "now.pem"), ("server.key", "now.key")] {
        std::fs::copy(home.join(from), home.join(to)).unwrap();
    }
    let settings = "http: {listen: \"127.0.0.1:0\", tls: {certificate: now.pem, key: now.key, client_ca: ca.pem}}\n\
                    auth: {mtls: {admins: [ada]}}\n";
    let mut daemon = Daemon::start(&configured(home, settings));
    let url = daemon.url().replace("http://", "https://");
    let said = |output: &Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let placed = format!("{url}/v1/tables/placed");
    let by =
        |name: &str, path: &str| curl(home, &["--cert", &format!("{name}.pem"), "--key", &format!("{name}.key"), path]);
    until("the rows", || said(&by("shop", &placed)).contains("\"id\":\"1\""));
    assert!(!said(&by("shop", &placed)).contains("\"id\":\"2\""), "the policy sees the SPIFFE ID");
    assert!(said(&by("ada", &placed)).contains("asks for the claim"), "{}", said(&by("ada", &placed)));
    let nobody = said(&curl(home, &[&placed]));
    assert!(nobody.contains("\"status\":401"), "{nobody}");
    for who in [by("eve", &placed), curl(home, &[&placed.replace("https", "http")])] {
        assert!(!who.status.success(), "{}", said(&who));
    }
    let stranger = Command::new("curl").args(["--silent", "--show-error", &placed]).output().unwrap();
    assert!(!stranger.status.success(), "who does not know the authority does not trust the daemon");
    assert!(said(&curl(home, &[&format!("{url}/livez")])).contains("alive"));

    let admin = format!("{url}/v1/admin/projections/placed/pause");
    let ask = |name: &str| {
        let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
        let body = "{\"reason\": \"a test\"}";
        said(&curl(home, &["--cert", &cert, "--key", &key, "--json", body, &admin]))
    };
    assert!(ask("shop").contains("needs `admin`"), "{}", ask("shop"));
    assert!(!ask("ada").contains("\"status\":4"), "{}", ask("ada"));
    let history = by("ada", &format!("{url}/v1/history"));
    assert!(said(&history).contains("\"actor\":\"ada\""), "{}", said(&history));

    // The program's own verbs know the authority by a variable.
    let query = |ca: &str| {
        let arguments = ["query", "SELECT count(*) AS n FROM for_all", "--json", "--url", &url];
        Command::new(binary()).args(arguments).current_dir(home).env("SSL_CERT_FILE", ca).output().unwrap()
    };
    assert!(said(&query("ca.pem")).contains("this needs a token"), "{}", said(&query("ca.pem")));

    // A certificate that is renewed is used without a restart; half of it changes nothing.
    let serial = || {
        let shown = said(&curl(home, &["--output", "/dev/null", "--write-out", "%{certs}", &format!("{url}/livez")]));
        shown.lines().find(|line| line.starts_with("Serial Number:")).map(str::to_owned).unwrap_or(shown)
    };
    let before = serial();
    std::fs::copy(home.join("renewed.pem"), home.join("now.pem")).unwrap();
    daemon.wait_for_log("the certificate cannot be read again");
    assert_eq!(serial(), before);
    std::fs::copy(home.join("renewed.key"), home.join("now.key")).unwrap();
    until("the new certificate", || serial() != before);

    // Connections that say nothing, or something else, end in time and stop nobody.
    let idle: Vec<_> = (0..200).map(|_| std::net::TcpStream::connect(daemon.address()).unwrap()).collect();
    assert!(said(&curl(home, &[&format!("{url}/livez")])).contains("alive"));
    drop(idle);
}

#[test]
fn nats_is_spoken_to_with_certificates() {
    let Some(home) = material() else { return };
    let home = home.path();
    for first in [false, true] {
        let file = |name: &str| home.join(name).display().to_string();
        let settings = format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true, handshake_first: {first} }}\n",
            file("server.pem"),
            file("server.key"),
            file("ca.pem"),
        );
        let server = NatsServer::start_with(settings);
        let source = "source: orders\njetstream: {stream: ORDERS}\nenvelope: {type: header:Event-Type}\n\
                      events: {Placed: {fields: {id: string!, tenant: string!}}}\n";
        let nats = |tls: &str| {
            let settings = format!(
                "http: {{listen: \"127.0.0.1:0\"}}\nnats: {{url: \"tls://127.0.0.1:{}\"{tls}}}\n",
                server.port()
            );
            let config = configured(home, &settings);
            std::fs::write(home.join("orders.yaml"), source).unwrap();
            config
        };
        let checked = |config: &Path| readside(&["check", "--config", config.to_str().unwrap()], "");
        let text = |output: &Output| {
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        };
        let refused = checked(&nats(""));
        assert!(text(&refused).contains("cannot connect to NATS"), "{}", text(&refused));
        let own = format!(", tls: {{ca: ca.pem, certificate: shop.pem, key: shop.key, first: {first}}}");
        let connected = checked(&nats(&own));
        assert!(!text(&connected).contains("cannot connect to NATS"), "{}", text(&connected));
        assert!(text(&connected).contains("ORDERS"), "{}", text(&connected));
    }
}
