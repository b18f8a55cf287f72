//! What a connection has said and got so far.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pgwire::api::DEFAULT_NAME;
use pgwire::error::PgWireError;

use super::errors::error;
use super::settings::Settings;
use super::statements::Isolation;
use crate::progress::Freshness;
use crate::query::ReadPoint;
use crate::serve::byte_budget::Reserved;

/// Of a connection, each.
const STATEMENTS_MAX: usize = 1_000;
const PORTALS_MAX: usize = 1_000;
const CURSORS_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// What it is known by; looked at again for each statement, because it may be worth nothing by now.
    pub(super) token: Option<String>,
    /// As it named itself.
    pub(super) user: String,
    pub(super) settings: Settings,
    pub(super) transaction: Option<Transaction>,
    /// Of the last answer.
    pub(super) freshness: Option<Freshness>,
    cursors: BTreeMap<String, Cursor>,
    /// The names of those that it holds.
    statements: BTreeSet<String>,
    portals: BTreeSet<String>,
}

/// A transaction that has begun.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) isolation: Isolation,
    /// What its first query read, if all of them read the same.
    pub(super) at: Option<ReadPoint>,
}

/// The rest of an answer, taken in parts.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Rows of the first batch that were taken.
    taken: usize,
    holds: bool,
    _held: Option<Reserved>,
}

impl Cursor {
    /// `holds`: it stays when its transaction ends.
    pub(super) fn new(schema: SchemaRef, mut batches: Vec<RecordBatch>, holds: bool, held: Option<Reserved>) -> Self {
        batches.reverse();
        Self { schema, batches, taken: 0, holds, _held: held }
    }

    /// The next rows, at most so many.
    pub(super) fn fetch(&mut self, count: usize) -> Vec<RecordBatch> {
        let (mut wanted, mut fetched) = (count, Vec::new());
        while wanted > 0
            && let Some(batch) = self.batches.last()
        {
            let length = wanted.min(batch.num_rows() - self.taken);
            fetched.push(batch.slice(self.taken, length));
            (self.taken, wanted) = (self.taken + length, wanted - length);
            if self.taken == batch.num_rows() {
                self.batches.pop();
                self.taken = 0;
            }
        }
        fetched
    }
}

impl Session {
    /// Keeps the name of a statement. The one without a name takes the place of the one before it.
    pub(super) fn keep_statement(&mut self, name: &str) -> Result<(), PgWireError> {
        keep(&mut self.statements, name, STATEMENTS_MAX, "prepared statements")
    }

    pub(super) fn keep_portal(&mut self, name: &str) -> Result<(), PgWireError> {
        keep(&mut self.portals, name, PORTALS_MAX, "portals")
    }

    pub(super) fn drop_statement(&mut self, name: &str) {
        self.statements.remove(name);
    }

    pub(super) fn drop_portal(&mut self, name: &str) {
        self.portals.remove(name);
    }

    /// The names of all prepared statements, which are gone then.
    pub(super) fn drop_statements(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.statements)
    }

    pub(super) fn open_cursor(&mut self, name: String, cursor: Cursor) -> Result<(), PgWireError> {
        if self.transaction.is_none() && !cursor.holds {
            return Err(error("25P01", "DECLARE CURSOR can only be used in transaction blocks"));
        }
        if self.cursors.contains_key(&name) {
            return Err(error("42P03", format!("cursor \"{name}\" already exists")));
        }
        if self.cursors.len() >= CURSORS_MAX {
            return Err(error("53000", format!("a session may have {CURSORS_MAX} cursors")));
        }
        self.cursors.insert(name, cursor);
        Ok(())
    }

    pub(super) fn cursor(&mut self, name: &str) -> Result<&mut Cursor, PgWireError> {
        self.cursors.get_mut(name).ok_or_else(|| error("34000", format!("cursor \"{name}\" does not exist")))
    }

    /// None: all of them.
    pub(super) fn close_cursor(&mut self, name: Option<&str>) -> Result<(), PgWireError> {
        match name {
            None => self.cursors.clear(),
            Some(name) => {
                self.cursor(name)?;
                self.cursors.remove(name);
            }
        }
        Ok(())
    }

    /// Its cursors and portals are gone with it.
    pub(super) fn end_transaction(&mut self) {
        self.transaction = None;
        self.portals.clear();
        self.settings.end_transaction();
        self.cursors.retain(|_, cursor| cursor.holds);
    }

    /// As it was at the beginning, but for who it is.
    pub(super) fn discard(&mut self) {
        self.settings.reset();
        self.cursors.clear();
    }
}

