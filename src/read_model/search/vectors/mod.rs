//! Vectors of rows: what a column of them holds, how far apart two are, which are nearest, and how that order and the order of words
//! become one.
//!
//! Vectors are read from the table's own segments: nothing of them is kept a second time, so that what is near belongs to the same
//! cut as the rows, and a row that is replaced or deleted is not found.

mod column;
mod distance;
mod fusion;
mod nearest;

pub(super) use column::is_vector_type;
pub(super) use distance::Measure;
pub(super) use fusion::{Fused, fuse};
pub(super) use nearest::{Near, Neighbours, nearest};
