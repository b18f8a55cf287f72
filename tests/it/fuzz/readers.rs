//! What readers send to a daemon: SQL, search texts, tokens, and bytes of HTTP and of PostgreSQL's protocol. It answers each, never with a fault of its own, and
//! stays as it is.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use tempfile::TempDir;

use super::{fuzz, resident_bytes};
use crate::crash::daemon::Daemon;

/// What the daemon may hold, its limit for one query included.
const MEMORY_MAX: u64 = 1 << 30;
/// How long it may take to answer, or to close.
const PATIENCE: Duration = Duration::from_secs(30);
/// After which it is not answering.
const QUIET: Duration = Duration::from_millis(20);
const CONFIG: &str = r#"
data_dir: ./data
sources: sources.yaml
projections: projections.yaml
http: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
postgres: {listen: "127.0.0.1:0"}
limits: {timeout: 2s, memory: 64MiB, max_rows: 1000}
"#;
const SOURCE: &str = r#"
source: orders
file: {path: events.ndjson}
envelope: {type: body:/type, key: body:/customer}
events:
  Placed: {fields: {customer: string!, total: "decimal(18,2)!", notes: string, at: timestamp, tags: list<string>, extra: json}}
"#;
const PROJECTIONS: &str = r#"
projection: placed
sql: SELECT _seq AS id, customer, total, notes, at, tags, extra FROM orders.placed
key: [id]
indexes: [[customer]]
---
projection: customers
sql: SELECT customer, count(*) AS orders, sum(total) AS total FROM orders.placed GROUP BY customer
key: [customer]
---
projection: found
kind: search
sql: SELECT id, customer, notes, total FROM placed
key: [id]
fields: {notes: {type: text, tokenizer: en_stem}, customer: {type: keyword, facet: true}, total: {sort: true}}
---
query: of_customer
params: {customer: string!, limit: {type: int64, default: 10}}
sql: SELECT id, total FROM placed WHERE customer = $customer ORDER BY id LIMIT $limit
"#;
const SQL_WORDS: &[&str] = &[
    "SELECT ",
    " FROM placed",
    " FROM customers",
    " WHERE ",
    " GROUP BY ",
    " ORDER BY ",
    " HAVING ",
    " LIMIT 1",
    " OFFSET ",
    " JOIN ",
    " LEFT JOIN ",
    " CROSS JOIN ",
    " ON ",
    " USING (id)",
    " UNION ALL ",
    " EXCEPT ",
    "WITH a AS (",
    "WITH RECURSIVE a AS (",
    " OVER (",
    " PARTITION BY ",
    " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "CASE WHEN ",
    " THEN ",
    " ELSE ",
    " END",
    "NOT ",
    " IN (",
    " EXISTS (",
    " BETWEEN ",
    " LIKE '%a%'",
    " IS NULL",
    "CAST(",
    " AS ",
    "::",
    "interval '1 day'",
    "now()",
    "unnest(tags)",
    "repeat('x', 1000000)",
    "rpad('x', 100000000)",
    "generate_series(1, 1000000000)",
    "array_agg(",
    "count(*)",
    "sum(total)",
    "latest(notes)",
    "max_by(",
    "regexp_replace(notes, '",
    "levenshtein(notes, ",
    "to_timestamp(",
    "date_trunc('day', at)",
    "json_get(extra, 'a')",
    "$1",
    "$a",
    "NULL",
    "TRUE",
    "0.1",
    "1e300",
    "-9223372036854775808",
    "99999999999999999999",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    ";",
    ",",
    "(",
    ")",
    "[",
    "]",
    "{",
    "x -> x + 1",
    "ROLLUP (",
    "CUBE (",
    "GROUPING SETS (",
    "VALUES (1)",
    "information_schema.tables",
    "DROP TABLE placed",
    "COPY ",
    "EXPLAIN ",
    "SET ",
    "DESCRIBE ",
    "PIVOT",
    "LATERAL ",
    "QUALIFY ",
    "\u{1f600}",
    "\u{0}",
];
const SEARCH_WORDS: &[&str] = &[
    " AND ",
    " OR ",
    " NOT ",
    "-",
    "+",
    "(",
    ")",
    "\"",
    "'",
    "*",
    "?",
    "~",
    "~2",
    "^",
    "^2.0",
    "notes:",
    "customer:",
    "total:",
    "id:",
    "[",
    "]",
    "{",
    "}",
    " TO ",
    "[1 TO 2]",
    "{* TO a}",
    ">=",
    "<",
    "IN [",
    "a*",
    "\\",
    "/a.*/",
    ":",
    "running",
    "\u{1f600}",
    "\u{4e2d}",
    "\u{0}",
    "\u{301}",
];
const HTTP_WORDS: &[&str] = &[
    "GET ",
    "POST ",
    "HEAD ",
    "PUT ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/9.9\r\n",
    "\r\n",
    "\r\n\r\n",
    "Host: 127.0.0.1\r\n",
    "Content-Type: application/json\r\n",
    "Content-Length: 10\r\n",
    "Content-Length: 99999999999\r\n",
    "Transfer-Encoding: chunked\r\n",
    "0\r\n\r\n",
    "ffffffffffffffff\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "If-None-Match: \"",
    "Accept: text/csv;q=0.5, ",
    "Accept: application/vnd.apache.arrow.stream\r\n",
    "Accept-Encoding: gzip;q=",
    "Upgrade: h2c\r\n",
    "/v1/sql",
    "/v1/tables/placed",
    "/v1/tables/placed/1",
    "/v1/search/found?q=",
    "/v1/queries/of_customer?customer=a",
    "/livez",
    "/readyz",
    "/v1/projections",
    "/v1/sources",
    "?",
    "&",
    "=",
    "%",
    "%00",
    "%ff",
    "%2f",
    "pageSize=",
    "pageToken=",
    "sort=-id",
    "id.gte=",
    "id.in=1,2",
    "minPosition=orders:1&wait=1s",
    "minPosition=",
    "../",
    "//",
    "*",
    "{\"sql\":\"SELECT 1\"}",
    "\u{0}",
];

