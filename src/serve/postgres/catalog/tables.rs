//! The tables of the catalog, made of the relations that a client sees.
//!
//! What is declared nowhere here, such as triggers, has a table without rows, because clients ask for it all the same.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::super::types::Marked;
use super::cells::Tables;
use super::numbers::Numbers;
use super::{empty, information, relations, server, types};
use crate::query::RelationShape;

/// Tables by name.
type Named = Vec<(String, RecordBatch)>;

/// All of them, what their numbers mean, and which columns of numbers have types of their own.
pub(super) struct Made {
    pub(super) catalog: Named,
    pub(super) information: Named,
    pub(super) numbers: Numbers,
    pub(super) marks: BTreeMap<String, Marked>,
}

/// # Errors
/// If the rows of a table do not fit its columns, which is a bug.
pub(super) fn tables(shapes: &[RelationShape], user: &str, settings: &[(String, String)]) -> Result<Made, ArrowError> {
    let (mut tables, mut numbers) = (Tables::default(), Numbers::new());
    empty::add(&mut tables)?;
    relations::add(&mut tables, shapes, &mut numbers)?;
    types::add(&mut tables, &mut numbers)?;
    server::add(&mut tables, &numbers, user, settings)?;
    let information = information::tables(shapes, user, &numbers)?;
    let (catalog, marks) = tables.into_parts();
    Ok(Made { catalog, information, numbers, marks })
}
