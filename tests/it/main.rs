//! Integration tests in one binary, grouped by room and promise.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod advice;
mod benchmarks;
mod check;
mod checkpoint_verbs;
mod checkpoints;
mod console;
mod contexts;
mod crash;
mod demo;
mod deploy;
mod docs;
mod errors;
mod events;
mod file_source;
mod fuzz;
mod history;
mod hostile;
mod links;
mod lsp;
mod nexmark;
mod notices;
mod object_store;
mod openapi;
mod operations;
mod oracle;
mod otlp;
mod pausing;
mod planning;
mod postgres;
mod reload;
mod replay;
mod rollout_metrics;
mod rollouts;
mod rooms;
mod sbom;
mod search;
mod shells;
mod signals;
mod simulator;
mod since;
mod slow_links;
mod source;
mod stale;
mod state_limit;
mod statements;
mod support;
mod trial;
mod tutorials;
mod verify;
mod watching;

/// Counts what is allocated, for the tests that compare it with what operators say.
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);
