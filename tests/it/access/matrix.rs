//! What policies hide, by every path: two daemons whose hidden rows differ answer alike.
//!
//! Both have the same rows of tenant `a`, at the same positions, and as many events of tenant `b`. In the one each of these is
//! a row of its own, with words, addresses and amounts that nobody else has; in the other all of them are three rows. Whoever may see
//! `a` alone gets the same bytes from both.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::token;
use crate::crash::daemon::Daemon;
use crate::postgres::programs;
use crate::support::DEADLINE;

const CONFIG: &str = r#"
data_dir: data
sources: orders.yaml
projections: relations.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
health: {listen: "127.0.0.1:0"}
postgres: {listen: "127.0.0.1:0"}
auth: {tokens: tokens, anonymous: read}
limits: {scan_limit: 100}
"#;
const SOURCE: &str = r#"
source: orders
file: {path: events.ndjson, follow: true}
envelope: {type: body:/type}
events:
  Placed:
    fields: {id: string!, tenant: string!, email: string!, total: int64!, notes: string!, place: "list<float32>!"}
"#;
const RELATIONS: &str = r#"
policy: own
row_filter: tenant = claim('tenant')
---
policy: computed
row_filter: lower(tenant) = claim('tenant') AND 1 / (total - 666) < 2
---
policy: listed
row_filter: array_has(claim_list('tenants'), tenant)
---
projection: everything
access: public
indexes: [[tenant]]
sql: &sql |
  SELECT id, latest(tenant) AS tenant, latest(email) AS email, latest(total) AS total, latest(notes) AS notes, latest(place) AS place
  FROM orders.placed GROUP BY id
---
projection: by_index
access: {policies: [own]}
indexes: [[tenant, total], [email]]
sql: SELECT * FROM everything
---
projection: by_computation
access: {policies: [computed]}
sql: SELECT * FROM everything
---
projection: by_list
access: {policies: [listed, own]}
sql: SELECT * FROM everything
---
projection: masked
access: {policies: [own], mask: {email: "CASE WHEN has_role('officer') THEN email ELSE '***' END", place: "NULL"}}
indexes: [[email], [tenant]]
sql: SELECT * FROM everything
---
projection: hidden_view
kind: view
access: {policies: [own], mask: {email: "'***'"}}
sql: SELECT id, tenant, email, total, notes, place FROM everything
---
projection: view_over
kind: view
sql: SELECT id, tenant, email, total, notes, place FROM by_index
---
projection: search
kind: search
key: [id]
access: {policies: [own], mask: {email: "'***'"}}
sql: SELECT * FROM everything
fields:
  notes: {type: text}
  email: {type: text}
  tenant: {type: keyword, facet: true}
  total: {type: keyword, facet: true, sort: true}
  place: {type: vector, dimensions: 2}
---
projection: conflict
key: [tenant]
sql: SELECT tenant, id, email FROM everything
---
query: dear
params: {least: int64!}
sql: SELECT id, total, email FROM by_index WHERE total >= $least
sort: [-total, id]
"#;

/// Whose rows are hidden from some readers.
const RELATIONS_GUARDED: [&str; 7] =
    ["by_index", "by_computation", "by_list", "masked", "hidden_view", "view_over", "search"];
/// Those in which the addresses of its own rows are hidden from a reader.
const MASKED: [&str; 3] = ["masked", "hidden_view", "search"];

/// Hidden events of either daemon.
const HIDDEN: usize = 300;

fn event(id: &str, tenant: &str, email: &str, total: i64, notes: &str, place: [f32; 2]) -> String {
    let event = json!({
        "type": "Placed", "id": id, "tenant": tenant, "email": email, "total": total, "notes": notes, "place": place,
    });
    format!("{event}\n")
}

