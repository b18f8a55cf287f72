//! The file source: resume, follow, and noticing that the file is not the one that was read.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use readside::config::LineFormat;
use readside::source::{BatchLimits, FileSource, Input, Source, Start, StreamIdentity};
use tempfile::TempDir;

use crate::support::{messages, next, until};

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("events.ndjson");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn lines(numbers: impl IntoIterator<Item = u64>) -> String {
    numbers.into_iter().map(|number| format!("{{\"subject\":\"orders.1\",\"data\":{number}}}\n")).collect()
}

fn open(path: &Path, follow: bool, start: Start) -> FileSource {
    FileSource::open(path.to_owned(), follow, LineFormat::Auto, start, BatchLimits::default())
}

/// Sequence and payload of every message until the end, and the sequence that is covered then.
async fn whole(path: &Path, after: u64) -> (Vec<(u64, String)>, u64) {
    let mut source = open(path, false, Start { after, ..Start::default() });
    let (mut taken, mut end) = (Vec::new(), after);
    loop {
        match next(&mut source).await {
            Input::Opened { .. } | Input::Known { .. } => {}
            Input::Fetched { messages, covered, .. } => {
                taken.extend(messages.iter().map(|m| (m.seq, String::from_utf8_lossy(&m.payload).into_owned())));
                end = covered;
            }
            Input::Heartbeat { covered, .. } => end = covered,
            Input::End => return (taken, end),
            other => panic!("{other:?}"),
        }
    }
}

