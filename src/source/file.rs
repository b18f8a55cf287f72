//! An NDJSON file as a source: each line is a message `{subject, headers, data}`, its number the sequence.
//!
//! Every line counts, blank ones included. A file is taken to be append-only: lines that were read never change, and a file
//! that was cut or whose first bytes changed halts the source. Here is the thread that polls; reading is in `tail`, what
//! a line means in `line`.

mod batcher;
mod cloud_event;
mod held;
mod line;
mod prefix;
mod read_part;
mod tail;

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use super::{BatchLimits, Input, Inputs, Source, Start, hand_over};
use crate::config::LineFormat;
use crate::event::Message;
use batcher::Batcher;
pub use held::held_lines;
use tail::Tail;

const POLL: Duration = Duration::from_millis(50);
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Reads a file in a thread of its own, and goes on as it grows if it is followed.
#[derive(Debug)]
pub struct FileSource {
    inputs: Inputs,
}

/// Why reading stopped short.
#[derive(Debug)]
enum FileStop {
    Halted(String),
    /// The file cannot be read now; it is tried again.
    Unreadable(io::Error),
    /// The receiver is gone.
    Closed,
}

/// When the message of a line was published, microseconds since the epoch; none if the line does not say it.
pub(super) fn published_at(line: &Bytes, lines: LineFormat) -> Option<i64> {
    let message = line::read(0, line, lines)?;
    (message.published_at_us != 0).then_some(message.published_at_us)
}

/// The message that a line of a file holds; none if it is blank.
pub fn message_of_line(sequence: u64, line: &str, lines: LineFormat) -> Option<Message> {
    line::read(sequence, &Bytes::copy_from_slice(line.as_bytes()), lines)
}

impl FileSource {
    pub fn open(path: PathBuf, follow: bool, lines: LineFormat, start: Start, limits: BatchLimits) -> Self {
        let (sender, inputs) = hand_over();
        let refused = sender.clone();
        let poll = move || poll(Tail::new(path, follow, lines, start), Batcher::new(sender, limits));
        // The thread ends within a poll after the receiver is dropped.
        if let Err(error) = thread::Builder::new().name("file-source".to_owned()).spawn(poll) {
            let message = format!("cannot start a thread to read a file: {error}");
            // It cannot fail: nothing else was sent.
            let _ = refused.try_send(Input::Halted { message, is_gap: false });
        }
        Self { inputs: Inputs::new(inputs) }
    }
}

#[async_trait]
impl Source for FileSource {
    async fn next(&mut self) -> Input {
        self.inputs.next().await
    }
}

/// Reads what there is, then again whenever the file's length or time of change is another.
fn poll(mut tail: Tail, mut batcher: Batcher) {
    let mut seen = None;
    let mut missing = None;
    let mut told_at = Instant::now();
    while !batcher.is_closed() {
        match read_if_changed(&mut tail, &mut batcher, &mut seen) {
            Ok(is_changed) => {
                missing = None;
                if is_changed {
                    told_at = Instant::now();
                }
            }
            Err(FileStop::Unreadable(error)) => {
                seen = None;
                let message = format!("cannot read {}: {error}; waiting for it", tail.path().display());
                if missing.as_ref() != Some(&message) {
                    tail.reopen();
                    batcher.send_last(Input::Disconnected { message: message.clone() });
                    missing = Some(message);
                }
            }
            Err(FileStop::Halted(message)) => {
                return batcher.send_last(Input::Halted { message, is_gap: false });
            }
            Err(FileStop::Closed) => return,
        }
        if missing.is_none() && !tail.follows() {
            return batcher.send_last(Input::End);
        }
        if missing.is_none() && told_at.elapsed() >= HEARTBEAT {
            told_at = Instant::now();
            batcher.heartbeat(tail.covered());
        }
        thread::sleep(POLL);
    }
}

fn read_if_changed(
    tail: &mut Tail,
    batcher: &mut Batcher,
    seen: &mut Option<(u64, SystemTime)>,
) -> Result<bool, FileStop> {
    let metadata = std::fs::metadata(tail.path())?;
    let state = (metadata.len(), metadata.modified()?);
    if *seen == Some(state) {
        return Ok(false);
    }
    tail.catch_up(batcher)?;
    *seen = Some(state);
    Ok(true)
}

impl From<io::Error> for FileStop {
    fn from(error: io::Error) -> Self {
        FileStop::Unreadable(error)
    }
}
