//! How long answers take where others have many rows: by which paths that tells a reader nothing, and by which it may tell how much
//! there is.
//!
//! Two daemons have the same rows of tenant `a`; of tenant `b` the one has a few rows and the other a thousand times as many. Both are
//! asked the same by turns, so that whatever else the machine does slows both down, and medians are compared, within a wide factor.
//! What is outside of it is asked again before it counts.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::token;
use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;

const CONFIG: &str = r#"
data_dir: data
sources: orders.yaml
projections: relations.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
auth: {tokens: tokens}
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
projection: by_index
key: [id]
access: {policies: [own]}
indexes: [[tenant], [email]]
sql: SELECT id, tenant, email, total, notes FROM orders.placed
---
projection: by_scan
key: [id]
access: {policies: [own]}
sql: SELECT id, tenant, email, total, notes FROM orders.placed
---
projection: found
kind: search
key: [id]
access: {policies: [own]}
sql: SELECT * FROM orders.placed
fields:
  notes: {type: text}
  tenant: {type: keyword, facet: true}
  total: {type: keyword, sort: true}
  place: {type: vector, dimensions: 2}
---
query: dear
params: {least: int64!}
sql: SELECT id, total, email FROM by_index WHERE total >= $least
sort: [-total, id]
"#;

const OWN: usize = 50;
const FEW: usize = 50;
const MANY: usize = 50_000;
/// How often each is asked for a median.
const ROUNDS: usize = 11;
/// How often a factor has to be exceeded before it counts.
const TRIES: usize = 4;
/// By how much answers may differ that are not to tell how many hidden rows there are. A thousand times as many are there.
const ALIKE: f64 = 5.0;
/// By how much others may.
const GROWING: f64 = 200.0;

fn events(hidden: usize) -> String {
    let mut events = String::new();
    let mut event = |id: String, tenant: &str, email: String, notes: String, number: usize| {
        let place = [1.0, number as f32 / 7.0];
        let event = json!({
            "type": "Placed", "id": id, "tenant": tenant, "email": email, "total": number, "notes": notes, "place": place,
        });
        writeln!(events, "{event}").unwrap();
    };
    for number in 0..OWN {
        event(format!("a-{number}"), "a", format!("own{number}@x"), format!("red apples number {number}"), number);
    }
    for number in 0..hidden {
        let notes = format!("red apples canary zebra{number}");
        event(format!("b-{number}"), "b", format!("canary{number}@x"), notes, number);
    }
    events
}

