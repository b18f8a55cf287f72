//! Reading: one admission control, one session a request, waiting for a position, pages. No protocol lives here:
//! HTTP and the others turn their requests into these types and render what comes back.
//!
//! Reads only the published snapshot; never a source, never the pipeline.

mod conditions;
mod error;
mod filters;
mod limits;
mod named;
mod pages;
mod plan_checks;
mod reader;
mod rows;
mod search_query;
mod session;
mod sql;
mod table_query;
mod values;
mod wait;

pub use error::{Kind, QueryError};
pub use filters::{Filter, Operation};
pub use limits::{Admission, Limits};
pub use named::NamedRequest;
pub use pages::{Page, SortColumn};
pub use reader::{At, Reader, now_us};
pub use rows::JsonRows;
pub use search_query::SearchQuery;
pub use session::{Parsed, Planned, Session, Sessions};
pub use sql::{Params, SqlAnswer, SqlColumn, SqlRequest};
pub use table_query::ListRequest;
pub use wait::{Demand, Streams};

/// Query parameters in the order they were written.
pub type Pairs = Vec<(String, String)>;

/// The name among `names` that was probably meant.
pub fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &'a str| (strsim::damerau_levenshtein(name, candidate), candidate);
    let best = names.into_iter().map(near).min()?;
    (best.0 <= 1 + name.len() / 4).then_some(best.1)
}
