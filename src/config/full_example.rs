//! A whole configuration, close to the one in the documentation, and what becomes of it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use super::golden::Case;
use super::*;
use crate::event::{
    DataType, EventType, Field, FieldType, Locator, Naming, NewerVersion, TimestampFormat, UnknownEvents,
};
use crate::progress::Slo;

pub(super) const ROOT: &str = r#"
x-note: keys of your own are allowed
nats: {urls: ["nats://${NATS_HOST:-127.0.0.1}:4222", "tls://two:4222"], user: "${NATS_USER}", password: secret, jetstream_domain: hub}
data_dir: ./data
sources: sources/*.yaml
projections: ../projections/**/*.yaml
commit: {max_delay: 5ms, max_events: 1_000}
search: {commit: 1s}
checkpoint: {interval: 1m}
http: {listen: "0.0.0.0:80", hosts: [Readside.Example], cors: {origins: ["https://App.example:443", "http://localhost:3000"], max_age: 1h}, max_connections: 10, header_timeout: 1s, body_timeout: 2s, idle_timeout: 3s, write_timeout: 4s, answers: 5MiB}
metrics: {listen: "[::1]:9464"}
health: {listen: "0.0.0.0:81"}
auth: {tokens: secrets/tokens, anonymous: read}
parked: {max_events: 5, max_bytes: 1MiB, notify: {subject: readside.parked}}
limits: {max_rows: 1, memory: 2KiB, timeout: 3s, concurrency: 4, scan_limit: 5, result_cache: 6MiB, state: 3MiB, per_principal: {requests_per_second: 100, concurrent: 6}}
verify: {every: 6h, shares: 20, memory: 2MiB}
promotion: manual
keep: 2h
"#;

pub(super) const ORDERS: &str = r#"source: orders
jetstream: {stream: ORDERS, filter_subjects: ["orders.>"]}
envelope:
  type: [header:Event-Type, subject:3]
  version: header:Event-Version
  id: header:Nats-Msg-Id
  key: subject:2
  time: [body:/occurred_at, body:/at, stream]
  data: body:/data
naming: camelCase
event_time: {lateness: 10s}
unknown_events: ignore
newer_version: read_as_latest
x-line: &line {sku: string!, qty: int64!}
types:
  Line: {<<: *line, price: "decimal(18,2)", maker: Maker!}
  Maker: {name: string}
events:
  OrderPlaced:
    version: 3
    fields:
      order_id: string!
      customer_id: string!
      total: "decimal(18,2)!"
      placed_at: timestamp
      lines: list<Line!>
      city: {type: string, from: /address/city}
      seen: {type: timestamp!, format: epoch_ms}
      labels: map<string,json>
    history:
      1: {fields: {customer_id: none, cust: string!}, to_next: {set: {customer_id: cust}}}
      2:
        fields: {total: none, cents: int64!}
        to_next:
          set:
            total: |
              cents
                / 100.0
  shop.PaymentReceived: {fields: {amount: "decimal(18,2)!"}}
  OrderShipped: {table: shipments, version: 7, fields: {}}
"#;

pub(super) const PAYMENTS: &str = r#"source: payments
file: {path: ../events.ndjson, follow: true}
envelope: {version: {at: header:ce-type, match: '(?<type>\w+)\.v(?<version>\d+)$'}}
events: {Paid: {fields: {}}}
"#;

pub(super) const CUSTOMERS: &str = r#"projection: customers
owner: team-sales
sql: |
  SELECT _key AS customer_id, latest(email) AS email
  FROM orders.events GROUP BY _key
key: [customer_id]
indexes: [[tenant_id, revenue], email]
columns: {revenue: "decimal(38,2)!"}
freshness: {slo: 3s, objective: 99.5%, on_stale: refuse}
promotion: auto
keep: 0s
access: {policies: [by_tenant], mask: {email: "'***'"}}
---
projection: visits
sql: SELECT city, at FROM orders.seen
duplicates: {count: visits}
---
projection: order_search
kind: search
sql: SELECT order_id, notes, status, total FROM order_details
key: order_id
fields: {notes: {type: text, tokenizer: en_stem}, title: text, status: {type: keyword, facet: true}, total: {sort: true}}
---
projection: recent
kind: view
sql: SELECT * FROM customers
access: public
---
policy: by_tenant
row_filter: tenant_id = claim('tenant')
---
query: top_customers
params: {tenant: string!, limit: {type: int64, default: 10}, since: date}
sql: SELECT customer_id, revenue FROM customers WHERE tenant_id = $tenant
sort: [-revenue, customer_id]
page: {default: 20, max: 100}
"#;

