//! What an operator's state comes to, in whatever order it is kept.

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::error::ArrowError;
use xxhash_rust::xxh3::xxh3_128;

use super::row_codec::RowCodec;

/// Equal for equal state, and within one process only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest {
    entries: u64,
    sum: u128,
}

impl Digest {
    /// Adds an entry of a part of the state. `fields` are told apart by their lengths.
    pub(super) fn add(&mut self, part: usize, fields: &[&[u8]]) {
        let mut bytes = part.to_le_bytes().to_vec();
        for field in fields {
            bytes.extend(field.len().to_le_bytes());
            bytes.extend_from_slice(field);
        }
        self.entries += 1;
        self.sum = self.sum.wrapping_add(xxh3_128(&bytes));
    }

    /// Adds every row.
    pub(super) fn rows(&mut self, part: usize, columns: &[ArrayRef]) -> Result<(), ArrowError> {
        let types = columns.iter().map(|column| (column.data_type().clone(), SortOptions::default()));
        let rows = RowCodec::new(types)?.encode(columns)?;
        rows.iter().for_each(|row| self.add(part, &[row.data()]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(entries: &[&[&[u8]]]) -> Digest {
        let mut digest = Digest::default();
        entries.iter().for_each(|fields| digest.add(0, fields));
        digest
    }

    #[test]
    fn entries_count_and_their_order_does_not() {
        let (one, other): (&[&[u8]], &[&[u8]]) = (&[b"a", b"b"], &[b"ab", b""]);
        assert_eq!(digest(&[one, other]), digest(&[other, one]));
        assert_ne!(digest(&[one, one]), digest(&[other, other]));
        assert_ne!(digest(&[one]), digest(&[one, one]));
        assert_ne!(digest(&[]), digest(&[&[]]));
    }
}