const POSTGRES_WORDS: &[&str] = &[
    "Q\0\0\0\u{d}SELECT 1\0",
    "P\0\0\0\u{10}\0SELECT $1\0\0\0",
    "B\0\0\0\u{c}\0\0\0\0\0\0\0\0",
    "D\0\0\0\u{6}S\0",
    "D\0\0\0\u{6}P\0",
    "E\0\0\0\u{9}\0\0\0\0\0",
    "E\0\0\0\u{9}\0\u{7f}\u{7f}\u{7f}\u{7f}",
    "C\0\0\0\u{6}S\0",
    "S\0\0\0\u{4}",
    "H\0\0\0\u{4}",
    "X\0\0\0\u{4}",
    "p\0\0\0\u{6}a\0",
    "d\0\0\0\u{5}x",
    "c\0\0\0\u{4}",
    "\u{7f}\u{7f}\u{7f}\u{7f}",
    "\0\0\0\u{4}",
    "\0\0\0\0",
    "\0\u{3}\0\0",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "COMMIT",
    "ROLLBACK TO a",
    "DECLARE c CURSOR FOR SELECT id FROM placed",
    "FETCH 10 FROM c",
    "FETCH ALL c",
    "CLOSE ALL",
    "SET max_lag = '1s'",
    "SET LOCAL statement_timeout TO 1",
    "SHOW ALL",
    "RESET ALL",
    "DISCARD ALL",
    "DEALLOCATE ALL",
    "SELECT pg_catalog.pg_get_indexdef(oid, 0, true) FROM pg_index i JOIN pg_class ON indexrelid = oid",
    "'placed'::regclass::oid",
    "ANY('{a,b}')",
    "OPERATOR(pg_catalog.~)",
    "ARRAY(SELECT 1)",
    "generate_subscripts(indkey, 1)",
    "information_schema.columns",
    "current_user",
    "version()",
    "::numeric[]",
    "$1",
    "$65535",
    ";",
    "\0",
];
const TOKEN_WORDS: &[&str] = &[
    "Bearer ",
    "Basic ",
    "rs_",
    ".",
    "..",
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ",
    "eyJhbGciOiJub25lIn0",
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ",
    "eyJzdWIiOiJhIiwiYXVkIjoicmVhZHNpZGUiLCJleHAiOjQxMDI0NDQ4MDB9",
    "e30",
    "bnVsbA",
    "W10",
    "=",
    "AAAA",
    "____",
    "\u{7f}",
    "\u{e9}",
];

struct Served {
    daemon: Daemon,
    _folder: TempDir,
    asked: u64,
}

impl Served {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With these settings besides.
    fn start_with(settings: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = format!("{}\n{settings}", CONFIG.trim_end());
        let keys =
            r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;
        let event = |number: u64| {
            format!(
                r#"{{"type":"Placed","customer":"c{}","total":"{number}.5","notes":"running runs of élan {number}","at":"2026-01-01T00:00:00Z","tags":["a","b"],"extra":{{"a":{number}}}}}"#,
                number % 7
            )
        };
        let events: String = (0..200).map(|number| event(number) + "\n").collect();
        for (name, text) in [
            ("readside.yaml", config.as_str()),
            ("jwks.json", keys),
            ("sources.yaml", SOURCE),
            ("projections.yaml", PROJECTIONS),
            ("events.ndjson", &events),
        ] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let daemon = Daemon::start(&folder.path().join("readside.yaml"));
        daemon.wait("200 rows", Duration::from_secs(30), |daemon| {
            let rows = daemon.get("/v1/tables/customers?pageSize=10").1["items"].as_array().map(Vec::len);
            let found = daemon.get("/v1/search/found?q=running").1["items"].as_array().map(Vec::len);
            (rows == Some(7) && found.is_some_and(|found| found > 0)).then_some(())
        });
        Self { daemon, _folder: folder, asked: 0 }
    }

