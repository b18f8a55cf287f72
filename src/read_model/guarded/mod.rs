//! Rows behind the policies of their relation: what DataFusion reads of them has been looked at first.

mod exec;
mod provider;

pub(super) use provider::GuardedProvider;
