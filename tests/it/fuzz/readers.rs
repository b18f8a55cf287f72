//! What readers send to a daemon: SQL, search texts and bytes of HTTP. It answers each, never with a fault of its own, and
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

struct Served {
    daemon: Daemon,
    _folder: TempDir,
    asked: u64,
}

impl Served {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let event = |number: u64| {
            format!(
                r#"{{"type":"Placed","customer":"c{}","total":"{number}.5","notes":"running runs of élan {number}","at":"2026-01-01T00:00:00Z","tags":["a","b"],"extra":{{"a":{number}}}}}"#,
                number % 7
            )
        };
        let events: String = (0..200).map(|number| event(number) + "\n").collect();
        for (name, text) in [
            ("readside.yaml", CONFIG),
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

    /// Statuses of what it answers to these bytes. It closes the connection at the latest once nothing more is sent.
    fn send(&self, bytes: &[u8], wait: Duration) -> Vec<u16> {
        let mut stream = TcpStream::connect(self.daemon.address()).expect("a connection");
        // It may answer, and close, before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        // It gives up a request whose sender is gone, so what is being answered is waited for.
        if !is_closed(&mut stream, &mut answer, wait) {
            let _ = stream.shutdown(Shutdown::Write);
            assert!(is_closed(&mut stream, &mut answer, PATIENCE), "the connection stays open");
        }
        let text = String::from_utf8_lossy(&answer);
        let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok());
        statuses.collect()
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
