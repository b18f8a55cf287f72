//! Values of columns as queries: one, any of several, a beginning, and ranges of what is ordered.

use std::ops::{Bound, RangeBounds};

use arrow::array::StringArray;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use tantivy::columnar::BytesColumn;
use tantivy::index::SegmentReader;
use tantivy::query::{
    AllQuery, BitSetDocSet, BooleanQuery, ConstScoreQuery, ConstScorer, EmptyScorer, EnableScoring, Explanation,
    InvertedIndexRangeQuery, Occur, Query, RangeQuery, Scorer, TermQuery, TermSetQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, Score, TantivyError, Term};

use super::layout::IndexedColumn;
use super::order::{SortForm, is_text_type, sort_bytes, sort_integer};
use super::request::SearchError;
use super::spec::FieldKind;
use super::tokenizers::bounded;

/// The documents whose keyword is exactly `value`.
pub(super) fn keyword(column: &IndexedColumn, value: &str) -> Result<Box<dyn Query>, SearchError> {
    match (column.terms, column.canonical_keyword(value)) {
        (Some(field), Some(value)) => Ok(exactly(field, &value)),
        _ => Err(no_value(column, value)),
    }
}

/// The documents whose keyword is one of these.
pub(super) fn any_of(column: &IndexedColumn, values: &[String]) -> Result<Box<dyn Query>, SearchError> {
    let term = |value: &String| match (column.terms, column.canonical_keyword(value)) {
        (Some(field), Some(value)) => Ok(Term::from_field_text(field, &value)),
        _ => Err(no_value(column, value)),
    };
    let terms = values.iter().map(term).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::new(ConstScoreQuery::new(Box::new(TermSetQuery::new(terms)), 1.0)))
}

/// The documents that have a keyword which is another one.
pub(super) fn none_of(column: &IndexedColumn, value: &str) -> Result<Box<dyn Query>, SearchError> {
    let is_it = keyword(column, value)?;
    let has_one: Box<dyn Query> = match column.terms {
        Some(field) => prefix(field, ""),
        None => Box::new(AllQuery),
    };
    Ok(Box::new(BooleanQuery::new(vec![(Occur::Must, has_one), (Occur::MustNot, is_it)])))
}

