//! JSON as PostgreSQL has it: operators, builders and accessors over columns of JSON, which are texts with a mark.
//!
//! Elements keep their text, without the white space between tokens, and what gives an element is JSON again. Of members with
//! one key the last counts. A text that is no JSON has no elements.

mod change;
mod contains;
mod elements;
mod operators;
mod path;
mod read;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;

use super::own;

/// The key of Arrow field metadata that marks a string column as JSON text.
pub const JSON_MARK: &str = "readside:json";

/// Registers the functions, and what plans the operators.
///
/// # Errors
/// If the registry refuses one.
pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    let functions = elements::FUNCTIONS.iter().chain(&contains::FUNCTIONS).chain(&write::FUNCTIONS);
    own::register(registry, functions.chain(&change::FUNCTIONS).copied())?;
    // The first planner that takes an operator plans it.
    registry.register_expr_planner(Arc::new(operators::JsonOperators))?;
    datafusion_functions_json::register_all(registry)
}

/// A column of JSON that may be NULL.
fn json() -> Field {
    let mark = HashMap::from([(JSON_MARK.to_owned(), "true".to_owned())]);
    Field::new("", DataType::Utf8, true).with_metadata(mark)
}

fn is_json(field: &Field) -> bool {
    field.metadata().contains_key(JSON_MARK)
}
