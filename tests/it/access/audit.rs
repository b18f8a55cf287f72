//! What the audit log has of what a daemon was asked.

use serde_json::Value;

use super::{PROJECTION, home, token};
use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;

/// In the place of what must not be logged.
const SECRET: &str = "hunter2";

/// The lines of the audit log that have this text, as their fields without the message.
fn told(daemon: &Daemon, text: &str) -> Vec<Value> {
    let lines = daemon.all_logged("\"audit\":");
    let lines = lines.iter().filter(|line| line.contains(text));
    let mut told: Vec<Value> =
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone()).collect();
    told.iter_mut().for_each(|fields| drop(fields.as_object_mut().unwrap().remove("message")));
    told
}

struct Asker {
    agent: ureq::Agent,
    url: String,
}

impl Asker {
    fn post(&self, path: &str, token: &str, body: &str) -> u16 {
        let request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        let request = request.header("authorization", format!("Bearer {token}"));
        request.send(body).unwrap().status().as_u16()
    }
}

#[test]
fn what_administrators_do_and_who_is_denied_has_a_line() {
    let home = home();
    let policy = "policy: own\nrow_filter: id = claim('tenant')\n---\nprojection: guarded\nkey: [id]\n\
                  access: {policies: [own]}\nsql: SELECT id FROM orders.placed\n";
    std::fs::write(home.path().join("placed.yaml"), format!("{PROJECTION}---\n{policy}")).unwrap();
    let (reader, admin) = (token(home.path(), &["grafana"]), token(home.path(), &["ada@ops", "--role", "admin"]));
    let daemon = Daemon::start(&home.path().join("readside.yaml"));
    let asker = Asker {
        agent: ureq::Agent::config_builder().http_status_as_error(false).build().into(),
        url: daemon.url().to_owned(),
    };
    let verb = |name: &str, verb: &str, token: &str| {
        asker.post(&format!("/v1/admin/projections/{name}/{verb}"), token, "{\"reason\": \"hunter2\"}")
    };
    daemon.wait("an answer", DEADLINE, |_| {
        (asker.post("/v1/sql", &reader, "{\"sql\": \"SELECT id FROM placed\"}") == 200).then_some(())
    });
    let sql = format!("{{\"sql\": \"SELECT id FROM guarded WHERE id = '{SECRET}'\"}}");
    let statuses = [
        asker.post("/v1/sql", SECRET, &sql),
        asker.post("/v1/sql", &reader, &sql),
        asker.post(&format!("/{SECRET}"), SECRET, "{}"),
        verb(SECRET, SECRET, &reader),
        verb("placed", "pause", &admin),
        verb(SECRET, "pause", &admin),
        asker.post("/v1/admin/facts", &admin, "{}"),
        asker.agent.get(format!("{}/v1/projections", daemon.url())).call().unwrap().status().as_u16(),
    ];
    assert_eq!(statuses, [401, 403, 401, 403, 200, 404, 200, 401]);
    let of_projections = "/v1/admin/projections/{name}/{verb}";
    let expected = serde_json::json!([
        {"audit": "denial", "credential": "token", "route": "/v1/sql", "outcome": "denied", "reason": "unknown-token"},
        {"audit": "denial", "by": "grafana", "credential": "token", "route": "/v1/sql", "relation": "guarded", "outcome": "denied",
         "reason": "denied"},
        {"audit": "denial", "credential": "token", "outcome": "denied", "reason": "unknown-token"},
        {"audit": "denial", "by": "grafana", "credential": "token", "route": of_projections, "outcome": "denied",
         "reason": "not-allowed"},
        {"audit": "action", "by": "ada@ops", "credential": "token", "route": of_projections, "action": "pause", "relation": "placed",
         "outcome": "done"},
        {"audit": "action", "by": "ada@ops", "credential": "token", "route": of_projections, "action": "pause", "outcome": "failed",
         "reason": "invalid"},
        {"audit": "denial", "route": "/v1/projections", "outcome": "denied", "reason": "no-token"},
    ]);
    let expected = expected.as_array().unwrap();
    let told = daemon.wait("the lines", DEADLINE, |daemon| {
        let told = told(daemon, "");
        (told.len() >= expected.len()).then_some(told)
    });
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (mut told, expected) in told.into_iter().zip(expected) {
        assert_eq!(told.as_object_mut().unwrap().remove("peer"), Some("127.0.0.1".into()));
        assert_eq!(told, *expected);
    }
    for line in daemon.all_logged("\"audit\":") {
        for secret in [SECRET, &reader, &admin] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    assert_eq!(daemon.metric("readside_requests_denied_total", &["reason=\"denied\""]), 1.0);
}

#[test]
fn many_denials_are_counted_and_not_told_one_by_one() {
    let home = home();
    token(home.path(), &["grafana"]);
    let daemon = Daemon::start(&home.path().join("readside.yaml"));
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let began = std::time::Instant::now();
    for _ in 0..500 {
        assert_eq!(agent.get(format!("{}/v1/projections", daemon.url())).call().unwrap().status(), 401);
    }
    let seconds = began.elapsed().as_secs() as usize + 2;
    let left_out = || -> u64 { told(&daemon, "\"left-out\"").iter().map(|line| line["left"].as_u64().unwrap()).sum() };
    let one_by_one = || told(&daemon, "\"denial\"").len();
    daemon.wait("the number of the rest", DEADLINE, |_| (left_out() + one_by_one() as u64 == 500).then_some(()));
    assert!(one_by_one() <= 5 * seconds, "{} lines in {:?}", one_by_one(), began.elapsed());
}
