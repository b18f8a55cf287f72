//! Keyed state that operators and tables share: slots by key, and where each slot's persisted row lives.
//!
//! Pure memory. It says what a checkpoint has to write; the `checkpoint` room writes it.

mod home;
mod key_map;
mod residence;
mod segment;
mod short_bytes;
mod slot_index;

pub use home::{Home, Homed};
pub use key_map::{Key, KeyMap, Keyed};
pub use residence::{Residence, Writing};
pub use segment::{NewSegment, RowAddress, StateDelta, StoreShape, StoredSegment};
pub use short_bytes::ShortBytes;
pub use slot_index::SlotIndex;