fn keep(names: &mut BTreeSet<String>, name: &str, most: usize, what: &str) -> Result<(), PgWireError> {
    if name == DEFAULT_NAME {
        return Ok(());
    }
    if !names.contains(name) && names.len() >= most {
        return Err(error("53000", format!("a session may have {most} {what}; close some")));
    }
    names.insert(name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use pgwire::error::ErrorInfo;

    use super::*;

    fn code<T>(result: Result<T, PgWireError>) -> String {
        ErrorInfo::from(result.err().unwrap()).code
    }

    fn numbers(numbers: &[&[i64]], holds: bool) -> Cursor {
        let batch = |numbers: &&[i64]| {
            let array: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
            RecordBatch::try_from_iter([("n", array)]).unwrap()
        };
        let batches: Vec<RecordBatch> = numbers.iter().map(batch).collect();
        Cursor::new(batches[0].schema(), batches, holds, None)
    }

    fn fetched(cursor: &mut Cursor, count: usize) -> Vec<i64> {
        let values = |batch: RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        cursor.fetch(count).into_iter().flat_map(values).collect()
    }

    #[test]
    fn at_its_bounds_a_session_keeps_what_it_has() {
        let mut session = Session::default();
        for number in 0..STATEMENTS_MAX {
            session.keep_statement(&number.to_string()).unwrap();
        }
        assert_eq!(code(session.keep_statement("one more")), "53000");
        session.keep_statement("7").unwrap();
        session.keep_statement(DEFAULT_NAME).unwrap();
        session.drop_statement("7");
        session.keep_statement("one more").unwrap();
        assert_eq!(session.drop_statements().len(), STATEMENTS_MAX);
        for number in 0..PORTALS_MAX {
            session.keep_portal(&number.to_string()).unwrap();
        }
        assert_eq!(code(session.keep_portal("one more")), "53000");
        session.end_transaction();
        session.keep_portal("one more").unwrap();
        for number in 0..CURSORS_MAX {
            session.open_cursor(number.to_string(), numbers(&[&[1, 2]], true)).unwrap();
        }
        assert_eq!(code(session.open_cursor("one more".to_owned(), numbers(&[&[1]], true))), "53000");
        assert_eq!(code(session.open_cursor("7".to_owned(), numbers(&[&[1]], true))), "42P03");
        assert_eq!(fetched(session.cursor("7").unwrap(), 1), [1]);
        session.close_cursor(Some("8")).unwrap();
        assert_eq!(code(session.close_cursor(Some("8"))), "34000");
        session.open_cursor("one more".to_owned(), numbers(&[&[1]], true)).unwrap();
        assert_eq!(fetched(session.cursor("7").unwrap(), 5), [2]);
    }

    #[test]
    fn a_cursor_ends_with_its_transaction_unless_it_holds() {
        let mut session = Session::default();
        assert_eq!(code(session.open_cursor("a".to_owned(), numbers(&[&[1]], false))), "25P01");
        session.transaction = Some(Transaction { isolation: Isolation::Committed, at: None });
        session.open_cursor("a".to_owned(), numbers(&[&[1]], false)).unwrap();
        session.open_cursor("b".to_owned(), numbers(&[&[1, 2, 3], &[4]], true)).unwrap();
        assert_eq!(fetched(session.cursor("b").unwrap(), 2), [1, 2]);
        session.end_transaction();
        assert_eq!(code(session.cursor("a")), "34000");
        assert_eq!(fetched(session.cursor("b").unwrap(), 9), [3, 4]);
        assert_eq!(fetched(session.cursor("b").unwrap(), 9), [0_i64; 0]);
    }
}
