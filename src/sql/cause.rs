//! What went wrong in SQL, in the words of who found it, for users: DataFusion and Arrow put the names of their error types and
//! of their rules in front, which say nothing to an author or a reader.

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use super::in_words::with_literals;
use super::phrases::{of_parser, told};
use super::signatures::of_signature;
use super::spelling::instead_of_word;

/// The error without its backtrace, its contexts and the names of error types.
pub fn cause(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => cause(inner),
        DataFusionError::Shared(inner) => cause(inner),
        DataFusionError::Collection(errors) => errors.first().map_or_else(String::new, cause),
        DataFusionError::SQL(error, _) => match &**error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => of_parser(text),
            ParserError::RecursionLimitExceeded => error.to_string(),
        },
        DataFusionError::SchemaError(error, _) => match &**error {
            SchemaError::AmbiguousReference { field } if field.relation.is_none() => {
                format!("several relations have a column `{}`: write whose it is, as in `a.{0}`", field.name)
            }
            SchemaError::DuplicateQualifiedField { qualifier, .. } => {
                format!("two relations in FROM are called `{qualifier}`: call one otherwise, as in `{qualifier} AS b`")
            }
            SchemaError::FieldNotFound { field, .. }
                if field.relation.is_none()
                    && let Some(instead) = instead_of_word(&field.name) =>
            {
                format!("there is no `{}`: {instead}", field.name)
            }
            error => error.to_string().lines().filter(|line| !line.starts_with(SETTING)).collect::<Vec<_>>().join("\n"),
        },
        DataFusionError::External(error) => error.to_string(),
        DataFusionError::ArrowError(error, _) => arrow_cause(error),
        DataFusionError::Plan(text)
        | DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::ResourcesExhausted(text) => without_backtrace(text),
        other => other.strip_backtrace(),
    }
}

fn arrow_cause(error: &ArrowError) -> String {
    match error {
        ArrowError::ComputeError(text)
        | ArrowError::CastError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::NotYetImplemented(text)
        | ArrowError::ArithmeticOverflow(text) => arrow_text(text),
        ArrowError::DivideByZero => "division by zero".to_owned(),
        ArrowError::ExternalError(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// A kernel's error that was an error of DataFusion's before.
fn arrow_text(text: &str) -> String {
    without_backtrace(text.strip_prefix("Execution error: ").unwrap_or(text))
}

/// What DataFusion puts into the texts of errors that it makes of others.
const WITHIN: [&str; 4] = [
    "Error during planning: ",
    // The catalog and the schema of what is in none.
    "datafusion.public.",
    "Internal error: ",
    "\nThis issue was likely caused by a bug in DataFusion's code. Please help us to resolve this by filing a bug report in our \
     issue tracker: https://github.com/apache/datafusion/issues",
];

/// Of a name in double quotes: DataFusion names a setting of its own, which is none here.
const SETTING: &str = "Column names are case sensitive.";

fn without_backtrace(text: &str) -> String {
    let text = text.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or(text).trim();
    let own = || WITHIN.iter().fold(text.to_owned(), |text, within| text.replace(within, ""));
    // The catalog of what is in another schema.
    let said = of_signature(text).or_else(|| told(text)).unwrap_or_else(own);
    with_literals(&said.replace("'datafusion.", "'"))
}
