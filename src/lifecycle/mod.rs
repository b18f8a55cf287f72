//! The life of a projection, and of the events that it could not take.

mod parked;

pub use parked::{Parked, ParkedEvents};