struct Shop {
    daemon: Daemon,
    agent: ureq::Agent,
    tokens: Vec<(&'static str, String)>,
    _home: TempDir,
}

/// Who asks, how, for what.
type Request = (&'static str, &'static str, String, Option<Value>);

impl Shop {
    fn open(hidden: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let files = [
            ("readside.yaml", CONFIG),
            ("orders.yaml", SOURCE),
            ("relations.yaml", RELATIONS),
            ("events.ndjson", &events(hidden)),
        ];
        for (name, text) in files {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        let tokens = vec![
            ("reader", token(home.path(), &["reader", "--claim", "tenant=a"])),
            ("other", token(home.path(), &["other", "--claim", "tenant=b"])),
            ("nobody", token(home.path(), &["nobody"])),
        ];
        let daemon = Daemon::start(&home.path().join("readside.yaml"));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let shop = Self { daemon, agent, tokens, _home: home };
        let counts = ["by_index", "by_scan"].map(|name| sql("other", format!("SELECT count(*) AS n FROM {name}")));
        shop.daemon.wait("all rows", DEADLINE * 4, |_| {
            let counted = format!("\"n\":{hidden}");
            let all = counts.iter().all(|request| shop.ask(request).1.contains(&counted));
            let indexed = shop.ask(&get("other", "/v1/search/found?pageSize=1")).1;
            (all && indexed.contains(&format!("\"total\":{hidden},"))).then_some(())
        });
        shop
    }

    fn ask(&self, (who, method, path, body): &Request) -> (u16, String) {
        let url = format!("{}{path}", self.daemon.url());
        let token =
            self.tokens.iter().find(|(name, _)| name == who).map(|(_, token)| format!("Bearer {token}")).unwrap();
        let response = match *method {
            "POST" => {
                let request = self.agent.post(url).content_type("application/json").header("authorization", token);
                request.send(body.as_ref().unwrap().to_string())
            }
            _ => self.agent.get(url).header("authorization", token).call(),
        };
        let mut response = response.unwrap();
        let status = response.status().as_u16();
        (status, response.body_mut().read_to_string().unwrap())
    }
}

fn get(who: &'static str, path: impl Into<String>) -> Request {
    (who, "GET", path.into(), None)
}

fn sql(who: &'static str, sql: impl Into<String>) -> Request {
    (who, "POST", "/v1/sql".to_owned(), Some(json!({"sql": sql.into()})))
}

/// What takes as long, however many rows are hidden.
fn alike() -> Vec<Request> {
    let mut requests = Vec::new();
    // A row by its key, seen, hidden and absent; what is denied; what is wrong.
    for relation in ["by_index", "by_scan", "found"] {
        for key in ["a-7", "b-7", "c-7"] {
            requests.push(get("reader", format!("/v1/tables/{relation}/{key}")));
        }
        requests.push(get("reader", format!("/v1/tables/{relation}?nothing=1")));
        requests.push(get("nobody", format!("/v1/tables/{relation}")));
        requests.push(sql("reader", format!("SELECT nothing FROM {relation}")));
        requests.push(sql("reader", format!("SELECT email FROM {relation} WHERE id = 'b-7'")));
        requests.push(get("reader", format!("/v1/projections/{relation}")));
    }
    // All of a relation of which an index finds the rows that the policy lets through.
    let listings =
        ["pageSize=10", "sort=-total&pageSize=10", "tenant=b", "email=canary7%40x", "email=nobody%40x", "notes=canary"];
    requests.extend(listings.map(|rest| get("reader", format!("/v1/tables/by_index?{rest}"))));
    let texts = [
        "SELECT count(*) AS n, max(email) AS last FROM by_index",
        "SELECT id FROM by_index WHERE notes LIKE '%canary%'",
        "SELECT tenant, sum(total) AS sum FROM by_index GROUP BY tenant",
    ];
    requests.extend(texts.map(|text| sql("reader", text)));
    requests.push(get("reader", "/v1/queries/dear?least=10"));
    requests.push(get("reader", "/v1/tables/none"));
    requests
}

/// What looks at hidden rows too, and takes longer the more there are.
fn growing() -> Vec<Request> {
    let mut requests: Vec<Request> = ["pageSize=10", "sort=-total&pageSize=10", "notes=canary"]
        .map(|rest| get("reader", format!("/v1/tables/by_scan?{rest}")))
        .into();
    requests.push(sql("reader", "SELECT count(*) AS n FROM by_scan"));
    let searches = [
        "",
        "text=apples",
        "text=canary",
        "text=zebra",
        "text=nobody",
        "q=zebr*",
        "facet=tenant",
        "sort=-total",
        "q=nothing:(",
    ];
    requests.extend(searches.map(|rest| get("reader", format!("/v1/search/found?{rest}"))));
    let near = json!({"vector": [1.0, 7.0], "k": 10});
    requests.push(("reader", "POST", "/v1/search/found".to_owned(), Some(near)));
    requests
}

/// The median of each daemon, asked by turns.
fn medians(shops: &[Shop; 2], request: &Request) -> [Duration; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let begun = Instant::now();
            let _ = shops[which].ask(request);
            times[which].push(begun.elapsed());
        }
    }
    times.map(median)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn factor([one, other]: [Duration; 2]) -> f64 {
    let (less, more) = (one.min(other), one.max(other));
    more.as_secs_f64() / less.as_secs_f64()
}

/// The fault of a request whose times differ by more than a factor each time that it is asked.
fn differs(shops: &[Shop; 2], request: &Request, most: f64) -> Option<String> {
    let mut seen = Vec::new();
    while seen.len() < TRIES {
        let times = medians(shops, request);
        if factor(times) <= most {
            return None;
        }
        seen.push(times);
    }
    Some(format!("{request:?}: {seen:?} differ by more than {most}"))
}

#[test]
fn times_tell_of_hidden_rows_by_the_documented_paths_alone() {
    let shops = [Shop::open(FEW), Shop::open(MANY)];
    let mut faults = Vec::new();
    for (requests, most) in [(alike(), ALIKE), (growing(), GROWING)] {
        for request in requests {
            // The first answers fill what is kept for later ones.
            let answers = shops.each_ref().map(|shop| shop.ask(&request));
            assert_eq!(answers[0].0, answers[1].0, "{request:?} {answers:?}");
            assert!(!answers[1].1.contains("canary0@x"), "{request:?} {answers:?}");
            faults.extend(differs(&shops, &request, most));
        }
    }
    // At one daemon, a key whose row is hidden and one that nobody has.
    for relation in ["by_index", "by_scan", "found"] {
        let keys = ["b-7", "c-7"].map(|key| get("reader", format!("/v1/tables/{relation}/{key}")));
        let told = (0..TRIES).all(|_| {
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (key, times) in keys.iter().zip(&mut times) {
                    let begun = Instant::now();
                    assert_eq!(shops[1].ask(key).0, 404);
                    times.push(begun.elapsed());
                }
            }
            factor(times.map(median)) > ALIKE
        });
        if told {
            faults.push(format!("{relation}: a hidden key and one that nobody has differ by more than {ALIKE}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
