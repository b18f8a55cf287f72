//! Reads a file from the last complete line that was taken to its present end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

use super::{Batcher, FileStop, line, prefix};
use crate::config::LineFormat;
use crate::source::{Input, Start, StreamIdentity};

/// Small, because a message that is kept for long keeps its chunk in memory.
const CHUNK: usize = 256 << 10;
/// A longer line halts the source, so that it cannot take all memory.
const LINE_MAX: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    follow: bool,
    lines: LineFormat,
    identity: Option<StreamIdentity>,
    /// Lines up to this number were handed over before this start.
    after: u64,
    /// Complete lines taken, and where they end in the file.
    line: u64,
    offset: u64,
    /// Lines known to be in the file.
    last_line: u64,
    is_positioned: bool,
    is_opened: bool,
}

impl Tail {
    pub(super) fn new(path: PathBuf, follow: bool, lines: LineFormat, start: Start) -> Self {
        Self {
            path,
            follow,
            lines,
            identity: start.identity,
            after: start.after,
            line: 0,
            offset: 0,
            last_line: 0,
            is_positioned: false,
            is_opened: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn follows(&self) -> bool {
        self.follow
    }

    pub(super) fn covered(&self) -> u64 {
        self.line.max(self.after)
    }

    /// The file could not be read: say so when it can be again.
    pub(super) fn reopen(&mut self) {
        self.is_opened = false;
    }

    /// Takes whatever is new.
    pub(super) fn catch_up(&mut self, batcher: &mut Batcher) -> Result<(), FileStop> {
        let mut file = File::open(&self.path)?;
        let is_news = self.identify(&mut file)?;
        if !self.is_positioned {
            self.position(&mut file)?;
        }
        if let (true, Some(identity)) = (is_news || !self.is_opened, &self.identity) {
            let last_sequence = self.last_line.max(self.after);
            batcher.send(Input::Opened { identity: identity.clone(), last_sequence, gap: None })?;
            self.is_opened = true;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut rest = Bytes::new();
        while let Some(mut chunk) = read_more(&mut file, &rest)? {
            let end = chunk.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            self.take_lines(chunk.split_to(end).freeze(), batcher)?;
            batcher.offer(self.covered(), self.last_line.max(self.after))?;
            rest = chunk.freeze();
            if rest.len() > LINE_MAX {
                return Err(self.halted(&format!("line {} is longer than {LINE_MAX} bytes; split it", self.line + 1)));
            }
        }
        if !self.follow {
            self.take_last(&rest, batcher)?;
        }
        batcher.flush(self.covered(), self.last_line.max(self.after))
    }

    /// Halts if this is not the file that was read before. True if more of its identity is known now.
    fn identify(&mut self, file: &mut File) -> Result<bool, FileStop> {
        let length = match self.identity {
            None => 0,
            Some(StreamIdentity::File { prefix_length, prefix_hash }) => {
                if prefix::hash(file, prefix_length)? != Some(prefix_hash) || file.metadata()?.len() < self.offset {
                    return Err(self.halted(
                        "it was cut or replaced, it does not begin with what was read; restore it, or start with an \
                         empty data_dir, which reads this one from its beginning",
                    ));
                }
                prefix_length
            }
            Some(StreamIdentity::JetStream { .. } | StreamIdentity::Memory) => {
                return Err(self.halted(
                    "the checkpoint belongs to a source of another kind; name the source differently, or start with an \
                     empty data_dir",
                ));
            }
        };
        let known = prefix::known_length(file)?;
        if known <= length && self.identity.is_some() {
            return Ok(false);
        }
        let prefix_hash = prefix::hash(file, known)?.unwrap_or_default();
        self.identity = Some(StreamIdentity::File { prefix_length: known, prefix_hash });
        Ok(true)
    }

    /// Finds the first line to hand over, and counts all lines on the way, so that the lag is known.
    fn position(&mut self, file: &mut File) -> Result<(), FileStop> {
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(CHUNK, file);
        let (mut lines, mut length, mut is_ended) = (0, 0, true);
        loop {
            let chunk = reader.fill_buf()?;
            let Some(last) = chunk.last() else { break };
            is_ended = *last == b'\n';
            let count = chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
            if self.line < self.after && count > 0 {
                let skipped = count.min(self.after - lines);
                let mut ends = chunk.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place);
                let end = ends.nth(skipped as usize - 1).unwrap_or_default();
                (self.line, self.offset) = (lines + skipped, length + end as u64 + 1);
            }
            let size = chunk.len();
            (lines, length) = (lines + count, length + size as u64);
            reader.consume(size);
        }
        // A last line without its end may have been handed over, while the file was not followed.
        let may_be_read = lines + u64::from(!is_ended);
        if self.after > may_be_read {
            let after = self.after;
            return Err(self.halted(&format!(
                "it has {may_be_read} lines, but {after} were already read; restore it, or start with an empty data_dir, which \
                 reads this one from its beginning"
            )));
        }
        self.last_line = may_be_read;
        self.is_positioned = true;
        Ok(())
    }

    fn take_lines(&mut self, chunk: Bytes, batcher: &mut Batcher) -> Result<(), FileStop> {
        let mut from = 0;
        while let Some(length) = chunk[from..].iter().position(|byte| *byte == b'\n') {
            self.take_line(&chunk.slice(from..from + length), batcher)?;
            from += length + 1;
        }
        self.offset += chunk.len() as u64;
        Ok(())
    }

    /// Takes what follows the last line end, if it is a whole line that only lacks its end.
    fn take_last(&mut self, rest: &Bytes, batcher: &mut Batcher) -> Result<(), FileStop> {
        if rest.trim_ascii().is_empty() {
            return Ok(());
        }
        if !line::is_complete(rest) {
            tracing::warn!(path = %self.path.display(), line = self.line + 1, "the last line is cut off; not read");
            self.last_line = self.line;
            return Ok(());
        }
        self.take_line(rest, batcher)
    }

    fn take_line(&mut self, text: &Bytes, batcher: &mut Batcher) -> Result<(), FileStop> {
        self.line += 1;
        self.last_line = self.last_line.max(self.line);
        if self.line <= self.after {
            return Ok(());
        }
        match line::read(self.line, text, self.lines) {
            Some(message) => batcher.put(message, self.last_line),
            None => Ok(()),
        }
    }

    fn halted(&self, why: &str) -> FileStop {
        FileStop::Halted(format!("file {}: {why}", self.path.display()))
    }
}

/// The rest of the last chunk with more behind it; none at the end of the file.
fn read_more(file: &mut File, rest: &Bytes) -> io::Result<Option<BytesMut>> {
    // At least as much as there is, so that a long line is copied a few times only.
    let mut chunk = BytesMut::zeroed(rest.len() + CHUNK.max(rest.len()));
    chunk[..rest.len()].copy_from_slice(rest);
    let read = file.read(&mut chunk[rest.len()..])?;
    chunk.truncate(rest.len() + read);
    Ok((read > 0).then_some(chunk))
}
