//! Where the persisted row of a slot lies, and what became of it since.

use super::segment::RowAddress;

/// The location of a slot's persisted row. The slot's owner keeps it with whatever else it keeps of the slot, because they are asked for together,
/// and leaves it be when the slot becomes free: what changed is known until the next checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(Rust, packed(4))]
pub struct RowLocation {
    /// The segment and, in the lowest two bits, the change.
    segment: u64,
    row: u32,
}

/// Something that is kept of a slot, its location among it.
pub trait Located {
    fn location(&mut self) -> &mut RowLocation;
}

/// The change of a slot since the last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotChange {
    None = 0,
    Touched = 1,
    /// Touched and then removed.
    Withdrawn = 2,
}

const CHANGE: u64 = 0b11;
/// The row was not written, or is no longer needed there.
const NO_SEGMENT: u64 = !CHANGE;

impl Default for RowLocation {
    fn default() -> Self {
        Self { segment: NO_SEGMENT, row: 0 }
    }
}

impl Located for RowLocation {
    fn location(&mut self) -> &mut RowLocation {
        self
    }
}

impl RowLocation {
    /// Whether the slot's row is new or changed since the last checkpoint.
    pub fn is_touched(self) -> bool {
        self.change() == SlotChange::Touched
    }

    pub(super) fn change(self) -> SlotChange {
        match self.segment & CHANGE {
            0 => SlotChange::None,
            1 => SlotChange::Touched,
            _ => SlotChange::Withdrawn,
        }
    }

    pub(super) fn set_change(&mut self, change: SlotChange) {
        self.segment = self.segment & !CHANGE | change as u64;
    }

    pub(super) fn address(self) -> Option<RowAddress> {
        let segment = self.segment & !CHANGE;
        (segment != NO_SEGMENT).then_some(RowAddress { segment: segment >> CHANGE.count_ones(), row: self.row })
    }

    /// Records where a checkpoint keeps the row.
    pub(super) fn persisted_at(&mut self, RowAddress { segment, row }: RowAddress) {
        self.segment = segment << CHANGE.count_ones() | self.segment & CHANGE;
        self.row = row;
    }

    pub(super) fn leave(&mut self) -> Option<RowAddress> {
        let address = self.address();
        self.segment |= NO_SEGMENT;
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_is_and_what_changed_are_apart() {
        let mut location = RowLocation::default();
        assert_eq!((location.address(), location.change()), (None, SlotChange::None));
        let address = RowAddress { segment: 1 << 40, row: u32::MAX };
        for change in [SlotChange::Touched, SlotChange::Withdrawn, SlotChange::None] {
            location.set_change(change);
            location.persisted_at(address);
            assert_eq!((location.address(), location.change()), (Some(address), change));
            assert_eq!(location.leave(), Some(address));
            assert_eq!((location.address(), location.change()), (None, change));
        }
        assert_eq!(size_of::<RowLocation>(), 12);
    }
}
