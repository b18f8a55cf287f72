//! The dialect of SQL that upcasters, projections, views and readers' queries share: how texts are parsed, which types and
//! scalar functions they mean, and what is refused because DataFusion computes it otherwise than its author means.
//!
//! Pure: nothing here knows events, relations or plans of projections.

mod arithmetic;
mod as_builtin;
mod bounded;
mod casts_apart;
mod cause;
mod date_bin;
mod date_part;
mod date_trunc;
mod desugar;
mod dialect;
mod draft;
mod evaluator;
mod hashes;
mod in_words;
mod intervals;
mod json;
mod list_ordinals;
mod made_times;
mod microseconds;
mod number_literals;
mod own;
mod parse;
mod phrases;
mod pitfalls;
mod refusals;
mod rounding;
mod samples;
mod signatures;
mod spelling;
mod text_timestamps;
mod texts;
mod time_bucket;
mod time_series;
mod time_zone;
mod whole_numbers;
mod written_times;

pub use cause::cause;
pub use desugar::RelationKeys;
pub use draft::{Draft, Item, Relation, Select, Spot, Table, Wanted};
pub use evaluator::specify_evaluator;
pub use in_words::in_words;
pub use json::JSON_MARK;
pub use microseconds::Microseconds;
pub use parse::{over_relations, parse_expression, parse_statement};
pub use pitfalls::as_meant;
pub use refusals::UNBOUNDED;
pub use samples::{NeverComputed, SAMPLES, Samples, sample_values};
pub use spelling::other_names;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;

/// Registers the scalar functions, those of JSON too, over DataFusion's of the same names.
///
/// # Errors
/// If DataFusion lacks one of them, or refuses its successor.
pub fn register_functions(registry: &mut dyn FunctionRegistry) -> Result<()> {
    bounded::register(registry)?;
    casts_apart::register(registry)?;
    date_bin::register(registry)?;
    date_part::register(registry)?;
    date_trunc::register(registry)?;
    text_timestamps::register(registry)?;
    rounding::register(registry)?;
    list_ordinals::register(registry)?;
    hashes::register(registry)?;
    texts::register(registry)?;
    time_bucket::register(registry)?;
    time_series::register(registry)?;
    time_zone::register(registry)?;
    intervals::register(registry)?;
    made_times::register(registry)?;
    whole_numbers::register(registry)?;
    written_times::register(registry)?;
    json::register(registry)
}
