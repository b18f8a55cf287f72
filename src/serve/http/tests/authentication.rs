//! Who is answered: each route with no token, a wrong one, and one of each role.

use std::io::Write as _;

use super::*;
use crate::config::Auth;
use crate::serve::auth::{Gate, NewToken, Role};

/// What is said to whoever asks.
const OPEN: [&str; 4] = ["/livez", "/readyz", "/", "/console/main.js"];

/// Every route as it is declared, with its methods, so that none can be forgotten here.
fn routes() -> Vec<(String, &'static str)> {
    let declared = include_str!("../mod.rs").split(".route(\"").skip(1);
    let mut routes = Vec::new();
    for route in declared {
        let (path, rest) = route.split_once('"').unwrap();
        let handlers = rest.split('\n').next().unwrap();
        let path =
            path.replace("/parked/{source}/{sequence}", "/parked/orders/1").replace("{name}/{verb}", "orders/pause");
        let path = path.replace("{file}", "main.js");
        let path = path.split('/').map(|part| if part.starts_with('{') { "orders" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        for method in ["get", "post"] {
            if handlers.contains(&format!("{method}(")) {
                routes.push((path.clone(), method));
            }
        }
    }
    assert!(routes.len() > 20, "{routes:?}");
    routes
}

struct Guarded {
    daemon: Daemon,
    reader: String,
    admin: String,
    file: tempfile::NamedTempFile,
}

fn guarded(anonymous: bool) -> Guarded {
    let (reader, admin) =
        (NewToken::create("grafana", Role::Read, &[]).unwrap(), NewToken::create("ada", Role::Admin, &[]).unwrap());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{}\n{}\n", reader.line, admin.line).unwrap();
    let gate = Gate::new(&Auth { tokens: Some(file.path().to_owned()), jwt: None, mtls: None, anonymous }).unwrap();
    Guarded { daemon: Daemon::guarded(gate), reader: reader.token, admin: admin.token, file }
}

impl Guarded {
    fn ask(&self, (path, method): &(String, &str), authorization: Option<&str>) -> Reply {
        let url = format!("{}{path}", self.daemon.url);
        let header = ("authorization", authorization.unwrap_or_default());
        let agent = Daemon::agent();
        let response = match (*method, authorization) {
            ("get", None) => agent.get(url).call(),
            ("get", Some(_)) => agent.get(url).header(header.0, header.1).call(),
            (_, None) => agent.post(url).content_type("application/json").send("{}"),
            (_, Some(_)) => agent.post(url).content_type("application/json").header(header.0, header.1).send("{}"),
        };
        self.daemon.send(response)
    }
}

#[test]
fn every_route_asks_for_a_token() {
    let guarded = guarded(false);
    let wrong =
        ["Bearer rs_other", "Bearer", "Basic YTpi", "Bearer ", &format!("Token {}", guarded.reader)].map(str::to_owned);
    for route in routes() {
        let (path, _) = &route;
        let refused = |authorization: Option<&str>| {
            let reply = guarded.ask(&route, authorization);
            assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"readside\"", "{route:?}");
            reply.problem(401, "not-authenticated").to_owned()
        };
        if OPEN.contains(&path.as_str()) {
            assert!(matches!(guarded.ask(&route, None).status, 200 | 503), "{route:?}");
            continue;
        }
        assert_eq!(refused(None), "this needs a token: send `Authorization: Bearer TOKEN`", "{route:?}");
        for authorization in &wrong {
            assert_eq!(refused(Some(authorization)), "nobody has this token", "{route:?} {authorization}");
        }
        let read = guarded.ask(&route, Some(&format!("Bearer {}", guarded.reader)));
        let admin = guarded.ask(&route, Some(&format!("bearer {}", guarded.admin)));
        if path.starts_with("/v1/admin/") {
            let detail = "the token of `grafana` has the role `read`, and this needs `admin`";
            assert_eq!(read.problem(403, "not-allowed"), detail, "{route:?}");
        } else {
            assert!(!matches!(read.status, 401 | 403 | 405), "{route:?} {}", read.json);
            assert_ne!(read.json["type"], "urn:readside:problem:no-route", "{route:?}");
        }
        // Nobody answers administrators in this test.
        assert!(!matches!(admin.status, 401 | 403 | 405), "{route:?} {}", admin.json);
    }
    drop(guarded.file);
}

#[test]
fn who_has_no_token_may_read_where_that_is_declared_and_never_administer() {
    let guarded = guarded(true);
    for route in routes() {
        let reply = guarded.ask(&route, None);
        if route.0.starts_with("/v1/admin/") {
            assert_eq!(reply.problem(403, "not-allowed"), "this needs a token of the role `admin`", "{route:?}");
        } else {
            assert!(!matches!(reply.status, 401 | 403), "{route:?} {}", reply.json);
        }
        let wrong = guarded.ask(&route, Some("Bearer rs_other"));
        assert!(OPEN.contains(&route.0.as_str()) || wrong.status == 401, "a wrong token is not no token: {route:?}");
    }
}
