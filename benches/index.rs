//! What a commit of a search index costs whoever waits for it, and what of that the loop waits for: 1, 100 and 10,000 changed
//! documents of 20,000.
//!
//! `cargo bench --bench index [-- FOLDER]`. FOLDER, by default the build's own, says on which disk. *syncs* is how many syncs of a
//! small file there take as long as a commit, which makes none. *waits* is the loop's time in the begin and the end of a commit that
//! runs beside it; that this is less than half of one that is waited for is asserted for 10,000 documents.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use readside::checkpoint::Checkpointer;
use readside::config::{Files, FolderEntry, load};
use readside::event::{Headers, Message};
use readside::pipeline::{Engine, Fetched, IndexRoot, assemble, begin};
use readside::plan::program;

const KEYS: usize = 20_000;
const COMMITS: usize = 20;
const CHANGES: [usize; 3] = [1, 100, 10_000];

const CONFIG: &str = "sources: source.yaml\nprojections: projection.yaml\n";
const SOURCE: &str = "\
source: s
file: {path: none}
envelope: {type: subject:1}
events:
  Noted: {fields: {key: int64!, note: string!}}
";
const PROJECTION: &str = "\
projection: notes
kind: search
sql: SELECT key, latest(note) AS note FROM s.noted GROUP BY key
key: [key]
fields: {note: {type: text}}
";
const WORDS: [&str; 12] =
    ["late", "gift", "fragile", "door", "bell", "again", "return", "broken", "missing", "paid", "open", "box"];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let disk = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let folder = tempfile::tempdir_in(disk.as_deref().unwrap_or(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let sync = median((0..COMMITS).map(|_| sync(folder.path())).collect());
    println!("a sync of a small file takes {sync:.1?}");
    println!("{:>9} {:>10} {:>7} {:>10} {:>7}", "documents", "commit", "syncs", "waits", "share");
    let mut engine = engine(folder.path()).await;
    let mut events = Events { next: 1, random: fastrand::Rng::with_seed(1) };
    events.commit(&mut engine, (0..KEYS).collect());
    engine.commit_read_models();
    for changes in CHANGES {
        let mut commits = Vec::with_capacity(COMMITS);
        let mut waits = Vec::with_capacity(COMMITS);
        for _ in 0..COMMITS {
            events.change(&mut engine, changes);
            commits.push(timed(|| engine.commit_read_models()));
            events.change(&mut engine, changes);
            waits.push(in_background(&mut engine));
        }
        let (commit, waits) = (median(commits), median(waits));
        let share = waits.as_secs_f64() / commit.as_secs_f64();
        let syncs = commit.as_secs_f64() / sync.as_secs_f64();
        println!("{changes:>9} {commit:>10.1?} {syncs:>7.1} {waits:>10.1?} {:>6.1}%", share * 100.0);
        assert!(changes < 10_000 || share < 0.5, "the loop waited for {:.0}% of a commit", share * 100.0);
    }
}

/// The loop's time in a commit that runs beside it.
fn in_background(engine: &mut Engine) -> Duration {
    let mut waited = timed(|| engine.begin_commits());
    loop {
        let mut has_ended = false;
        let looked = timed(|| has_ended = engine.end_commits());
        // Looking in vain is no waiting: the loop does it when nothing else comes.
        if has_ended {
            waited += looked;
            return waited;
        }
        std::thread::yield_now();
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn sync(folder: &Path) -> Duration {
    let mut file = File::create(folder.join("synced")).unwrap();
    file.write_all(&[0; 4096]).unwrap();
    timed(|| file.sync_data().unwrap())
}

struct Events {
    next: u64,
    random: fastrand::Rng,
}

impl Events {
    /// Commits a change of so many documents.
    fn change(&mut self, engine: &mut Engine, changes: usize) {
        let first = self.random.usize(..KEYS);
        self.commit(engine, (first..first + changes).map(|key| key % KEYS).collect());
    }

    fn commit(&mut self, engine: &mut Engine, keys: Vec<usize>) {
        let messages: Vec<Message> = keys.into_iter().map(|key| self.message(key)).collect();
        let covered = messages.last().map_or(0, |message| message.seq);
        let fetched = Fetched { source: "s".into(), messages, covered, last_sequence: covered };
        engine.commit(vec![fetched], 0).unwrap();
        assert!(engine.generations[0].state().steps());
    }

    fn message(&mut self, key: usize) -> Message {
        let seq = self.next;
        self.next += 1;
        let words: Vec<&str> = (0..8).map(|_| WORDS[self.random.usize(..WORDS.len())]).collect();
        let body = format!(r#"{{"key":{key},"note":"{} {seq}"}}"#, words.join(" "));
        Message {
            seq,
            subject: "Noted".to_owned(),
            headers: Headers::default(),
            payload: body.into(),
            published_at_us: 1_795_000_000_000_000 + seq as i64,
            unreadable: None,
        }
    }
}

async fn engine(folder: &Path) -> Engine {
    let (checkpointer, restored) = Checkpointer::open("memory://", "bench").await.unwrap();
    let texts = BTreeMap::from([("readside.yaml", CONFIG), ("source.yaml", SOURCE), ("projection.yaml", PROJECTION)]);
    let list = |_: &str| {
        let listed = |name: &&str| FolderEntry { name: (*name).to_owned(), is_folder: false };
        Ok(texts.keys().map(listed).collect())
    };
    let read = |path: &str| {
        texts.get(path).map(|text| (*text).to_owned()).ok_or_else(|| std::io::Error::other(format!("no {path}")))
    };
    let loaded = load("readside.yaml", &Files { list: &list, read: &read }, &|_| None).unwrap();
    let program = program(&loaded.config).unwrap();
    let indexes = IndexRoot(folder.join("indexes"));
    let mut engine = assemble(program, restored, &checkpointer, &indexes, loaded.config.parked).await.unwrap().live;
    begin(&mut engine).unwrap();
    engine
}
