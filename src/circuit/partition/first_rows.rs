//! The first rows of a partition: by number, or by rank with the ranks themselves.
//!
//! Nothing here looks beyond the last row that comes out.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};
use arrow::datatypes::SchemaRef;

use crate::circuit::keyed_rows::KeyedRows;
use crate::circuit::sized_batch::sized_batch;
use crate::circuit::{CircuitError, ZBatch};

/// Ranks of rows in one order, as far as a function asks for them.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// One column each comes out behind the row's own.
    pub functions: Vec<RankingFunction>,
    /// Only rows come out of which this function gives at most `most`.
    pub bound: RankingFunction,
    pub most: u64,
}

/// What counts the rows of a partition. Peers are rows that the order does not tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankingFunction {
    /// The rows up to and with this one.
    RowNumber,
    /// The rows before this one's peers, and one.
    Rank,
    /// The groups of peers up to and with this row's.
    DenseRank,
}

impl RankingFunction {
    /// As SQL calls it.
    pub fn name(self) -> &'static str {
        match self {
            RankingFunction::RowNumber => "row_number",
            RankingFunction::Rank => "rank",
            RankingFunction::DenseRank => "dense_rank",
        }
    }
}

/// Where a row stands in its partition, from 1.
#[derive(Debug, Clone, Copy)]
struct Rank {
    row_number: u64,
    rank: u64,
    dense_rank: u64,
}

/// Rows with their standing and the number of copies that share it.
#[derive(Debug, Default)]
pub(super) struct RankedRows<'a> {
    rows: Vec<&'a [u8]>,
    standings: Vec<Rank>,
    copies: Vec<i64>,
}

/// Rows `skip..skip + fetch`, with how many copies of each are among them.
pub(super) fn slice<'a>(
    rows: impl Iterator<Item = (&'a [u8], i64)>,
    skip: usize,
    fetch: usize,
) -> Vec<(&'a [u8], i64)> {
    let (skip, end) = (skip as i64, (skip + fetch) as i64);
    let (mut passed, mut kept) = (0, Vec::new());
    for (bytes, count) in rows {
        let copies = (passed + count).min(end) - passed.max(skip);
        if copies > 0 {
            kept.push((bytes, copies));
        }
        passed += count;
        if passed >= end {
            break;
        }
    }
    kept
}

impl Ranking {
    /// Adds the rows of a partition that the bound lets out.
    pub(super) fn rank<'a>(
        &self,
        rows: &'a KeyedRows,
        slot: u32,
        ranked: &mut RankedRows<'a>,
    ) -> Result<(), CircuitError> {
        let one_by_one = self.functions.contains(&RankingFunction::RowNumber);
        let asks_for_peers = self.functions.iter().chain([&self.bound]).any(|one| *one != RankingFunction::RowNumber);
        let mut next = Rank { row_number: 1, rank: 0, dense_rank: 0 };
        let mut peers: Option<Vec<u8>> = None;
        for (bytes, count) in rows.rows(slot).filter(|(_, count)| *count > 0) {
            if asks_for_peers && peers.as_deref().is_none_or(|peers| !bytes.starts_with(peers)) {
                peers = Some(rows.order_of(bytes)?);
                next = Rank { rank: next.row_number, dense_rank: next.dense_rank + 1, ..next };
            }
            let room = match self.bound {
                RankingFunction::RowNumber => self.most.saturating_sub(next.row_number - 1),
                _ if next.of(self.bound) <= self.most => count as u64,
                _ => 0,
            };
            let copies = room.min(count as u64);
            if copies == 0 {
                break;
            }
            if one_by_one {
                for copy in 0..copies {
                    ranked.push(bytes, Rank { row_number: next.row_number + copy, ..next }, 1);
                }
            } else {
                ranked.push(bytes, next, copies as i64);
            }
            next.row_number += count as u64;
        }
        Ok(())
    }
}

impl Rank {
    fn of(self, function: RankingFunction) -> u64 {
        match function {
            RankingFunction::RowNumber => self.row_number,
            RankingFunction::Rank => self.rank,
            RankingFunction::DenseRank => self.dense_rank,
        }
    }
}

impl<'a> RankedRows<'a> {
    fn push(&mut self, row: &'a [u8], standing: Rank, copies: i64) {
        self.rows.push(row);
        self.standings.push(standing);
        self.copies.push(copies);
    }

    /// The rows, and behind their columns the ranks.
    pub(super) fn batch(self, ranking: &Ranking, rows: &KeyedRows, schema: &SchemaRef) -> Result<ZBatch, CircuitError> {
        let number = self.rows.len();
        let mut columns = rows.decode(self.rows)?;
        for function in &ranking.functions {
            let ranks: UInt64Array = self.standings.iter().map(|standing| Some(standing.of(*function))).collect();
            columns.push(Arc::new(ranks) as ArrayRef);
        }
        Ok(ZBatch::new(sized_batch(schema, columns, number)?, self.copies.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sliced(skip: usize, fetch: usize) -> Vec<(&'static [u8], i64)> {
        slice([(b"a".as_slice(), 2), (b"b", 1), (b"c", 3)].into_iter(), skip, fetch)
    }

    #[test]
    fn a_slice_counts_copies() {
        assert_eq!(sliced(0, 1), [(b"a".as_slice(), 1)]);
        assert_eq!(sliced(1, 3), [(b"a".as_slice(), 1), (b"b", 1), (b"c", 1)]);
        assert_eq!(sliced(3, 9), [(b"c".as_slice(), 3)]);
        assert_eq!(sliced(6, 9), []);
        assert_eq!(sliced(0, 0), []);
    }
}
