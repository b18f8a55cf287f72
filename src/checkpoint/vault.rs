//! The object store as this room uses it: names, conditional creates, reads, lists and deletes.
//!
//! The only file that calls `object_store`'s operations. It decides nothing; every failure carries the object's name.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};

use super::error::StoreFailure;
use super::store_error::StoreError;

pub(super) const EPOCHS: &str = "epochs";
pub(super) const MANIFESTS: &str = "manifests";
pub(super) const OBJECTS: &str = "objects";

/// Reads and uploads of long files go in pieces of this many bytes.
pub(super) const PIECE_BYTES: u64 = 8 << 20;
/// Requests of one kind that are under way together.
pub(super) const CONCURRENCY: usize = 4;

/// Of the creation of one object in a store elsewhere.
const TRIES: usize = 3;

/// The place where checkpoints are kept.
#[derive(Debug, Clone)]
pub(super) struct Vault {
    store: Arc<dyn ObjectStore>,
    /// How often an object is tried to be created.
    tries: usize,
}

/// The outcome of a conditional create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Created {
    Yes,
    /// There is an object of that name already.
    Taken,
}

/// The name of the object with a number in a folder.
pub(super) fn numbered(folder: &str, number: u64) -> String {
    format!("{folder}/{number:020}")
}

impl Vault {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, tries: 1 }
    }

    /// The same for a store elsewhere. Its library does not send what creates an object a second time where an answer was lost, because
    /// it cannot know what that means to whoever asked; here it is known.
    pub(super) fn patient(self) -> Self {
        Self { tries: TRIES, ..self }
    }

    /// Writes an object unless there is one of that name. One that is there may be of an earlier try whose answer was lost.
    pub(super) async fn create(&self, object: &str, payload: PutPayload) -> Result<Created, StoreFailure> {
        let mut tried = 1;
        loop {
            match self.store.put_opts(&Path::from(object), payload.clone(), PutMode::Create.into()).await {
                Ok(_) => return Ok(Created::Yes),
                Err(Error::AlreadyExists { .. }) => return Ok(Created::Taken),
                Err(source) if tried == self.tries => return Err(unwritten(object, source)),
                Err(_) => tried += 1,
            }
        }
    }

    /// Writes an object whose name is unique: one that is there can only be of an earlier try.
    pub(super) async fn write(&self, object: &str, payload: PutPayload) -> Result<(), StoreFailure> {
        self.create(object, payload).await.map(drop)
    }

    /// Begins a long object whose name is unique. Nothing is visible before it is finished.
    pub(super) async fn begin(&self, object: &str) -> Result<WriteMultipart, StoreFailure> {
        let upload = self.store.put_multipart(&Path::from(object)).await;
        let upload = upload.map_err(|source| unwritten(object, source))?;
        Ok(WriteMultipart::new_with_chunk_size(upload, PIECE_BYTES as usize))
    }

    /// The whole object, if there is one.
    pub(super) async fn read(&self, object: &str) -> Result<Option<Bytes>, StoreFailure> {
        let read = async { self.store.get(&Path::from(object)).await?.bytes().await };
        present(object, read.await)
    }

    /// The length of an object in bytes, if there is one.
    pub(super) async fn length(&self, object: &str) -> Result<Option<u64>, StoreFailure> {
        Ok(present(object, self.store.head(&Path::from(object)).await)?.map(|meta| meta.size))
    }

    /// A part of an object, if there is one. It must lie within it.
    pub(super) async fn read_range(&self, object: &str, range: Range<u64>) -> Result<Option<Bytes>, StoreFailure> {
        present(object, self.store.get_range(&Path::from(object), range).await)
    }

    /// Parts of an object, if there is one. They must lie within it.
    pub(super) async fn read_ranges(
        &self,
        object: &str,
        ranges: &[Range<u64>],
    ) -> Result<Option<Vec<Bytes>>, StoreFailure> {
        present(object, self.store.get_ranges(&Path::from(object), ranges).await)
    }

    /// The numbers of all objects of a folder, ascending.
    pub(super) async fn numbers(&self, folder: &str) -> Result<Vec<u64>, StoreFailure> {
        let names = self.names(folder, usize::MAX, |_| true).await?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(folder, name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Up to `limit` names of a folder's objects that `wanted` takes.
    pub(super) async fn names(
        &self,
        folder: &str,
        limit: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, StoreFailure> {
        let names = self.store.list(Some(&Path::from(folder))).map_ok(|meta| String::from(meta.location));
        let names = names.try_filter(|name| std::future::ready(wanted(name))).take(limit);
        names.try_collect().await.map_err(|source| failure(folder, source))
    }

    /// Deletes what it can and says how many objects are left: those that could not be deleted.
    pub(super) async fn delete(&self, names: Vec<String>) -> usize {
        let paths: Vec<_> = names.into_iter().map(|name| Ok(Path::from(name))).collect();
        let count = paths.len();
        let deleted = self.store.delete_stream(stream::iter(paths).boxed());
        let gone = deleted.filter(|outcome| std::future::ready(matches!(outcome, Ok(_) | Err(Error::NotFound { .. }))));
        count - gone.count().await.min(count)
    }
}

pub(super) fn failure(object: &str, source: Error) -> StoreFailure {
    StoreFailure { object: object.to_owned(), source: StoreError::from(&source), is_write: false }
}

fn unwritten(object: &str, source: Error) -> StoreFailure {
    StoreFailure { is_write: true, ..failure(object, source) }
}

fn present<T>(object: &str, outcome: Result<T, Error>) -> Result<Option<T>, StoreFailure> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(failure(object, source)),
    }
}

fn number(folder: &str, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(folder)?.strip_prefix('/')?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}
