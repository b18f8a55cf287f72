//! Nexmark: how many events of an auction house each of its queries takes a second on one core, from the lines of a file to the
//! rows of its tables, and how much it keeps.
//!
//! `cargo bench --bench nexmark [-- EVENTS [QUERY…]]`. The queries are in `tests/nexmark`. All events count, as is the custom,
//! also those that a query does not read. The time is the processor time of the whole process, so that it is that of one
//! core whatever else the machine does. `Feldera` is the ratio to what was published of it for one core.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/nexmark/auction_house.rs"]
mod auction_house;

use std::path::Path;
use std::time::Duration;

use readside::checkpoint::Checkpointer;
use readside::config::Config;
use readside::event::Message;
use readside::pipeline::{Engine, Fetched, IndexRoot, assemble};
use readside::plan::program;
use readside::source::{BatchLimits, Input, Start, open};

use auction_house::{Size, configuration, write};

const QUERIES: [&str; 21] = [
    "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q11", "q12", "q13", "q14", "q15", "q16", "q17", "q18",
    "q19", "q20", "q22",
];

/// Events a second on one core that Feldera published.
const PUBLISHED: [(&str, f64); 4] = [("q0", 436e3), ("q3", 413e3), ("q4", 265e3), ("q9", 57e3)];

/// Messages of one commit: what waits while another commit of its kind runs.
const COMMIT: usize = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let events = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let wanted = |query: &str| {
        let mut named = arguments.iter().filter(|argument| argument.starts_with('q')).peekable();
        named.peek().is_none() || named.any(|name| name == query)
    };
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &Size { events, events_per_second: 10_000, out_of_order: 1, side_entries: 10_000 }).unwrap();
    println!(
        "{events} events, commits of {COMMIT}\n{:>5} {:>10} {:>9} {:>9} {:>13} {:>10}",
        "query", "events/s", "Feldera", "rows", "operators MiB", "table MiB"
    );
    for query in QUERIES.into_iter().filter(|query| wanted(query)) {
        measure(folder.path(), query, events).await;
    }
}

async fn measure(folder: &Path, query: &str, events: usize) {
    let config = configuration(folder, &format!("{query}.yaml"));
    let mut engine = engine(config.clone(), folder).await;
    let began = processor_time();
    // The side input is small and comes first, as if the table had been there before.
    for name in ["side", "nexmark"] {
        read(&config, name, &mut engine).await;
    }
    let took = processor_time() - began;
    let per_second = events as f64 / took.as_secs_f64();
    let published = PUBLISHED.iter().find(|(name, _)| *name == query);
    let ratio = published.map_or("–".to_owned(), |(_, published)| format!("{:.2}x", per_second / published));
    let tables: usize = engine.generations.iter().map(|generation| generation.table().size()).sum();
    let snapshot = engine.snapshot(0);
    let state: u64 = snapshot.projections.values().map(|status| status.state_bytes).sum();
    println!(
        "{query:>5} {per_second:>10.0} {ratio:>9} {:>9} {:>13.1} {:>10.1}",
        snapshot.projections[query].rows,
        mib(state as usize - tables),
        mib(tables),
    );
}

async fn engine(config: Config, folder: &Path) -> Engine {
    let (checkpointer, restored) = Checkpointer::open("memory://", "bench").await.unwrap();
    let indexes = IndexRoot(folder.join("indexes"));
    assemble(program(&config).unwrap(), restored, &checkpointer, &indexes, config.parked).await.unwrap().live
}

/// Reads a whole file, and commits as the daemon does: a commit and a snapshot that readers would get.
async fn read(config: &Config, name: &str, engine: &mut Engine) {
    let source = config.sources.iter().find(|source| source.schema.source == name).unwrap();
    let mut reader = open(source, None, Start::default(), BatchLimits::default()).unwrap();
    let mut waiting: Vec<Message> = Vec::new();
    loop {
        let input = reader.next().await;
        let is_end = input == Input::End;
        if let Input::Fetched { messages, .. } = input {
            waiting.extend(messages);
        }
        while waiting.len() >= COMMIT || is_end && !waiting.is_empty() {
            let messages: Vec<Message> = waiting.drain(..COMMIT.min(waiting.len())).collect();
            let covered = messages.last().map_or(0, |message| message.seq);
            engine.commit(vec![Fetched { source: name.into(), messages, covered, last_sequence: covered }], 0).unwrap();
            let _snapshot = engine.snapshot(0);
        }
        if is_end {
            break;
        }
    }
    assert!(engine.generations.iter().all(|generation| generation.state().steps()));
    assert_eq!(engine.parked.len(), 0);
}

/// Time that all threads of this process have computed, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name in brackets: user time is the 12th field, system time the 13th, both in hundredths.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
