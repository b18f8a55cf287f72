//! Durable checkpoints in an object store.
//!
//! A store's changes become immutable segments in objects of unique names; a manifest names all that a checkpoint
//! consists of. The only commit point is the conditional create of `manifests/{n:020}`, so a crash at any instant
//! leaves the previous checkpoint whole. Nothing here knows what the state means, or when to make a checkpoint.

mod checkpointer;
mod copy;
mod disk_bytes;
mod draft;
mod error;
pub mod faulty;
mod fence;
mod garbage;
mod index;
mod inspect;
mod location;
mod manifest;
mod pack;
mod place;
mod probe;
mod remote;
mod restore;
mod section;
mod store_error;
#[cfg(test)]
mod tests;
mod vault;

pub use checkpointer::{Checkpointer, Stats, newest_manifest};
pub use copy::{Copied, CopyError, copy};
pub use disk_bytes::DiskBytes;
pub use draft::{Draft, IndexDraft, PinnedFile};
pub use error::{CheckpointError, OpenError, ReadStoresError, RestoreIndexError};
pub use fence::Writer;
pub use inspect::{Found, Inspected, inspect, list};
pub use manifest::{
    Checksum, Content, FileEntry, GenerationEntry, HeldEntry, IndexEntry, KeptEntry, Manifest, OperatorEntry, Pause,
    SegmentEntry, SourceEntry, StateBytes, errors_store, held_store, kept_parked_store, store_prefix, table_store,
};
pub use place::Place;
pub use probe::probe;
pub use restore::{Damage, Restored};
pub use store_error::StoreError;
