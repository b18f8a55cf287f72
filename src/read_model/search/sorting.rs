//! The order of hits by columns, and by the key where they are equal.

use std::cmp::Reverse;

use tantivy::collector::sort_key::{NaturalComparator, SegmentSortKeyComputer, SortKeyComputer};
use tantivy::columnar::{BytesColumn, Column};
use tantivy::index::SegmentReader;
use tantivy::{DocId, Score};

use super::layout::KEY;
use super::order::SortForm;

/// Columns of one order.
pub(super) const COLUMNS_MAX: usize = 4;

/// By these columns, each by Tantivy's name, its form, and whether it descends; then by the key.
#[derive(Debug)]
pub(super) struct ByColumns(pub(super) Vec<(String, SortForm, bool)>);

/// A value of a column, as hits are put in order: the greatest comes first, and no value comes last. In one place, all are of
/// one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Null,
    Integer(u64),
    Ascending(Reverse<Vec<u8>>),
    Descending(Vec<u8>),
}

pub(super) struct SegmentColumns(Vec<SegmentColumn>);

struct SegmentColumn {
    values: Values,
    descends: bool,
}

enum Values {
    /// No document of the segment has one.
    None,
    Integers(Column<i64>),
    Bytes(BytesColumn),
}

/// The same order within a segment: 0 where there is no value. The last one is of the key.
type SegmentRanks = [u128; COLUMNS_MAX + 1];

impl SortKeyComputer for ByColumns {
    type SortKey = Vec<Rank>;
    type Child = SegmentColumns;
    type Comparator = NaturalComparator;

    fn segment_sort_key_computer(&self, segment: &SegmentReader) -> tantivy::Result<SegmentColumns> {
        let key = (KEY.to_owned(), SortForm::Bytes, false);
        let columns = self.0.iter().chain([&key]).map(|(name, form, descends)| {
            let fields = segment.fast_fields();
            let values = match form {
                SortForm::Integer => fields.column_opt::<i64>(name)?.map(Values::Integers),
                SortForm::Bytes => fields.bytes(name)?.map(Values::Bytes),
            };
            Ok(SegmentColumn { values: values.unwrap_or(Values::None), descends: *descends })
        });
        Ok(SegmentColumns(columns.collect::<tantivy::Result<_>>()?))
    }
}

impl SegmentSortKeyComputer for SegmentColumns {
    type SortKey = Vec<Rank>;
    type SegmentSortKey = SegmentRanks;
    type SegmentComparator = NaturalComparator;

    fn segment_sort_key(&mut self, document: DocId, _: Score) -> SegmentRanks {
        let mut ranks = [0; COLUMNS_MAX + 1];
        for (rank, column) in ranks.iter_mut().zip(&self.0) {
            let value = match &column.values {
                Values::None => None,
                Values::Integers(values) => values.first(document).map(ordered),
                Values::Bytes(values) => values.ords().first(document),
            };
            *rank = value.map_or(0, |value| 1 + u128::from(if column.descends { value } else { !value }));
        }
        ranks
    }

    fn convert_segment_sort_key(&self, ranks: SegmentRanks) -> Vec<Rank> {
        self.0.iter().zip(ranks).map(|(column, rank)| column.rank(rank)).collect()
    }
}

impl SegmentColumn {
    fn rank(&self, rank: u128) -> Rank {
        let Some(ranked) = rank.checked_sub(1).and_then(|rank| u64::try_from(rank).ok()) else { return Rank::Null };
        let Values::Bytes(values) = &self.values else { return Rank::Integer(ranked) };
        let ordinal = if self.descends { ranked } else { !ranked };
        let mut bytes = Vec::new();
        match values.ord_to_bytes(ordinal, &mut bytes) {
            Ok(true) if self.descends => Rank::Descending(bytes),
            Ok(true) => Rank::Ascending(Reverse(bytes)),
            _ => Rank::Null,
        }
    }
}

impl Rank {
    /// The key, if this is its rank.
    pub(super) fn key(self) -> Option<Vec<u8>> {
        match self {
            Rank::Ascending(Reverse(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

/// An integer as one without a sign that compares as it does.
fn ordered(value: i64) -> u64 {
    (value as u64) ^ (1 << 63)
}
