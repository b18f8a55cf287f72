//! What is known of a plan without running it: its keys and what determines what, which expressions are never NULL, which
//! never fall as time goes on, and which can fail. Nothing here changes a plan.

pub(super) mod fallible;
mod join_keys;
pub(super) mod keys;
pub(super) mod monotone;
pub(super) mod nodes;
pub(super) mod not_null;
pub(super) mod substitute;
