//! Nexmark (P1): what each of its queries keeps equals the batch result at every commit, over events from files, in commits of
//! any size and through a restart.

#[path = "../nexmark/auction_house.rs"]
mod auction_house;

use std::collections::BTreeMap;

use readside::event::Message;
use readside::plan::program;
use readside::source::{BatchLimits, Input, Start, open};

use crate::oracle::given::{Step, check};
use crate::support::next;
use auction_house::{Size, configuration, write};

const SIZE: Size = Size { events: 2_500, events_per_second: 40, out_of_order: 50, side_entries: 1_500 };

/// The middle is committed twice: once as it was before the restart, once as it is after it.
const STEPS: [Step; 9] = [
    Step::CommitUpTo(0.001),
    Step::CommitUpTo(0.5),
    Step::Capture,
    Step::CommitUpTo(0.7),
    Step::Restart,
    Step::CommitUpTo(0.6),
    Step::CommitUpTo(0.603),
    Step::Capture,
    Step::CommitUpTo(1.0),
];

#[tokio::test]
async fn every_query_equals_its_batch_result() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &SIZE).unwrap();
    let config = configuration(folder.path(), "q*.yaml");
    let mut messages = BTreeMap::new();
    for source in &config.sources {
        let name = source.schema.source.clone();
        let mut reader = open(source, None, Start::default(), BatchLimits::default()).unwrap();
        let mut read: Vec<Message> = Vec::new();
        loop {
            match next(reader.as_mut()).await {
                Input::Fetched { messages, .. } => read.extend(messages),
                Input::End => break,
                _ => {}
            }
        }
        messages.insert(name, read);
    }
    let rows = check(&|| program(&config).unwrap(), &messages, &STEPS).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(rows.len(), 22, "{rows:?}");
    assert_eq!(rows.values().min().unwrap(), &2, "{rows:?}");
}
