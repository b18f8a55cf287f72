//! Compares rows of one cut by key: those of two generations of a projection over the columns that both have, and those that are
//! served with those that should be.
//!
//! Of each row only hashes are kept, so that comparing takes 40 bytes a row whatever the rows are. Two rows that differ are told
//! as equal with a probability of 2^-64.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::InputRows;
use super::table::{TableSpec, canonical_rows};
use crate::state::KeyShare;

/// Differences that are told one by one; beyond it they are only counted.
const TOLD_MAX: usize = 100;

/// How the rows of what was built differ from those that serve.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Whether both have the same columns and the same rows.
    pub equal: bool,
    pub rows_before: u64,
    pub rows_now: u64,
    /// Of the compared columns of all rows, whatever their order: 16 hexadecimal digits.
    pub checksum_before: String,
    pub checksum_now: String,
    /// Keys with a row only before, only now, or with other values.
    pub only_before: u64,
    pub only_now: u64,
    pub otherwise: u64,
    /// Columns that are not compared, because only one side has them, or in another type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// The first differences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<KeyDifference>,
}

/// A key whose rows differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyDifference {
    /// The values of the key.
    pub key: String,
    pub difference: KeyFault,
    /// The columns with other values: before, and now.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, [Option<String>; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFault {
    OnlyBefore,
    OnlyNow,
    Otherwise,
}

/// The columns of one side that are compared, by place: the same ones in the same order on both.
struct Columns {
    key: Vec<usize>,
    values: Vec<usize>,
    keys: Encoder,
    rest: Encoder,
}

/// The rows of one side, which are read more than once.
enum Side<'a> {
    Rows(&'a InputRows, KeyShare),
    Batch(&'a TableSpec, RecordBatch),
}

/// Rows as bytes; of no columns at all, nothing.
struct Encoder(Option<RowConverter>);

impl Comparison {
    /// Compares two generations of a projection.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn of(before: &InputRows, now: &InputRows) -> Result<Self, ArrowError> {
        Self::between(&Side::Rows(before, KeyShare::ALL), &Side::Rows(now, KeyShare::ALL))
    }

    /// Compares the rows that are served of a share of the keys with those that should be, which have the same columns.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn with_expected(served: &InputRows, share: KeyShare, expected: &RecordBatch) -> Result<Self, ArrowError> {
        let expected = canonical_rows(expected, &served.spec().schema)?;
        Self::between(&Side::Rows(served, share), &Side::Batch(served.spec(), expected))
    }

    fn between(before: &Side<'_>, now: &Side<'_>) -> Result<Self, ArrowError> {
        let (earlier, later) = (before.spec(), now.spec());
        let names = |spec: &TableSpec, places: &[usize]| -> Vec<String> {
            places.iter().map(|&place| spec.schema.field(place).name().clone()).collect()
        };
        let comparable = |name: &str| {
            let (one, other) = (earlier.schema.field_with_name(name).ok()?, later.schema.field_with_name(name).ok()?);
            let data_type = one.data_type();
            (data_type == other.data_type() && is_comparable(data_type)).then(|| name.to_owned())
        };
        let all: Vec<String> = later.schema.fields().iter().map(|field| field.name().clone()).collect();
        let common: Vec<String> = all.iter().filter_map(|name| comparable(name)).collect();
        let mut key = names(later, &later.key);
        let mut other_key = names(earlier, &earlier.key);
        other_key.sort_unstable();
        let mut sorted = key.clone();
        sorted.sort_unstable();
        if sorted != other_key || !key.iter().all(|name| common.contains(name)) {
            // Rows that are told apart by other columns are compared as a whole.
            key.clone_from(&common);
        }
        let values: Vec<String> = common.iter().filter(|name| !key.contains(name)).cloned().collect();
        let (before_columns, now_columns) = (Columns::of(earlier, &key, &values)?, Columns::of(later, &key, &values)?);

        let mut found = Self::default();
        let mut hashes: HashMap<u128, Vec<u64>> = HashMap::new();
        let (mut sum, mut number) = (0u64, 0);
        for_each_row(before, &before_columns, |key, rest, _, _| {
            number += 1;
            sum = sum.wrapping_add(rest.rotate_left(17) ^ key as u64);
            hashes.entry(key).or_default().push(rest);
        })?;
        (found.rows_before, found.checksum_before) = (number, format!("{sum:016x}"));
        let mut differing: HashMap<u128, KeyFault> = HashMap::new();
        (sum, number) = (0, 0);
        for_each_row(now, &now_columns, |key, rest, _, _| {
            number += 1;
            sum = sum.wrapping_add(rest.rotate_left(17) ^ key as u64);
            let left = hashes.get_mut(&key);
            match left {
                None => _ = differing.insert(key, KeyFault::OnlyNow),
                Some(left) => match left.iter().position(|one| *one == rest) {
                    Some(place) => _ = left.swap_remove(place),
                    None if left.is_empty() => _ = differing.insert(key, KeyFault::OnlyNow),
                    None => {
                        left.pop();
                        differing.insert(key, KeyFault::Otherwise);
                    }
                },
            }
        })?;
        (found.rows_now, found.checksum_now) = (number, format!("{sum:016x}"));
        for (key, left) in hashes.into_iter().filter(|(_, left)| !left.is_empty()) {
            drop(left);
            differing.entry(key).or_insert(KeyFault::OnlyBefore);
        }
        for fault in differing.values() {
            match fault {
                KeyFault::OnlyBefore => found.only_before += 1,
                KeyFault::OnlyNow => found.only_now += 1,
                KeyFault::Otherwise => found.otherwise += 1,
            }
        }
        let mut not_compared: Vec<String> = all.into_iter().filter(|name| !common.contains(name)).collect();
        let dropped = earlier.schema.fields().iter().map(|field| field.name()).filter(|name| !common.contains(name));
        not_compared.extend(dropped.filter(|name| later.schema.field_with_name(name).is_err()).cloned());
        found.not_compared = not_compared;
        found.equal = differing.is_empty() && found.not_compared.is_empty();
        found.differences = told([(before, &before_columns), (now, &now_columns)], &key, &values, &differing)?;
        Ok(found)
    }
}