fn loaded() -> Loaded {
    let mut case = Case::default();
    for (path, text) in [
        ("config/readside.yaml", ROOT),
        ("config/sources/orders.yaml", ORDERS),
        ("config/sources/payments.yaml", PAYMENTS),
        ("projections/sales/customers.yaml", CUSTOMERS),
    ] {
        case.files.insert(path.to_owned(), text.to_owned());
    }
    case.env.insert("NATS_USER".to_owned(), "reader".to_owned());
    case.load("config/readside.yaml").unwrap_or_else(|found| unreachable!("{}", found[0]))
}

fn field(name: &str, data_type: DataType, required: bool) -> Field {
    Field { name: name.to_owned(), field_type: FieldType { data_type, required }, from: None }
}

fn names(event_type: &EventType, version: u32) -> String {
    let names: Vec<&str> = event_type.versions[&version].fields.iter().map(|field| field.name.as_str()).collect();
    names.join(" ")
}

#[test]
fn settings_are_read() {
    let Loaded { config, warnings, .. } = loaded();
    assert_eq!(warnings, []);
    let nats = config.nats.unwrap();
    assert_eq!(nats.urls, ["nats://127.0.0.1:4222", "tls://two:4222"]);
    assert_eq!((nats.user.as_deref(), nats.password.as_deref()), (Some("reader"), Some("secret")));
    assert_eq!((nats.jetstream_domain.as_deref(), nats.token), (Some("hub"), None));
    assert_eq!(config.data_dir, "config/data");
    assert_eq!((config.commit.max_delay, config.commit.max_events), (Duration::from_millis(5), 1_000));
    assert_eq!((config.search_commit, config.checkpoint_interval), (Duration::from_secs(1), Duration::from_secs(60)));
    assert_eq!((config.http.listen.as_str(), config.metrics_listen.as_str()), ("0.0.0.0:80", "[::1]:9464"));
    assert_eq!(config.health_listen.as_deref(), Some("0.0.0.0:81"));
    assert_eq!(
        config.auth,
        Auth { tokens: Some("config/secrets/tokens".into()), jwt: None, mtls: None, anonymous: true }
    );
    let connections = &config.http.connections;
    assert_eq!((connections.max, connections.max_per_peer), (10, 8));
    let timeouts =
        [connections.header_timeout, connections.body_timeout, connections.idle_timeout, connections.write_timeout];
    assert_eq!(timeouts.map(|timeout| timeout.as_secs()), [1, 2, 3, 4]);
    assert_eq!((config.http.hosts[0].as_str(), config.http.answer_bytes), ("readside.example", 5 << 20));
    let cors = config.http.cors.unwrap();
    assert_eq!(cors.origins, ["https://app.example", "http://localhost:3000"]);
    assert_eq!((cors.max_age, cors.allows_any()), (Duration::from_secs(3600), false));
    assert_eq!((config.parked.max_events, config.parked.max_bytes), (5, 1 << 20));
    let every = Some(Duration::from_secs(6 * 3600));
    assert_eq!(config.verify, Verification { every, shares: 20, memory_bytes: 2 << 20 });
    assert_eq!(config.parked_notify.as_deref(), Some("readside.parked"));
    assert_eq!((config.promotion, config.keep), (Some(Promotion::Manual), Duration::from_secs(2 * 3600)));
    assert_eq!(config.state_limit, Some(3 << 20));
    let limits = config.limits;
    assert_eq!((limits.max_rows, limits.memory_bytes, limits.concurrency, limits.scan_limit), (1, 2_048, 4, 5));
    assert_eq!((limits.timeout, limits.result_cache_bytes), (Duration::from_secs(3), 6 << 20));
    let of_one = PrincipalLimits { requests_per_second: Some(100), concurrent: Some(6) };
    assert_eq!(limits.per_principal, of_one);
}

