//! Compares rows that are served with rows that should be, by key.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};

use super::Verified;

/// Differences that are told one by one; beyond it they are only counted.
const TOLD_MAX: usize = 100;

/// A row that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowDifference {
    /// The values of its key.
    pub key: String,
    pub fault: RowFault,
    /// Of one that is otherwise: the columns that differ.
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowFault {
    /// It is served, and should not be there.
    Extra,
    /// It should be there, and is not served.
    Missing,
    /// It has other values than it should have.
    Otherwise,
    /// It is served, and the index has no document of it.
    NotIndexed,
    /// The index has a document of it, and it is not served.
    IndexedWithoutRow,
    /// The index has several documents of it.
    IndexedTwice,
    /// The index has another document of it than its row gives.
    IndexedOtherwise,
}

/// The cells of a row as text. In this form NULL is no text, and each float is told from every other.
type Cells = Vec<Option<String>>;

/// Rows of one key that are served and are not expected, and the other way round.
#[derive(Default)]
struct Sides {
    served: Vec<Cells>,
    expected: Vec<Cells>,
}

/// Compares all rows.
///
/// # Errors
/// A type has no text, which no column of a projection has.
pub(super) fn compare(
    schema: &SchemaRef,
    key: &[usize],
    served: &[RecordBatch],
    expected: &RecordBatch,
) -> Result<Verified, ArrowError> {
    let mut rows: BTreeMap<Cells, Sides> = BTreeMap::new();
    let of_key = |cells: &Cells| -> Cells { key.iter().map(|&column| cells[column].clone()).collect() };
    let mut number = 0;
    for batch in served {
        for cells in cells(batch)? {
            number += 1;
            rows.entry(of_key(&cells)).or_default().served.push(cells);
        }
    }
    for cells in cells(expected)? {
        let sides = rows.entry(of_key(&cells)).or_default();
        match sides.served.iter().position(|served| *served == cells) {
            Some(equal) => drop(sides.served.swap_remove(equal)),
            None => sides.expected.push(cells),
        }
    }
    rows.retain(|_, sides| !sides.served.is_empty() || !sides.expected.is_empty());
    if rows.is_empty() {
        return Ok(Verified::Equal { rows: number });
    }
    let total = rows.len() as u64;
    let differences = rows.into_iter().take(TOLD_MAX).map(|(key, sides)| {
        let key: Vec<String> = key.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".to_owned())).collect();
        let (fault, columns) = match (sides.served.first(), sides.expected.first()) {
            (Some(_), None) => (RowFault::Extra, Vec::new()),
            (None, _) => (RowFault::Missing, Vec::new()),
            (Some(served), Some(expected)) => {
                let names = schema.fields().iter().map(|field| field.name());
                let differ = names.zip(served.iter().zip(expected)).filter(|(_, (one, other))| one != other);
                (RowFault::Otherwise, differ.map(|(name, _)| name.clone()).collect())
            }
        };
        RowDifference { key: key.join("/"), fault, columns }
    });
    Ok(Verified::Different { total, differences: differences.collect() })
}

fn cells(batch: &RecordBatch) -> Result<Vec<Cells>, ArrowError> {
    let options = FormatOptions::new().with_null("∅");
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let row = |row: usize| -> Result<Cells, ArrowError> {
        let cells = columns
            .iter()
            .zip(batch.columns())
            .map(|(text, column)| column.is_valid(row).then(|| text.value(row).try_to_string()).transpose());
        cells.collect()
    };
    (0..batch.num_rows()).map(row).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{Float64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn rows(rows: &[(&str, Option<f64>)]) -> RecordBatch {
        let fields = [Field::new("k", DataType::Utf8, false), Field::new("v", DataType::Float64, true)];
        let keys: StringArray = rows.iter().map(|(key, _)| Some(*key)).collect();
        let values: Float64Array = rows.iter().map(|(_, value)| *value).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields.to_vec())), vec![Arc::new(keys), Arc::new(values)]).unwrap()
    }

    fn compared(served: &[(&str, Option<f64>)], expected: &[(&str, Option<f64>)]) -> Verified {
        let (served, expected) = (rows(served), rows(expected));
        // In parts, as a table has them.
        let parts = [served.slice(0, 1), served.slice(1, served.num_rows() - 1)];
        compare(&served.schema(), &[0], &parts, &expected).unwrap()
    }

    #[test]
    fn rows_are_equal_whatever_their_order() {
        let one = [("a", Some(1.0)), ("b", None), ("c", Some(f64::NAN))];
        let other = [("c", Some(f64::NAN)), ("a", Some(1.0)), ("b", None)];
        assert_eq!(compared(&one, &other), Verified::Equal { rows: 3 });
    }

    #[test]
    fn every_difference_has_its_key_and_its_columns() {
        let served = [("a", Some(1.0)), ("b", None), ("c", Some(0.1)), ("d", Some(2.0))];
        let expected = [("a", Some(1.0)), ("b", Some(0.0)), ("c", Some(0.1 + f64::EPSILON)), ("e", None)];
        let Verified::Different { total, differences } = compared(&served, &expected) else { panic!("they differ") };
        let found: Vec<_> = differences.iter().map(|one| (one.key.as_str(), one.fault, one.columns.len())).collect();
        let wanted = [
            ("b", RowFault::Otherwise, 1),
            ("c", RowFault::Otherwise, 1),
            ("d", RowFault::Extra, 0),
            ("e", RowFault::Missing, 0),
        ];
        assert_eq!((total, found), (4, wanted.to_vec()));
    }
}
