//! From which sequence on a source has what was published since some time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use bytes::Bytes;

use super::file::published_at;
use super::jetstream;
use crate::config::{LineFormat, Nats, Source, SourceKind};

/// The sequence of the first message that was published at `time_us` (microseconds since the epoch) or later; none if there is
/// none yet. Call it within a tokio runtime.
///
/// # Errors
/// The stream or file cannot be read, or does not say when its messages were published, as a sentence.
pub async fn first_since(source: &Source, nats: Option<&Nats>, time_us: i64) -> Result<Option<u64>, String> {
    let name = &source.schema.source;
    let found = match &source.input {
        SourceKind::File { path, lines, .. } => {
            let (path, lines) = (path.clone(), *lines);
            let read = move || first_line_since(&path, lines, time_us);
            tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(error.to_string()))
        }
        SourceKind::JetStream { stream, filter_subjects } => match nats {
            Some(nats) => jetstream::first_since(nats, stream, filter_subjects, time_us).await,
            None => Err("the configuration has no `nats` section".to_owned()),
        },
    };
    found.map_err(|why| format!("source `{name}`: {why}"))
}

/// Lines need not be in the order of their times: all from the first such one on count.
fn first_line_since(path: &Path, lines: LineFormat, time_us: i64) -> Result<Option<u64>, String> {
    let cannot_read = |error| format!("cannot read {}: {error}", path.display());
    let mut reader = BufReader::new(File::open(path).map_err(cannot_read)?);
    let (mut line, mut number, mut says_times) = (Vec::new(), 0, false);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(cannot_read)? == 0 {
            break;
        }
        number += 1;
        let published_at = published_at(&Bytes::copy_from_slice(&line), lines);
        says_times |= published_at.is_some();
        if published_at.is_some_and(|published_at| published_at >= time_us) {
            return Ok(Some(number));
        }
    }
    match says_times {
        true => Ok(None),
        false => Err("no line of its file says when it was published (`published_at`)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_counts_from_the_first_line_of_that_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = |text: &str, time_us| {
            std::fs::write(file.path(), text).unwrap();
            first_line_since(file.path(), LineFormat::Auto, time_us)
        };
        let lines = "{\"data\": 1, \"published_at\": \"1970-01-01T00:00:01Z\"}\n\n\
                     {\"data\": 2, \"published_at\": \"1970-01-01T00:00:03Z\"}\n\
                     {\"data\": 3, \"published_at\": \"1970-01-01T00:00:02Z\"}\n";
        assert_eq!(first(lines, 0), Ok(Some(1)));
        assert_eq!(first(lines, 1_000_001), Ok(Some(3)));
        assert_eq!(first(lines, 3_000_000), Ok(Some(3)));
        assert_eq!(first(lines, 3_000_001), Ok(None));
        assert!(first("{\"data\": 1}\n", 0).unwrap_err().contains("`published_at`"));
    }
}