#[test]
fn defaults_fill_what_is_left_out() {
    let root =
        "sources: []\n---\nsource: s\njetstream: {stream: S}\nenvelope: {type: body:/t}\nevents: {A: {fields: {}}}\n";
    let mut case = Case::default();
    case.files.insert("readside.yaml".to_owned(), root.to_owned());
    let config = case.load("readside.yaml").unwrap().config;
    assert_eq!(config.nats.unwrap().urls, ["nats://127.0.0.1:4222"]);
    assert_eq!(config.data_dir, "data");
    assert_eq!((config.commit.max_delay, config.commit.max_events), (Duration::from_millis(20), 65_536));
    assert_eq!(
        (config.search_commit, config.checkpoint_interval),
        (Duration::from_millis(200), Duration::from_secs(5))
    );
    assert_eq!((config.http.listen.as_str(), config.metrics_listen.as_str()), ("127.0.0.1:8080", "127.0.0.1:9464"));
    assert_eq!(
        (config.health_listen, config.auth),
        (None, Auth { tokens: None, jwt: None, mtls: None, anonymous: true })
    );
    assert_eq!(config.http.cors, None);
    let connections = &config.http.connections;
    assert_eq!((connections.max, connections.max_per_peer, config.http.answer_bytes), (2048, 1536, 256 << 20));
    assert_eq!((config.parked.max_events, config.parked.max_bytes), (10_000, 64 << 20));
    assert_eq!(config.verify, Verification { every: None, shares: 1, memory_bytes: 1 << 30 });
    assert_eq!(config.parked_notify, None);
    assert_eq!((config.promotion, config.keep), (None, Duration::from_secs(24 * 3600)));
    assert_eq!((config.limits.max_rows, config.limits.memory_bytes), (10_000, 256 << 20));
    assert_eq!((config.limits.concurrency, config.limits.scan_limit), (8, 100_000));
    assert_eq!((config.state_limit, config.limits.per_principal), (None, PrincipalLimits::default()));
    assert_eq!((config.limits.timeout, config.limits.result_cache_bytes), (Duration::from_secs(30), 64 << 20));
    let source = &config.sources[0];
    assert_eq!(source.node, NodePath { file: "readside.yaml".into(), document: 1, pointer: String::new() });
    assert!(matches!(&source.input, SourceKind::JetStream { filter_subjects, .. } if filter_subjects.is_empty()));
    assert_eq!((source.schema.naming, source.schema.unknown_events), (Naming::AsWritten, UnknownEvents::Park));
    assert_eq!((source.schema.newer_version, source.schema.lateness_us), (NewerVersion::Park, 0));
    assert_eq!((source.schema.types[0].current, source.schema.envelope.data.as_str()), (1, ""));
}

#[test]
fn a_source_becomes_its_schema() {
    let config = loaded().config;
    let Source { schema, input, .. } = &config.sources[0];
    assert!(matches!(input, SourceKind::JetStream { stream, filter_subjects }
        if stream == "ORDERS" && filter_subjects == &["orders.>"]));
    assert_eq!((schema.source.as_str(), schema.naming, schema.lateness_us), ("orders", Naming::CamelCase, 10_000_000));
    assert_eq!((schema.unknown_events, schema.newer_version), (UnknownEvents::Ignore, NewerVersion::ReadAsLatest));
    let envelope = &schema.envelope;
    assert!(matches!(&envelope.event_type.0[..], [Locator::Header(name), Locator::Subject(3)] if name == "Event-Type"));
    assert!(matches!(&envelope.version.0[..], [Locator::Header(name)] if name == "Event-Version"));
    assert!(matches!(&envelope.key.0[..], [Locator::Subject(2)]));
    assert!(matches!(&envelope.time.0[..], [Locator::Body(one), Locator::Body(two), Locator::Stream]
        if one == "/occurred_at" && two == "/at"));
    assert_eq!(envelope.data, "/data");
    let tables: Vec<(&str, &str, u32)> =
        schema.types.iter().map(|found| (found.name.as_str(), found.table.as_str(), found.current)).collect();
    let expected = [
        ("OrderPlaced", "order_placed", 3),
        ("shop.PaymentReceived", "payment_received", 1),
        ("OrderShipped", "shipments", 7),
    ];
    assert_eq!(tables, expected);
}

