//! The part of a file that was read, by which the file is known again behind its first bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::Xxh3;

/// So many bytes at its end are compared whenever the file has changed: what is rewritten moves them, nearly always.
const END_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct ReadPart {
    length: u64,
    hash: Xxh3,
    end: Vec<u8>,
}

impl ReadPart {
    /// Takes the bytes that were read next.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        self.end.extend_from_slice(&bytes[bytes.len().saturating_sub(END_MAX)..]);
        let surplus = self.end.len().saturating_sub(END_MAX);
        drop(self.end.drain(..surplus));
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn digest(&self) -> u64 {
        self.hash.digest()
    }

    /// Whether the file still has the end of this part where it was.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn ends_as_read(&self, file: &mut File) -> io::Result<bool> {
        file.seek(SeekFrom::Start(self.length - self.end.len() as u64))?;
        let mut bytes = Vec::with_capacity(self.end.len());
        file.take(self.end.len() as u64).read_to_end(&mut bytes)?;
        Ok(bytes == self.end)
    }
}

impl std::fmt::Debug for ReadPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadPart").field("length", &self.length).finish_non_exhaustive()
    }
}
