//! A document at the cursor: what kind it is, and which of its texts are SQL.

use super::known::{Known, KnownColumn};
use super::names::Names;
use crate::config::{Cursor, DocumentKind, Stands};
use crate::sql::{Draft, Select, Spot};

/// The kinds of documents that a file may hold beside the settings, by the key that names them.
pub(super) const DECLARATIONS: [DocumentKind; 4] =
    [DocumentKind::Source, DocumentKind::Projection, DocumentKind::Query, DocumentKind::Policy];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Root,
    Declarations,
    Cases,
}

/// A cursor in a document whose kind is known.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) cursor: &'a Cursor,
    /// None as long as no key says it.
    pub(super) kind: Option<DocumentKind>,
}

/// What a text of SQL stands for.
#[derive(Debug)]
pub(super) struct SqlText {
    pub(super) spot: Spot,
    /// Columns that can be named without a table, as in an upcaster.
    pub(super) columns: Vec<KnownColumn>,
    /// Whether it reads events, as projections do.
    pub(super) reads_events: bool,
    /// Whether it is one expression over a single event.
    pub(super) is_expression: bool,
}

/// What an expression is read behind.
const SELECT: &str = "SELECT ";

impl<'a> Document<'a> {
    pub(super) fn of(cursor: &'a Cursor, file: FileKind) -> Self {
        let named = DECLARATIONS.into_iter().find(|kind| cursor.top.iter().any(|(key, _)| key == kind.name()));
        let kind = match file {
            FileKind::Cases => Some(DocumentKind::Case),
            FileKind::Root if cursor.document == 0 => Some(named.unwrap_or(DocumentKind::Root)),
            FileKind::Root | FileKind::Declarations => named,
        };
        Self { cursor, kind }
    }

    /// A text at the top of the document.
    pub(super) fn top(&self, key: &str) -> Option<&str> {
        self.cursor.top.iter().find(|(name, _)| name == key)?.1.as_deref()
    }

    /// The SQL in which the cursor stands: none in another value, and none in a text or comment of the SQL.
    pub(super) fn sql(&self, known: &Known) -> Option<SqlText> {
        let Stands::Value { text, at } = &self.cursor.stands else { return None };
        let path: Vec<&str> = self.cursor.path.iter().map(String::as_str).collect();
        match (self.kind?, path.as_slice()) {
            (DocumentKind::Projection | DocumentKind::Query, ["sql"]) => {
                let spot = Draft::of(text).at(*at)?;
                let reads_events = self.kind == Some(DocumentKind::Projection) && self.top("kind") != Some("view");
                Some(SqlText { spot, columns: Vec::new(), reads_events, is_expression: false })
            }
            (DocumentKind::Source, ["events", event_type, "history", version, "to_next", "set", _]) => {
                let spot = Draft::of(&format!("{SELECT}{text}")).at(SELECT.len() + at)?;
                let of = (self.top("source")?.to_owned(), (*event_type).to_owned(), version.parse().ok()?);
                let columns = known.versions.get(&of).cloned().unwrap_or_default();
                Some(SqlText { spot, columns, reads_events: false, is_expression: true })
            }
            _ => None,
        }
    }

    /// The columns that the document's SQL gives, as far as they have names.
    pub(super) fn given(&self, known: &Known) -> Vec<KnownColumn> {
        let selected = self.top("sql").map_or_else(Select::default, |sql| Draft::of(sql).selected());
        Names::over(known).given(&selected)
    }
}
