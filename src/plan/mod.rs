//! From SQL to a circuit: types, determinism, edge kinds, keys.
//!
//! Pure: no files, no network. What cannot be kept equal to its batch result is refused with a reason.

mod card;
mod column_names;
mod conditions_in_turn;
mod datafusion;
mod decorrelate;
mod facts;
pub mod functions;
mod guard;
mod lineage;
mod lower;
mod offered;
mod program;
mod refusal;
pub mod rewrite;
mod sampled;
mod scope;

#[cfg(test)]
mod tests;

pub use card::{Card, cards, reads};
pub use column_names::numbered;
pub use datafusion::{opaque, readers, session};
pub use decorrelate::readable;
pub use lineage::SensitiveField;
pub use offered::{FunctionKind, OfferedFunction, offered_functions};
pub use program::{
    Batch, COPY, Compiled, KeyProof, Needed, PlannedProjection, PlannedView, Program, ProgramSource, RelationName,
    Selected, SensitiveColumn, batch, compile, inputs, program, program_over, program_so_far, relations,
};
pub use refusal::Refusal;
pub use rewrite::{RewriteError, rewrite_own_aggregates};
pub use scope::{ProjectionSchema, Scope, ScopeSource};