#[test]
fn history_gives_every_version_whole() {
    let config = loaded().config;
    let placed = &config.sources[0].schema.types[0];
    assert_eq!(names(placed, 3), "order_id customer_id total placed_at lines city seen labels");
    assert_eq!(names(placed, 2), "order_id customer_id placed_at lines city seen labels cents");
    assert_eq!(names(placed, 1), "order_id placed_at lines city seen labels cents cust");
    assert_eq!(placed.versions[&1].fields[7], field("cust", DataType::String, true));
    let steps: Vec<(u32, u32, &str, &str)> = placed
        .steps
        .iter()
        .flat_map(|(from, step)| step.set.iter().map(|(column, sql)| (*from, step.to, column.as_str(), sql.as_str())))
        .collect();
    assert_eq!(steps, [(1, 2, "customer_id", "cust"), (2, 3, "total", "cents\n  / 100.0\n")]);
    // A later version without history is the only known one.
    let shipped = &config.sources[0].schema.types[2];
    assert_eq!(shipped.versions.keys().copied().collect::<Vec<u32>>(), [7]);
    assert!(shipped.steps.is_empty());
}

#[test]
fn types_are_resolved() {
    let config = loaded().config;
    let fields = config.sources[0].schema.types[0].current_fields();
    assert_eq!(fields[2], field("total", DataType::Decimal { precision: 18, scale: 2 }, true));
    let maker = DataType::Struct(vec![field("name", DataType::String, false)]);
    let line = DataType::Struct(vec![
        field("price", DataType::Decimal { precision: 18, scale: 2 }, false),
        field("maker", maker, true),
        field("sku", DataType::String, true),
        field("qty", DataType::Int64, true),
    ]);
    let item = FieldType { data_type: line, required: true };
    assert_eq!(fields[4], field("lines", DataType::List(Box::new(item)), false));
    assert_eq!(fields[5], Field { from: Some("/address/city".into()), ..field("city", DataType::String, false) });
    assert_eq!(fields[6], field("seen", DataType::Timestamp(TimestampFormat::EpochMs), true));
    let json = FieldType { data_type: DataType::Json, required: false };
    assert_eq!(fields[7], field("labels", DataType::Map(Box::new(json)), false));
}

#[test]
fn one_pattern_gives_type_and_version() {
    let config = loaded().config;
    let Source { schema, input, .. } = &config.sources[1];
    assert!(matches!(input, SourceKind::File { path, follow: true, .. } if path == Path::new("events.ndjson")));
    for locators in [&schema.envelope.event_type, &schema.envelope.version] {
        let [Locator::Match { at, pattern }] = &locators.0[..] else { unreachable!("{locators:?}") };
        assert!(matches!(&**at, Locator::Header(name) if name == "ce-type"));
        assert_eq!(&pattern.captures("com.shop.Paid.v12").unwrap()["version"], "12");
    }
}

