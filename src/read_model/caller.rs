//! The reader of relations. Its rights are decided where a relation is opened.

/// The side that a request comes from. What authentication finds out of it will stand here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Without claims.
    Anonymous,
}
