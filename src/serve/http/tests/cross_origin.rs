//! What pages of other origins may read.

use super::*;
use crate::config::{Auth, Cors};
use crate::serve::auth::{NewToken, Role};

const PAGE: &str = "https://app.example";
const OTHER: &str = "https://attacker.example";

/// Who has a token, at a daemon that pages of these origins may ask.
struct Shared {
    daemon: Daemon,
    reader: String,
    admin: String,
}

fn shared(origins: &[&str]) -> Shared {
    let (reader, admin) =
        (NewToken::create("shop", Role::Read, &[]).unwrap(), NewToken::create("ada", Role::Admin, &[]).unwrap());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{}\n{}\n", reader.line, admin.line).unwrap();
    let auth = Auth { tokens: Some(file.path().to_owned()), jwt: None, mtls: None, anonymous: false };
    let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let cors = (!origins.is_empty()).then_some(Cors { origins, max_age: Duration::from_secs(600) });
    let daemon = Daemon::begin(limits(), Http { cors, ..http() }, Gate::new(&auth).unwrap());
    Shared { daemon, reader: reader.token, admin: admin.token }
}

impl Shared {
    /// As a browser asks before it sends a page's request.
    fn before(&self, path: &str, origin: &str) -> Reply {
        let request = Daemon::agent().options(format!("{}{path}", self.daemon.url));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        self.daemon.send(request.header("access-control-request-headers", "authorization,content-type").call())
    }

    fn get(&self, path: &str, origin: &str, token: &str) -> Reply {
        let request = Daemon::agent().get(format!("{}{path}", self.daemon.url)).header("origin", origin);
        self.daemon.send(request.header("authorization", format!("Bearer {token}")).call())
    }
}

fn of_cors(reply: &Reply) -> Vec<(&str, &str)> {
    let mut headers: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("access-control-") || *name == "vary")
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    headers
}

#[test]
fn a_page_of_a_declared_origin_reads_with_its_token() {
    let shared = shared(&["http://localhost:3000", PAGE]);
    let exposed =
        "etag, readside-cut-changed, readside-freshness, readside-next-page-token, retry-after, www-authenticate";
    let answer =
        [("access-control-allow-origin", PAGE), ("access-control-expose-headers", exposed), ("vary", "Origin")];
    for path in ["/v1/sql", "/v1/tables/orders", "/v1/tables/orders/1", "/v1/search/found", "/v1/queries"] {
        let before = shared.before(path, PAGE);
        assert_eq!(before.status, 204, "{path} {}", before.json);
        let expected = [
            ("access-control-allow-headers", "authorization, content-type, if-none-match, traceparent"),
            ("access-control-allow-methods", "GET, HEAD, POST"),
            answer[0],
            answer[1],
            ("access-control-max-age", "600"),
            answer[2],
        ];
        assert_eq!(of_cors(&before), expected, "{path}");
    }
    let row = shared.get("/v1/tables/orders/1", PAGE, &shared.reader);
    assert_eq!((row.status, of_cors(&row)), (200, vec![answer[0], answer[1], ("vary", "Accept"), answer[2]]));
    // A page sees why it is refused too.
    for refused in
        [shared.get("/v1/tables/orders/1", PAGE, "wrong"), shared.get("/v1/tables/none", PAGE, &shared.reader)]
    {
        assert!([401, 404].contains(&refused.status), "{}", refused.json);
        assert_eq!(of_cors(&refused), answer);
    }
}

#[test]
fn a_page_of_another_origin_reads_nothing() {
    let shared = shared(&[PAGE]);
    let others =
        [OTHER, "null", "https://app.example:8443", "http://app.example", "https://app.example.attacker.example", "*"];
    for origin in others {
        let before = shared.before("/v1/sql", origin);
        assert_eq!((before.status, of_cors(&before)), (401, vec![("vary", "Origin")]), "{origin}");
        let row = shared.get("/v1/tables/orders/1", origin, &shared.reader);
        assert_eq!((row.status, of_cors(&row)), (200, vec![("vary", "Accept"), ("vary", "Origin")]), "{origin}");
    }
}

#[test]
fn no_page_of_another_origin_administers() {
    for origins in [&[PAGE][..], &["*"]] {
        let shared = shared(origins);
        for path in
            ["/v1/admin/reload", "/v1/admin/projections/orders/pause", "/", "/console/main.js", "/readyz", "/v1/none"]
        {
            let before = shared.before(path, PAGE);
            assert!(before.status >= 400, "{path}");
            assert_eq!(of_cors(&before), [], "{path}");
        }
        let request = Daemon::agent().post(format!("{}/v1/admin/reload", shared.daemon.url)).header("origin", PAGE);
        let request = request.header("authorization", format!("Bearer {}", shared.admin));
        let refused = shared.daemon.send(request.content_type("application/json").send("{}"));
        assert_eq!(refused.problem(403, "not-allowed"), "a page of `https://app.example` may not ask for that");
        assert_eq!(of_cors(&refused), []);
    }
}

#[test]
fn pages_of_all_origins_read_with_a_token_where_that_is_declared() {
    let shared = shared(&["*"]);
    assert_eq!(shared.before("/v1/sql", OTHER).header("access-control-allow-origin"), "*");
    let row = shared.get("/v1/tables/orders/1", OTHER, &shared.reader);
    assert_eq!((row.status, row.header("access-control-allow-origin"), row.header("vary")), (200, "*", "Accept"));
    assert_eq!(shared.get("/v1/tables/orders/1", OTHER, "wrong").status, 401);
}

#[test]
fn without_a_declaration_browsers_keep_answers_from_other_pages() {
    let shared = shared(&[]);
    let before = shared.before("/v1/sql", PAGE);
    assert_eq!((before.status, of_cors(&before)), (401, vec![]));
    assert_eq!(of_cors(&shared.get("/v1/tables/orders/1", PAGE, &shared.reader)), [("vary", "Accept")]);
}
