//! A server on a port of its own over a catalog that the test fills.
#![allow(clippy::unwrap_used)]

mod authentication;
mod compressed;
mod connections;
mod console;
mod cross_origin;
mod etags;
mod formats;
mod limits;
mod openapi;
mod operation;
mod parked;
mod sql;
mod tables;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::{Api, MetricsPage, MetricsServer, Readiness, Server};
use crate::cli::query as cli;
use crate::config::{ConnectionLimits, Http, NodePath, PrincipalLimits, Query, QueryLimits, QueryParam};
use crate::event::{DataType as EventDataType, JSON_MARK, timestamp};
use crate::progress::{Applied, Cut, Phase, Reached, Reads, SourceProgress};
use crate::query::{Streams, now_us};
use crate::read_model::catalog::{Catalog, ProjectionStatus, Relation, RelationData, Snapshot};
use crate::read_model::table::TableSpec;
use crate::serve::auth::Gate;

const ROWS: i64 = 200;

/// A row of `orders`: ties and NULLs in every column but the key.
#[derive(Debug, Clone, PartialEq)]
struct Order {
    id: i64,
    status: Option<String>,
    cents: Option<i128>,
    due: Option<i64>,
    score: Option<f64>,
}

fn orders() -> Vec<Order> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut some = move |limit: i64| (random.i64(0..5) > 0).then(|| random.i64(0..limit));
    let order = |id| Order {
        id,
        status: some(3).map(|place| ["READY", "it's \"done\", no?", "élan"][place as usize].to_owned()),
        cents: some(7).map(i128::from),
        due: some(4).map(|day| 1_769_852_345_000_001 + day * 86_400_000_000),
        score: some(5).map(|place| [0.1 + 0.2, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5e-324][place as usize]),
    };
    let mut orders: Vec<Order> = (0..ROWS).map(order).collect();
    fastrand::Rng::with_seed(8).shuffle(&mut orders);
    orders
}

