//! Why SQL is not accepted, and what to write instead.

use datafusion::common::{DataFusionError, SchemaError};

use crate::config::Code;
use crate::sql::cause;

/// A refusal with its reason, a way out, and where in the SQL it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub hint: Option<String>,
    /// Line and column in the SQL text, both from 1.
    pub span: Option<(u64, u64)>,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, span: None }
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// DataFusion's own error, with its position if it has one.
    pub(in crate::plan) fn from_datafusion(error: &DataFusionError) -> Self {
        if let DataFusionError::External(inner) = error.find_root()
            && let Some(own) = inner.downcast_ref::<Refusal>()
        {
            return own.clone();
        }
        let span = match error {
            DataFusionError::Diagnostic(diagnostic, _) => {
                diagnostic.span.map(|span| (span.start.line, span.start.column))
            }
            _ => None,
        };
        let span = span.or_else(|| parser_position(&error.to_string()));
        let code = code(error.find_root());
        let (message, hint) = match twice(error.find_root()).filter(|_| code == Code::SameColumn) {
            Some(name) => (format!("two columns are named `{name}`"), Some("rename one with AS".to_owned())),
            None => (cause(error), None),
        };
        Self { code, message, hint, span }
    }
}

/// Through DataFusion's own traversals of a plan.
impl From<Refusal> for DataFusionError {
    fn from(refusal: Refusal) -> Self {
        Self::External(Box::new(refusal))
    }
}

impl From<DataFusionError> for Refusal {
    fn from(error: DataFusionError) -> Self {
        Self::from_datafusion(&error)
    }
}

/// The name that two columns would have.
fn twice(root: &DataFusionError) -> Option<String> {
    let message = cause(root);
    let quoted = |begin: &str| Some(message.split_once(begin)?.1.split_once('"')?.0.to_owned());
    let name = quoted("but the expression \"").or_else(|| {
        let (_, rest) = message.split_once("and unqualified field name ")?;
        Some(rest.split_once(" which")?.0.to_owned())
    })?;
    let name = name.rsplit_once(" AS ").map_or(name.as_str(), |(_, alias)| alias).to_owned();
    // Of a column the name alone, of what is computed all of it.
    let is_column = !name.contains(['(', ' ']);
    Some(match name.rsplit_once('.') {
        Some((_, column)) if is_column => column.to_owned(),
        _ => name,
    })
}

/// What DataFusion's own error is one of. Of names that come out twice some have no type of error of their own.
fn code(root: &DataFusionError) -> Code {
    const SAME_NAME: [&str; 2] =
        ["Projections require unique expression names", "Schema contains qualified field name"];
    match root {
        DataFusionError::SQL(..) => Code::NotSql,
        DataFusionError::SchemaError(error, _) if matches!(**error, SchemaError::FieldNotFound { .. }) => {
            Code::UnknownColumn
        }
        _ if SAME_NAME.iter().any(|begin| cause(root).starts_with(begin)) => Code::SameColumn,
        _ => Code::NotAccepted,
    }
}

/// The parser puts `at Line: 1, Column: 8` into its message.
fn parser_position(message: &str) -> Option<(u64, u64)> {
    let (_, rest) = message.split_once("Line: ")?;
    let (line, rest) = rest.split_once(", Column: ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, digits.parse().ok()?))
}
