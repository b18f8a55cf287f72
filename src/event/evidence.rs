//! Evidence of what was read of a stream, by which it is known again. A name and a creation time do not suffice: a store
//! that is restored from an older copy keeps both, and is published to again.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::Message;

/// Enough for one sample in each power of two of a long stream's distances from its end.
const SAMPLES_MAX: usize = 24;

/// What a message was that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub sequence: u64,
    /// Microseconds since the epoch.
    pub published_at_us: i64,
    /// Of subject, headers and payload.
    pub digest: u64,
}

/// Samples of what was read, in ascending order: the last message, and fewer the further back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(Vec<Sample>);

impl Sample {
    pub fn of(message: &Message) -> Self {
        let mut hash = Xxh3::new();
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(message.subject.as_bytes());
        // A driver may give headers in another order than they are stored in; values of one name keep theirs.
        let mut headers: Vec<&(String, String)> = message.headers.0.iter().collect();
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, value) in headers {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        part(&message.payload);
        Self { sequence: message.seq, published_at_us: message.published_at_us, digest: hash.digest() }
    }
}

impl Evidence {
    /// Takes what was read next, in the order of the stream.
    pub fn take(&mut self, messages: &[Message]) {
        if let (true, Some(first)) = (self.0.is_empty(), messages.first()) {
            self.0.push(Sample::of(first));
        }
        let read = self.0.last().map_or(0, |sample| sample.sequence);
        let Some(last) = messages.last().filter(|message| message.seq > read) else { return };
        self.0.push(Sample::of(last));
        if self.0.len() > SAMPLES_MAX {
            // The one whose neighbours are closest to each other, as seen from the end of what was read.
            let share = |three: &[Sample]| {
                let distance = last.seq - three[1].sequence + 1;
                (three[2].sequence - three[0].sequence) as f64 / distance as f64
            };
            let inner = self.0.windows(3).enumerate();
            let least = inner.min_by(|(_, one), (_, other)| share(one).total_cmp(&share(other)));
            if let Some(index) = least.map(|(index, _)| index + 1) {
                self.0.remove(index);
            }
        }
    }

    /// The samples from the last one to the first.
    pub fn newest_first(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter().rev()
    }

    /// The sequence of the last message that was read; 0 if none was.
    pub fn last_read(&self) -> u64 {
        self.0.last().map_or(0, |sample| sample.sequence)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::fixture::message;
    use super::*;

    #[test]
    fn samples_are_dense_at_the_end_and_reach_back_to_the_beginning() {
        let mut evidence = Evidence::default();
        for end in (100..=1_000_000).step_by(100) {
            evidence.take(&[message(end - 99, "", "{}"), message(end, "", "{}")]);
        }
        let samples: Vec<u64> = evidence.newest_first().map(|sample| sample.sequence).collect();
        assert_eq!((samples.len(), samples[0], samples[1]), (SAMPLES_MAX, 1_000_000, 999_900));
        assert_eq!(samples.last(), Some(&1));
        // Whatever point a stream is set back to, one sample is at most half as far again from the end.
        let distance = |sample: u64| (1_000_000 - sample) as f64 + 100.0;
        assert!(samples.windows(2).skip(1).all(|pair| distance(pair[1]) / distance(pair[0]) < 4.0), "{samples:?}");
    }

    #[test]
    fn a_digest_is_of_all_that_a_publisher_has_written() {
        let digest = |headers: &str, payload: &str| Sample::of(&message(1, headers, payload)).digest;
        assert_eq!(digest("a=1 b=2", "{}"), digest("b=2 a=1", "{}"));
        assert_ne!(digest("a=1", "{}"), digest("a=2", "{}"));
        assert_ne!(digest("a=1", "{}"), digest("a=1", "{ }"));
        assert_ne!(digest("", "{}"), digest("a=1", "{}"));
    }

    #[test]
    fn what_is_read_again_is_no_news() {
        let mut evidence = Evidence::default();
        evidence.take(&[message(1, "", "{}"), message(2, "", "{}")]);
        let before = evidence.clone();
        evidence.take(&[message(2, "", "{}")]);
        evidence.take(&[]);
        assert_eq!((evidence.last_read(), evidence), (2, before));
    }
}
