//! The difference of two collections of counted rows.

use crate::state::{KeyMap, SlotIndex};

/// Rows and by how many there are more of each.
#[derive(Debug, Default)]
pub(super) struct Difference<'a> {
    rows: Vec<(&'a [u8], i64)>,
    /// Indices in `rows` by hash.
    index: SlotIndex,
}

impl<'a> Difference<'a> {
    /// Adds `count` copies of a row, or takes them away if it is negative.
    pub(super) fn add(&mut self, row: &'a [u8], count: i64) {
        let hash = KeyMap::hash(row);
        match self.index.find(hash, |index| self.rows[index as usize].0 == row) {
            Some(index) => self.rows[index as usize].1 += count,
            None => {
                self.index.insert(hash, self.rows.len() as u32);
                self.rows.push((row, count));
            }
        }
    }

    /// The rows whose counts differ, in the order of the rows.
    pub(super) fn rows(mut self) -> Vec<(&'a [u8], i64)> {
        self.rows.retain(|(_, count)| *count != 0);
        self.rows.sort_unstable();
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_left() {
        let mut difference = Difference::default();
        for (row, count) in [("b", -1), ("a", -2), ("c", -1), ("a", 1), ("b", 1), ("d", 1), ("", 1)] {
            difference.add(row.as_bytes(), count);
        }
        let rows: [(&[u8], i64); 4] = [(b"", 1), (b"a", -1), (b"c", -1), (b"d", 1)];
        assert_eq!(difference.rows(), rows);
    }
}