async fn halted(source: &mut dyn Source) -> String {
    match until(source, |input| matches!(input, Input::Halted { .. })).await {
        Input::Halted { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

async fn identity(source: &mut dyn Source) -> StreamIdentity {
    match until(source, |input| matches!(input, Input::Opened { .. } | Input::Known { .. })).await {
        Input::Opened { identity, .. } | Input::Known { identity } => identity,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_line_counts() {
    let (_folder, path) = file("{\"data\":1}\n\n{\"data\":{\"x\": 1}}\r\nbroken\n\n{\"data\":\"last\"}");
    let expected = [(1, "1"), (3, "{\"x\": 1}"), (4, "broken"), (6, "\"last\"")];
    let expected: Vec<_> = expected.map(|(seq, text)| (seq, text.to_owned())).into();
    for after in 0..=6 {
        let rest = expected.iter().filter(|(seq, _)| *seq > after).cloned().collect();
        assert_eq!(whole(&path, after).await, (rest, 6), "after {after}");
    }
}

#[tokio::test]
async fn a_last_line_that_is_cut_off_is_left() {
    let (_folder, path) = file("{\"data\":1}\n{\"data\":");
    assert_eq!(whole(&path, 0).await, (vec![(1, "1".to_owned())], 1));
    append(&path, "2}\n");
    assert_eq!(whole(&path, 1).await, (vec![(2, "2".to_owned())], 2));
}

#[tokio::test]
async fn a_large_file_comes_whole_in_bounded_batches() {
    const COUNT: u64 = 50_000;
    let (_folder, path) = file(&lines(1..=COUNT));
    let limits = BatchLimits { max_events: 1_000, max_bytes: 1 << 20 };
    let mut source = FileSource::open(path, false, LineFormat::Auto, Start { after: 10, ..Start::default() }, limits);
    let mut expected = 11;
    loop {
        match next(&mut source).await {
            Input::Fetched { messages, covered, last_sequence } => {
                assert!(messages.len() <= 1_000);
                for message in &messages {
                    assert_eq!((message.seq, &message.payload[..]), (expected, expected.to_string().as_bytes()));
                    expected += 1;
                }
                assert_eq!((covered, last_sequence), (expected - 1, COUNT));
            }
            Input::End => break,
            _ => {}
        }
    }
    assert_eq!(expected, COUNT + 1);
}

#[tokio::test]
async fn a_followed_file_is_read_as_it_grows() {
    let (_folder, path) = file("");
    let mut source = open(&path, true, Start::default());
    assert_eq!(
        identity(&mut source).await,
        StreamIdentity::File { prefix_length: 0, prefix_hash: xxh3(b""), read_length: 0, read_hash: 0 }
    );
    let text = lines([1, 2]);
    append(&path, &text[..text.len() - 5]);
    assert_eq!(messages(&mut source, 1).await[0].payload, "1");
    append(&path, &text[text.len() - 5..]);
    let second = messages(&mut source, 1).await;
    assert_eq!((second.len(), second[0].seq, &second[0].payload[..]), (1, 2, &b"2"[..]));
}

#[tokio::test]
async fn the_identity_grows_with_the_file() {
    let (_folder, path) = file(&lines([1]));
    let mut source = open(&path, true, Start::default());
    let first = identity(&mut source).await;
    append(&path, &lines([2]));
    let second = identity(&mut source).await;
    assert_ne!(first, second);
    for identity in [first, second] {
        let start = Start { after: 1, identity: Some(identity), ..Start::default() };
        assert_eq!(messages(&mut open(&path, true, start), 1).await[0].seq, 2);
    }
}

#[tokio::test]
async fn a_replaced_file_halts() {
    let (_folder, path) = file(&lines(1..=3));
    let mut source = open(&path, true, Start::default());
    let known = identity(&mut source).await;
    messages(&mut source, 3).await;
    std::fs::write(&path, lines(2..=9)).unwrap();
    let message = halted(&mut source).await;
    assert!(message.contains("cut or replaced"), "{message}");
    let start = Start { after: 3, identity: Some(known), ..Start::default() };
    assert_eq!(halted(&mut open(&path, false, start)).await, message);
}

#[tokio::test]
async fn a_file_that_is_rewritten_far_behind_its_beginning_halts() {
    let (_folder, path) = file(&lines(1..=5_000));
    let mut source = open(&path, true, Start::default());
    messages(&mut source, 5_000).await;
    let known = match until(&mut source, |input| matches!(input, Input::Known { .. })).await {
        Input::Known { identity } => identity,
        other => panic!("{other:?}"),
    };
    let start = Start { after: 5_000, identity: Some(known), ..Start::default() };
    append(&path, &lines([5_001]));
    assert_eq!(messages(&mut source, 1).await[0].seq, 5_001);
    assert_eq!(messages(&mut open(&path, true, start.clone()), 1).await[0].seq, 5_001);
    // As long as before.
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.find("2500").unwrap() > 8_192);
    std::fs::write(&path, text.replacen("2500", "9999", 1)).unwrap();
    let message = halted(&mut open(&path, true, start)).await;
    assert!(message.contains("what was read of it was rewritten"), "{message}");
    // Whoever reads it meanwhile looks at the end of what was read.
    std::fs::write(&path, text.replacen("2500", "1000000", 1) + &lines([5_002])).unwrap();
    assert_eq!(halted(&mut source).await, message);
}

#[tokio::test]
async fn a_cut_file_halts() {
    let (_folder, path) = file(&lines(1..=3));
    let mut source = open(&path, true, Start::default());
    messages(&mut source, 3).await;
    OpenOptions::new().write(true).open(&path).unwrap().set_len(lines([1]).len() as u64).unwrap();
    let message = halted(&mut source).await;
    assert!(message.contains("cut or replaced"), "{message}");
    let message = halted(&mut open(&path, false, Start { after: 3, ..Start::default() })).await;
    assert!(message.contains("has 1 lines, but 3 were already read"), "{message}");
}

#[tokio::test]
async fn a_missing_file_is_waited_for() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("events.ndjson");
    let mut source = open(&path, false, Start::default());
    let message = match next(&mut source).await {
        Input::Disconnected { message } => message,
        other => panic!("{other:?}"),
    };
    assert!(message.starts_with(&format!("cannot read {}", path.display())), "{message}");
    std::fs::write(&path, lines([1])).unwrap();
    assert_eq!(messages(&mut source, 1).await[0].seq, 1);
}

fn xxh3(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
