//! What a whole commit of 1,000 changes costs on 10 thousand, 100 thousand and a million keys (decode, circuit, table,
//! snapshot), and what a checkpoint of it writes.
//!
//! `cargo bench --bench engine [-- CASE… KEYS…]`. A commit has to cost O(delta): the goal is 1.5 times between 10 thousand and a
//! million. That a checkpoint of 1,000 changes on a million keys writes at most 2 % of the state's bytes is asserted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use readside::checkpoint::Checkpointer;
use readside::config::{Files, load};
use readside::event::{Headers, Message};
use readside::pipeline::{Engine, Fetched, IndexRoot, assemble};
use readside::plan::program;

const CHANGES: usize = 1_000;
const COMMITS: usize = 1_000;

const CONFIG: &str = "sources: source.yaml\nprojections: projection.yaml\n";
const SOURCE: &str = "\
source: s
file: {path: none}
envelope: {type: subject:1}
events:
  Paid: {fields: {key: int64!, amount: int64!, at: timestamp!}}
  Opened: {fields: {key: int64!, amount: int64!}}
";

/// Name, SQL, key, and which types its events are of; those that are measured are of the first.
const CASES: [(&str, &str, &str, &[&str]); 4] = [
    (
        "aggregate",
        "SELECT key, count(*) AS n, sum(amount) AS total, max(at) AS last FROM s.paid GROUP BY key",
        "key",
        &["Paid"],
    ),
    (
        "join",
        "SELECT l._seq AS id, r._seq AS other_id, l.key, l.amount, r.amount AS other FROM s.paid l LEFT JOIN s.opened r ON l.key = r.key",
        "id, other_id",
        &["Paid", "Opened"],
    ),
    (
        "top-k",
        "SELECT key, total FROM (SELECT key, sum(amount) AS total FROM s.paid GROUP BY key) ORDER BY total DESC, key LIMIT 10",
        "key",
        &["Paid"],
    ),
    (
        "changing",
        "SELECT part, min(total) AS least, max(total) AS most, median(total) AS middle, count(DISTINCT total) AS different \
         FROM (SELECT key, key % 100 AS part, sum(amount) AS total FROM s.paid GROUP BY key) GROUP BY part",
        "part",
        &["Paid"],
    ),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let is_named = |case: &str| args.iter().any(|arg| arg == case);
    let any_named = CASES.iter().any(|(name, ..)| is_named(name));
    let given: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![10_000, 100_000, 1_000_000] } else { given };
    println!(
        "{:>10} {:>9} {:>10} {:>10} {:>7} {:>12} {:>12} {:>7}",
        "case", "keys", "median", "p99", "ratio", "checkpoint", "state", "share"
    );
    for case in CASES.into_iter().filter(|(name, ..)| !any_named || is_named(name)) {
        let mut base = None;
        for &keys in &sizes {
            measure(case, keys, &mut base).await;
        }
    }
}

async fn measure((name, sql, key, types): (&str, &str, &str, &[&str]), keys: usize, base: &mut Option<Duration>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut checkpointer, restored) = Checkpointer::open(folder.path().to_str().unwrap(), "bench").await.unwrap();
    let mut engine = engine(sql, key, &checkpointer, restored, folder.path()).await;
    let mut next = 1;
    let mut random = fastrand::Rng::with_seed(keys as u64);
    for start in (0..keys).step_by(50_000) {
        for of in types {
            let messages = (start..keys.min(start + 50_000)).map(|key| message(&mut next, of, key, 0)).collect();
            commit(&mut engine, messages);
        }
    }
    checkpoint(&mut engine, &mut checkpointer).await;
    let mut times = Vec::with_capacity(COMMITS);
    for round in 0..COMMITS {
        let messages: Vec<Message> =
            (0..CHANGES).map(|_| message(&mut next, types[0], random.usize(..keys), round as i64)).collect();
        let began = Instant::now();
        commit(&mut engine, messages);
        let _snapshot = engine.snapshot(0);
        times.push(began.elapsed());
    }
    checkpoint(&mut engine, &mut checkpointer).await;
    commit(&mut engine, (0..CHANGES).map(|place| message(&mut next, types[0], place * (keys / CHANGES), 1)).collect());
    let written = checkpoint(&mut engine, &mut checkpointer).await;
    let state = checkpointer.manifest().bytes().stores;
    let share = written as f64 / state as f64;
    if keys >= 1_000_000 {
        assert!(share <= 0.02, "a checkpoint of {CHANGES} changes wrote {written} of {state} bytes");
    }
    times.sort_unstable();
    let median = times[COMMITS / 2];
    let ratio = median.as_secs_f64() / base.get_or_insert(median).as_secs_f64();
    println!(
        "{name:>10} {keys:>9} {median:>10.1?} {:>10.1?} {ratio:>6.2}x {:>8} KiB {:>8} KiB {:>6.2}%",
        times[COMMITS * 99 / 100],
        written / 1024,
        state / 1024,
        share * 100.0
    );
}

async fn engine(
    sql: &str,
    key: &str,
    checkpointer: &Checkpointer,
    restored: Option<readside::checkpoint::Restored>,
    folder: &std::path::Path,
) -> Engine {
    let projection = format!("projection: p\nkey: [{key}]\nsql: \"{sql}\"\n");
    let texts = BTreeMap::from([("readside.yaml", CONFIG), ("source.yaml", SOURCE), ("projection.yaml", &projection)]);
    let list = |_: &str| {
        let listed = |name: &&str| readside::config::FolderEntry { name: (*name).to_owned(), is_folder: false };
        Ok(texts.keys().map(listed).collect())
    };
    let read = |path: &str| {
        texts.get(path).map(|text| (*text).to_owned()).ok_or_else(|| std::io::Error::other(format!("no {path}")))
    };
    let loaded = load("readside.yaml", &Files { list: &list, read: &read }, &|_| None).unwrap();
    let program = program(&loaded.config).unwrap();
    let indexes = IndexRoot(folder.join("indexes"));
    assemble(program, restored, checkpointer, &indexes, loaded.config.parked).await.unwrap().live
}

fn message(next: &mut u64, of: &str, key: usize, round: i64) -> Message {
    let seq = *next;
    *next += 1;
    let amount = (key as i64 * 7919 + round) % 1000;
    let body = format!(r#"{{"key":{key},"amount":{amount},"at":"2026-11-21T10:00:00.{:06}Z"}}"#, seq % 1_000_000);
    let (subject, headers) = (of.to_owned(), Headers::default());
    Message {
        seq,
        subject,
        headers,
        payload: body.into(),
        published_at_us: 1_795_000_000_000_000 + seq as i64,
        unreadable: None,
    }
}

fn commit(engine: &mut Engine, messages: Vec<Message>) {
    let covered = messages.last().map_or(0, |message| message.seq);
    let fetched = Fetched { source: "s".into(), messages, covered, last_sequence: covered };
    engine.commit(vec![fetched], 0).unwrap();
    assert!(engine.generations[0].state().steps());
}

async fn checkpoint(engine: &mut Engine, checkpointer: &mut Checkpointer) -> u64 {
    let (draft, _holds) = engine.draft(0).unwrap();
    checkpointer.checkpoint(&draft).await.unwrap().bytes_written
}
