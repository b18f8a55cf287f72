//! The console in a real browser: headless Chromium, driven by Selenium, over a daemon that reads a JetStream. What is looked at is in the
//! Python files beside this one, a class of cases for each test.

mod shop;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;
use crate::support::nats::needs_nats;
use shop::Shop;

/// The first line of every test that needs a browser: skips the test where none can be had. In CI that fails instead.
macro_rules! needs_browser {
    () => {
        needs_nats!();
        if let Err(missing) = browser() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            eprintln!("skipped: {missing}");
            return;
        }
    };
}

#[test]
fn the_interface_has_what_is_declared() {
    needs_nats!();
    let shop = Shop::open();
    let declared = |name: &str| shop.daemon.get(&format!("/v1/projections/{name}")).1["item"].clone();
    let totals = declared("totals");
    assert!(totals["sql"].as_str().unwrap().contains("latest(note) AS note"), "{totals}");
    assert_eq!(totals["reads"], json!(["orders.placed"]));
    assert_eq!(declared("found")["reads"], json!(["totals"]));
    let large = declared("large");
    assert_eq!((&large["reads"], &large["columns"][1]["name"]), (&json!(["totals"]), &json!("cents")));
    let types = json!([
        {"name": "Placed", "table": "placed", "version": 1},
        {"name": "Cancelled", "table": "cancelled", "version": 1},
    ]);
    assert_eq!(shop.daemon.source()["types"], types);
    assert_eq!(shop.daemon.get("/v1/queries").1["items"][0]["reads"], json!(["large"]));
}

#[test]
fn what_the_daemon_has_is_shown_as_text() {
    needs_browser!();
    passes("reading", &Shop::open());
}

#[test]
fn what_a_person_decides_is_confirmed_and_done() {
    needs_browser!();
    passes("deciding", &Shop::open());
}

#[test]
fn questions_are_answered_with_their_freshness() {
    needs_browser!();
    passes("asking", &Shop::open());
}

#[test]
fn everybody_can_walk_through_it() {
    needs_browser!();
    passes("walking", &Shop::open());
}

#[test]
fn nothing_keeps_anybody_out() {
    needs_browser!();
    passes("barriers", &Shop::open());
}

#[test]
fn a_token_is_asked_for_where_the_daemon_asks_for_one() {
    needs_browser!();
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    let made = ["token", "create", "ada", "--line-to", tokens.to_str().unwrap()];
    let made = Command::new(binary()).args(made).output().unwrap();
    let root = "data_dir: data\nsources: orders.yaml\nauth: {tokens: tokens}\nhttp: {listen: \"127.0.0.1:0\"}\n\
                metrics: {listen: \"127.0.0.1:0\"}\n";
    let source = "source: orders\nfile: {path: events.ndjson}\nenvelope: {type: body:/type}\n\
                  events: {Placed: {fields: {id: string!}}}\n";
    for (name, text) in [
        ("readside.yaml", root),
        ("orders.yaml", source),
        ("events.ndjson", ""),
        ("token", &String::from_utf8_lossy(&made.stdout)),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let daemon = Daemon::start(&folder.path().join("readside.yaml"));
    passes_over("signing_in", &daemon, folder.path());
}

#[test]
fn pages_of_other_origins_read_what_is_declared_and_nothing_else() {
    needs_browser!();
    let (own, stranger) = (page(), page());
    for declared in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let token = |name: &str, role: &str| {
            declared
                .then(|| crate::access::token(folder.path(), &[name, "--role", role]))
                .map(|token| (name.to_owned(), token))
        };
        let tokens: BTreeMap<String, String> = [("reader", "read"), ("hasty", "read"), ("admin", "admin")]
            .into_iter()
            .filter_map(|(name, role)| token(name, role))
            .collect();
        let settings = match declared {
            true => format!(
                "auth: {{tokens: tokens}}\nhttp: {{listen: \"127.0.0.1:0\", cors: {{origins: [\"{own}\"]}}}}\n\
                 limits: {{per_principal: {{requests_per_second: 20}}}}\n"
            ),
            false => "http: {listen: \"127.0.0.1:0\"}\n".to_owned(),
        };
        let root = format!(
            "data_dir: data\nsources: orders.yaml\nprojections: placed.yaml\nmetrics: {{listen: \"127.0.0.1:0\"}}\n{settings}"
        );
        let source = "source: orders\nfile: {path: events.ndjson}\nenvelope: {type: body:/type}\n\
                      events: {Placed: {fields: {id: string!}}}\n";
        let given = json!({"own": own, "stranger": stranger, "tokens": tokens}).to_string();
        for (name, text) in [
            ("readside.yaml", root.as_str()),
            ("orders.yaml", source),
            ("placed.yaml", "projection: placed\nkey: [id]\nsql: SELECT id FROM orders.placed\n"),
            ("events.ndjson", "{\"type\": \"Placed\", \"id\": \"a\"}\n"),
            ("given.json", &given),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut daemon = Daemon::start(&folder.path().join("readside.yaml"));
        daemon.wait_for_log("source opened");
        daemon.wait("readiness", DEADLINE, |daemon| (daemon.get("/readyz").0 == 200).then_some(()));
        passes_over(if declared { "crossing.Declared" } else { "crossing.Undeclared" }, &daemon, folder.path());
    }
}

/// The origin of a server that answers everything with an empty page, until the process ends.
fn page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            // A browser also connects ahead of what it will ask for, and says nothing then.
            std::thread::spawn(move || {
                let page = "<!doctype html><title>A page</title><body></body>";
                let mut head = Vec::new();
                let mut bytes = [0; 4096];
                while !head.ends_with(b"\r\n\r\n") {
                    match connection.read(&mut bytes) {
                        Ok(read) if read > 0 => head.extend_from_slice(&bytes[..read]),
                        _ => return,
                    }
                }
                let length = page.len();
                let _ = write!(
                    connection,
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}"
                );
            });
        }
    });
    origin
}

#[test]
fn a_daemon_that_does_not_answer_is_told() {
    needs_browser!();
    passes("waiting", &Shop::open());
}

/// Runs the cases of a Python module over a daemon.
fn passes(module: &str, shop: &Shop) {
    passes_over(module, &shop.daemon, shop.folder.path());
}

fn passes_over(module: &str, daemon: &Daemon, folder: &Path) {
    let (python, chromium) = browser().as_ref().unwrap();
    let output = Command::new(python)
        .args(["-m", "unittest", "-v", module])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/console"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("CHROMIUM_BIN", chromium)
        .env("CONSOLE_URL", daemon.url())
        .env("CONSOLE_FOLDER", folder)
        .env("CONSOLE_PROCESS", daemon.process().to_string())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    // A module without cases would pass as well.
    assert!(
        output.status.success() && !told.contains("Ran 0 tests"),
        "{told}{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// A Python with Selenium, and the folder of Chromium with its driver; looked for once.
fn browser() -> &'static Result<(String, String), String> {
    static BROWSER: OnceLock<Result<(String, String), String>> = OnceLock::new();
    BROWSER.get_or_init(|| Ok((found("browser-client", "BROWSER_CLIENT_PYTHON")?, found("chromium", "CHROMIUM_BIN")?)))
}

/// What a script of this repository finds, unless it is named already.
fn found(script: &str, variable: &str) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    let named = std::env::var(variable).ok();
    let found = named.or_else(|| {
        let output = Command::new(path).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    found.filter(|found| found != "none").ok_or_else(|| format!("scripts/{script} finds nothing"))
}