pub(super) fn exactly(field: Field, value: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

/// The documents with a term that begins so. Every such term counts the same.
pub(super) fn prefix(field: Field, start: &str) -> Box<dyn Query> {
    let from = Bound::Included(Term::from_field_text(field, start));
    let to = successor(start).map_or(Bound::Unbounded, |end| Bound::Excluded(Term::from_field_text(field, &end)));
    Box::new(InvertedIndexRangeQuery::new(from, to))
}

/// The least text that is greater than every text that begins with `start`.
fn successor(start: &str) -> Option<String> {
    let mut text = start.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// Whether values of the column can be compared: it is sorted by, or a keyword of text.
pub(super) fn is_ordered(column: &IndexedColumn) -> bool {
    column.sort.is_some() || column.kind == FieldKind::Keyword && is_text_type(&column.data_type)
}

/// The documents with a value between the bounds, of which at least one is given.
pub(super) fn range(
    column: &IndexedColumn,
    lower: Bound<&str>,
    upper: Bound<&str>,
) -> Result<Box<dyn Query>, SearchError> {
    let Some((field, form)) = column.sort else {
        let Some(field) = column.terms else { return Err(no_value(column, "")) };
        let term = |value: &str| Term::from_field_text(field, &bounded(value));
        return Ok(Box::new(InvertedIndexRangeQuery::new(lower.map(term), upper.map(term))));
    };
    match form {
        SortForm::Integer => {
            let term = |value: &str| -> Result<Term, SearchError> {
                let integer = ordered(column, value).as_ref().and_then(sort_integer);
                integer.map(|value| Term::from_field_i64(field, value)).ok_or_else(|| no_value(column, value))
            };
            let (lower, upper) = (mapped(lower, term)?, mapped(upper, term)?);
            Ok(Box::new(ConstScoreQuery::new(Box::new(RangeQuery::new(lower, upper)), 1.0)))
        }
        SortForm::Bytes => {
            let bytes = |value: &str| {
                let bytes = ordered(column, value).as_ref().and_then(sort_bytes);
                bytes.ok_or_else(|| no_value(column, value))
            };
            let (lower, upper) = (mapped(lower, bytes)?, mapped(upper, bytes)?);
            Ok(Box::new(BytesRange { column: column.sort_name(), lower, upper }))
        }
    }
}

/// A value as it is written, of the column's type; none if it is no value of it, or has more digits than that keeps.
pub(super) fn ordered(column: &IndexedColumn, written: &str) -> Option<ScalarValue> {
    if let DataType::Decimal128(_, scale) = column.data_type {
        let digits = written.split_once('.').map_or("", |(_, digits)| digits.trim_end_matches('0'));
        if digits.len() > usize::try_from(scale).unwrap_or_default() {
            return None;
        }
    }
    value_of(&column.data_type, written)
}

/// A value of a type as it is written.
pub(super) fn value_of(data_type: &DataType, written: &str) -> Option<ScalarValue> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let value = cast_with_options(&StringArray::from(vec![written]), data_type, &strict).ok()?;
    ScalarValue::try_from_array(&value, 0).ok().filter(|value| !value.is_null())
}

fn mapped<T>(bound: Bound<&str>, value: impl Fn(&str) -> Result<T, SearchError>) -> Result<Bound<T>, SearchError> {
    Ok(match bound {
        Bound::Included(text) => Bound::Included(value(text)?),
        Bound::Excluded(text) => Bound::Excluded(value(text)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

fn no_value(column: &IndexedColumn, value: &str) -> SearchError {
    SearchError::Invalid(format!("`{value}` is no value of `{}`, which is a {}", column.name, column.data_type))
}

/// Documents by their values in a sort column of bytes, which Tantivy has no range of.
#[derive(Debug, Clone)]
struct BytesRange {
    /// Tantivy's name.
    column: String,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
}

impl Query for BytesRange {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl BytesRange {
    fn found(&self, segment: &SegmentReader, column: &BytesColumn) -> tantivy::Result<BitSet> {
        let range = column.dictionary().term_bounds_to_ord(self.lower.as_ref(), self.upper.as_ref())?;
        let mut found = BitSet::with_max_value(segment.max_doc());
        for document in 0..segment.max_doc() {
            if column.term_ords(document).any(|ordinal| range.contains(&ordinal)) {
                found.insert(document);
            }
        }
        Ok(found)
    }
}

impl Weight for BytesRange {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let Some(column) = segment.fast_fields().bytes(&self.column)? else { return Ok(Box::new(EmptyScorer)) };
        let found = BitSetDocSet::from(self.found(segment, &column)?);
        Ok(Box::new(ConstScorer::new(found, boost)))
    }

    fn explain(&self, segment: &SegmentReader, document: DocId) -> tantivy::Result<Explanation> {
        let column = segment.fast_fields().bytes(&self.column)?;
        match column.map(|column| self.found(segment, &column)).transpose()? {
            Some(found) if found.contains(document) => Ok(Explanation::new("its value is in the range", 1.0)),
            _ => Err(TantivyError::InvalidArgument(format!("document {document} is not found"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_of_a_text_is_greater_than_all_that_begin_with_it() {
        let cases =
            [("a", Some("b")), ("az", Some("a{")), ("\u{D7FF}", Some("\u{E000}")), ("\u{10FFFF}", None), ("", None)];
        for (text, expected) in cases {
            assert_eq!(successor(text).as_deref(), expected, "{text}");
        }
        assert_eq!(successor("a\u{10FFFF}").as_deref(), Some("b"));
    }
}
