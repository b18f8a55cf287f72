//! Reading: one admission control, one session a request, waiting for a position, pages. No protocol lives here:
//! HTTP and the others turn their requests into these types and render what comes back.
//!
//! Reads only the published snapshot, through a [`ReadView`](crate::read_model::ReadView); never a source, never the
//! pipeline.

mod account;
mod apart;
mod column_names;
mod conditions;
mod demand;
mod error;
mod filters;
mod limits;
mod list;
mod named;
mod offered;
mod open_parameters;
mod ordered;
mod pages;
mod plan_checks;
mod read_point;
mod relations;
mod results;
mod service;
mod session;
mod sql;
mod sql_limits;
mod system;
mod values;
mod wait;

pub use column_names::ColumnNames;
pub use demand::{Demand, DemandTexts, Promise, Streams};
pub use error::{ErrorKind, QueryError};
pub use filters::{Filter, Operation, find_column, is_comparable};
pub use limits::Limits;
pub use list::ListRequest;
pub use named::NamedRequest;
pub use offered::{Offered, OfferedIndex, OfferedRelation};
pub use pages::Page;
pub use read_point::ReadPoint;
pub use results::ResultCounts;
pub use service::{QueryService, Rules, now_us};
pub use session::{DescribedQuery, ParsedQuery};
pub use sql::{Params, RowBatches, SqlRequest};
pub use system::{RelationShape, SystemTables};
pub use values::{ValueError, format_date, format_timestamp, parse_value};

pub use crate::read_model::SortColumn;

/// The name among `names` that was probably meant.
pub fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &'a str| (strsim::damerau_levenshtein(name, candidate), candidate);
    let best = names.into_iter().map(near).min()?;
    (best.0 <= 1 + name.len() / 4).then_some(best.1)
}
