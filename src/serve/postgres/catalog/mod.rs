//! The catalog that clients of PostgreSQL ask what there is: `pg_catalog`, and `information_schema` beside it.
//!
//! It is made for each question of the relations that the client sees, has no rows of theirs, and runs within the limits of all queries.

mod calls;
mod cells;
mod empty;
mod functions;
mod information;
mod numbers;
mod relations;
mod rewriting;
mod server;
mod sources;
mod tables;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use functions::Functions;
use numbers::Numbers;
use tables::Made;

use super::types::{Marked, marked};
use crate::query::{ColumnNames, ErrorKind, QueryError, RelationShape, SystemTables};

/// What is asked of the catalog, and what it is made of.
pub(super) struct Catalog {
    system: SystemTables,
    marks: BTreeMap<String, Marked>,
    numbers: Numbers,
    names: Vec<String>,
}

/// A question in the engine's words, and what answers it.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) sql: String,
    pub(super) names: ColumnNames,
    pub(super) system: Arc<SystemTables>,
    marks: BTreeMap<String, Marked>,
}

impl Catalog {
    /// # Errors
    /// If the tables do not fit their columns, which is a bug.
    pub(super) fn of(
        relations: &[RelationShape],
        user: &str,
        version: &str,
        settings: Vec<(String, String)>,
    ) -> Result<Self, QueryError> {
        let failed = |error: arrow::error::ArrowError| QueryError::new(ErrorKind::Internal, error.to_string());
        let made = tables::tables(relations, user, &settings).map_err(failed)?;
        let Made { catalog, information, numbers, marks } = made;
        let settings: BTreeMap<String, String> = settings.into_iter().collect();
        let functions = Functions { user, version, settings }.all(&numbers);
        let names = relations.iter().map(|relation| relation.name.clone()).collect();
        let schemas = vec![("pg_catalog", catalog), ("information_schema", information)];
        Ok(Self { system: SystemTables { schemas, functions }, marks, numbers, names })
    }

    /// A text as a question to the catalog; None of one that asks for rows of relations.
    pub(super) fn question(self, sql: &str) -> Option<Question> {
        let is_relation = |name: &str| self.names.iter().any(|known| known == name);
        let asked = rewriting::rewritten(sql, is_relation, |kind, name| self.numbers.of(kind, name))?;
        let mut marks = self.marks;
        for (alias, column) in asked.aliases {
            match marks.get(&column).copied() {
                Some(mark) => marks.insert(alias, mark),
                None => marks.remove(&alias),
            };
        }
        Some(Question { sql: asked.sql, names: asked.names, system: Arc::new(self.system), marks })
    }
}

impl Question {
    /// An answer's columns as clients know them: numbers of what has one are `oid`, wherever they were selected from.
    pub(super) fn typed(&self, schema: &SchemaRef) -> SchemaRef {
        let fields = schema.fields().iter().map(|field| {
            let fits = |mark: &Marked| match (mark, field.data_type()) {
                (Marked::Oid, DataType::Int64) => true,
                (Marked::Int2Vector | Marked::OidVector, of) => *of == cells::numbers_type(),
                _ => false,
            };
            match self.marks.get(field.name()).filter(|mark| fits(mark)) {
                Some(mark) => Arc::new(marked(field, *mark)),
                None => field.clone(),
            }
        });
        Arc::new(Schema::new_with_metadata(fields.collect::<Fields>(), schema.metadata().clone()))
    }

    /// A batch of an answer with its columns as they are typed.
    ///
    /// # Errors
    /// If the columns are others, which is a bug.
    pub(super) fn typed_rows(&self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let typed = RecordBatch::try_new(self.typed(&self.names.of(&batch.schema())), batch.columns().to_vec());
        typed.map_err(|error| QueryError::new(ErrorKind::Internal, error.to_string()))
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
