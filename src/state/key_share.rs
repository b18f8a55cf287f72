//! A share of all keys: those whose values have a hash of one remainder.
//!
//! Shares of one number of parts are disjoint and have all keys between them, whatever the keys are, and a share has two halves
//! that are shares themselves. The hash is of the values alone, so that rows in any order and any batches fall alike.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Parts that keys are divided into at the most.
const PARTS_MAX: u32 = 1 << 20;

/// One part of several. In text `3/20`: the third of twenty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyShare {
    parts: u32,
    remainder: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no share of keys: write its number and how many there are, such as `1/20`, of {PARTS_MAX} at the most"
)]
pub struct NoShare(String);

impl KeyShare {
    /// All keys.
    pub const ALL: Self = Self { parts: 1, remainder: 0 };

    /// The part with this number, from 0, of so many. Numbers beyond begin again.
    pub fn numbered(number: u64, parts: u32) -> Self {
        let parts = parts.clamp(1, PARTS_MAX);
        Self { parts, remainder: (number % u64::from(parts)) as u32 }
    }

    pub fn is_all(self) -> bool {
        self.parts == 1
    }

    /// Of how many parts it is one.
    pub fn parts(self) -> u32 {
        self.parts
    }

    /// The two shares that have its keys between them; none if it is too small to be divided.
    pub fn halves(self) -> Option<[Self; 2]> {
        let parts = self.parts.checked_mul(2).filter(|parts| *parts <= PARTS_MAX)?;
        Some([self.remainder, self.remainder + self.parts].map(|remainder| Self { parts, remainder }))
    }

    /// Whether keys of these types fall into shares; else all rows are in each.
    pub fn divides<'a>(types: impl IntoIterator<Item = &'a DataType>) -> bool {
        let fields: Vec<SortField> = types.into_iter().map(|of| SortField::new(of.clone())).collect();
        !fields.is_empty() && RowConverter::supports_fields(&fields)
    }

    /// Which rows of these key columns are in it.
    ///
    /// # Errors
    /// The columns are of types that [`KeyShare::divides`] not.
    pub fn includes(self, key: &[ArrayRef]) -> Result<BooleanArray, ArrowError> {
        let rows = key.first().map_or(0, |column| column.len());
        if self.is_all() {
            return Ok(BooleanArray::from(vec![true; rows]));
        }
        let fields = key.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let key: Vec<ArrayRef> = key.iter().map(canonical).collect();
        let rows = RowConverter::new(fields)?.convert_columns(&key)?;
        let is_in = |hash: u64| (hash % u64::from(self.parts)) as u32 == self.remainder;
        Ok(rows.iter().map(|row| Some(is_in(xxh3_64(row.as_ref())))).collect())
    }
}

/// One zero and one NaN, as tables have them.
fn canonical(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let one = |x: f64| if x.is_nan() { f64::NAN } else { x + 0.0 };
            let canonical: Float64Array = column.as_primitive::<Float64Type>().unary(one);
            Arc::new(canonical)
        }
        DataType::Float32 => {
            let one = |x: f32| if x.is_nan() { f32::NAN } else { x + 0.0 };
            let canonical: Float32Array = column.as_primitive::<Float32Type>().unary(one);
            Arc::new(canonical)
        }
        _ => column.clone(),
    }
}

impl fmt::Display for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.remainder + 1, self.parts)
    }
}

impl FromStr for KeyShare {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let numbers = text.split_once('/').and_then(|(number, parts)| {
            let (number, parts): (u32, u32) = (number.trim().parse().ok()?, parts.trim().parse().ok()?);
            (1 <= number && number <= parts && parts <= PARTS_MAX).then_some((number, parts))
        });
        let (number, parts) = numbers.ok_or_else(|| NoShare(text.to_owned()))?;
        Ok(Self { parts, remainder: number - 1 })
    }
}

impl TryFrom<String> for KeyShare {
    type Error = NoShare;

    fn try_from(text: String) -> Result<Self, NoShare> {
        text.parse()
    }
}

impl From<KeyShare> for String {
    fn from(share: KeyShare) -> Self {
        share.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn keys() -> Vec<ArrayRef> {
        let texts: StringArray = (0..1_000).map(|number| (number % 7 > 0).then(|| format!("k{number}"))).collect();
        vec![Arc::new(texts), Arc::new(Int64Array::from_iter_values(0..1_000))]
    }

    fn rows(share: KeyShare) -> Vec<usize> {
        let included = share.includes(&keys()).unwrap();
        (0..included.len()).filter(|&row| included.value(row)).collect()
    }

    #[test]
    fn shares_are_disjoint_alike_in_size_and_have_all_keys() {
        let mut all: Vec<usize> = Vec::new();
        for number in 0..20 {
            let found = rows(KeyShare::numbered(number, 20));
            assert!((20..=90).contains(&found.len()), "{} of 1000 in one of 20", found.len());
            all.extend(found);
        }
        all.sort_unstable();
        assert_eq!(all, (0..1_000).collect::<Vec<_>>());
        assert_eq!(rows(KeyShare::ALL), all);
    }

    #[test]
    fn halves_have_the_keys_of_the_whole() {
        let share: KeyShare = "2/3".parse().unwrap();
        let [one, other] = share.halves().unwrap();
        assert_eq!((one.to_string(), other.to_string()), ("2/6".to_owned(), "5/6".to_owned()));
        let mut both = [rows(one), rows(other)].concat();
        both.sort_unstable();
        assert_eq!(both, rows(share));
    }

    #[test]
    fn equal_values_fall_alike_however_they_are_written() {
        let column = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
        let share = KeyShare::numbered(1, 2);
        let (one, other) = (column(vec![0.0, f64::NAN]), column(vec![-0.0, -f64::NAN]));
        assert_eq!(share.includes(&[one]).unwrap(), share.includes(&[other]).unwrap());
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "1", "0/3", "4/3", "a/3", "1/0", "1/2/3", "1/99999999"] {
            assert!(text.parse::<KeyShare>().is_err(), "{text}");
        }
    }
}