/// The rows of `a` among those of `b`, which are `many` or few.
fn events(many: bool) -> String {
    let mut events = String::new();
    for place in 0..HIDDEN {
        if place % 50 == 0 {
            let number = place / 50;
            let notes = format!("red apples and pears number {number}");
            events += &event(
                &format!("a-{number}"),
                "a",
                &format!("secret{number}@x"),
                10 + number as i64,
                &notes,
                [1.0, 0.5],
            );
        }
        events += &match many {
            true => event(
                &format!("b-{place}"),
                "b",
                &format!("canary{place}@x"),
                // A total that makes an expression of a reader's fail, and others that change sums, extremes and orders.
                if place == 7 { 666 } else { place as i64 * 1_000 },
                &format!("canary red apples apples zebra{place}"),
                [1.0, place as f32],
            ),
            false => event(&format!("b-{}", place % 3), "b", "quiet@x", 5, "nothing", [0.0, 1.0]),
        };
    }
    // What cannot be decoded is parked, with all that is in it.
    let word = if many { "canary" } else { "nothing" };
    writeln!(events, "{}", json!({"type": "Placed", "id": format!("b-{word}"), "tenant": "b", "email": word})).unwrap();
    events
}

struct Shop {
    daemon: Daemon,
    agent: ureq::Agent,
    tokens: Vec<(&'static str, String)>,
    _home: TempDir,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
struct Reply {
    status: u16,
    etag: Option<String>,
    /// Where the next page is, of a format without an envelope.
    next: Option<String>,
    body: String,
}

/// Formats in which rows are asked for beside JSON.
const FORMATS: [&str; 3] = ["application/x-ndjson", "text/csv", "application/vnd.apache.arrow.stream"];

/// The formats that a route has; `*/*` is JSON.
fn formats(route: &str) -> impl Iterator<Item = &'static str> {
    let has_rows =
        ["/v1/tables/", "/v1/sql", "/v1/queries/{", "/v1/search/"].iter().any(|rows| route.starts_with(rows));
    std::iter::once("*/*").chain(FORMATS.into_iter().filter(move |_| has_rows))
}

impl Shop {
    fn open(many: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let files = [
            ("readside.yaml", CONFIG),
            ("orders.yaml", SOURCE),
            ("relations.yaml", &RELATIONS.replace("&sql ", "")),
            ("events.ndjson", &events(many)),
        ];
        for (name, text) in files {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        let made = |name: &str, more: &[&str]| token(home.path(), &[&[name], more].concat());
        let own: &[&str] = &["--claim", "tenant=a", "--claim", "tenants=a"];
        let tokens = vec![
            ("reader", made("reader", own)),
            ("officer", made("officer", &[own, &["--claim", "roles=officer"]].concat())),
            ("other", made("other", &["--claim", "tenant=b", "--claim", "tenants=b", "--claim", "tenants=c"])),
            ("nobody", made("nobody", &[])),
            ("admin", made("admin", &["--role", "admin", "--claim", "tenant=a", "--claim", "tenants=a"])),
        ];
        let daemon = Daemon::start(&home.path().join("readside.yaml"));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let shop = Self { daemon, agent, tokens, _home: home };
        let rows = if many { HIDDEN } else { 3 } + HIDDEN / 50;
        let count = json!({"sql": "SELECT count(*) AS n FROM everything"});
        let all = format!("\"n\":{rows}");
        shop.daemon.wait("all rows", DEADLINE, |_| {
            let counted = shop.ask("reader", "POST", "/v1/sql", Some(&count));
            let found = shop.ask("other", "GET", "/v1/search/search?pageSize=1", None);
            let indexed = format!("\"total\":{}", rows - HIDDEN / 50);
            (counted.body.contains(&all) && found.body.contains(&indexed)).then_some(())
        });
        shop
    }

    fn ask(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask_as("*/*", who, method, path, body)
    }

    /// Asks for a format.
    fn ask_as(&self, accept: &str, who: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let url = format!("{}{path}", self.daemon.url());
        let token = self.tokens.iter().find(|(name, _)| *name == who).map(|(_, token)| format!("Bearer {token}"));
        let response = match method {
            "POST" => {
                let request = self.agent.post(url).content_type("application/json").header("accept", accept);
                let request = token.iter().fold(request, |request, token| request.header("authorization", token));
                request.send(body.unwrap_or(&json!({})).to_string())
            }
            _ => {
                let request = self.agent.get(url).header("accept", accept);
                token.iter().fold(request, |request, token| request.header("authorization", token)).call()
            }
        };
        let mut response = response.unwrap();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let (etag, next) = (header("etag"), header("readside-next-page-token"));
        let status = response.status().as_u16();
        let bytes = response.body_mut().read_to_vec().unwrap();
        // Of what is no text each byte is a character, so that none is lost.
        let body = String::from_utf8(bytes)
            .unwrap_or_else(|no_text| no_text.as_bytes().iter().map(|byte| char::from(*byte)).collect());
        Reply { status, etag, next, body }
    }
}

impl Shop {
    /// What psql writes of these commands, rows and errors, one after the other.
    fn psql(&self, who: &str, commands: &[String]) -> String {
        let listening: Value = serde_json::from_str(&self.daemon.logged("\"listening\"").unwrap()).unwrap();
        let port = listening["fields"]["postgres"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        let token = self.tokens.iter().find(|(name, _)| *name == who).map(|(_, token)| format!("password={token}"));
        let user = if token.is_some() { "reader" } else { "anonymous" };
        let connection =
            format!("host=127.0.0.1 port={port} user={user} dbname=readside {}", token.unwrap_or_default());
        let mut psql = Command::new(programs().join("psql"));
        psql.args([&connection, "--no-psqlrc", "--no-align", "--no-password"]);
        for command in commands {
            psql.args(["-c", command]);
        }
        // It says when an answer was given.
        let output = psql.env("PGOPTIONS", "-c readside.notice=never").output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }
}

/// What may be asked of a relation over the PostgreSQL protocol: all SQL, and what clients ask of themselves.
fn commands(relation: &str) -> Vec<String> {
    let bodies = table(relation).into_iter().filter(|row| row.route == "/v1/sql").flat_map(|row| row.requests);
    let texts = bodies.filter_map(|(_, _, body)| Some(body?["sql"].as_str()?.to_owned()));
    let own = [
        format!("\\d {relation}"),
        "\\d".to_owned(),
        "SELECT relname, relnatts, reltuples FROM pg_class ORDER BY oid".to_owned(),
        format!("BEGIN; DECLARE c CURSOR FOR SELECT id, email FROM {relation} ORDER BY id; FETCH ALL FROM c; COMMIT"),
    ];
    texts.chain(own).collect()
}

/// A path as the router has it, and requests of it: a method, a path, and a body.
struct Row {
    route: &'static str,
    requests: Vec<(&'static str, String, Option<Value>)>,
}

fn get(path: impl Into<String>) -> (&'static str, String, Option<Value>) {
    ("GET", path.into(), None)
}

fn sql(sql: impl Into<String>) -> (&'static str, String, Option<Value>) {
    ("POST", "/v1/sql".to_owned(), Some(json!({"sql": sql.into()})))
}

/// Every route, with what may be asked of a relation there.
fn table(relation: &str) -> Vec<Row> {
    let tables = |rest: &str| get(format!("/v1/tables/{relation}{rest}"));
    let search = |parameters: &str| get(format!("/v1/search/{relation}?{parameters}"));
    vec![
        Row {
            route: "/v1/tables/{name}",
            requests: vec![
                tables(""),
                tables("?sort=-total&pageSize=2"),
                tables("?sort=email&pageSize=3"),
                tables("?email=canary7%40x"),
                tables("?email=secret1%40x"),
                tables("?email.gte=canary&sort=email"),
                tables("?tenant=b"),
                tables("?notes=canary"),
                tables("?total.gte=0&sort=-total"),
            ],
        },
        Row {
            route: "/v1/tables/{name}/{k1}",
            requests: vec![tables("/a-1"), tables("/b-1"), tables("/b-7"), tables("/b-none")],
        },
        Row { route: "/v1/tables/{name}/{k1}/{k2}", requests: vec![tables("/b-1/b")] },
        Row { route: "/v1/tables/{name}/{k1}/{k2}/{k3}", requests: vec![tables("/b-1/b/c")] },
        Row { route: "/v1/tables/{name}/{k1}/{k2}/{k3}/{k4}", requests: vec![tables("/b-1/b/c/d")] },
        Row {
            route: "/v1/sql",
            requests: vec![
                sql(format!(
                    "SELECT count(*) AS n, sum(total) AS sum, min(email) AS first, max(email) AS last, \
                     count(DISTINCT notes) AS words FROM {relation}"
                )),
                sql(format!("SELECT * FROM {relation} ORDER BY id")),
                sql(format!("SELECT id FROM {relation} WHERE 1 / (total - 666) < 2 ORDER BY id")),
                sql(format!(
                    "SELECT id FROM {relation} WHERE email LIKE 'canary%' OR email LIKE 'secret%' ORDER BY id"
                )),
                sql(format!("SELECT id FROM {relation} WHERE email = 'secret1@x'")),
                sql(format!("SELECT id FROM {relation} WHERE id = 'b-7' AND CAST(email AS BIGINT) = 1")),
                sql(format!("SELECT id, CAST(email AS BIGINT) AS n FROM {relation} WHERE tenant = 'b'")),
                sql(format!("SELECT tenant, max(total) AS most FROM {relation} GROUP BY tenant ORDER BY tenant")),
                sql(format!(
                    "SELECT id, row_number() OVER (ORDER BY total DESC, id) AS place FROM {relation} ORDER BY id"
                )),
                sql(format!(
                    "SELECT a.id FROM {relation} a JOIN {relation} b ON a.notes < b.notes ORDER BY a.id LIMIT 5"
                )),
                sql(format!("SELECT id FROM everything WHERE id IN (SELECT id FROM {relation}) ORDER BY id")),
                sql(format!("EXPLAIN SELECT * FROM {relation} WHERE tenant = 'b' OR total > 3")),
                sql(format!("EXPLAIN VERBOSE SELECT count(*) FROM {relation}")),
                sql(format!("EXPLAIN ANALYZE SELECT count(*) FROM {relation} WHERE total > 3")),
                sql("SELECT table_name, column_name, is_nullable FROM information_schema.columns ORDER BY 1, 2"),
            ],
        },
        Row { route: "/v1/queries", requests: vec![get("/v1/queries")] },
        Row {
            route: "/v1/queries/{name}",
            requests: vec![get("/v1/queries/dear?least=0"), get("/v1/queries/dear?least=11&pageSize=1")],
        },
        Row {
            route: "/v1/search/{name}",
            requests: vec![
                search(""),
                search("q=apples&highlight=notes"),
                search("q=canary"),
                search("q=notes:zebra7"),
                search("q=email:secret1"),
                search("q=secret1"),
                search("text=canary+app"),
                search("text=secret"),
                search("text=zebraa"),
                search("facet=tenant,total"),
                search("facet.total=0,10,100"),
                search("sort=-total&pageSize=2"),
                search("filter=tenant:b"),
                search("filter=tenant:a&q=apples"),
                search("tenant=b"),
                search("like=a-1"),
                search("like=b-7"),
                search("q=apples&highlight=email"),
                ("POST", format!("/v1/search/{relation}"), Some(json!({"vector": [1.0, 7.0], "k": 20}))),
                ("POST", format!("/v1/search/{relation}"), Some(json!({"vector": [1.0, 0.5], "q": "apples"}))),
            ],
        },
        Row { route: "/v1/projections", requests: vec![get("/v1/projections")] },
        Row { route: "/v1/projections/{name}", requests: vec![get(format!("/v1/projections/{relation}"))] },
        Row {
            route: "/v1/projections/{name}/freshness",
            requests: vec![get(format!("/v1/projections/{relation}/freshness"))],
        },
        Row { route: "/v1/sources", requests: vec![get("/v1/sources")] },
        Row { route: "/v1/sources/{name}", requests: vec![get("/v1/sources/orders")] },
        Row { route: "/v1/parked", requests: vec![get("/v1/parked"), get("/v1/parked?source=orders&type=Placed")] },
        Row { route: "/v1/parked/{source}/{sequence}", requests: vec![get("/v1/parked/orders/307")] },
        Row { route: "/v1/history", requests: vec![get("/v1/history")] },
        Row { route: "/v1/openapi.json", requests: vec![get("/v1/openapi.json")] },
        Row { route: "/healthz", requests: vec![get("/healthz")] },
        Row { route: "/readyz", requests: vec![get("/readyz")] },
        Row { route: "/livez", requests: vec![get("/livez")] },
        // The files of the console are the same in every copy of the program.
        Row { route: "/", requests: vec![get("/")] },
        Row { route: "/console/{file}", requests: vec![get("/console/main.js")] },
        // Nobody who reads may ask for these.
        Row { route: "/v1/admin/reload", requests: vec![("POST", "/v1/admin/reload".to_owned(), None)] },
        Row { route: "/v1/admin/facts", requests: vec![("POST", "/v1/admin/facts".to_owned(), None)] },
        Row {
            route: "/v1/admin/projections/{name}/{verb}",
            requests: vec![("POST", format!("/v1/admin/projections/{relation}/verify"), None)],
        },
        Row {
            route: "/v1/admin/sources/{name}/{verb}",
            requests: vec![("POST", "/v1/admin/sources/orders/pause".to_owned(), None)],
        },
        Row {
            route: "/v1/admin/parked/discard",
            requests: vec![("POST", "/v1/admin/parked/discard".to_owned(), None)],
        },
        Row { route: "/v1/admin/parked/replay", requests: vec![("POST", "/v1/admin/parked/replay".to_owned(), None)] },
    ]
}

/// What tells when something was, and not what.
const TIMES: [&str; 8] = [
    "lastHour",
    "heardAt",
    "caughtUpAt",
    "lagSeconds",
    "watermark",
    "publishedAt",
    "observedSeconds",
    "unknownSeconds",
];

fn without_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !TIMES.contains(&name.as_str()));
            // It hides nothing of its own rows.
            if members.get("name").is_some_and(|name| name == "conflict") {
                members.retain(|name, _| !["rows", "stateBytes", "diskBytes", "operators"].contains(&name.as_str()));
            }
            if let Some(Value::Object(freshness)) = members.get_mut("freshness") {
                freshness.retain(|name, _| name == "state" || name == "reason" || name == "incomplete");
            }
            // How long an operator took.
            if let Some(Value::String(plan)) = members.get_mut("plan") {
                *plan = without_durations(plan);
            }
            members.values_mut().for_each(without_times);
        }
        Value::Array(values) => {
            // Of what is public everything is told.
            // A lag is kept of each minute that has passed.
            values.retain(|value| value["name"] != "everything" && value.get("lagSecondsMax").is_none());
            values.iter_mut().for_each(without_times);
        }
        _ => {}
    }
}

