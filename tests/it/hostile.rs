//! P7: no SQL of a reader takes more memory than `limits.memory` and a little, or holds a thread after `limits.timeout`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::crash::daemon::Daemon;

const MEBIBYTE: usize = 1 << 20;
const MEMORY: usize = 128 * MEBIBYTE;
/// Beyond the limit: what a daemon takes for everything else, and memory that the allocator keeps.
const BESIDE: usize = 64 * MEBIBYTE;
const TIMEOUT: Duration = Duration::from_secs(3);
/// After the time limit.
const GRACE: Duration = Duration::from_secs(1);
const ROWS: usize = 2_000;

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let events: String = (0..ROWS)
        .map(|n| format!("{{\"subject\":\"e.k{}\",\"data\":{{\"id\":\"k{}\",\"n\":{n}}}}}\n", n % 7, n % 7))
        .collect();
    fs::write(folder.path().join("events.ndjson"), events).unwrap();
    let config = format!(
        "data_dir: data
http: {{listen: \"127.0.0.1:0\"}}
metrics: {{listen: \"127.0.0.1:0\"}}
limits: {{memory: {MEMORY}, timeout: 3s}}
---
source: ev
file: {{path: events.ndjson}}
envelope: {{type: \"const:A\", key: \"subject:2\", time: stream}}
events:
  A: {{fields: {{id: string!, n: int64!}}}}
---
projection: seqs
sql: SELECT _seq AS q, id, n FROM ev.a
key: [q]
"
    );
    let path = folder.path().join("readside.yaml");
    fs::write(&path, config).unwrap();
    (folder, path)
}

/// SQL that makes much of little.
fn memory() -> Vec<String> {
    let long = "a".repeat(1000);
    let pads =
        |count: usize| (0..count).map(|n| format!("rpad(id, {}) AS a{n}", 9000 + n)).collect::<Vec<_>>().join(", ");
    let doubled = |step: &str| {
        let levels: String = (1..25).map(|n| format!(", c{n} AS (SELECT {step} AS x FROM c{})", n - 1)).collect();
        format!("WITH c0 AS (SELECT id AS x FROM seqs){levels} SELECT max(length(x)) AS m FROM c24")
    };
    vec![
        format!("SELECT length({}'abcdefgh'{}) AS m", "encode(".repeat(30), ",'hex')".repeat(30)),
        format!("SELECT max(length({}id{})) AS m FROM seqs", "encode(".repeat(30), ",'hex')".repeat(30)),
        "SELECT max(n) AS m FROM (SELECT count(*) OVER () AS n FROM seqs a, seqs b, seqs c)".to_owned(),
        "SELECT max(length(l)) AS m FROM (SELECT string_agg(a.id, ',') OVER (ORDER BY a.q, b.q) AS l FROM seqs a, seqs b)"
            .to_owned(),
        "SELECT max(array_length(l)) AS m FROM (SELECT array_agg(a.q) OVER (ORDER BY a.q, b.q) AS l FROM seqs a, seqs b)"
            .to_owned(),
        format!("SELECT length(replace(replace(replace('{long}','a','{long}'),'a','{long}'),'a','{long}')) AS m"),
        format!("SELECT max(length(replace(replace(rpad(id, 1000, 'a'),'a','{long}'),'a','{long}'))) AS m FROM seqs"),
        format!("SELECT max(length(regexp_replace(rpad(id, 9000, 'a'),'a','{long}','g'))) AS m FROM seqs"),
        format!("SELECT max(length(array_to_string(l, '{long}'))) AS m FROM (SELECT array_agg(q) AS l FROM seqs), seqs"),
        format!("SELECT sum(length(a0)) AS m FROM (SELECT {} FROM seqs ORDER BY a1)", pads(300)),
        doubled("x || x"),
        doubled("concat(x, x)"),
        doubled("replace(x, 'k', 'kk')"),
        format!("SELECT '{}' AS a, q FROM seqs ORDER BY q", "b".repeat(60_000)),
        "SELECT count(*) AS m FROM (SELECT unnest(l) AS x, rpad(id, 9000) AS y FROM (SELECT id, array_agg(q) AS l FROM seqs GROUP BY id))"
            .to_owned(),
        format!("SELECT array_length(make_array({})) AS m FROM seqs", vec!["rpad(id, 9000)"; 400].join(", ")),
    ]
}

/// SQL that takes long between two rows.
fn time() -> Vec<String> {
    vec![
        "SELECT count(*) AS m FROM seqs a JOIN seqs b ON levenshtein(rpad(a.id, 3000), rpad(b.id, 3000, 'z')) = -1".to_owned(),
        "SELECT count(*) AS m FROM seqs a, seqs b, seqs c WHERE a.q + b.q + c.q < 0".to_owned(),
        "SELECT max(levenshtein(rpad(id, 9000, 'x'), rpad(id, 9000, 'y'))) AS m FROM seqs".to_owned(),
        "SELECT max(m) AS m FROM (SELECT median(a.q * b.q) OVER (ORDER BY a.q, b.q) AS m FROM seqs a, seqs b)".to_owned(),
        "SELECT max(x) AS m FROM (SELECT count(DISTINCT a.q * b.q) OVER (ORDER BY a.q, b.q) AS x FROM seqs a, seqs b)".to_owned(),
        "SELECT count(*) AS m FROM seqs a JOIN seqs b ON a.q < b.q JOIN seqs c ON b.q < c.q AND regexp_like(c.id, '(x+x+)+y')"
            .to_owned(),
    ]
}

/// Bytes of resident memory: now, and the most since it was last reset.
fn resident(pid: u32) -> (usize, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

#[test]
fn hostile_sql_stays_within_memory_and_time() {
    let (_folder, config) = folder();
    let daemon = Daemon::start(&config);
    daemon.wait("rows", Duration::from_secs(60), |daemon| {
        (daemon.get(&format!("/v1/tables/seqs/{ROWS}")).0 == 200).then_some(())
    });
    let mut faults = Vec::new();
    for sql in memory().into_iter().chain(time()) {
        fs::write(format!("/proc/{}/clear_refs", daemon.pid()), "5").unwrap();
        let (before, _) = resident(daemon.pid());
        let began = Instant::now();
        let (status, answer) = daemon.post("/v1/sql", &json!({ "sql": sql }));
        let took = began.elapsed();
        daemon.wait("end of the query", TIMEOUT + GRACE, |daemon| {
            (daemon.metric("query_running", &[]) == 0.0).then_some(())
        });
        let held = began.elapsed();
        let peak = resident(daemon.pid()).1.saturating_sub(before);
        let detail = answer["detail"].as_str().unwrap_or_default();
        let shown = &sql[..sql.len().min(90)];
        println!("{status} {:>5} ms {:>5} MB {shown} {detail}", took.as_millis(), peak / MEBIBYTE);
        if peak > MEMORY + BESIDE || held > TIMEOUT + GRACE || ![200, 400, 422, 504].contains(&status) {
            faults.push(format!("{status} after {held:?}, {} MB: {shown}: {detail}", peak / MEBIBYTE));
        }
        assert_eq!(daemon.get("/livez").0, 200);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
