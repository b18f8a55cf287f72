//! JSON Schemas of the files, for editors: which keys there are, what each takes, and what it means. One schema is for all files, by
//! the key that says what a document is.
//!
//! A schema sees one document. What depends on others, on the environment or on SQL only `validate` sees. A test holds the schemas to
//! what the readers of this room take, key by key.

mod cases;
mod offers;
mod projections;
mod root;
mod shape;
mod sources;
#[cfg(test)]
mod tests;

pub use offers::{Offers, offers};
use serde_json::{Map, Value, json};

/// Supported by more editors than any later one.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// The first document of the root file.
    Root,
    Source,
    Projection,
    Query,
    Policy,
    /// Of a file that ends in `.test.yaml`.
    Case,
}

impl DocumentKind {
    pub const ALL: [DocumentKind; 6] = [
        DocumentKind::Root,
        DocumentKind::Source,
        DocumentKind::Projection,
        DocumentKind::Query,
        DocumentKind::Policy,
        DocumentKind::Case,
    ];

    /// The key that such a document begins with; the root file has none of its own.
    pub fn name(self) -> &'static str {
        match self {
            DocumentKind::Root => "root",
            DocumentKind::Source => "source",
            DocumentKind::Projection => "projection",
            DocumentKind::Query => "query",
            DocumentKind::Policy => "policy",
            DocumentKind::Case => "case",
        }
    }

    fn shape(self) -> Value {
        match self {
            DocumentKind::Root => root::root(),
            DocumentKind::Source => sources::source(),
            DocumentKind::Projection => projections::projection(),
            DocumentKind::Query => projections::query(),
            DocumentKind::Policy => projections::policy(),
            DocumentKind::Case => cases::case(),
        }
    }
}

/// The schema of documents of one kind, or of all files.
pub fn schema(kind: Option<DocumentKind>) -> Value {
    let (title, shape) = match kind {
        Some(kind) => (format!("Readside: {}", kind.name()), kind.shape()),
        None => ("Readside".to_owned(), any_document()),
    };
    let mut schema = Map::from_iter([("$schema".to_owned(), json!(DIALECT)), ("title".to_owned(), json!(title))]);
    schema.extend(shape.as_object().cloned().unwrap_or_default());
    Value::Object(schema)
}

/// A document is what its first key says, and the settings if none does.
fn any_document() -> Value {
    let [root, others @ ..] = DocumentKind::ALL;
    others.into_iter().rev().fold(
        root.shape(),
        |otherwise, kind| json!({"if": {"required": [kind.name()]}, "then": kind.shape(), "else": otherwise}),
    )
}