/// `elapsed_compute=12.3µs` has no number.
fn without_durations(plan: &str) -> String {
    let parts = plan.split_inclusive([',', '[', ']', ' ', '\n']);
    let timed = |part: &str| ["elapsed", "time"].iter().any(|word| part.contains(word)) && part.contains('=');
    parts
        .map(|part| if timed(part) { format!("{}=…,", part.split('=').next().unwrap()) } else { part.to_owned() })
        .collect()
}

impl Reply {
    fn comparable(&self) -> Self {
        let body = match serde_json::from_str::<Value>(&self.body) {
            Ok(mut value) => {
                without_times(&mut value);
                value.to_string()
            }
            Err(_) => without_durations(&self.body),
        };
        Self { body, ..self.clone() }
    }
}

/// What is about the first place in which two answers differ.
fn difference(one: &Reply, other: &Reply) -> String {
    let alike = one.body.bytes().zip(other.body.bytes()).take_while(|(a, b)| a == b).count();
    let about = |reply: &Reply| {
        let place: String = reply.body.chars().skip(alike.saturating_sub(80)).take(200).collect();
        format!("  {} {:?} …{place}…", reply.status, reply.etag)
    };
    format!("{}\n{}", about(one), about(other))
}

/// The routes as they are declared.
fn declared() -> BTreeSet<String> {
    let server = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/serve/http/mod.rs")).unwrap();
    server.split(".route(\"").skip(1).map(|route| route.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn nothing_tells_of_hidden_rows() {
    let (many, few) = (Shop::open(true), Shop::open(false));
    let mut faults = Vec::new();
    let mut asked = 0;
    // What is wrong with a projection that hides nothing itself is told with rows of those that it reads.
    for relation in RELATIONS_GUARDED.into_iter().chain(["conflict"]) {
        let rows = table(relation);
        let routes: BTreeSet<String> = rows.iter().map(|row| row.route.to_owned()).collect();
        assert_eq!(routes, declared(), "a path without a row in the table, or the other way round");
        let requests =
            rows.into_iter().flat_map(|row| row.requests.into_iter().map(move |request| (row.route, request)));
        for (accept, (method, path, body)) in
            requests.flat_map(|(route, request)| formats(route).map(move |accept| (accept, request.clone())))
        {
            let place = format!("{method} {path} {}", body.as_ref().map(Value::to_string).unwrap_or_default());
            // How long its operators took decides where everything else is in a buffer.
            if place.contains("EXPLAIN ANALYZE") && accept == FORMATS[2] {
                continue;
            }
            for who in ["reader", "officer", "nobody", ""] {
                asked += 1;
                let replies = [&many, &few].map(|shop| shop.ask_as(accept, who, method, &path, body.as_ref()));
                let [one, other] = replies.each_ref().map(Reply::comparable);
                let place = format!("{who} {place} as {accept}");
                // Of whatever is public everything is seen.
                let is_public = place.contains("everything");
                if one != other {
                    faults.push(format!("{place}\n{}", difference(&one, &other)));
                }
                for hidden in ["canary", "quiet@x", "zebra", "\"b\"", "\"b-"] {
                    let asks = body.as_ref().map(Value::to_string).unwrap_or_default();
                    let echoed = path.contains(hidden.trim_matches('"')) || asks.contains(hidden.trim_matches('"'));
                    if one.body.contains(hidden) && !echoed && !is_public {
                        faults.push(format!("{place} shows {hidden}: {}", one.body));
                    }
                }
                if MASKED.contains(&relation) && !(who == "officer" && relation == "masked") {
                    let echoed = path.contains("secret") || path.contains("queries");
                    if one.body.contains("@x") && !echoed {
                        faults.push(format!("{place} shows a masked address: {}", one.body));
                    }
                }
                assert!(one.status != 500, "{place} {one:?}");
                // What is asked is understood, so that the answers are of rows.
                let asks_of_masked = ["email", "like=b-7"].iter().any(|part| place.contains(part));
                if who == "reader" && relation == "search" && path.starts_with("/v1/search") && !asks_of_masked {
                    assert_eq!(one.status, 200, "{place} {one:?}");
                }
            }
        }
    }
    for relation in RELATIONS_GUARDED.into_iter().chain(["conflict"]) {
        let commands = commands(relation);
        for who in ["reader", "officer", "nobody", ""] {
            let [one, other] = [&many, &few].map(|shop| without_durations(&shop.psql(who, &commands)));
            let reply = |body: String| Reply { status: 0, etag: None, next: None, body };
            let place = format!("{who} over PostgreSQL of {relation}");
            let is_shown = ["canary", "quiet@x", "zebra", "b-7"].into_iter().find(|hidden| one.contains(hidden));
            if let Some(hidden) = is_shown.filter(|_| !who.is_empty()) {
                faults.push(format!("{place} shows {hidden}: {one}"));
            }
            if who == "reader" {
                let sees = one.contains("a-1") && one.contains("secret1@x") != MASKED.contains(&relation);
                assert!(sees || relation == "conflict", "{place}: {one}");
            }
            if one != other {
                faults.push(format!("{place}\n{}", difference(&reply(one), &reply(other))));
            }
        }
    }
    // What is hidden from nobody tells the two apart by nearly every path, so the table asks for what would tell.
    let telling = table("everything").into_iter().flat_map(|row| row.requests).filter(|(method, path, body)| {
        let [one, other] = [&many, &few].map(|shop| shop.ask("reader", method, path, body.as_ref()).comparable());
        one != other
    });
    let telling = telling.count();
    assert!(telling > 20, "{telling} requests of a public relation tell");
    let told = [&many, &few].map(|shop| shop.psql("reader", &commands("everything")));
    assert_ne!(told[0], told[1], "what is public tells them apart over PostgreSQL too");
    assert!(asked > 1_000, "{asked}");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn whoever_may_see_rows_sees_them_by_every_path() {
    let shop = Shop::open(true);
    for relation in RELATIONS_GUARDED {
        let count = json!({"sql": format!("SELECT count(*) AS n FROM {relation}")});
        let counted = |who: &str| shop.ask(who, "POST", "/v1/sql", Some(&count));
        // Of the computed policy one of the hidden rows cannot be computed, and is seen by nobody.
        let others = if relation == "by_computation" { HIDDEN - 1 } else { HIDDEN };
        let expected = [("reader", HIDDEN / 50), ("officer", HIDDEN / 50), ("admin", HIDDEN / 50), ("other", others)];
        for (who, rows) in expected {
            assert!(
                counted(who).body.contains(&format!("\"items\":[{{\"n\":{rows}}}]")),
                "{who} {relation} {:?}",
                counted(who)
            );
        }
        for who in ["nobody", ""] {
            for (method, path, body) in [
                ("POST", "/v1/sql".to_owned(), Some(&count)),
                ("GET", format!("/v1/tables/{relation}"), None),
                ("GET", format!("/v1/tables/{relation}/a-1"), None),
                ("GET", format!("/v1/search/{relation}?q=apples"), None),
            ] {
                let refused = shop.ask(who, method, &path, body);
                if relation.contains("view") && refused.status == 400 {
                    let is_no_table = ["has no key", "cannot be searched"];
                    assert!(is_no_table.iter().any(|text| refused.body.contains(text)), "{refused:?}");
                    continue;
                }
                assert_eq!(refused.status, 403, "{who} {path} {refused:?}");
                assert!(refused.body.contains("asks for the claim `tenant"), "{refused:?}");
            }
        }
        let listed = shop.ask("other", "GET", &format!("/v1/tables/{relation}?pageSize=400&sort=id"), None);
        assert!(listed.body.contains("canary red apples apples zebra8"), "{relation} {listed:?}");
        assert_eq!(listed.body.contains("canary8@x"), !MASKED.contains(&relation), "{relation} {listed:?}");
    }
    let found = shop.ask("other", "GET", "/v1/search/search?text=canary+zebra1&facet=tenant", None);
    assert!(found.body.contains("\"facets\":{\"tenant\":[{\"value\":\"b\",\"count\":111}]}"), "{found:?}");
    let officer = shop.ask("officer", "GET", "/v1/tables/masked/a-1", None);
    assert!(officer.body.contains("secret1@x"), "{officer:?}");
    // Who sees something else has another answer; who sees the same has the same.
    let tag = |who: &str, path: &str| shop.ask(who, "GET", path, None).etag.unwrap();
    for path in ["/v1/tables/masked/a-1", "/v1/tables/masked?id=a-1"] {
        assert_ne!(tag("reader", path), tag("officer", path), "{path}");
        assert_eq!(tag("reader", path), tag("admin", path), "{path}");
    }
    for accept in FORMATS {
        let of = |who: &str| shop.ask_as(accept, who, "GET", "/v1/tables/masked?sort=id", None);
        let (reader, officer) = (of("reader"), of("officer"));
        assert!(reader.body.contains("a-1") && !reader.body.contains("@x"), "{accept} {reader:?}");
        assert!(officer.body.contains("secret1@x") && !officer.body.contains("canary"), "{accept} {officer:?}");
    }
    // Names and columns are told to all, as by the listings; what is masked from somebody they cannot search.
    let highlighted = |who: &str| -> Vec<String> {
        let document: Value = serde_json::from_str(&shop.ask(who, "GET", "/v1/openapi.json", None).body).unwrap();
        for relation in RELATIONS_GUARDED {
            assert!(
                document["components"]["schemas"][format!("tables.{relation}.row")].is_object(),
                "{who} {relation}"
            );
        }
        let parameters = document["paths"]["/v1/search/search"]["get"]["parameters"].as_array().unwrap();
        let fields = parameters.iter().find(|parameter| parameter["name"] == "highlight").unwrap();
        serde_json::from_value(fields["schema"]["items"]["enum"].clone()).unwrap()
    };
    assert_eq!(highlighted("reader"), ["true", "false", "notes"]);
    let operations = ["/v1/parked", "/v1/history", "/v1/parked/orders/307"];
    for path in operations {
        assert_eq!(shop.ask("admin", "GET", path, None).status, 200, "{path}");
        for who in ["reader", "other", ""] {
            let refused = shop.ask(who, "GET", path, None);
            assert!(refused.status == 403 && refused.body.contains("policies hide rows"), "{path} {refused:?}");
        }
    }
    let rows = |who: &str| -> Value {
        serde_json::from_str(&shop.ask(who, "GET", "/v1/projections/by_index", None).body).unwrap()
    };
    assert_eq!(rows("admin")["item"]["rows"], HIDDEN + HIDDEN / 50);
    assert_eq!((&rows("reader")["item"]["rows"], &rows("reader")["item"]["withheld"]), (&Value::Null, &json!(true)));
}
