//! Counts of keyword values over all matches: exact, because every match of every segment is counted.

use std::collections::HashMap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};

/// Values that one facet may have among the matches, so that counting is bounded.
const DISTINCT_MAX: usize = 100_000;
/// Values that are answered.
const ANSWERED_MAX: usize = 100;

/// Counts the values of several fields, by their Tantivy names.
pub(super) struct FacetCollector {
    pub(super) fields: Vec<String>,
}

pub(super) struct FacetSegment {
    fields: Vec<Option<(StrColumn, Vec<u32>)>>,
}

/// The counts of one field; none if it has more values than can be counted.
pub(super) type FacetCounts = Option<HashMap<String, u64>>;

impl Collector for FacetCollector {
    type Fruit = Vec<FacetCounts>;
    type Child = FacetSegment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<FacetSegment> {
        let fields = self.fields.iter().map(|name| {
            let column = segment.fast_fields().str(name)?;
            Ok(column.map(|column| (vec![0; column.num_terms()], column)).map(|(counts, column)| (column, counts)))
        });
        Ok(FacetSegment { fields: fields.collect::<tantivy::Result<_>>()? })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Result<Vec<FacetCounts>, TantivyError>>) -> tantivy::Result<Vec<FacetCounts>> {
        let mut merged: Vec<FacetCounts> = vec![Some(HashMap::new()); self.fields.len()];
        for segment in segments {
            for (into, counts) in merged.iter_mut().zip(segment?) {
                let (Some(sums), Some(counts)) = (into.as_mut(), counts) else {
                    *into = None;
                    continue;
                };
                counts.into_iter().for_each(|(value, count)| *sums.entry(value).or_default() += count);
                if sums.len() > DISTINCT_MAX {
                    *into = None;
                }
            }
        }
        Ok(merged)
    }
}

impl SegmentCollector for FacetSegment {
    type Fruit = Result<Vec<FacetCounts>, TantivyError>;

    fn collect(&mut self, document: DocId, _: Score) {
        for (column, counts) in self.fields.iter_mut().flatten() {
            column.term_ords(document).for_each(|ordinal| counts[ordinal as usize] += 1);
        }
    }

    fn harvest(self) -> Self::Fruit {
        self.fields.into_iter().map(|field| field.map_or(Ok(Some(HashMap::new())), named)).collect()
    }
}

/// The counts by value instead of by ordinal.
fn named((column, counts): (StrColumn, Vec<u32>)) -> Result<FacetCounts, TantivyError> {
    let found: Vec<u64> = (0..).zip(&counts).filter(|(_, count)| **count > 0).map(|(ordinal, _)| ordinal).collect();
    if found.len() > DISTINCT_MAX {
        return Ok(None);
    }
    let mut values = HashMap::with_capacity(found.len());
    let mut ordinals = found.iter();
    column.dictionary().sorted_ords_to_term_cb(&found, |term| {
        if let Some(&ordinal) = ordinals.next() {
            values.insert(String::from_utf8_lossy(term).into_owned(), u64::from(counts[ordinal as usize]));
        }
    })?;
    Ok(Some(values))
}

/// The most frequent values, the greatest count first, then by value.
pub(super) fn ranked(counts: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut values: Vec<(String, u64)> = counts.into_iter().collect();
    values.sort_unstable_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    values.truncate(ANSWERED_MAX);
    values
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn counts(values: std::ops::Range<u32>) -> FacetCounts {
        Some(values.map(|value| (value.to_string(), 1)).collect())
    }

    #[test]
    fn a_field_with_too_many_values_is_not_counted() {
        let collector = FacetCollector { fields: vec!["c0".into(), "c1".into()] };
        let segments = [vec![counts(0..60_000), counts(0..9)], vec![counts(50_000..120_000), counts(8..20)]];
        let merged = collector.merge_fruits(segments.map(Ok).into()).unwrap();
        assert!(merged[0].is_none());
        let values = ranked(merged[1].clone().unwrap());
        assert_eq!((values.len(), &values[0], &values[1]), (20, &("8".to_owned(), 2), &("0".to_owned(), 1)));
        assert_eq!(ranked(counts(0..500).unwrap()).len(), ANSWERED_MAX);
    }
}
