//! P7: no SQL of a reader takes more memory than `limits.memory` and a little, holds a thread after `limits.timeout`, or is
//! noticed by point reads, intake and health.
//!
//! Texts that are written here, and random ones: a few in a normal run, `HOSTILE_SELECTS` in a long one (`scripts/hostile`).

mod connections;
mod generator;
mod load;

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use load::{Load, Seen};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;

const MEBIBYTE: usize = 1 << 20;
const MEMORY: usize = 128 * MEBIBYTE;
/// Beyond the limit: what a daemon takes for everything else, and memory that the allocator keeps.
const BESIDE: usize = 64 * MEBIBYTE;
const TIMEOUT: Duration = Duration::from_secs(1);
/// After the time limit, in a long run.
const GRACE: Duration = Duration::from_secs(1);
/// The same in a normal run, without optimisation and beside other tests: long enough to tell slow from never.
const GRACE_BESIDE_OTHERS: Duration = Duration::from_secs(30);
const ROWS: usize = 2_000;
/// Queries of several readers.
const AT_ONCE: usize = 4;
/// What a long run watches undisturbed, to compare with.
const UNDISTURBED: Duration = Duration::from_secs(10);

/// The statuses with which a query may end.
const ANSWERS: [u16; 4] = [200, 400, 422, 504];

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
limits: {{memory: {MEMORY}, timeout: 1s}}
---
source: ev
file: {{path: events.ndjson, follow: true}}
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
    let cases = |count: usize| {
        let case = |n| format!("CASE WHEN n % 2 = 0 THEN rpad(id, {0}) ELSE rpad(id, {0}, 'z') END AS a{n}", 9000 + n);
        (0..count).map(case).collect::<Vec<_>>().join(", ")
    };
    let maxima = |count: usize| (0..count).map(|n| format!("max(a{n}) AS m{n}")).collect::<Vec<_>>().join(", ");
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
        format!("SELECT {} FROM seqs", cases(40)),
        format!("SELECT {0} FROM (SELECT a.* FROM (SELECT id, {1} FROM seqs LIMIT 20) a JOIN seqs b ON a.id = b.id)", maxima(40), pads(40)),
        format!("SELECT {0} FROM (SELECT a.* FROM (SELECT q, {1} FROM seqs LIMIT 20) a LEFT JOIN seqs b ON a.q < b.q)", maxima(40), pads(40)),
        format!("SELECT count(DISTINCT a0) AS m, {} FROM (SELECT id, {} FROM seqs) GROUP BY id", maxima(40), cases(40)),
    ]
}

/// SQL that takes long between two rows.
fn time() -> Vec<String> {
    vec![
        "SELECT count(*) AS m FROM seqs a JOIN seqs b ON levenshtein(rpad(a.id, 3000), rpad(b.id, 3000, 'z')) = -1".to_owned(),
        "SELECT count(*) AS m FROM seqs a, seqs b, seqs c WHERE a.q + b.q + c.q < 0".to_owned(),
        "SELECT max(levenshtein(rpad(id, 4000, 'x'), rpad(id, 4000, 'y'))) AS m FROM seqs".to_owned(),
        "SELECT max(m) AS m FROM (SELECT median(a.q * b.q) OVER (ORDER BY a.q, b.q) AS m FROM seqs a, seqs b)".to_owned(),
        "SELECT max(x) AS m FROM (SELECT count(DISTINCT a.q * b.q) OVER (ORDER BY a.q, b.q) AS x FROM seqs a, seqs b)".to_owned(),
        "SELECT count(*) AS m FROM seqs a JOIN seqs b ON a.q < b.q JOIN seqs c ON b.q < c.q AND regexp_like(c.id, '(x+x+)+y')"
            .to_owned(),
    ]
}

fn wait_for_rows(daemon: &Daemon) {
    daemon.wait("rows", DEADLINE, |daemon| (daemon.get(&format!("/v1/tables/seqs/{ROWS}")).0 == 200).then_some(()));
}

