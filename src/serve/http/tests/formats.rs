//! Rows in the format that a request takes.
#![allow(clippy::unwrap_used)]

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Int64Type};
use arrow::ipc::reader::StreamReader;

use super::*;

const LINES: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// An answer in a format.
struct Formatted {
    head: ureq::http::response::Parts,
    bytes: Vec<u8>,
}

impl Formatted {
    fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn text(&self) -> &str {
        assert_eq!(self.head.status, 200, "{}", String::from_utf8_lossy(&self.bytes));
        str::from_utf8(&self.bytes).unwrap()
    }

    fn batches(&self) -> (Arc<Schema>, Vec<RecordBatch>) {
        assert_eq!(self.head.status, 200, "{}", String::from_utf8_lossy(&self.bytes));
        let reader = StreamReader::try_new(&*self.bytes, None).unwrap();
        (reader.schema(), reader.map(|batch| batch.unwrap()).collect())
    }
}

impl Daemon {
    fn formatted(&self, path: &str, accept: &str) -> Formatted {
        let (head, bytes) = self.ask(path, &[("accept", accept)]);
        Formatted { head, bytes }
    }

    fn sql_as(&self, sql: &str, accept: &str) -> Formatted {
        let request = Self::agent().post(format!("{}/v1/sql", self.url)).content_type("application/json");
        let response = request.header("accept", accept).send(json!({"sql": sql}).to_string()).unwrap();
        let (head, mut body) = response.into_parts();
        Formatted { head, bytes: body.read_to_vec().unwrap() }
    }
}

const VALUES: &str = "SELECT * FROM (VALUES
    (1, 'a,b', 1.50, true, DATE '2026-01-31', [1, NULL], {'x': 'q\"', 'y': 2}, X'00FF', 0.5::double),
    (2, '', NULL, false, NULL, [], {'x': NULL, 'y': 3}, X'', 'NaN'::double),
    (3, NULL, -0.05, NULL, DATE '1969-12-31', NULL, NULL, NULL, NULL),
    (4, E'two\nlines', 9.99, true, NULL, [4], {'x': '', 'y': 5}, NULL, '-Infinity'::double)
) AS v(n, s, d, b, day, l, o, bin, f) ORDER BY n";

#[test]
fn each_format_writes_each_value() {
    let daemon = Daemon::usual();
    let lines = daemon.sql_as(VALUES, LINES);
    assert_eq!((lines.header("content-type"), lines.header("vary")), (LINES, "Accept"));
    let rows: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows, daemon.sql(VALUES).items());
    assert!(lines.text().ends_with("}\n"));

    let csv = daemon.sql_as(VALUES, CSV);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=present");
    let expected = [
        "n,s,d,b,day,l,o,bin,f",
        "1,\"a,b\",1.50,true,2026-01-31,\"[1,null]\",\"{\"\"x\"\":\"\"q\\\"\"\"\",\"\"y\"\":2}\",AP8=,0.5",
        "2,\"\",,false,,[],\"{\"\"x\"\":null,\"\"y\"\":3}\",\"\",NaN",
        "3,,-0.05,,1969-12-31,,,,",
        "4,\"two\nlines\",9.99,true,,[4],\"{\"\"x\"\":\"\"\"\",\"\"y\"\":5}\",,-Infinity",
        "",
    ];
    assert_eq!(csv.text(), expected.join("\r\n"));

    let (schema, batches) = daemon.sql_as(VALUES, ARROW).batches();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["n", "s", "d", "b", "day", "l", "o", "bin", "f"]);
    let rows = arrow::compute::concat_batches(&schema, &batches).unwrap();
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3, 4]);
    let texts: Vec<Option<&str>> = rows.column(1).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("a,b"), Some(""), None, Some("two\nlines")]);
    let decimals = rows.column(2).as_primitive::<Decimal128Type>();
    assert_eq!((decimals.value_as_string(0).as_str(), decimals.is_null(1)), ("1.50", true));
    assert_eq!(rows.column(5).as_list::<i32>().value_length(1), 0);
    assert!(rows.column(6).is_null(2) && rows.column(8).is_null(2));
    assert_eq!(schema.field(4).data_type(), &DataType::Date32);
}

