//! Which rows of a segment are live: one bit a row.

use arrow::buffer::{BooleanBuffer, Buffer};

/// Rows of one word.
const WORD_ROWS: usize = 64;

/// One bit a row. A clone is a copy: 8 KiB for the largest segment, and never more than a snapshot needs.
#[derive(Debug, Clone)]
pub(super) struct Liveness {
    words: Vec<u64>,
    rows: usize,
    live: usize,
}

impl Liveness {
    /// All rows live.
    pub(super) fn new(rows: usize) -> Self {
        let mut words = vec![u64::MAX; rows.div_ceil(WORD_ROWS)];
        if let Some(last) = words.last_mut().filter(|_| !rows.is_multiple_of(WORD_ROWS)) {
            *last = (1 << (rows % WORD_ROWS)) - 1;
        }
        Self { words, rows, live: rows }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn is_live(&self, row: usize) -> bool {
        self.words[row / WORD_ROWS] & (1 << (row % WORD_ROWS)) != 0
    }

    pub(super) fn kill(&mut self, row: usize) {
        if self.is_live(row) {
            self.words[row / WORD_ROWS] &= !(1 << (row % WORD_ROWS));
            self.live -= 1;
        }
    }

    /// The live rows, ascending.
    pub(super) fn live_rows(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.words.iter().enumerate();
        words.flat_map(|(index, &word)| BitsOf(word).map(move |bit| index * WORD_ROWS + bit))
    }

    /// The bits of `length` rows from `start`, which is a multiple of 64.
    pub(super) fn window(&self, start: usize, length: usize) -> BooleanBuffer {
        debug_assert!(start.is_multiple_of(WORD_ROWS));
        let words = &self.words[start / WORD_ROWS..(start + length).div_ceil(WORD_ROWS)];
        BooleanBuffer::new(Buffer::from_slice_ref(words), 0, length)
    }
}

/// The indices of the ones in a word, ascending.
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
        const ROWS: usize = 4_096;
        let mut now = Liveness::new(ROWS + 3);
        now.kill(1);
        let before = now.clone();
        now.kill(ROWS + 2);
        now.kill(ROWS + 2);
        assert_eq!((before.live(), now.live()), (ROWS + 2, ROWS + 1));
        assert!(before.is_live(ROWS + 2) && !now.is_live(ROWS + 2));
        assert_eq!(now.live_rows().count(), ROWS + 1);
        assert_eq!(now.live_rows().take(2).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(now.window(ROWS, 3).iter().collect::<Vec<_>>(), [true, true, false]);
    }
}
