//! Nexmark's events as the files that its sources read, and its queries as a configuration. Both the test and the benchmark begin
//! here.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use readside::config::{Config, Files, FolderEntry, load};

/// 30 seconds before midnight, so that there are two days.
const BEGINS_MS: u64 = 1_795_305_570_000;
/// From an event to its place in the stream.
const DELAY_MS: u64 = 250;

/// How much happens.
pub(crate) struct Size {
    pub(crate) events: usize,
    /// In event time.
    pub(crate) events_per_second: usize,
    /// Events that come in another order than they happened.
    pub(crate) out_of_order: usize,
    pub(crate) side_entries: usize,
}

/// Writes the files of both sources. The same size gives the same bytes.
pub(crate) fn write(folder: &Path, size: &Size) -> std::io::Result<()> {
    let config = NexmarkConfig {
        base_time: BEGINS_MS,
        first_rate: size.events_per_second,
        next_rate: size.events_per_second,
        out_of_order_group_size: size.out_of_order,
        ..NexmarkConfig::default()
    };
    let mut file = BufWriter::new(File::create(folder.join("nexmark.ndjson"))?);
    let mut stored_ms = BEGINS_MS;
    for event in EventGenerator::new(config).take(size.events) {
        stored_ms = stored_ms.max(event.timestamp() + DELAY_MS);
        let (name, data) = match &event {
            Event::Person(person) => ("Person", serde_json::to_string(person)?),
            Event::Auction(auction) => ("Auction", serde_json::to_string(auction)?),
            Event::Bid(bid) => ("Bid", serde_json::to_string(bid)?),
        };
        let stored = DateTime::from_timestamp_millis(stored_ms as i64).unwrap_or_default();
        let stored = stored.to_rfc3339_opts(SecondsFormat::Millis, true);
        writeln!(file, r#"{{"subject":"nexmark.{name}","published_at":"{stored}","data":{data}}}"#)?;
    }
    file.flush()?;
    let mut file = BufWriter::new(File::create(folder.join("side.ndjson"))?);
    for key in 0..size.side_entries {
        writeln!(file, r#"{{"data":{{"key":{key},"value":"value {key}"}}}}"#)?;
    }
    file.flush()
}

/// The configuration of some queries, by the pattern of their files, over the events in `folder`.
pub(crate) fn configuration(folder: &Path, queries: &str) -> Config {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nexmark/readside.yaml");
    let read = |path: &str| std::fs::read_to_string(path);
    let list = |folder: &str| {
        let names = std::fs::read_dir(folder)?;
        let names = names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        Ok(names.map(|name| FolderEntry { name, is_folder: false }).collect())
    };
    let environment = |name: &str| match name {
        "EVENTS" => Some(folder.display().to_string()),
        "QUERIES" => Some(queries.to_owned()),
        _ => None,
    };
    let loaded = load(root, &Files { list: &list, read: &read }, &environment);
    loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).config
}
