//! Keyed state that operators and tables share: slots by key, and where each slot's persisted row lives.
//!
//! Pure memory. It says what a checkpoint has to write; the `checkpoint` room writes it.

mod key_map;
mod key_share;
mod row_location;
mod segment;
mod segment_log;
mod short_bytes;
mod slot_index;

pub use key_map::{Key, KeyMap, Keyed};
pub use key_share::{KeyShare, NoShare};
pub use row_location::{Located, RowLocation};
pub use segment::{NewSegment, RowAddress, StateDelta, StoreShape, StoredSegment, Stores};
pub use segment_log::{SegmentLog, Writing};
pub use short_bytes::ShortBytes;
pub use slot_index::SlotIndex;
