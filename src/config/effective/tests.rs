#![allow(clippy::unwrap_used)]

use std::io;

use expect_test::expect;

use super::super::load::load;
use super::super::paths::Files;
use super::super::schema::{DocumentKind, offers};
use super::*;

fn loaded(text: &str) -> Loaded {
    let read = |path: &str| match path {
        "readside.yaml" => Ok(text.to_owned()),
        "secret" => Ok("hidden\n".to_owned()),
        "context.json" => Ok(r#"{"url": "tls://a,b", "user": "ada", "password": "hidden", "ca": "/a.pem"}"#.to_owned()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let env = |name: &str| (name == "STREAM").then(|| "ORDERS".to_owned());
    let files = Files { list: &|_| Ok(Vec::new()), read: &read };
    load("readside.yaml", &files, &env).unwrap_or_else(|found| unreachable!("{}", found[0]))
}

#[test]
fn it_has_every_default_and_no_secret_and_is_a_configuration() {
    let text = r#"
data_dir: ./state
sources: []
nats: {urls: ["nats://ada:hidden@a:4222", "nats://b"], token: "${file:secret}"}
http: {hosts: ["$${not}.a.variable"]}
verify: {every: 90m}
---
source: orders
jetstream: {stream: "${STREAM}"}
envelope: {type: header:Event-Type}
events:
  Placed: {fields: {id: string!, total: 'decimal(9,2)'}}
---
source: stock
jetstream: {stream: STOCK}
envelope: {type: header:Event-Type, version: header:Event-Version}
event_time: {lateness: 10s}
events:
  Counted: {fields: {sku: string!, token: string}}
---
projection: placed
key: [id]
sql: |
  SELECT id, total FROM orders.placed
  WHERE total > 1.10
"#;
    let printed = effective(&loaded(text)).unwrap();
    expect![[r#"
        nats:
          urls:
          - nats://ada:(redacted)@a:4222
          - nats://b
          token: ${file:secret}
        data_dir: state
        sources: []
        commit:
          max_delay: 20ms
          max_events: 65536
        search:
          commit: 200ms
        checkpoint:
          interval: 5s
        http:
          listen: 127.0.0.1:8080
          hosts:
          - $${not}.a.variable
          max_connections: 2048
          max_connections_per_peer: 1536
          header_timeout: 10s
          body_timeout: 30s
          idle_timeout: 1m
          write_timeout: 30s
          answers: 256MiB
        metrics:
          listen: 127.0.0.1:9464
        auth:
          anonymous: read
        parked:
          max_events: 10000
          max_bytes: 64MiB
        limits:
          max_rows: 10000
          memory: 256MiB
          timeout: 30s
          concurrency: 8
          scan_limit: 100000
          result_cache: 64MiB
        verify:
          memory: 1GiB
          every: 90m
          shares: 1
        keep: 1d
        ---
        # readside.yaml
        source: orders
        jetstream:
          stream: ORDERS
        envelope:
          type: header:Event-Type
        events:
          Placed:
            fields:
              id: string!
              total: decimal(9,2)
        ---
        # readside.yaml
        source: stock
        jetstream:
          stream: STOCK
        envelope:
          type: header:Event-Type
          version: header:Event-Version
        event_time:
          lateness: 10s
        events:
          Counted:
            fields:
              sku: string!
              token: string
        ---
        # readside.yaml
        projection: placed
        key:
        - id
        sql: |
          SELECT id, total FROM orders.placed
          WHERE total > 1.10
    "#]]
    .assert_eq(&printed);
    assert!(!printed.contains("hidden"));
    let again = printed.replace(REDACTED, "secret");
    assert_eq!(effective(&loaded(&again)).unwrap(), printed);
}

#[test]
fn what_comes_from_a_file_is_not_printed_wherever_it_is() {
    let text = "
data_dir: \"/data/${file:secret}\"
nats: {url: \"nats://ada:${file:secret}@a\", user: \"${file:secret}\", password: \"${file:secret}\"}
http: {hosts: [a, \"${file:secret}\"]}
parked: {notify: {subject: \"${file:secret}.parked\"}}
sources: []
---
source: orders
jetstream: {stream: ORDERS}
envelope: {type: header:Event-Type}
events: {Placed: {fields: {id: string!}}}
";
    let printed = effective(&loaded(text)).unwrap();
    assert!(!printed.contains("hidden") && printed.matches("${file:secret}").count() == 6, "{printed}");
    assert_eq!(effective(&loaded(&printed)).unwrap(), printed);
}

#[test]
fn who_a_context_says_that_the_daemon_is_is_not_printed() {
    let text = "
sources: []
nats: {context: context.json, inbox_prefix: _INBOX.a}
---
source: orders
jetstream: {stream: ORDERS}
envelope: {type: header:Event-Type}
events: {Placed: {fields: {id: string!}}}
";
    let printed = effective(&loaded(text)).unwrap();
    let section = printed.split("data_dir:").next().unwrap_or_default();
    expect![[r#"
        nats:
          urls:
          - tls://a
          - b
          context: ./context.json
          inbox_prefix: _INBOX.a
          tls:
            ca: /a.pem
    "#]]
    .assert_eq(section);
    assert_eq!(effective(&loaded(&printed)).unwrap(), printed);
}

#[test]
fn every_setting_is_printed() {
    let text = "
sources: []
nats: {context: ./context.json, user: ada, password: secret, jetstream_domain: hub, inbox_prefix: _INBOX.a, tls: {ca: a.pem, certificate: b.pem, key: c.pem, first: true}}
http: {tls: {certificate: d.pem, key: e.pem, client_ca: f.pem}, cors: {origins: [\"https://a.example\"]}}
parked: {notify: {subject: parked}}
verify: {every: 1h}
promotion: manual
health: {listen: \"127.0.0.1:1\"}
postgres: {listen: \"127.0.0.1:2\", tls: {certificate: g.pem, key: h.pem, client_ca: i.pem}}
limits: {state: 1GiB, per_principal: {requests_per_second: 1, concurrent: 1}}
auth: {tokens: tokens, require: [own], mtls: {admins: [ada]}, jwt: {keys: jwks.json, issuer: a, audience: b, admin_role: c}}
---
policy: own
row_filter: id = claim('sub')
---
source: orders
jetstream: {stream: ORDERS}
envelope: {type: header:Event-Type}
events: {Placed: {fields: {id: string!}}}
";
    let printed = effective(&loaded(text)).unwrap();
    let settings = printed.split("---\n").next().unwrap_or_default();
    let printed: serde_json::Value = serde_yaml::from_str(settings).unwrap();
    // What is read as documents, what stands for another setting or excludes it, and what only an object store has.
    let others =
        ["projections", "url", "token", "credentials_file", "nkey_file", "jetstream_api_prefix", "object_store"];
    let mut paths = vec![Vec::new()];
    let mut missing = Vec::new();
    while let Some(path) = paths.pop() {
        let keys = offers(DocumentKind::Root, &path).keys.into_iter().map(|(key, _)| key);
        for key in keys.filter(|key| !others.contains(&key.as_str())) {
            let at: Vec<String> = path.iter().cloned().chain([key]).collect();
            if printed.pointer(&format!("/{}", at.join("/"))).is_none() {
                missing.push(at.join("."));
            }
            paths.push(at);
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn amounts_are_written_in_their_largest_whole_unit() {
    let of = |milliseconds| written_duration(Duration::from_millis(milliseconds));
    assert_eq!([0, 20, 1_000, 90_000, 5_400_000, 86_400_000].map(of), ["0ms", "20ms", "1s", "90s", "90m", "1d"]);
    assert_eq!([1, 1_024, 3 << 20, 1 << 30].map(written_bytes), ["1", "1KiB", "3MiB", "1GiB"]);
}
