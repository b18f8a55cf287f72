//! Which rows of a segment are live: a bitmap in chunks, so that a commit copies only the chunks that it changes.

use std::sync::Arc;

use arrow::buffer::{BooleanBuffer, Buffer};

const WORDS: usize = 64;

/// Rows of one chunk.
pub(super) const CHUNK_ROWS: usize = WORDS * 64;

/// One bit a row. Cloning is cheap; the clone never sees later changes.
#[derive(Debug, Clone)]
pub(super) struct Liveness {
    chunks: Vec<Arc<[u64; WORDS]>>,
    rows: usize,
    live: usize,
}

impl Liveness {
    /// All rows live.
    pub(super) fn new(rows: usize) -> Self {
        let whole = Arc::new([u64::MAX; WORDS]);
        let mut chunks = vec![whole; rows / CHUNK_ROWS];
        if !rows.is_multiple_of(CHUNK_ROWS) {
            let mut last = [0; WORDS];
            (0..rows % CHUNK_ROWS).for_each(|row| last[row / 64] |= 1 << (row % 64));
            chunks.push(Arc::new(last));
        }
        Self { chunks, rows, live: rows }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn is_live(&self, row: usize) -> bool {
        self.chunks[row / CHUNK_ROWS][row % CHUNK_ROWS / 64] & (1 << (row % 64)) != 0
    }

    pub(super) fn kill(&mut self, row: usize) {
        if self.is_live(row) {
            Arc::make_mut(&mut self.chunks[row / CHUNK_ROWS])[row % CHUNK_ROWS / 64] &= !(1 << (row % 64));
            self.live -= 1;
        }
    }

    /// The live rows, ascending.
    pub(super) fn live_rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.chunks.iter().enumerate().flat_map(|(chunk, words)| {
            words.iter().enumerate().flat_map(move |(place, &word)| {
                let base = chunk * CHUNK_ROWS + place * 64;
                BitsOf(word).map(move |bit| base + bit)
            })
        })
    }

    /// The bits of `length` rows from `start`, which is a multiple of [`CHUNK_ROWS`].
    pub(super) fn window(&self, start: usize, length: usize) -> BooleanBuffer {
        debug_assert!(start.is_multiple_of(CHUNK_ROWS));
        let chunks = &self.chunks[start / CHUNK_ROWS..(start + length).div_ceil(CHUNK_ROWS)];
        let words: Vec<u64> = chunks.iter().flat_map(|chunk| chunk.iter().copied()).collect();
        BooleanBuffer::new(Buffer::from_vec(words), 0, length)
    }
}

/// The places of the ones in a word, ascending.
struct BitsOf(u64);

impl Iterator for BitsOf {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_never_sees_later_deaths() {
        let mut now = Liveness::new(CHUNK_ROWS + 3);
        now.kill(1);
        let before = now.clone();
        now.kill(CHUNK_ROWS + 2);
        now.kill(CHUNK_ROWS + 2);
        assert_eq!((before.live(), now.live()), (CHUNK_ROWS + 2, CHUNK_ROWS + 1));
        assert!(before.is_live(CHUNK_ROWS + 2) && !now.is_live(CHUNK_ROWS + 2));
        assert_eq!(now.live_rows().count(), CHUNK_ROWS + 1);
        assert_eq!(now.live_rows().take(2).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(now.window(CHUNK_ROWS, 3).iter().collect::<Vec<_>>(), [true, true, false]);
    }
}