impl Side<'_> {
    fn spec(&self) -> &TableSpec {
        match self {
            Side::Rows(rows, _) => rows.spec(),
            Side::Batch(spec, _) => spec,
        }
    }

    fn rows(&self) -> Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + '_> {
        match self {
            Side::Rows(rows, share) => Box::new(rows.within(*share)),
            Side::Batch(_, batch) => Box::new(std::iter::once(Ok(batch.clone()))),
        }
    }
}

impl Columns {
    fn of(spec: &TableSpec, key: &[String], values: &[String]) -> Result<Self, ArrowError> {
        let places =
            |names: &[String]| names.iter().map(|name| spec.schema.index_of(name)).collect::<Result<Vec<_>, _>>();
        let (key, values) = (places(key)?, places(values)?);
        let encoder = |places: &[usize]| {
            let fields = places.iter().map(|&place| SortField::new(spec.schema.field(place).data_type().clone()));
            (!places.is_empty()).then(|| RowConverter::new(fields.collect())).transpose().map(Encoder)
        };
        Ok(Self { keys: encoder(&key)?, rest: encoder(&values)?, key, values })
    }
}

impl Encoder {
    /// Calls with each row's bytes.
    fn encode(
        &self,
        batch: &RecordBatch,
        places: &[usize],
        mut each: impl FnMut(usize, &[u8]),
    ) -> Result<(), ArrowError> {
        let Some(converter) = &self.0 else {
            (0..batch.num_rows()).for_each(|row| each(row, &[]));
            return Ok(());
        };
        let columns: Vec<ArrayRef> = places.iter().map(|&place| batch.column(place).clone()).collect();
        let rows = converter.convert_columns(&columns)?;
        rows.iter().enumerate().for_each(|(row, bytes)| each(row, bytes.as_ref()));
        Ok(())
    }
}

/// Whether rows of a type can be told apart as bytes.
fn is_comparable(data_type: &DataType) -> bool {
    RowConverter::supports_fields(&[SortField::new(data_type.clone())])
}

/// Calls with the hashes of each row's key and of its other compared columns, and where it is.
fn for_each_row(
    side: &Side<'_>,
    columns: &Columns,
    mut each: impl FnMut(u128, u64, &RecordBatch, usize),
) -> Result<(), ArrowError> {
    for batch in side.rows() {
        let batch = batch?;
        let mut keys = Vec::with_capacity(batch.num_rows());
        columns.keys.encode(&batch, &columns.key, |_, bytes| keys.push(xxh3_128(bytes)))?;
        let mut rest = Vec::with_capacity(keys.len());
        columns.rest.encode(&batch, &columns.values, |_, bytes| rest.push(xxh3_64(bytes)))?;
        keys.into_iter().zip(rest).enumerate().for_each(|(row, (key, rest))| each(key, rest, &batch, row));
    }
    Ok(())
}

/// A row of each side as text, of one key.
type Texts = [Option<Vec<Option<String>>>; 2];

