//! Who may ask a running daemon: tokens that come and go, its own verbs, and the listener for probes.

mod audit;
mod matrix;
mod others;
mod times;

pub(crate) use others::{material, written_by};

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::crash::daemon::{Daemon, binary};
use crate::support::DEADLINE;

const CONFIG: &str = r#"
data_dir: data
sources: orders.yaml
projections: placed.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
health: {listen: "127.0.0.1:0"}
auth: {tokens: tokens}
"#;
const SOURCE: &str = r#"
source: orders
file: {path: events.ndjson, follow: true}
envelope: {type: body:/type}
events: {Placed: {fields: {id: string!}}}
"#;
const PROJECTION: &str = "{projection: placed, key: [id], sql: 'SELECT id FROM orders.placed'}\n";

fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let events = "{\"type\": \"Placed\", \"id\": \"a\"}\n";
    let files =
        [("readside.yaml", CONFIG), ("orders.yaml", SOURCE), ("placed.yaml", PROJECTION), ("events.ndjson", events)];
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    home
}

fn readside(arguments: &[&str], token: &str) -> Output {
    Command::new(binary()).args(arguments).env("READSIDE_TOKEN", token).output().unwrap()
}

/// A new token, whose line is in the file.
pub(crate) fn token(home: &Path, arguments: &[&str]) -> String {
    let file = home.join("tokens");
    let made = readside(&[&["token", "create", "--line-to", file.to_str().unwrap()], arguments].concat(), "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).into_owned()
}

#[test]
fn tokens_come_and_go_while_a_daemon_runs() {
    let home = home();
    let reader = token(home.path(), &["grafana"]);
    let mut daemon = Daemon::start(&home.path().join("readside.yaml"));
    let url = daemon.url().to_owned();
    let query = |token: &str| readside(&["query", "SELECT count(*) AS n FROM placed", "--json", "--url", &url], token);
    let until = |what: &str, mut holds: Box<dyn FnMut() -> bool + '_>| {
        let end = std::time::Instant::now() + DEADLINE;
        while !holds() {
            assert!(std::time::Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("the reader reads", Box::new(|| said(&query(&reader)).contains("\"n\":1")));
    let refused = "this needs a token: send `Authorization: Bearer TOKEN`\n\
                   hint: set READSIDE_TOKEN to a token of this daemon; `readside token create NAME` makes one\n";
    assert_eq!(said(&query("")), format!("error: {refused}"));
    assert!(said(&query("rs_other")).contains("nobody has this token"));

    let pause = |token: &str| readside(&["projection", "pause", "placed", "--reason", "a test", "--url", &url], token);
    assert!(said(&pause(&reader)).contains("the token of `grafana` has the role `read`, and this needs `admin`"));
    let admin = token(home.path(), &["ada@ops", "--role", "admin"]);
    until("the new token counts", Box::new(|| query(&admin).status.success()));
    assert!(pause(&admin).status.success(), "{}", said(&pause(&admin)));
    let history: Value =
        serde_json::from_str(&said(&readside(&["history", "--json", "--url", &url], &reader))).unwrap();
    let steps = history["items"].as_array().unwrap();
    assert!(
        steps.iter().any(|step| step["actor"].as_str().is_some_and(|actor| actor.contains("ada@ops"))),
        "{history}"
    );

    // Half a file, as an editor may leave it for a moment, opens and closes nothing.
    let lines = std::fs::read_to_string(home.path().join("tokens")).unwrap();
    std::fs::write(home.path().join("tokens"), "grafana read").unwrap();
    daemon.wait_for_log("the tokens cannot be read again; those of before hold");
    assert!(query(&reader).status.success());
    let left: String =
        lines.lines().filter(|line| !line.starts_with("grafana")).map(|line| format!("{line}\n")).collect();
    std::fs::write(home.path().join("tokens"), left).unwrap();
    until("the reader's token is worth nothing", Box::new(|| !query(&reader).status.success()));
    assert!(daemon.metric("readside_requests_denied_total", &["reason=\"unknown-token\""]) >= 2.0);
    assert_eq!(daemon.metric("readside_requests_denied_total", &["reason=\"not-allowed\""]), 1.0);
}

#[test]
fn probes_have_a_listener_that_opens_nothing_else() {
    let home = home();
    token(home.path(), &["grafana"]);
    let mut daemon = Daemon::start(&home.path().join("readside.yaml"));
    let line: Value = serde_json::from_str(&daemon.wait_for_log("\"listening\"")).unwrap();
    let health = format!("http://{}", line["fields"]["health"].as_str().unwrap());
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let status = |path: &str| agent.get(format!("{health}{path}")).call().unwrap().status().as_u16();
    assert_eq!(status("/livez"), 200);
    daemon.wait("readiness", DEADLINE, |_| (status("/readyz") == 200).then_some(()));
    for path in ["/healthz", "/v1/projections", "/v1/tables/placed", "/metrics", "/"] {
        assert_eq!(status(path), 404, "{path}");
    }
    assert_eq!(daemon.get("/livez").0, 200);
    assert_eq!(daemon.get("/v1/projections").0, 401);
}

#[test]
fn without_tokens_no_other_machine_is_answered() {
    let home = home();
    let config = home.path().join("readside.yaml");
    let open = CONFIG.replace("127.0.0.1:0\"}\nmetrics", "0.0.0.0:0\"}\nmetrics");
    std::fs::write(&config, open.replace("auth: {tokens: tokens}\n", "")).unwrap();
    let validated = readside(&["validate", "--config", config.to_str().unwrap()], "");
    assert!(!validated.status.success());
    let text = format!("{}{}", String::from_utf8_lossy(&validated.stdout), String::from_utf8_lossy(&validated.stderr));
    assert!(text.contains("error[RS0206]: `http` listens on 0.0.0.0:0, where others reach it"), "{text}");

    // A file of tokens that is not there, or has none, is no open door either.
    std::fs::write(&config, open).unwrap();
    for tokens in [None, Some("# nobody yet\n")] {
        tokens.into_iter().for_each(|text| std::fs::write(home.path().join("tokens"), text).unwrap());
        let mut daemon = Daemon::spawn(&config);
        assert!(!daemon.ended().success());
        daemon.wait_for_log("the tokens in");
    }
}

/// What is hidden stays hidden of rows that serve on, whatever is declared of those that are built beside.
#[test]
fn a_policy_that_goes_with_a_definition_holds_until_its_rows_are_gone() {
    let home = home();
    let source = SOURCE.replace("{id: string!}", "{id: string!, tenant: string!, email: string!}");
    let event = |id: &str, tenant: &str| {
        format!("{{\"type\": \"Placed\", \"id\": \"{id}\", \"tenant\": \"{tenant}\", \"email\": \"{id}@x\"}}\n")
    };
    let before = "policy: own\nrow_filter: tenant = claim('tenant')\n---\nprojection: placed\nkey: [id]\npromotion: manual\n\
                  access: {policies: [own], mask: {email: \"'***'\"}}\nsql: SELECT id, tenant, email FROM orders.placed\n";
    let after = "projection: placed\nkey: [id]\npromotion: manual\nsql: SELECT id, upper(tenant) AS tenant FROM orders.placed\n";
    let put = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    put("orders.yaml", &source);
    put("placed.yaml", before);
    put("events.ndjson", &(event("1", "a") + &event("2", "b")));
    let reader = token(home.path(), &["shop", "--claim", "tenant=a"]);
    let admin = token(home.path(), &["ada", "--role", "admin"]);
    let daemon = Daemon::start(&home.path().join("readside.yaml"));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let rows = || -> Value {
        let url = format!("{}/v1/tables/placed?sort=id", daemon.url());
        let mut response = agent.get(url).header("authorization", format!("Bearer {reader}")).call().unwrap();
        let answer: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
        answer["items"].clone()
    };
    let until = |expected: Value| {
        let end = std::time::Instant::now() + DEADLINE;
        while rows() != expected {
            assert!(std::time::Instant::now() < end, "{} is not {expected}", rows());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let hidden = serde_json::json!([{"id": "1", "tenant": "a", "email": "***"}]);
    until(hidden.clone());
    put("placed.yaml", after);
    let run = |arguments: &[&str]| {
        let done = readside(&[arguments, &["--url", daemon.url()]].concat(), &admin);
        assert!(done.status.success(), "{arguments:?} {}", said(&done));
    };
    run(&["reload", "--reason", "a test"]);
    for _ in 0..20 {
        assert_eq!(rows(), hidden, "the rows of before are hidden as before");
        std::thread::sleep(Duration::from_millis(50));
    }
    run(&["projection", "promote", "placed", "--allow-breaking", "--reason", "a test"]);
    until(serde_json::json!([{"id": "1", "tenant": "A"}, {"id": "2", "tenant": "B"}]));
    run(&["projection", "rollback", "placed", "--reason", "a test"]);
    until(hidden);
}
