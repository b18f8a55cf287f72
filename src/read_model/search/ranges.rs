//! Counts of matches by ranges of numbers and by times of the calendar: exact, over all matches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, Datelike, Months, NaiveDate};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::layout::IndexedColumn;
use super::order::{SortForm, sort_integer};
use super::request::{Cuts, RangeCount, SearchError};
use super::values::ordered;

/// Ranges of one answer.
const RANGES_MAX: usize = 1_000;
const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// How values of a column are put together.
#[derive(Debug, Clone)]
pub(super) struct Ranges {
    /// Tantivy's name.
    column: String,
    parts: Parts,
}

#[derive(Debug, Clone)]
enum Parts {
    /// Between these values, which ascend, each with how it was written.
    Between(Vec<(i64, String)>),
    /// By so many months, of days or of microseconds.
    Months {
        months: u32,
        a_day: i64,
        is_date: bool,
    },
    Days {
        a_day: i64,
        is_date: bool,
    },
}

impl Ranges {
    /// # Errors
    /// If the column has no such order, or a value is none of it.
    pub(super) fn new(column: &IndexedColumn, cuts: &Cuts) -> Result<Self, SearchError> {
        let invalid = |message: String| Err(SearchError::Invalid(message));
        let name = &column.name;
        if !column.sort.is_some_and(|(_, form)| form == SortForm::Integer) {
            return invalid(format!("`{name}` cannot be counted by ranges: it is a {}", column.data_type));
        }
        let calendar = match column.data_type {
            DataType::Date32 => Some((1, true)),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Some((MICROSECONDS_A_DAY, false)),
            _ => None,
        };
        let parts = match (cuts, calendar) {
            (Cuts::At(values), _) => {
                let mut cuts = Vec::with_capacity(values.len());
                for written in values {
                    match ordered(column, written).as_ref().and_then(sort_integer) {
                        Some(value) => cuts.push((value, written.clone())),
                        None => {
                            return invalid(format!(
                                "`{written}` is no value of `{name}`, which is a {}",
                                column.data_type
                            ));
                        }
                    }
                }
                if cuts.is_empty() || !cuts.is_sorted_by(|one, other| one.0 < other.0) {
                    return invalid(format!(
                        "the values between which `{name}` is counted must ascend, as in 10,50,100"
                    ));
                }
                Parts::Between(cuts)
            }
            (Cuts::Day, Some((a_day, is_date))) => Parts::Days { a_day, is_date },
            (Cuts::Month, Some((a_day, is_date))) => Parts::Months { months: 1, a_day, is_date },
            (Cuts::Year, Some((a_day, is_date))) => Parts::Months { months: 12, a_day, is_date },
            (_, None) => {
                return invalid(format!(
                    "`{name}` is a {}, which has no days, months and years: write values",
                    column.data_type
                ));
            }
        };
        Ok(Self { column: column.sort_name(), parts })
    }

    /// The number of the range that a value is in.
    fn number(&self, value: i64) -> i64 {
        match &self.parts {
            Parts::Between(cuts) => cuts.partition_point(|(cut, _)| *cut <= value) as i64,
            Parts::Days { a_day, .. } => value.div_euclid(*a_day),
            Parts::Months { months, a_day, .. } => {
                let date = date(value.div_euclid(*a_day));
                (i64::from(date.year()) * 12 + i64::from(date.month0())).div_euclid(i64::from(*months))
            }
        }
    }

    /// All ranges between the values that were given; of the calendar, those that have some.
    pub(super) fn named(&self, name: &str, counts: &BTreeMap<i64, u64>) -> Result<Vec<RangeCount>, SearchError> {
        if counts.len() > RANGES_MAX {
            return Err(SearchError::Invalid(format!(
                "`{name}` has more than {RANGES_MAX} ranges among the matches: take longer ones, or narrow the query"
            )));
        }
        let numbers: Vec<i64> = match &self.parts {
            Parts::Between(cuts) => (0..=cuts.len() as i64).collect(),
            Parts::Days { .. } | Parts::Months { .. } => counts.keys().copied().collect(),
        };
        let range = |number: i64| {
            let (from, to) = self.ends(number);
            RangeCount { from, to, count: counts.get(&number).copied().unwrap_or_default() }
        };
        Ok(numbers.into_iter().map(range).collect())
    }

