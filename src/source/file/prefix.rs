//! The first bytes of a file, by which it is known again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::xxh3_64;

const PREFIX_MAX: u64 = 4096;

/// How many of the first bytes belong to complete lines. A first line longer than the limit counts by its beginning.
pub(super) fn known_length(file: &mut File) -> io::Result<u64> {
    let bytes = first(file, PREFIX_MAX)?;
    match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => Ok(end as u64 + 1),
        None if bytes.len() as u64 == PREFIX_MAX => Ok(PREFIX_MAX),
        None => Ok(0),
    }
}

/// The hash of the first bytes; none if the file is shorter.
pub(super) fn hash(file: &mut File, length: u64) -> io::Result<Option<u64>> {
    let bytes = first(file, length.min(PREFIX_MAX))?;
    Ok((bytes.len() as u64 == length).then(|| xxh3_64(&bytes)))
}

fn first(file: &mut File, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