#[test]
fn projections_queries_and_policies_are_read() {
    let config = loaded().config;
    let [table, repeating, search, view] = &config.projections[..] else {
        unreachable!("{}", config.projections.len())
    };
    assert_eq!(
        (table.kind, search.kind, view.kind),
        (ProjectionKind::Table, ProjectionKind::Search, ProjectionKind::View)
    );
    assert_eq!((table.name.as_str(), table.owner.as_deref()), ("customers", Some("team-sales")));
    assert_eq!(table.sql, "SELECT _key AS customer_id, latest(email) AS email\nFROM orders.events GROUP BY _key\n");
    assert_eq!(table.key, Some(vec!["customer_id".to_owned()]));
    assert_eq!((&repeating.key, &repeating.duplicates), (&None, &Some(Duplicates::Count("visits".to_owned()))));
    assert_eq!(table.indexes, [vec!["tenant_id", "revenue"], vec!["email"]]);
    let revenue = FieldType { data_type: DataType::Decimal { precision: 38, scale: 2 }, required: true };
    assert_eq!(table.columns["revenue"], revenue);
    assert_eq!((table.on_stale, search.on_stale), (OnStale::Refuse, OnStale::Mark));
    assert_eq!(table.slo, Some(Slo { lag: Duration::from_secs(3), objective: 0.995 }));
    assert_eq!(search.slo, None);
    assert_eq!((table.policies.as_slice(), table.masks["email"].as_str()), (&["by_tenant".to_owned()][..], "'***'"));
    assert_eq!(search.key, Some(vec!["order_id".to_owned()]));
    let text = |tokenizer: &str| SearchKind::Text { tokenizer: tokenizer.to_owned() };
    let searched = |kind, sort, facet| SearchField { kind, weight: 1, sort, facet };
    assert_eq!(search.fields["notes"], searched(text("en_stem"), false, false));
    assert_eq!(search.fields["title"], searched(text("default"), false, false));
    assert_eq!(search.fields["status"], searched(SearchKind::Keyword, false, true));
    assert_eq!(search.fields["total"], searched(SearchKind::Stored, true, false));
    assert!(view.key.is_none() && view.policies.is_empty());
    assert_eq!(config.policies[0].row_filter, "tenant_id = claim('tenant')");
    let query = &config.queries[0];
    assert_eq!(query.sort, [("revenue".to_owned(), true), ("customer_id".to_owned(), false)]);
    assert_eq!((query.page_default, query.page_max), (20, 100));
    assert!(query.params["tenant"].required && query.params["tenant"].default.is_none());
    assert_eq!(query.params["limit"].default, Some(serde_json::json!(10)));
    assert_eq!((&query.params["since"].param_type, query.params["since"].required), (&DataType::Date, false));
}

#[test]
fn problems_of_other_rooms_are_shown_in_the_yaml() {
    let loaded = loaded();
    let node = loaded.config.sources[0].node.below("/events/OrderPlaced/history/2/to_next/set/total");
    let (message, hint) = ("`/` needs numbers".to_owned(), Some("cast it".to_owned()));
    let problem = Problem { code: Code::NotAccepted, node, within: Some((2, 5)), message, hint };
    let diagnostic = loaded.places.diagnostic(&problem);
    let expected = "error[RS0505]: `/` needs numbers
  --> config/sources/orders.yaml:38:19
   |
38 |                 / 100.0
   |                   ^^^^^
hint: cast it
";
    assert_eq!(diagnostic.to_string(), expected);
    let json = serde_json::to_value(&diagnostic).unwrap();
    assert_eq!((&json["severity"], &json["line"]), (&serde_json::json!("error"), &serde_json::json!(38)));
    let nowhere =
        Problem { code: Code::NotAccepted, node: NodePath::default(), within: None, message: "m".into(), hint: None };
    assert_eq!(loaded.places.diagnostic(&nowhere).to_string(), "error[RS0505]: m\n --> :1:1\n");
}

/// Whatever a file says, it is loaded or explained.
#[test]
fn no_text_makes_loading_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let scraps = [
        "{", "}", "[", "]", ": ", "\n", "\n  ", "-", "'", "\"", "|", "&a ", "*a", "<<: ", "${", "é", "!", "~", "#",
        "\t", "---\n", "\r", "\0",
    ];
    for _ in 0..300 {
        let mut text = format!("{ROOT}---\n{ORDERS}---\n{PAYMENTS}---\n{CUSTOMERS}");
        for _ in 0..random.usize(1..4) {
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
            let (one, other) = (random.usize(..places.len()), random.usize(..8));
            let end = places.get(one + other).copied().unwrap_or(text.len());
            text.replace_range(places[one]..end, scraps[random.usize(..scraps.len())]);
        }
        let mut case = Case::default();
        case.files.insert("readside.yaml".to_owned(), text);
        match case.load("readside.yaml") {
            Ok(loaded) => assert!(!loaded.config.sources.is_empty()),
            Err(found) => assert!(found.iter().any(|found| found.severity == Severity::Error && found.line > 0)),
        }
    }
}