    fn ends(&self, number: i64) -> (Option<String>, Option<String>) {
        match &self.parts {
            Parts::Between(cuts) => {
                let written =
                    |place: Option<usize>| place.and_then(|place| cuts.get(place)).map(|(_, text)| text.clone());
                let number = number as usize;
                (written(number.checked_sub(1)), written(Some(number)))
            }
            Parts::Days { is_date, .. } => (shown(date(number), *is_date), shown(date(number + 1), *is_date)),
            Parts::Months { months, is_date, .. } => {
                let month = |number: i64| {
                    let first = number * i64::from(*months);
                    let year = i32::try_from(first.div_euclid(12)).unwrap_or(i32::MAX);
                    NaiveDate::from_ymd_opt(year, 1, 1)?.checked_add_months(Months::new(first.rem_euclid(12) as u32))
                };
                let shown = |number: i64| month(number).and_then(|date| shown(date, *is_date));
                (shown(number), shown(number + 1))
            }
        }
    }
}

fn date(days: i64) -> NaiveDate {
    let seconds = days.saturating_mul(86_400);
    DateTime::from_timestamp(seconds, 0).map_or(NaiveDate::MAX, |time| time.date_naive())
}

/// As values of the column are written in answers.
fn shown(date: NaiveDate, is_date: bool) -> Option<String> {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    let value: ArrayRef = if is_date {
        Arc::new(Date32Array::from(vec![i32::try_from(days).ok()?]))
    } else {
        Arc::new(TimestampMicrosecondArray::from(vec![days.checked_mul(MICROSECONDS_A_DAY)?]).with_timezone("UTC"))
    };
    array_value_to_string(&value, 0).ok()
}

/// Counts matches by the ranges of several columns.
pub(super) struct RangeCollector(pub(super) Vec<Ranges>);

pub(super) struct RangeSegment(Vec<RangeColumn>);

struct RangeColumn {
    ranges: Ranges,
    /// None if no document of the segment has a value.
    values: Option<Column<i64>>,
    counts: BTreeMap<i64, u64>,
}

impl Collector for RangeCollector {
    type Fruit = Vec<BTreeMap<i64, u64>>;
    type Child = RangeSegment;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<RangeSegment> {
        let open = |ranges: &Ranges| {
            let values = segment.fast_fields().column_opt::<i64>(&ranges.column)?;
            Ok(RangeColumn { ranges: ranges.clone(), values, counts: BTreeMap::new() })
        };
        Ok(RangeSegment(self.0.iter().map(open).collect::<tantivy::Result<_>>()?))
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<Vec<BTreeMap<i64, u64>>>) -> tantivy::Result<Vec<BTreeMap<i64, u64>>> {
        let mut merged = vec![BTreeMap::new(); self.0.len()];
        for segment in segments {
            for (into, counts) in merged.iter_mut().zip(segment) {
                counts.into_iter().for_each(|(number, count)| *into.entry(number).or_default() += count);
            }
        }
        Ok(merged)
    }
}

impl SegmentCollector for RangeSegment {
    type Fruit = Vec<BTreeMap<i64, u64>>;

    fn collect(&mut self, document: DocId, _: Score) {
        for RangeColumn { ranges, values, counts } in &mut self.0 {
            if let Some(value) = values.as_ref().and_then(|values| values.first(document)) {
                *counts.entry(ranges.number(value)).or_default() += 1;
            }
        }
    }

    fn harvest(self) -> Self::Fruit {
        self.0.into_iter().map(|column| column.counts).collect()
    }
}
