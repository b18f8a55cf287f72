//! Makes inputs from seeds: bytes changed, parts removed, repeated and exchanged, words of the target put in, and parts
//! nested in brackets many times.

use fastrand::Rng;

/// Longer inputs take time and show nothing that these do not.
const LENGTH_MAX: usize = 128 << 10;
/// Earlier inputs that are mutated again.
const POOL: usize = 512;
const BRACKETS: [(&str, &str); 6] =
    [("(", ")"), ("[", "]"), ("{", "}"), ("{\"a\":", "}"), ("NOT (", ")"), ("\"", "\"")];
const BYTES: [u8; 12] = [0, 1, b'\n', b'\r', b' ', b'"', b'%', b'\\', 0x7f, 0x80, 0xc3, 0xff];

pub(super) struct Mutator {
    seeds: Vec<Vec<u8>>,
    pool: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    random: Rng,
}

impl Mutator {
    pub(super) fn new(seeds: Vec<Vec<u8>>, words: &[&str], seed: u64) -> Self {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Self { seeds, pool: Vec::new(), words, random: Rng::with_seed(seed) }
    }

    pub(super) fn mutate(&mut self) -> Vec<u8> {
        let mut input = self.known().to_vec();
        for _ in 0..self.random.usize(1..=5) {
            self.change(&mut input);
        }
        input.truncate(LENGTH_MAX);
        match self.pool.len() < POOL {
            true => self.pool.push(input.clone()),
            false => {
                let place = self.random.usize(..POOL);
                self.pool[place].clone_from(&input);
            }
        }
        input
    }

    /// A seed, or an earlier input.
    fn known(&mut self) -> &[u8] {
        match self.pool.is_empty() || self.random.bool() {
            true => &self.seeds[self.random.usize(..self.seeds.len())],
            false => &self.pool[self.random.usize(..self.pool.len())],
        }
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (start, end) = self.part(input.len());
        match self.random.u8(0..10) {
            0 if start < input.len() => input[start] ^= 1 << self.random.u8(0..8),
            1 if start < input.len() => input[start] = BYTES[self.random.usize(..BYTES.len())],
            2 => drop(input.drain(start..end)),
            3 => {
                // Mostly a few times, now and then very often.
                let most = if self.random.u8(0..20) == 0 { 2_000 } else { 4 };
                let times = self.random.usize(1..=most).min(LENGTH_MAX / (end - start).max(1));
                let repeated = input[start..end].repeat(times);
                input.splice(start..start, repeated);
            }
            4 => {
                let other = self.known().to_vec();
                let (other_start, other_end) = self.part(other.len());
                input.splice(start..end, other[other_start..other_end].iter().copied());
            }
            5 => {
                let (open, close) = BRACKETS[self.random.usize(..BRACKETS.len())];
                let most = if self.random.u8(0..10) == 0 { 5_000 } else { 40 };
                let depth = self.random.usize(1..=most).min(LENGTH_MAX / open.len());
                input.splice(end..end, close.repeat(depth).into_bytes());
                input.splice(start..start, open.repeat(depth).into_bytes());
            }
            6 => input.truncate(end),
            7 if start < input.len() => input[start] = self.random.u8(..),
            _ if !self.words.is_empty() => {
                let word = self.words[self.random.usize(..self.words.len())].clone();
                let end = if self.random.bool() { start } else { end };
                input.splice(start..end, word);
            }
            _ => {}
        }
    }

    /// A part of a text of this length: mostly short, and perhaps empty.
    fn part(&mut self, length: usize) -> (usize, usize) {
        let start = self.random.usize(0..=length);
        let most = if self.random.u8(0..4) == 0 { length - start } else { (length - start).min(16) };
        (start, start + self.random.usize(0..=most))
    }
}
