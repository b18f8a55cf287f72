//! The sides of a join, and the rows of a pair.

/// Which side a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// The two rows of a pair.
pub(super) struct MatchedRow<'a> {
    /// Of the changed row in its change.
    pub(super) number: usize,
    pub(super) matching: &'a [u8],
    /// How often the match is there.
    pub(super) weight: i64,
}
