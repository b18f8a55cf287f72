//! Files of any bytes: every line that is not blank comes once, and a start in the middle gives the rest.

use readside::config::LineFormat;
use readside::event::Message;
use readside::source::{BatchLimits, FileSource, Input, Source, Start};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::fuzz;
use crate::support::next;

const FORMATS: [LineFormat; 4] = [LineFormat::Auto, LineFormat::Message, LineFormat::Payload, LineFormat::CloudEvents];
const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "\n\n",
    "{}",
    "{\"subject\":\"a.b\",\"data\":{}}",
    "\"headers\":{",
    "\"A\":[\"1\",\"2\"]",
    "\"headers\":null",
    "\"data\":",
    "\"data_base64\":\"AP8=\"",
    "\"published_at\":\"2026-01-01T00:00:00Z\"",
    "\"seq\":1",
    "\"specversion\":\"1.0\"",
    "\"id\":\"1\"",
    "\"source\":\"/a\"",
    "\"type\":\"T\"",
    "null",
    "true",
    "1e999",
    "\\ud800",
    "\\u0000",
    "\u{feff}",
    ",",
    ":",
    "\"",
];

#[test]
fn lines() {
    let runtime = Runtime::new().expect("a runtime");
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("events.ndjson");
    let mut turn = 0;
    fuzz("lines", WORDS, |input| {
        std::fs::write(&path, input).expect("a file");
        let lines = FORMATS[turn % FORMATS.len()];
        turn += 1;
        let read = |after| {
            let start = Start { after, ..Start::default() };
            let source = FileSource::open(path.clone(), false, lines, start, BatchLimits::default());
            runtime.block_on(whole(source))
        };
        let messages = read(0);
        let is_whole = |line: &[u8]| !line.trim_ascii().is_empty();
        // The last line may be one that is still being written.
        let closed = &input[..input.iter().rposition(|byte| *byte == b'\n').unwrap_or(0)];
        let expected = closed.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| is_whole(line));
        let expected: Vec<u64> = expected.map(|(index, _)| index as u64 + 1).collect();
        let sequences: Vec<u64> = messages.iter().map(|message| message.seq).collect();
        assert!(
            sequences.starts_with(&expected) && sequences.len() <= expected.len() + 1,
            "{sequences:?} {expected:?}"
        );
        let middle = sequences.get(sequences.len() / 2).copied().unwrap_or(0);
        let rest: Vec<Message> = messages.into_iter().filter(|message| message.seq > middle).collect();
        assert_eq!(read(middle), rest);
    });
}

async fn whole(mut source: FileSource) -> Vec<Message> {
    let mut taken = Vec::new();
    loop {
        match next(&mut source as &mut dyn Source).await {
            Input::Fetched { messages, .. } => taken.extend(messages),
            Input::End => return taken,
            Input::Opened { .. } | Input::Known { .. } | Input::Heartbeat { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
