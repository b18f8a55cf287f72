//! The catalog that clients of PostgreSQL ask what there is: `pg_catalog`, and `information_schema` beside it.
//!
//! It is made for each question of the relations that the client sees, has no rows of theirs, and runs within the limits of all queries.

mod functions;
mod rewriting;
mod tables;
mod types;

use std::collections::BTreeMap;

use functions::Functions;
use tables::Numbers;

use crate::query::{ErrorKind, QueryError, RelationShape, SystemTables};

/// What is asked of the catalog, and what it is made of.
pub(super) struct Catalog {
    tables: SystemTables,
    numbers: Numbers,
    names: Vec<String>,
}

impl Catalog {
    /// # Errors
    /// If the tables do not fit their columns, which is a bug.
    pub(super) fn of(
        relations: Vec<RelationShape>,
        user: &str,
        version: &str,
        settings: Vec<(String, String)>,
    ) -> Result<Self, QueryError> {
        let failed = |error: arrow::error::ArrowError| QueryError::new(ErrorKind::Internal, error.to_string());
        let (tables, numbers) = tables::tables(&relations, user, &settings).map_err(failed)?;
        let settings: BTreeMap<String, String> = settings.into_iter().collect();
        let functions = Functions { user, version, settings }.all(&numbers);
        let names = relations.iter().map(|relation| relation.name.clone()).collect();
        Ok(Self { tables: SystemTables { schema: "pg_catalog", tables, functions, relations }, numbers, names })
    }

    /// A text as a question to the catalog; None of one that asks for rows of relations.
    pub(super) fn question(&self, sql: &str) -> Option<String> {
        let is_relation = |name: &str| self.names.iter().any(|known| known == name);
        rewriting::rewritten(sql, is_relation, |kind, name| self.numbers.of(kind, name))
    }

    pub(super) fn into_tables(self) -> SystemTables {
        self.tables
    }
}

/// Whether a text may ask the catalog at all, by its words. Most texts do not, and are not parsed for it.
pub(super) fn may_ask(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    let words = sql.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| !word.is_empty()).any(|word| {
        word.starts_with("pg_") || word.starts_with("reg") || word == "information_schema" || functions::is_one(word)
    })
}