/// The first differences by key, with the values that differ.
fn told(
    sides: [(&Side<'_>, &Columns); 2],
    key: &[String],
    values: &[String],
    differing: &HashMap<u128, KeyFault>,
) -> Result<Vec<KeyDifference>, ArrowError> {
    // Which of them are told does not depend on how they came.
    let mut wanted: Vec<u128> = differing.keys().copied().collect();
    wanted.sort_unstable();
    wanted.truncate(TOLD_MAX);
    let mut texts: BTreeMap<u128, Texts> = wanted.into_iter().map(|hash| (hash, [None, None])).collect();
    for (place, (rows, columns)) in sides.into_iter().enumerate() {
        let mut failed = None;
        for_each_row(rows, columns, |hash, _, batch, row| {
            if let Some(found) = texts.get_mut(&hash) {
                match cells(batch, columns.key.iter().chain(&columns.values), row) {
                    Ok(cells) => found[place] = Some(cells),
                    Err(error) => failed = Some(error),
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    let differences = texts.into_iter().map(|(hash, [before, now])| {
        let difference = differing[&hash];
        let of_key = now.as_ref().or(before.as_ref()).map(|cells| &cells[..key.len()]).unwrap_or_default();
        let text: Vec<&str> = of_key.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
        let mut columns = BTreeMap::new();
        if let (KeyFault::Otherwise, Some(before), Some(now)) = (difference, &before, &now) {
            for (index, name) in values.iter().enumerate() {
                let (one, other) = (&before[key.len() + index], &now[key.len() + index]);
                if one != other {
                    columns.insert(name.clone(), [one.clone(), other.clone()]);
                }
            }
        }
        KeyDifference { key: text.join("/"), difference, columns }
    });
    let mut differences: Vec<KeyDifference> = differences.collect();
    differences.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(differences)
}

fn cells<'a>(
    batch: &RecordBatch,
    places: impl Iterator<Item = &'a usize>,
    row: usize,
) -> Result<Vec<Option<String>>, ArrowError> {
    let options = FormatOptions::new();
    let cell = |&place: &usize| {
        let column = batch.column(place);
        let text = || ArrayFormatter::try_new(column, &options)?.value(row).try_to_string();
        column.is_valid(row).then(text).transpose()
    };
    places.map(cell).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::super::table::Table;
    use super::*;
    use crate::circuit::ZBatch;

    /// Rows of `(k, v, extra)`, with the key `k`, where a column may be left out or be called otherwise.
    fn rows(name: &str, rows: &[(&str, Option<f64>)]) -> InputRows {
        let fields = [Field::new(name, DataType::Float64, true), Field::new("k", DataType::Utf8, false)];
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let spec = TableSpec {
            name: "t".to_owned(),
            schema: schema.clone(),
            key: vec![1],
            key_proven: false,
            indexes: Vec::new(),
        };
        let mut table = Table::new(Arc::new(spec)).unwrap();
        let keys: StringArray = rows.iter().map(|(key, _)| Some(*key)).collect();
        let values: Float64Array = rows.iter().map(|(_, value)| *value).collect();
        let batch = RecordBatch::try_new(schema, vec![Arc::new(values), Arc::new(keys)]).unwrap();
        // In two parts, as a table has them.
        for part in [batch.slice(0, rows.len() / 2), batch.slice(rows.len() / 2, rows.len() - rows.len() / 2)] {
            let weights = Int64Array::from(vec![1; part.num_rows()]);
            table.apply(&ZBatch::new(part, weights)).unwrap();
        }
        InputRows::of(&table, Vec::new())
    }

    #[test]
    fn the_same_rows_are_equal_in_whatever_order_they_came() {
        let one = rows("v", &[("a", Some(1.0)), ("b", None), ("c", Some(0.5))]);
        let other = rows("v", &[("c", Some(0.5)), ("a", Some(1.0)), ("b", None)]);
        let compared = Comparison::of(&one, &other).unwrap();
        assert!(compared.equal && compared.differences.is_empty(), "{compared:?}");
        assert_eq!((compared.rows_before, compared.rows_now), (3, 3));
        assert_eq!(compared.checksum_before, compared.checksum_now);
    }

    #[test]
    fn what_differs_is_counted_and_told_by_key() {
        let before = rows("v", &[("a", Some(1.0)), ("b", None), ("c", Some(0.5)), ("d", Some(2.0))]);
        let now = rows("v", &[("a", Some(1.0)), ("b", Some(0.0)), ("c", Some(0.25)), ("e", None)]);
        let compared = Comparison::of(&before, &now).unwrap();
        assert_eq!((compared.only_before, compared.only_now, compared.otherwise), (1, 1, 2));
        assert_ne!(compared.checksum_before, compared.checksum_now);
        let told: Vec<_> = compared.differences.iter().map(|one| (one.key.as_str(), one.difference)).collect();
        let wanted = [
            ("b", KeyFault::Otherwise),
            ("c", KeyFault::Otherwise),
            ("d", KeyFault::OnlyBefore),
            ("e", KeyFault::OnlyNow),
        ];
        assert_eq!(told, wanted);
        assert_eq!(compared.differences[0].columns["v"], [None, Some("0.0".to_owned())]);
    }

    #[test]
    fn columns_of_one_side_alone_are_named_and_not_compared() {
        let before = rows("v", &[("a", Some(1.0)), ("b", None)]);
        let now = rows("w", &[("a", Some(7.0)), ("b", None)]);
        let compared = Comparison::of(&before, &now).unwrap();
        assert!(!compared.equal && compared.differences.is_empty());
        assert_eq!(compared.not_compared, ["w", "v"]);
    }

    #[test]
    fn a_hundred_differences_are_told_and_all_are_counted() {
        let names: Vec<String> = (0..250).map(|number| format!("k{number:03}")).collect();
        let all: Vec<(&str, Option<f64>)> = names.iter().map(|name| (name.as_str(), None)).collect();
        let compared = Comparison::of(&rows("v", &all), &rows("v", &all[..10])).unwrap();
        assert_eq!((compared.only_before, compared.differences.len()), (240, TOLD_MAX));
    }
}