fn orders_table(orders: &[Order]) -> RelationData {
    let json = HashMap::from([(JSON_MARK.to_owned(), "true".to_owned())]);
    let schema = Arc::new(Schema::new(vec![
        Field::new("order_id", DataType::Int64, false),
        Field::new("status", DataType::Utf8, true),
        Field::new("total", DataType::Decimal128(18, 2), true),
        Field::new("due_at", timestamp(), true),
        Field::new("notes", DataType::Utf8, true).with_metadata(json),
        Field::new("score", DataType::Float64, true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(orders.iter().map(|order| Some(order.id)).collect::<Int64Array>()),
        Arc::new(orders.iter().map(|order| order.status.as_deref()).collect::<StringArray>()),
        Arc::new(
            Decimal128Array::from_iter(orders.iter().map(|order| order.cents)).with_precision_and_scale(18, 2).unwrap(),
        ),
        Arc::new(TimestampMicrosecondArray::from_iter(orders.iter().map(|order| order.due)).with_timezone("UTC")),
        Arc::new(orders.iter().map(|order| Some(format!(r#"{{"id":{}}}"#, order.id))).collect::<StringArray>()),
        Arc::new(orders.iter().map(|order| order.score).collect::<Float64Array>()),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let spec = TableSpec { name: "orders".to_owned(), schema, key: vec![0], key_proven: true, indexes: vec![vec![1]] };
    let first = batch.num_rows().min(90);
    RelationData::from_batches(
        Arc::new(spec),
        vec![batch.slice(0, first), batch.slice(first, batch.num_rows() - first)],
    )
}

fn pairs_table() -> RelationData {
    let schema = Arc::new(Schema::new(vec![
        Field::new("tenant", DataType::Utf8, false),
        Field::new("n", DataType::Int64, false),
    ]));
    let tenants: ArrayRef = Arc::new(StringArray::from(vec!["a/b", "a/b", "c"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 1]));
    let batch = RecordBatch::try_new(schema.clone(), vec![tenants, numbers]).unwrap();
    let spec = TableSpec { name: "pairs".to_owned(), schema, key: vec![0, 1], key_proven: true, indexes: vec![] };
    RelationData::from_batches(Arc::new(spec), vec![batch])
}

/// As deep as a text may be: parsed on another thread than those of queries it would overflow the stack.
fn deep_sql() -> String {
    let alternatives = (0..200).map(|id| format!("order_id = {id}")).collect::<Vec<_>>().join(" OR ");
    format!("SELECT {}order_id{} AS order_id FROM orders WHERE {alternatives}", "(1 + ".repeat(29), ")".repeat(29))
}

/// A live source that stands at `position`, last heard of at `at_us`.
fn progress(position: u64, at_us: i64) -> SourceProgress {
    let mut progress = SourceProgress::new();
    let applied = Some(Applied { position: position.into(), published_at_us: at_us });
    progress.fetched(Reached { applied, covered: position.into(), last_sequence: position.into() }, at_us);
    progress.watermark_moved(Some(at_us), 0, 0);
    progress
}

fn snapshot(position: u64) -> Snapshot {
    snapshot_of(position, &orders())
}

fn snapshot_of(position: u64, orders: &[Order]) -> Snapshot {
    let now = now_us();
    let cut = |position: u64| Cut { positions: BTreeMap::from([("orders".into(), position.into())]), revision: 0 };
    let reads = || Reads::from([("orders".into(), vec!["OrderPlaced".to_owned()])]);
    let relation = |data, position| {
        Arc::new(Relation {
            data,
            reads: reads(),
            cut: cut(position),
            live_at_us: now - (position == 1) as i64 * 9_000_000,
            phase: if position == 1 { Phase::Failed } else { Phase::Serving },
            reason: None,
            parked: BTreeMap::new(),
            lost: BTreeMap::new(),
            since: BTreeMap::new(),
        })
    };
    let view = |sql: &str| RelationData::view(sql);
    let relations = BTreeMap::from([
        ("orders".to_owned(), relation(orders_table(orders), position)),
        ("pairs".to_owned(), relation(pairs_table(), position)),
        ("paused".to_owned(), relation(pairs_table(), 1)),
        ("ready".to_owned(), relation(view("SELECT status, total FROM orders WHERE status = 'READY'"), position)),
        ("clock".to_owned(), relation(view("SELECT count(*) AS n, now() AS at FROM ready"), position)),
        (
            "few".to_owned(),
            relation(view("SELECT count(*) AS n FROM ready HAVING 3 > (SELECT count(*) FROM pairs)"), position),
        ),
        ("deep".to_owned(), relation(view(&deep_sql()), position)),
        ("loop".to_owned(), relation(view("SELECT * FROM loop"), position)),
    ]);
    let progress = progress(position, now);
    let status = |name: &str, kind, state| {
        let status = ProjectionStatus {
            name: name.to_owned(),
            kind,
            owner: Some("team-sales".to_owned()),
            sql: None,
            reads: Arc::default(),
            slo: None,
            generation: 1,
            state,
            rows: 3,
            state_bytes: 100,
            disk_bytes: None,
            state_limit: 1000,
            operators: Vec::new(),
            columns: vec![],
            key: vec![],
            error: (state == Phase::Failed).then(|| "two rows have one key".to_owned()),
            rows_in_error: 0,
            row_errors: Vec::new(),
            positions: BTreeMap::from([("orders".into(), position.into())]),
            since: BTreeMap::new(),
            build: None,
            kept: None,
            withheld: false,
        };
        (name.to_owned(), status)
    };
    let projections =
        BTreeMap::from([status("orders", "table", Phase::Serving), status("broken", "table", Phase::Failed)]);
    Snapshot::new(cut(position), relations, BTreeMap::from([("orders".into(), progress)]), projections)
}

fn limits() -> QueryLimits {
    QueryLimits {
        max_rows: 5000,
        memory_bytes: 16 << 20,
        timeout: Duration::from_secs(20),
        concurrency: 4,
        scan_limit: 1_000_000,
        result_cache_bytes: 16 << 20,
        per_principal: PrincipalLimits::default(),
    }
}

fn http() -> Http {
    let minute = Duration::from_secs(60);
    let connections = ConnectionLimits {
        max: 100,
        max_per_peer: 100,
        header_timeout: minute,
        body_timeout: minute,
        idle_timeout: minute,
        write_timeout: minute,
    };
    Http {
        listen: "127.0.0.1:0".to_owned(),
        hosts: Vec::new(),
        cors: None,
        tls: None,
        connections,
        answer_bytes: 16 << 20,
    }
}

fn queries() -> Vec<Query> {
    let query = |name: &str, sql: &str, sort: &[(&str, bool)], params: &[(&str, EventDataType, Option<Value>)]| Query {
        name: name.to_owned(),
        params: params
            .iter()
            .map(|(name, param_type, default)| {
                let param_type = param_type.clone();
                (name.to_string(), QueryParam { param_type, required: default.is_none(), default: default.clone() })
            })
            .collect(),
        sql: sql.to_owned(),
        sort: sort.iter().map(|(name, descending)| (name.to_string(), *descending)).collect(),
        page_default: 7,
        page_max: 50,
        node: NodePath::default(),
    };
    vec![
        query("statuses", "SELECT status, total FROM orders", &[("status", true)], &[]),
        query("unsorted", "SELECT order_id FROM orders ORDER BY total DESC, order_id", &[], &[]),
        query("now", "SELECT now() AS at", &[], &[]),
        query(
            "cheap",
            "SELECT order_id, total FROM orders WHERE status = $status AND total <= $limit",
            &[("order_id", false)],
            &[
                ("status", EventDataType::String, None),
                ("limit", EventDataType::Decimal { precision: 18, scale: 2 }, Some(json!("0.03"))),
            ],
        ),
    ]
}

struct Daemon {
    runtime: Runtime,
    catalog: Catalog,
    readiness: Readiness,
    api: Api,
    url: String,
    stop: Option<oneshot::Sender<()>>,
}

struct Reply {
    status: u16,
    headers: ureq::http::HeaderMap,
    json: Value,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn items(&self) -> &[Value] {
        assert_eq!(self.status, 200, "{}", self.json);
        self.json["items"].as_array().unwrap()
    }

    #[track_caller]
    fn problem(&self, status: u16, kind: &str) -> &str {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{}", self.json);
        assert_eq!(self.json["type"], format!("urn:readside:problem:{kind}"), "{}", self.json);
        assert_eq!(self.json["status"], status);
        assert!(self.json["title"].is_string() && self.json["instance"].as_str().unwrap().starts_with('/'));
        self.json["detail"].as_str().unwrap()
    }
}

impl Daemon {
    fn start(limits: QueryLimits) -> Self {
        Self::listening(limits, http())
    }

    fn listening(limits: QueryLimits, http: Http) -> Self {
        Self::begin(limits, http, Gate::default())
    }

    fn guarded(gate: Gate) -> Self {
        Self::begin(limits(), http(), gate)
    }

    fn begin(limits: QueryLimits, http: Http, gate: Gate) -> Self {
        let runtime = Runtime::new().unwrap();
        let catalog = Catalog::new(snapshot(100));
        let readiness = Readiness::starting();
        let streams = Streams(BTreeMap::from([("orders".into(), Some("ORDERS".to_owned()))]));
        let api = Api::new(catalog.clone(), readiness.clone(), &http, &limits, queries(), streams).unwrap();
        let server = runtime.block_on(Server::bind(&http, api.clone())).unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        runtime.spawn(server.guarded_by(gate).run(async {
            let _ = stopped.await;
        }));
        Daemon { runtime, catalog, readiness, api, url, stop: Some(stop) }
    }

    fn usual() -> Self {
        Self::start(limits())
    }

    fn send(&self, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
        let mut response = response.unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).build().into()
    }

    fn get(&self, path: &str) -> Reply {
        self.send(Self::agent().get(format!("{}{path}", self.url)).call())
    }

    /// The head and the bytes of an answer to a request with these headers.
    fn ask(&self, path: &str, headers: &[(&str, &str)]) -> (ureq::http::response::Parts, Vec<u8>) {
        let request = Self::agent().get(format!("{}{path}", self.url));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let (head, mut body) = request.call().unwrap().into_parts();
        (head, body.read_to_vec().unwrap())
    }

    fn filter(&self, path: &str, params: &[(&str, &str)]) -> Reply {
        let request = Self::agent().get(format!("{}{path}", self.url));
        self.send(request.query_pairs(params.iter().copied()).call())
    }

    fn post(&self, body: Value) -> Reply {
        let request = Self::agent().post(format!("{}/v1/sql", self.url)).content_type("application/json");
        self.send(request.send(body.to_string()))
    }

    fn sql(&self, sql: &str) -> Reply {
        self.post(json!({"sql": sql}))
    }

    /// All pages one after the other.
    fn pages(&self, path: &str, params: &[(&str, &str)]) -> Vec<Value> {
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut params = params.to_vec();
            if let Some(token) = &token {
                params.push(("pageToken", token));
            }
            let page = self.filter(path, &params);
            items.extend_from_slice(page.items());
            assert!(items.len() <= ROWS as usize, "the pages have no end");
            match page.json["page"]["nextPageToken"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => return items,
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }
}

fn ids(items: &[Value]) -> Vec<i64> {
    items.iter().map(|item| item["order_id"].as_i64().unwrap()).collect()
}

/// NULL is the greatest.
fn compare<T: Ord>(left: &Option<T>, right: &Option<T>, descending: bool) -> Ordering {
    let order = match (left, right) {
        (Some(left), Some(right)) => left.cmp(right),
        (left, right) => left.is_none().cmp(&right.is_none()),
    };
    if descending { order.reverse() } else { order }
}
