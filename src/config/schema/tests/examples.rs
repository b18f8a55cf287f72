//! Documents that together have every key, in each form that it takes.

use super::DocumentKind::{self, Case, Policy, Projection, Query, Root, Source};
use crate::config::full_example::{ORDERS, PAYMENTS, ROOT};

pub(super) const EXAMPLES: [(DocumentKind, &str); 9] = [
    (Root, ROOT),
    (Root, OTHER_ROOT),
    (Source, ORDERS),
    (Source, PAYMENTS),
    (Source, OTHER_SOURCES),
    (Projection, PROJECTIONS),
    (Query, QUERY),
    (Policy, "policy: by_tenant\nrow_filter: tenant_id = claim('tenant')\n"),
    (Case, CASES),
];

const OTHER_ROOT: &str = "
nats: {url: \"nats://127.0.0.1:4222\", token: secret}
sources: [a.yaml, b.yaml]
http: {max_connections: 10, max_connections_per_peer: 5, tls: {certificate: a.crt, key: a.key, client_ca: b.crt}}
postgres:
  {listen: \"127.0.0.1:5432\", tls: {certificate: a.crt, key: a.key, client_ca: b.crt}, max_connections: 10,
   max_connections_per_peer: 5, header_timeout: 5s, idle_timeout: 1h, write_timeout: 5s}
auth: {mtls: {admins: [ada]}, jwt: {keys: a.json, issuer: a, audience: [b, c], leeway: 10s, roles: r, admin_role: ops}}
---
nats: {credentials_file: a.creds, tls: {ca: a.crt, certificate: b.crt, key: b.key, first: true}}
---
nats: {context: production, jetstream_api_prefix: JS.ORDERS, inbox_prefix: _INBOX.readside}
---
nats: {nkey_file: a.nk}
---
data_dir: s3://bucket/prefix
object_store: {endpoint: \"https://s3.example:9000\", allow_http: false, region: eu-west-1, access_key_id: a, secret_access_key: b, session_token: c, timeout: 5s}
---
data_dir: gs://bucket/prefix
object_store: {service_account: a}
---
data_dir: az://container/prefix
object_store: {account: a, account_key: b}
---
limits: {result_cache: 0}
";

const OTHER_SOURCES: &str = r#"source: other
file: {path: other.ndjson, lines: payload}
envelope:
  type: [{at: header:ce-type, match: '(?<type>\w+)$'}, const:Other]
  version: [{at: header:ce-type, match: 'v(?<version>\d+)$'}, const:1]
  id: [header:ce-id, stream]
  key: [subject:2, stream]
  time: {at: header:Date, format: '%d.%m.%Y', zone: Europe/Berlin}
event_time: {lateness: 10s, late: drop, max_ahead: 1h, unreadable: use_publish_time}
types: {Line: {at: {type: timestamp, format: epoch_s}}}
events: {Other: {fields: {at: {type: timestamp, format: epoch_s, from: /at}}, sensitive: [at]}}
---
source: another
file: {path: other.ndjson}
envelope: {type: body:/type, time: [{at: body:/at, format: epoch_ms}, stream], data: body}
events: {Other: {fields: {}, history: {}}}
"#;

const PROJECTIONS: &str = r#"projection: customers
owner: team-sales
sql: SELECT a FROM b.c
key: [customer_id]
indexes: [[tenant_id, revenue], email]
columns: {revenue: "decimal(38,2)!"}
freshness: {slo: 3s, objective: 99.9%, on_stale: refuse}
state_limit: 1GiB
promotion: auto
keep: 0s
access: {policies: [by_tenant], mask: {email: "'***'"}}
---
projection: order_search
kind: search
sql: SELECT order_id, notes, status, total FROM order_details
key: order_id
fields:
  notes: {type: text, tokenizer: en_stem, weight: 3, facet: false}
  title: text
  embedding: {type: vector, dimensions: 384, distance: cosine}
  status: {type: keyword, facet: true}
  total: {sort: true}
synonyms: [[parcel, package], [tv, "tele vision"]]
stop_words: english
---
projection: other_search
kind: search
sql: SELECT order_id, notes FROM order_details
key: order_id
fields: {notes: text}
stop_words: [the, of]
---
projection: recent
kind: view
sql: SELECT * FROM customers
access: public
---
projection: total
kind: table
sql: SELECT count(*) AS n FROM b.c
key: []
---
projection: counted
sql: SELECT city FROM b.c
duplicates: {count: copies}
---
projection: numbered
sql: SELECT city FROM b.c
duplicates: {number: copy}
"#;

const QUERY: &str = "query: top_customers
params: {tenant: string!, limit: {type: int64, default: 10}, since: date}
sql: SELECT customer_id, revenue FROM customers WHERE tenant_id = $tenant
sort: [-revenue, customer_id]
page: {default: 20, max: 100}
";

const CASES: &str = r#"case: what holds
clock: 2026-03-01T00:00:00Z
given:
  - {source: orders, subject: orders.1, headers: {Type: Placed}, data: {id: 1}, published_at: "2026-03-01T00:00:00Z"}
  - {source: orders, text: no JSON}
  - {source: orders, data_base64: AAAA}
then:
  rows: {totals: [{id: 1}]}
  parked: [{source: orders, sequence: 2}]
  search: {found: [{query: a, hits: [{id: 1}]}, {text: b, hits: []}]}
  queries: {top: [{params: {least: 1}, rows: [{id: 1}]}, {rows: []}]}
  freshness: {totals: {incomplete: true}}
"#;
