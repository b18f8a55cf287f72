//! From SQL to a circuit: types, determinism, edge kinds, keys.
//!
//! Pure: no files, no network. What cannot be kept equal to its batch result is refused with a reason.

mod column_names;
mod datafusion;
mod decorrelate;
mod facts;
pub mod functions;
mod guard;
mod lower;
mod program;
mod refusal;
pub mod rewrite;
mod sampled;
mod scope;

#[cfg(test)]
mod tests;

pub use column_names::numbered;
pub use datafusion::{opaque, readers, session};
pub use decorrelate::readable;
pub use program::{
    Batch, COPY, Compiled, KeyProof, Needed, PlannedProjection, PlannedView, Program, ProgramSource, RelationName,
    Selected, batch, compile, inputs, program, program_over, relations,
};
pub use refusal::Refusal;
pub use rewrite::{RewriteError, rewrite_own_aggregates};
pub use scope::{ProjectionSchema, Scope, ScopeSource};
