//! Files of search indexes: into the object store unless they are there, and back into a local folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::PutPayload;
use xxhash_rust::xxh3::Xxh3;

use super::checkpointer::Stats;
use super::draft::{Draft, PinnedFile};
use super::error::{CheckpointError, RestoreIndexError};
use super::location;
use super::manifest::{Checksum, FileEntry, IndexEntry, Manifest};
use super::pack::{Names, Uploads};
use super::restore::{Damage, ObjectError, pieces};
use super::vault::{CONCURRENCY, PIECE_BYTES, Vault, failure};

/// Shorter files are read again each time: some of them (`meta.json`) are replaced in place.
const REMEMBERED_BYTES_MIN: u64 = 64 << 10;

/// Checksums of files seen before, so that a large index is not read at every checkpoint. By index and name; valid as
/// long as length and modification time are the same.
#[derive(Debug, Default)]
pub(super) struct KnownChecksums(HashMap<(String, String), (u64, SystemTime, Checksum)>);

/// Makes sure that all files of the draft's indexes are in the object store.
pub(super) async fn upload(
    vault: &Vault,
    names: &mut Names,
    draft: &Draft,
    current: &Manifest,
    uploads: &mut Uploads,
    hashes: &mut KnownChecksums,
    stats: &mut Stats,
) -> Result<BTreeMap<String, IndexEntry>, CheckpointError> {
    let mut indexes: BTreeMap<String, IndexEntry> = BTreeMap::new();
    let mut missing = Vec::new();
    hashes.forget_all_but(draft);
    for (index, files) in &draft.indexes {
        let mut entry = IndexEntry { cut: files.cut.clone(), files: Vec::new() };
        for file in &files.files {
            check_name(index, &file.name)?;
            let kept = current.indexes.get(index).into_iter().flat_map(|kept| &kept.files);
            let tried = uploads.files.iter().filter(|(of, _)| of == index).map(|(_, file)| file);
            match hashes.find(index, file, kept.chain(tried)).await? {
                Some(known) => entry.files.push(known),
                None => missing.push((index.clone(), file, names.next())),
            }
        }
        indexes.insert(index.clone(), entry);
    }
    let uploaded = missing.into_iter().map(|(index, file, object)| async move {
        upload_file(vault, file, object).await.map(|uploaded| (index, uploaded))
    });
    // All of them come to their end, also beside one that fails: what is there need not be uploaded again.
    let uploaded: Vec<_> = stream::iter(uploaded).buffer_unordered(CONCURRENCY).collect().await;
    let mut failed = None;
    for outcome in uploaded {
        match outcome {
            Ok((index, file)) => {
                stats.wrote(file.length);
                uploads.files.push((index.clone(), file.clone()));
                indexes.entry(index).or_default().files.push(file);
            }
            Err(error) => failed = Some(error),
        }
    }
    indexes.values_mut().for_each(|index| index.files.sort_unstable_by(|a, b| a.name.cmp(&b.name)));
    failed.map_or(Ok(indexes), Err)
}

impl KnownChecksums {
    fn forget_all_but(&mut self, draft: &Draft) {
        let mentioned: BTreeSet<(&str, &str)> = draft
            .indexes
            .iter()
            .flat_map(|(name, index)| index.files.iter().map(move |file| (&**name, &*file.name)))
            .collect();
        self.0.retain(|(index, name), _| mentioned.contains(&(index, name)));
    }

    /// The entry among `known` that has the file's name, length and checksum.
    async fn find(
        &mut self,
        index: &str,
        file: &PinnedFile,
        known: impl Iterator<Item = &FileEntry>,
    ) -> Result<Option<FileEntry>, CheckpointError> {
        let unreadable = |source| CheckpointError::File { path: file.path.clone(), source };
        let metadata = std::fs::metadata(&file.path).map_err(unreadable)?;
        let alike: Vec<&FileEntry> =
            known.filter(|known| known.name == file.name && known.length == metadata.len()).collect();
        if alike.is_empty() {
            return Ok(None);
        }
        let modified = metadata.modified().map_err(unreadable)?;
        let key = (index.to_owned(), file.name.clone());
        let checksum = match self.0.get(&key) {
            Some((length, time, checksum)) if (*length, *time) == (metadata.len(), modified) => *checksum,
            _ => checksum(&file.path).await.map_err(unreadable)?,
        };
        if metadata.len() >= REMEMBERED_BYTES_MIN {
            self.0.insert(key, (metadata.len(), modified, checksum));
        }
        Ok(alike.into_iter().find(|known| known.checksum == checksum).cloned())
    }
}

