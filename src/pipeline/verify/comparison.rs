//! What is found to be otherwise than it should be, by key.

use serde::{Deserialize, Serialize};

use super::Verified;
use crate::read_model::search::{IndexComparison, IndexFault};
use crate::read_model::{Comparison, KeyDifference, KeyFault};

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

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Served rows that were compared.
    rows: u64,
    total: u64,
    differences: Vec<RowDifference>,
}

impl Findings {
    /// Takes in how served rows differ from those that the batch gives.
    ///
    /// # Errors
    /// Why some of their columns cannot be compared.
    pub(super) fn take_rows(&mut self, found: Comparison) -> Result<(), String> {
        if !found.not_compared.is_empty() {
            return Err(format!(
                "values of the types of these columns cannot be compared: {}",
                found.not_compared.join(", ")
            ));
        }
        self.rows += found.rows_before;
        self.total += found.only_before + found.only_now + found.otherwise;
        self.tell(found.differences.into_iter().map(|KeyDifference { key, difference, columns }| {
            let fault = match difference {
                KeyFault::OnlyBefore => RowFault::Extra,
                KeyFault::OnlyNow => RowFault::Missing,
                KeyFault::Otherwise => RowFault::Otherwise,
            };
            RowDifference { key, fault, columns: columns.into_keys().collect() }
        }));
        Ok(())
    }

    /// Takes in how an index differs from its rows.
    pub(super) fn take_index(&mut self, found: IndexComparison) {
        self.total += found.total;
        self.tell(found.differences.into_iter().map(|(key, fault)| {
            let fault = match fault {
                IndexFault::Missing => RowFault::NotIndexed,
                IndexFault::WithoutRow => RowFault::IndexedWithoutRow,
                IndexFault::Twice => RowFault::IndexedTwice,
                IndexFault::Otherwise => RowFault::IndexedOtherwise,
            };
            RowDifference { key, fault, columns: Vec::new() }
        }));
    }

    fn tell(&mut self, differences: impl Iterator<Item = RowDifference>) {
        let room = TOLD_MAX - self.differences.len();
        self.differences.extend(differences.take(room));
    }

    pub(super) fn verified(mut self) -> Verified {
        if self.total == 0 {
            return Verified::Equal { rows: self.rows };
        }
        self.differences.sort_by(|one, other| one.key.cmp(&other.key));
        Verified::Different { total: self.total, differences: self.differences }
    }
}
