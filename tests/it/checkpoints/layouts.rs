//! What operators persist, pinned: the same identity always means the same columns with the same values in them.
//!
//! A change of what an operator persists has to change its identity, or an older checkpoint would be read as something
//! else. The columns' names and types are part of the identity; what a value means is not, and is pinned here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use expect_test::expect_file;
use object_store::memory::InMemory;
use readside::checkpoint::Checkpointer;
use readside::config::{Config, Files, load};
use readside::pipeline::{Engine, Fetched, IndexRoot, assemble, begin};
use readside::plan::program;
use readside::progress::SourceName;
use readside::source::{self, BatchLimits, Input, Start};
use readside::state::StoredSegment;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use super::{TAKEN, kept};

const PINNED: &str = "../../checkpoints/layouts.txt";

/// The kept configuration in one file, which has its events where they are.
fn config() -> Config {
    let read = |name: &str| std::fs::read_to_string(kept().join(name)).unwrap();
    let events = kept().join("events.ndjson").display().to_string();
    let root = read("readside.yaml").replace("sources: sources.yaml\nprojections: projections.yaml", "sources: []");
    let sources = read("sources.yaml").replace("events.ndjson", &events);
    let text = format!("{root}\n---\n{sources}\n---\n{}", read("projections.yaml"));
    let files = Files { list: &|_| Ok(Vec::new()), read: &|_| Ok(text.clone()) };
    load("readside.yaml", &files, &|_| None).unwrap().config
}

/// An engine that has taken all events.
async fn engine(config: &Config, checkpointer: &Checkpointer, indexes: &IndexRoot) -> Engine {
    let program = program(config).unwrap();
    let mut engine = assemble(program, None, checkpointer, indexes, config.parked.clone()).await.unwrap().live;
    begin(&mut engine).unwrap();
    let shop: SourceName = "shop".into();
    let mut source = source::open(&config.sources[0], None, Start::default(), BatchLimits::default()).unwrap();
    while engine.cut().position(&shop) < TAKEN.into() {
        let Input::Fetched { mut messages, last_sequence, .. } = source.next().await else { continue };
        messages.retain(|message| message.seq <= TAKEN);
        let covered = messages.last().map_or(0, |message| message.seq);
        engine.commit(vec![Fetched { source: shop.clone(), messages, covered, last_sequence }], 0).unwrap();
    }
    engine
}

/// Every live row of a store as text, in whatever order.
fn contents(segments: &[StoredSegment]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for segment in segments {
        let columns: Vec<ArrayFormatter<'_>> =
            segment.rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in (0..segment.rows.num_rows()).filter(|&row| segment.live[row]) {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn one_identity_is_one_layout() {
    let (store, folder, config) = (Arc::new(InMemory::new()), TempDir::new().unwrap(), config());
    let (mut checkpointer, _) = Checkpointer::open_store(store.clone(), "writes").await.unwrap();
    let mut engine = engine(&config, &checkpointer, &IndexRoot(folder.path().to_owned())).await;
    let (draft, _holds) = engine.draft(0).unwrap();
    checkpointer.checkpoint(&draft).await.unwrap();
    let restored = Checkpointer::open_store(store, "reads").await.unwrap().1.unwrap();
    let mut lines = Vec::new();
    for (projection, entries) in &restored.manifest.content.generations {
        for (identity, operator) in &entries[0].operators {
            for end in operator.stores.keys() {
                let segments = restored.stores.get(&format!("{}{end}", operator.prefix));
                let rows = contents(segments.map(Vec::as_slice).unwrap_or_default());
                let digest = xxh3_64(rows.join("\n").as_bytes());
                let store = if end.is_empty() { "-" } else { end.as_str() };
                let name = operator.name.replace(' ', "_");
                lines.push(format!("{identity} {store} {digest:016x} {} rows of {name} in {projection}", rows.len()));
            }
        }
    }
    lines.sort();
    lines.dedup();
    let pinned = std::fs::read_to_string(Path::new(file!()).parent().unwrap().join(PINNED)).unwrap_or_default();
    let key = |line: &str| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    let pinned: BTreeMap<Vec<String>, &str> = pinned.lines().map(|line| (key(line), line)).collect();
    for line in &lines {
        if let Some(before) = pinned.get(&key(line)) {
            assert_eq!(
                line, before,
                "an operator persists something else under the same identity, so older checkpoints would be misread: \
                 raise the number in its `Specification::of`"
            );
        }
    }
    // New identities are added with UPDATE_EXPECT=1, and a checkpoint of them is kept: see tests/checkpoints/README.md.
    expect_file![PINNED].assert_eq(&(lines.join("\n") + "\n"));
}
