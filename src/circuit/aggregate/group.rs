//! The state of a group that does not depend on its calls.

use crate::state::{Key, Keyed, Located, RowLocation};

/// One group, in one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Group {
    key: Key,
    /// How many input rows it has.
    pub(super) weight: i64,
    location: RowLocation,
}

impl Keyed for Group {
    fn key(&self) -> &Key {
        &self.key
    }

    fn key_mut(&mut self) -> &mut Key {
        &mut self.key
    }
}

impl Located for Group {
    fn location(&mut self) -> &mut RowLocation {
        &mut self.location
    }
}