#[test]
fn times_have_one_form_in_all_texts_and_their_types_in_arrow() {
    let daemon = Daemon::usual();
    let sql = "SELECT TIMESTAMP '2026-01-31T09:39:05' AS local, TIMESTAMPTZ '2026-01-31T09:39:05.5Z' AS utc,
               INTERVAL '1 month 2 days 3 seconds' AS span, 9007199254740993 AS big, json_get('{\"a\":[1]}', 'a') AS part";
    let json = daemon.sql(sql).items()[0].clone();
    assert_eq!(json["big"].to_string(), "9007199254740993");
    assert!(json["local"].as_str().unwrap().starts_with("2026-01-31T09:39:05"), "{json}");
    assert!(json["utc"].as_str().unwrap().ends_with('Z'), "{json}");
    let csv = daemon.sql_as(sql, CSV);
    let row = csv.text().lines().nth(1).unwrap();
    let text = |name: &str| json[name].as_str().unwrap();
    assert_eq!(row, format!("{},{},{},9007199254740993,[1]", text("local"), text("utc"), text("span")));
    let (schema, batches) = daemon.sql_as(sql, ARROW).batches();
    assert!(matches!(schema.field(0).data_type(), DataType::Timestamp(_, None)), "{schema}");
    assert!(matches!(schema.field(1).data_type(), DataType::Timestamp(_, Some(_))), "{schema}");
    assert!(matches!(schema.field(2).data_type(), DataType::Interval(_)), "{schema}");
    // A value of JSON of which the type is not known before is its text.
    assert_eq!(batches[0].column(4).as_string::<i32>().value(0), "[1]");
}

#[test]
fn every_route_of_rows_has_the_formats_with_freshness_and_pages_in_headers() {
    let daemon = Daemon::usual();
    let paths = ["/v1/tables/orders?pageSize=2", "/v1/tables/ready?pageSize=2", "/v1/queries/unsorted?pageSize=2"];
    for path in paths {
        let json = daemon.get(path);
        let next = json.json["page"]["nextPageToken"].as_str().unwrap();
        for accept in [LINES, CSV, ARROW] {
            let formatted = daemon.formatted(path, accept);
            assert_eq!(formatted.header("readside-next-page-token"), next, "{path} {accept}");
            assert_eq!(formatted.header("readside-cut-changed"), "false", "{path} {accept}");
            let freshness: Value = serde_json::from_str(formatted.header("readside-freshness")).unwrap();
            assert_eq!((&freshness["state"], &freshness["positions"]["orders"]), (&json!("live"), &json!(100)));
            let rows = match accept {
                ARROW => formatted.batches().1.iter().map(RecordBatch::num_rows).sum(),
                CSV => formatted.text().lines().count() - 1,
                _ => formatted.text().lines().count(),
            };
            assert_eq!(rows, 2, "{path} {accept}");
        }
        assert_eq!((json.header("readside-next-page-token"), json.header("readside-freshness")), ("", ""), "{path}");
    }
    let last = daemon.formatted("/v1/tables/pairs", CSV);
    assert_eq!(last.text(), "tenant,n\r\na/b,1\r\na/b,2\r\nc,1\r\n");
    assert_eq!(last.header("readside-next-page-token"), "");
    assert_eq!(daemon.formatted("/v1/tables/pairs/c/1", LINES).text(), "{\"tenant\":\"c\",\"n\":1}\n");
    assert_eq!(daemon.formatted("/v1/tables/pairs/c/1", CSV).text(), "tenant,n\r\nc,1\r\n");
    // What is wrong is said as ever.
    let wrong = daemon.formatted("/v1/tables/pairs/c/9", CSV);
    assert_eq!((wrong.head.status.as_u16(), wrong.header("content-type")), (404, "application/problem+json"));
}

