//! From SQL to a circuit: types, determinism, edge kinds, keys.
//!
//! Pure: no files, no network. What cannot be kept equal to its batch result is refused with a reason.

mod apart;
mod batch;
mod closing;
mod compile;
pub mod functions;
mod group_keys;
mod keys;
mod lower;
mod lower_aggregate;
mod lower_call;
mod lower_join;
mod lower_not_in;
mod lower_partition;
mod lower_ranking;
mod plain_order;
mod program;
mod refusal;
pub mod rewrite;
mod scope;
mod session;
mod subqueries;
mod substitute;
mod unassuming;

#[cfg(test)]
mod tests;

pub use apart::apart;
pub use batch::{Batch, batch};
pub use compile::{Compiled, compile};
pub use lower::Plans;
pub use program::{Planned, PlannedView, Program, ProgramSource, program};
pub use refusal::Refusal;
pub use scope::{ProjectionSchema, Scope};
pub use session::{session, sound};
