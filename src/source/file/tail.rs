//! Reads a file from the last complete line that was taken to its present end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};

use xxhash_rust::xxh3::Xxh3;

use super::read_part::ReadPart;
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
    /// Complete lines taken, and the part of the file that they are.
    line: u64,
    read: ReadPart,
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
            read: ReadPart::default(),
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
        let mut identity = self.identify(&mut file)?;
        if !self.is_positioned {
            self.position(&mut file)?;
        }
        if !self.is_opened {
            let last_sequence = self.last_line.max(self.after);
            batcher.send(Input::Opened { identity: identity.clone(), last_sequence, began: 1 })?;
            self.is_opened = true;
        }
        file.seek(SeekFrom::Start(self.read.length()))?;
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
        batcher.flush(self.covered(), self.last_line.max(self.after))?;
        if let StreamIdentity::File { read_length, read_hash, .. } = &mut identity
            && self.read.length() > *read_length
        {
            (*read_length, *read_hash) = (self.read.length(), self.read.digest());
        }
        if self.identity.as_ref() != Some(&identity) {
            self.identity = Some(identity.clone());
            batcher.send(Input::Known { identity })?;
        }
        Ok(())
    }

    /// What is known of the file now.
    ///
    /// # Errors
    /// If this is not the file that was read before.
    fn identify(&mut self, file: &mut File) -> Result<StreamIdentity, FileStop> {
        let (length, read_length, read_hash) = match self.identity {
            None => (0, 0, 0),
            Some(StreamIdentity::File { prefix_length, prefix_hash, read_length, read_hash }) => {
                let begins_as_read = prefix::hash(file, prefix_length)? == Some(prefix_hash);
                if !begins_as_read || file.metadata()?.len() < self.read.length() {
                    return Err(self.halted(
                        "it was cut or replaced, it does not begin with what was read; restore it, or have this one read \
                 from its beginning (`readside source reset`)",
                    ));
                }
                if !self.read.ends_as_read(file)? {
                    return Err(self.rewritten());
                }
                (prefix_length, read_length, read_hash)
            }
            Some(StreamIdentity::JetStream { .. } | StreamIdentity::Memory) => {
                return Err(self.halted(
                    "the checkpoint belongs to a source of another kind; name the source differently, or have this one read from its beginning (`readside source reset`)",
                ));
            }
        };
        let prefix_length = prefix::known_length(file)?.max(length);
        let prefix_hash = prefix::hash(file, prefix_length)?.unwrap_or_default();
        Ok(StreamIdentity::File { prefix_length, prefix_hash, read_length, read_hash })
    }

    fn rewritten(&self) -> FileStop {
        self.halted(
            "what was read of it was rewritten; restore it, or have this one read \
                 from its beginning (`readside source reset`)",
        )
    }

    /// Finds the first line to hand over, and counts all lines on the way, so that the lag is known.
    ///
    /// # Errors
    /// If what was read before is not there, or was rewritten.
    fn position(&mut self, file: &mut File) -> Result<(), FileStop> {
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(CHUNK, &mut *file);
        let (mut lines, mut length, mut is_ended, mut offset) = (0, 0, true, 0);
        loop {
            let chunk = reader.fill_buf()?;
            let Some(last) = chunk.last() else { break };
            is_ended = *last == b'\n';
            let count = chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
            if self.line < self.after && count > 0 {
                let skipped = count.min(self.after - lines);
                let mut ends = chunk.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index);
                let end = ends.nth(skipped as usize - 1).unwrap_or_default();
                (self.line, offset) = (lines + skipped, length + end as u64 + 1);
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
                "it has {may_be_read} lines, but {after} were already read; restore it, or have this one read \
                 from its beginning (`readside source reset`)"
            )));
        }
        self.skip(file, offset)?;
        self.last_line = may_be_read;
        self.is_positioned = true;
        Ok(())
    }

    /// Goes over the lines up to `offset`, which were handed over before.
    ///
    /// # Errors
    /// If what was read before was rewritten.
    fn skip(&mut self, file: &mut File, offset: u64) -> Result<(), FileStop> {
        let (known_length, known_hash) = match self.identity {
            Some(StreamIdentity::File { read_length, read_hash, .. }) => (read_length, read_hash),
            _ => (0, 0),
        };
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(CHUNK, &mut *file).take(offset.max(known_length));
        let (mut length, mut known) = (0, Xxh3::new());
        loop {
            let chunk = reader.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            let first = |through: u64| &chunk[..through.saturating_sub(length).min(chunk.len() as u64) as usize];
            known.update(first(known_length));
            self.read.take(first(offset));
            let size = chunk.len();
            length += size as u64;
            reader.consume(size);
        }
        let is_as_read = known_length == 0 || length >= known_length && known.digest() == known_hash;
        if is_as_read { Ok(()) } else { Err(self.rewritten()) }
    }

    fn take_lines(&mut self, chunk: Bytes, batcher: &mut Batcher) -> Result<(), FileStop> {
        let mut from = 0;
        while let Some(length) = chunk[from..].iter().position(|byte| *byte == b'\n') {
            self.take_line(&chunk.slice(from..from + length), batcher)?;
            from += length + 1;
        }
        self.read.take(&chunk);
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
