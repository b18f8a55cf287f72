//! How many lines a file has, for who plans to read it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::super::Held;

const CHUNK: usize = 1 << 20;

/// Counts the lines of a file as a source would number them. The last one counts without its end only where nobody waits for that.
///
/// # Errors
/// The file cannot be read from here, as a sentence.
pub fn held_lines(path: &Path, follow: bool) -> Result<Held, String> {
    let counted = File::open(path).and_then(|file| {
        let mut reader = BufReader::with_capacity(CHUNK, file);
        let (mut lines, mut is_ended) = (0, true);
        loop {
            let chunk = reader.fill_buf()?;
            let Some(last) = chunk.last() else { break };
            is_ended = *last == b'\n';
            lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
            let size = chunk.len();
            reader.consume(size);
        }
        Ok(lines + u64::from(!is_ended && !follow))
    });
    let last = counted.map_err(|error| format!("{} cannot be read from here: {error}", path.display()))?;
    Ok(Held { first: 1, last, is_mutable: false })
}
