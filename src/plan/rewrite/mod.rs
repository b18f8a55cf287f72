//! What happens to every plan before anything computes it, incrementally or in batch: results become a function of
//! the set of rows.
//!
//! Input is what the SQL planner made, not yet optimised. Names and types of its output stay as they are. Nothing is
//! executed here.

mod aggregates;
mod counted_copies;
mod error;
mod floats;
mod guards;
mod hoist_fallible;
mod joins;
mod order;
mod own_aggregates;
mod ties;
mod volatile;
mod windows;

pub use error::RewriteError;
pub use order::rewrite;
pub use own_aggregates::rewrite_own_aggregates;
pub use volatile::reject_volatile;