/// Bytes of resident memory: now, and the most since it was last reset.
fn resident(process: u32) -> (usize, usize) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let of = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// What the resident memory grows by while `work` runs, at most.
fn growth(process: u32, work: impl FnOnce()) -> usize {
    fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
    let (before, _) = resident(process);
    work();
    resident(process).1.saturating_sub(before)
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn grace() -> Duration {
    if setting("HOSTILE_SELECTS").is_some() { GRACE } else { GRACE_BESIDE_OTHERS }
}

/// The written texts, then random ones.
fn texts() -> Vec<String> {
    let long = setting("HOSTILE_SELECTS");
    // A normal run has the same texts each time.
    let seed = setting("HOSTILE_SEED").unwrap_or_else(|| if long.is_some() { fastrand::u64(..) } else { 1 });
    println!("HOSTILE_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let random = long.unwrap_or(12);
    let random = (0..random).map(|_| generator::select(&mut rng));
    memory().into_iter().chain(time()).chain(random).collect()
}

fn begins(sql: &str) -> String {
    sql.chars().take(110).collect()
}

/// What is wrong with a query's end, if anything is.
fn ask(daemon: &Daemon, sql: &str) -> Option<String> {
    let (mut answer, mut took, mut held) = ((0, Value::Null), Duration::ZERO, Duration::ZERO);
    let grown = growth(daemon.process(), || {
        let began = Instant::now();
        answer = daemon.post("/v1/sql", &json!({ "sql": sql }));
        took = began.elapsed();
        daemon.wait("end of the query", DEADLINE + GRACE_BESIDE_OTHERS, |daemon| {
            (daemon.metric("query_running", &[]) == 0.0).then_some(())
        });
        held = began.elapsed();
    });
    let (status, detail) = (answer.0, answer.1["detail"].as_str().unwrap_or_default());
    let detail = begins(detail);
    let line = format!("{status} {:>5} ms {:>4} MB {} -- {detail}", took.as_millis(), grown / MEBIBYTE, begins(sql));
    println!("{line}");
    let is_wrong = grown > MEMORY + BESIDE || held > TIMEOUT + grace() || !ANSWERS.contains(&status);
    is_wrong.then(|| format!("{line}\n    held for {held:?}: {sql:.4000}"))
}

#[test]
fn hostile_sql_stays_within_memory_and_time() {
    let (folder, config) = folder();
    let daemon = Daemon::start(&config);
    wait_for_rows(&daemon);
    let load = Load::start(daemon.url(), folder.path().join("events.ndjson"), ROWS);
    let is_long = setting("HOSTILE_SELECTS").is_some();
    let undisturbed = is_long.then(|| {
        thread::sleep(UNDISTURBED);
        load.seen()
    });
    let texts = texts();
    let faults: Vec<String> = texts.iter().filter_map(|sql| ask(&daemon, sql)).collect();
    let one_by_one = load.seen();
    let waiting = Mutex::new(texts.iter());
    let next = || waiting.lock().unwrap().next();
    let grown = growth(daemon.process(), || {
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(sql) = next() {
                        let (status, answer) = daemon.post("/v1/sql", &json!({ "sql": sql }));
                        // Without optimisation and beside other tests, those that were stopped hold their places for longer.
                        let is_full = !is_long && status == 503;
                        assert!(is_full || ANSWERS.contains(&status), "{status} {answer}: {sql}");
                    }
                });
            }
        });
    });
    let at_once = load.seen();
    drop(load);
    let all: [(&str, Option<Seen>); 3] =
        [("undisturbed", undisturbed), ("one by one", Some(one_by_one)), ("four at once", Some(at_once))];
    all.iter().for_each(|(what, seen)| seen.iter().for_each(|seen| seen.print(what)));
    println!("four at once: {} MB more", grown / MEBIBYTE);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(grown < AT_ONCE * MEMORY + BESIDE, "four at once: {} MB more", grown / MEBIBYTE);
}