#[test]
fn no_rows_are_an_answer_in_each_format() {
    let daemon = Daemon::usual();
    let sql = "SELECT order_id, status AS \"a,b\" FROM orders WHERE false";
    let path = "/v1/tables/orders?status=nothing";
    for formatted in [daemon.sql_as(sql, LINES), daemon.formatted(path, LINES)] {
        assert_eq!(formatted.text(), "");
    }
    assert_eq!(daemon.sql_as(sql, CSV).text(), "order_id,\"a,b\"\r\n");
    assert_eq!(daemon.formatted(path, CSV).text(), "order_id,status,total,due_at,notes,score\r\n");
    let (schema, batches) = daemon.sql_as(sql, ARROW).batches();
    assert_eq!((schema.field(1).name().as_str(), batches.len()), ("a,b", 0));
    let (schema, batches) = daemon.formatted(path, ARROW).batches();
    assert_eq!((schema.field(2).data_type(), batches.len()), (&DataType::Decimal128(18, 2), 0));
}

#[test]
fn a_format_that_there_is_not_is_refused_with_those_that_there_are() {
    let daemon = Daemon::usual();
    for path in ["/v1/tables/orders", "/v1/tables/orders/1", "/v1/tables/nothing", "/v1/queries/now"] {
        let (head, bytes) = daemon.ask(path, &[("accept", "text/html, application/xml;q=0.9")]);
        let problem: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((head.status.as_u16(), &problem["type"]), (406, &json!("urn:readside:problem:not-acceptable")));
        assert_eq!(head.headers["vary"], "Accept");
        assert_eq!(head.headers["content-type"], "application/problem+json");
        for offered in ["application/json", LINES, CSV, ARROW] {
            assert!(problem["detail"].as_str().unwrap().contains(offered), "{problem}");
        }
    }
    assert_eq!(daemon.sql_as("SELECT 1 AS a", "image/png").head.status, 406);
    for (accept, content_type) in [
        ("*/*", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("application/json;q=0.2, text/csv;q=0.9", "text/csv; charset=utf-8; header=present"),
        ("text/*", "text/csv; charset=utf-8; header=present"),
        ("application/json;q=0, application/*", LINES),
    ] {
        let formatted = daemon.formatted("/v1/tables/orders", accept);
        assert_eq!((formatted.head.status.as_u16(), formatted.header("content-type")), (200, content_type), "{accept}");
    }
    // Where there is but one form, nobody is asked for another.
    assert_eq!(daemon.ask("/v1/projections", &[("accept", "text/html")]).0.status, 200);
}

#[test]
fn rows_and_bytes_are_limited_in_each_format() {
    let daemon = Daemon::usual();
    let wide = "SELECT lpad('x', 9999, 'y') AS x FROM orders a, (SELECT * FROM orders LIMIT 20) b";
    for accept in ["application/json", LINES, CSV, ARROW] {
        let many = daemon.sql_as("SELECT a.order_id FROM orders a, orders b", accept);
        let few = daemon.sql_as(wide, accept);
        for (refused, detail) in [(many, "more than 5000 rows"), (few, "larger than 4194304 bytes")] {
            let problem: Value = serde_json::from_slice(&refused.bytes).unwrap();
            let kind = &problem["type"];
            assert_eq!((refused.head.status.as_u16(), kind), (422, &json!("urn:readside:problem:answer-too-large")));
            assert!(problem["detail"].as_str().unwrap().contains(detail), "{accept} {problem}");
        }
    }
    let budget = Daemon::listening(limits(), Http { answer_bytes: 64 * 1024, ..http() });
    let large = "SELECT lpad('x', 9999, 'y') AS x FROM orders LIMIT 20";
    for accept in ["application/json", LINES, CSV, ARROW] {
        let refused = budget.sql_as(large, accept);
        assert_eq!(refused.head.status, 503, "{accept}");
    }
}