/// Uploads one file, in pieces if it is long.
async fn upload_file(vault: &Vault, file: &PinnedFile, object: String) -> Result<FileEntry, CheckpointError> {
    let unreadable = |source| CheckpointError::File { path: file.path.clone(), source };
    let (mut reader, mut piece) = FileChunks::open(file.path.clone()).await.map_err(unreadable)?;
    let (mut hash, mut length) = (Xxh3::new(), piece.len() as u64);
    hash.update(&piece);
    if length < PIECE_BYTES {
        vault.write(&object, PutPayload::from(piece)).await?;
    } else {
        let mut upload = vault.begin(&object).await?;
        while !piece.is_empty() {
            upload.wait_for_capacity(CONCURRENCY).await.map_err(|source| failure(&object, source))?;
            upload.put(piece);
            (reader, piece) = reader.next().await.map_err(unreadable)?;
            hash.update(&piece);
            length += piece.len() as u64;
        }
        upload.finish().await.map_err(|source| failure(&object, source))?;
    }
    Ok(FileEntry { name: file.name.clone(), object, length, checksum: Checksum(hash.digest()) })
}

async fn checksum(path: &Path) -> io::Result<Checksum> {
    let (mut reader, mut piece) = FileChunks::open(path.to_owned()).await?;
    let mut hash = Xxh3::new();
    while !piece.is_empty() {
        hash.update(&piece);
        (reader, piece) = reader.next().await?;
    }
    Ok(Checksum(hash.digest()))
}

/// Reads a file in pieces, off the async threads.
struct FileChunks(File);

impl FileChunks {
    /// The reader and the first piece; only the last piece is shorter than [`PIECE_BYTES`].
    async fn open(path: PathBuf) -> io::Result<(Self, Bytes)> {
        blocking(move || FileChunks(File::open(path)?).read()).await
    }

    async fn next(self) -> io::Result<(Self, Bytes)> {
        blocking(move || self.read()).await
    }

    fn read(mut self) -> io::Result<(Self, Bytes)> {
        let mut bytes = Vec::new();
        (&mut self.0).take(PIECE_BYTES).read_to_end(&mut bytes)?;
        Ok((self, bytes.into()))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Makes `folder` hold exactly the files of the index as of `manifest`. Folders in it are left alone.
pub(super) async fn restore(
    vault: &Vault,
    manifest: &Manifest,
    name: &str,
    folder: &Path,
) -> Result<(), RestoreIndexError> {
    let index = manifest.indexes.get(name).ok_or_else(|| RestoreIndexError::Unknown(name.to_owned()))?;
    let failed = |path: &Path, source| RestoreIndexError::File { path: path.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
    let wanted: BTreeSet<&str> = index.files.iter().map(|file| file.name.as_str()).collect();
    remove_others(folder, &wanted).map_err(|source| failed(folder, source))?;
    for file in &index.files {
        let path = folder.join(&file.name);
        let unchanged = std::fs::symlink_metadata(&path)
            .is_ok_and(|found| found.is_file() && found.len() == file.length)
            && checksum(&path).await.is_ok_and(|found| found == file.checksum);
        if unchanged {
            continue;
        }
        // Linked from elsewhere or not, the old file is not written to.
        location::unless_gone(std::fs::remove_file(&path)).map_err(|source| failed(&path, source))?;
        let mut output = File::create_new(&path).map_err(|source| failed(&path, source))?;
        let mut pieces = std::pin::pin!(pieces(vault, file));
        while let Some(piece) = pieces.try_next().await.map_err(|wrong| match wrong {
            ObjectError::Store(store) => store.into(),
            ObjectError::Object(problem) => {
                RestoreIndexError::Damaged(Damage { manifest: manifest.number, object: file.object.clone(), problem })
            }
        })? {
            let write = move || output.write_all(&piece).map(|()| output);
            output = blocking(write).await.map_err(|source| failed(&path, source))?;
        }
    }
    Ok(())
}

fn remove_others(folder: &Path, wanted: &BTreeSet<&str>) -> io::Result<()> {
    for found in std::fs::read_dir(folder)? {
        let found = found?;
        let keep = found.file_name().to_str().is_some_and(|name| wanted.contains(name));
        if !keep && !found.file_type()?.is_dir() {
            std::fs::remove_file(found.path())?;
        }
    }
    Ok(())
}

/// A name is one plain component: it becomes a path again when it is restored.
fn check_name(index: &str, file: &str) -> Result<(), CheckpointError> {
    let mut components = Path::new(file).components();
    let plain = matches!((components.next(), components.next()), (Some(std::path::Component::Normal(name)), None) if name == file);
    if plain { Ok(()) } else { Err(CheckpointError::FileName { index: index.to_owned(), file: file.to_owned() }) }
}
