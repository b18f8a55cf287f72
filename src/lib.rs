//! Readside: the read side of CQRS as a sidecar. The modules in reading order follow the data; see ARCHITECTURE.md.
//! The blank lines between them keep rustfmt from sorting.

// What makes two things the same.
pub mod identity;

// The declarations.
pub mod config;

// From a stored message to an event at its current version, and how far each source has come.
pub mod source;

pub mod sql;

pub mod event;

pub mod progress;

// Who sees what.
pub mod access;

// From SQL to operators that keep its result.
pub mod plan;

pub mod circuit;

pub mod state;

// State, and how it becomes durable.
pub mod read_model;

pub mod checkpoint;

// The loop, and what it does with events that it cannot take.
pub mod lifecycle;

pub mod pipeline;

pub mod notice;

// Answers.
pub mod priority;

pub mod query;

pub mod serve;

// What an author asks before anything runs.
pub mod infer;

pub mod trial;

pub mod lsp;

// The process.
mod tls;

pub mod telemetry;

pub mod generate;

pub mod check;

pub mod app;

pub mod cli;