    /// The daemon is as it was.
    fn check(&mut self) {
        self.asked += 1;
        if !self.asked.is_multiple_of(64) {
            return;
        }
        assert_eq!(self.daemon.get("/livez").0, 200);
        assert_eq!(self.daemon.get("/v1/tables/customers/c1").1["item"]["orders"], 29);
        if let Some(line) = self.daemon.logged("panicked") {
            panic!("{line}");
        }
        let bytes = resident_bytes(self.daemon.process());
        assert!(bytes < MEMORY_MAX, "the daemon holds {bytes} bytes");
    }

    /// What it answers to these bytes of the PostgreSQL protocol.
    fn send_to_postgres(&self, bytes: &[u8]) -> Vec<u8> {
        let listening = self.daemon.logged("\"listening\"").expect("a line");
        let listening: serde_json::Value = serde_json::from_str(&listening).expect("a JSON line");
        self.talk(listening["fields"]["postgres"].as_str().expect("an address"), bytes, QUIET)
    }

    /// Statuses of what it answers to these bytes. It closes the connection at the latest once nothing more is sent.
    fn send(&self, bytes: &[u8], wait: Duration) -> Vec<u16> {
        let answer = self.talk(self.daemon.address(), bytes, wait);
        let text = String::from_utf8_lossy(&answer);
        let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok());
        statuses.collect()
    }

    fn talk(&self, address: &str, bytes: &[u8], wait: Duration) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).expect("a connection");
        // It may answer, and close, before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        // It gives up a request whose sender is gone, so what is being answered is waited for.
        if !is_closed(&mut stream, &mut answer, wait) {
            let _ = stream.shutdown(Shutdown::Write);
            assert!(is_closed(&mut stream, &mut answer, PATIENCE), "the connection stays open");
        }
        answer
    }
}

/// Reads until the connection is closed, or nothing has come for so long.
fn is_closed(stream: &mut TcpStream, answer: &mut Vec<u8>, quiet: Duration) -> bool {
    stream.set_read_timeout(Some(quiet)).expect("a time-out");
    match stream.read_to_end(answer) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

#[test]
fn sql() {
    let mut served = Served::start();
    fuzz("sql", SQL_WORDS, |input| {
        let body = serde_json::json!({"sql": String::from_utf8_lossy(input)}).to_string();
        let statuses = served.send(&post("/v1/sql", &body), PATIENCE);
        assert!(statuses.len() == 1 && statuses[0] != 500, "{statuses:?}");
        served.check();
    });
}

#[test]
fn search() {
    let mut served = Served::start();
    fuzz("search", SEARCH_WORDS, |input| {
        let escaped: String = input.iter().map(|byte| format!("%{byte:02x}")).collect();
        for parameter in ["q", "text"] {
            let target = format!("/v1/search/found?{parameter}={escaped}&highlight=notes&facet=customer");
            let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            let statuses = served.send(request.as_bytes(), PATIENCE);
            assert!(statuses.len() == 1 && statuses[0] != 500, "{statuses:?}");
            assert!(parameter == "q" || statuses[0] != 400, "what is typed is never refused");
            served.check();
        }
    });
}

#[test]
fn http() {
    let mut served = Served::start();
    fuzz("http", HTTP_WORDS, |input| {
        let statuses = served.send(input, QUIET);
        assert!(!statuses.contains(&500), "{statuses:?}");
        served.check();
    });
}

#[test]
fn postgres() {
    let mut served = Served::start();
    fuzz("postgres", POSTGRES_WORDS, |input| {
        let answer = served.send_to_postgres(input);
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("CXX000"), "an error of the daemon's own: {text}");
        served.check();
    });
}

#[test]
fn tokens() {
    // Who has no token reads, so that the daemon can be looked at.
    let mut served = Served::start_with("auth: {anonymous: read, jwt: {keys: jwks.json, audience: readside}}\n");
    fuzz("tokens", TOKEN_WORDS, |input| {
        let value: Vec<u8> = input.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
        let head = b"GET /v1/projections HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: ";
        let statuses = served.send(&[&head[..], &value, b"\r\n\r\n"].concat(), PATIENCE);
        assert!(matches!(statuses.as_slice(), [200 | 400 | 401 | 431]), "{statuses:?}");
        served.check();
    });
}
