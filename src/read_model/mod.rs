//! Read models: what a projection's delta is kept in, and the snapshot that readers see.

pub mod catalog;
mod model;
pub mod search;
pub mod table;

pub use model::{Published, ReadModel, TakeError};
