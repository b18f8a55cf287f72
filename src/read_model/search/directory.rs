//! The folder of an index, as Tantivy writes to it: nothing in it is synced to the disk.
//!
//! An index outlives no process. Its folder is emptied at each start and filled again from the checkpoint, which has copies of
//! its own and syncs those (ADR 42). What is written here has to be found by this process alone, so that each file is
//! written whole before it gets its name or is read, and the system may take its time to bring it to the disk.
//! Reading, locking and deleting are Tantivy's own.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

/// Of a file that will take the place of another one.
const NEW: &str = ".new";

/// A folder whose files are read as Tantivy does it, and written without being synced.
#[derive(Debug, Clone)]
pub(super) struct UnsyncedDirectory {
    files: MmapDirectory,
    folder: PathBuf,
}

/// A file that is complete once it is written.
struct UnsyncedFile(File);

impl UnsyncedDirectory {
    /// # Errors
    /// If there is no such folder.
    pub(super) fn open(folder: &Path) -> Result<Self, OpenDirectoryError> {
        let files = MmapDirectory::open(folder)?;
        // As Tantivy does, so that both are in one folder whatever becomes of links on the way there.
        let resolved = folder.canonicalize();
        let folder = resolved.map_err(|error| OpenDirectoryError::wrap_io_error(error, folder.to_owned()))?;
        Ok(Self { files, folder })
    }
}

impl Directory for UnsyncedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = File::create_new(self.folder.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
        })?;
        Ok(BufWriter::new(Box::new(UnsyncedFile(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.files.atomic_read(path)
    }

    /// Tantivy writes no file in this way on two threads at once.
    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let target = self.folder.join(path);
        let mut new = target.clone().into_os_string();
        new.push(NEW);
        fs::write(&new, data)?;
        fs::rename(&new, &target)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.files.acquire_lock(lock)
    }

    fn watch(&self, watch_callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(watch_callback)
    }
}

impl Write for UnsyncedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for UnsyncedFile {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn directory() -> (tempfile::TempDir, UnsyncedDirectory) {
        let home = tempfile::tempdir().unwrap();
        let directory = UnsyncedDirectory::open(home.path()).unwrap();
        (home, directory)
    }

    fn read(directory: &UnsyncedDirectory, path: &str) -> Vec<u8> {
        directory.open_read(Path::new(path)).unwrap().read_bytes().unwrap().as_slice().to_vec()
    }

    #[test]
    fn a_file_is_whole_once_it_is_terminated_and_never_written_again() {
        let (_home, directory) = directory();
        let path = Path::new("a.term");
        let mut file = directory.open_write(path).unwrap();
        file.write_all(b"alpha").unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        file.terminate().unwrap();
        let whole = [b"alpha".as_slice(), &[7; 100_000]].concat();
        assert_eq!(read(&directory, "a.term"), whole);
        assert!(matches!(directory.open_write(path), Err(OpenWriteError::FileAlreadyExists(_))));
        assert_eq!(read(&directory, "a.term"), whole);
        directory.delete(path).unwrap();
        assert!(!directory.exists(path).unwrap());
        assert!(matches!(directory.delete(path), Err(DeleteError::FileDoesNotExist(_))));
    }

    #[test]
    fn a_file_that_is_replaced_is_the_old_one_or_the_new_one() {
        let (home, directory) = directory();
        let path = Path::new(".managed.json");
        assert!(matches!(directory.atomic_read(path), Err(OpenReadError::FileDoesNotExist(_))));
        for contents in ["a longer one, which is there first", "short"] {
            directory.atomic_write(path, contents.as_bytes()).unwrap();
            assert_eq!(directory.atomic_read(path).unwrap(), contents.as_bytes());
        }
        // Where the new one cannot be written, the old one stays.
        fs::create_dir(home.path().join(".managed.json.new")).unwrap();
        directory.atomic_write(path, b"never").unwrap_err();
        assert_eq!(directory.atomic_read(path).unwrap(), b"short");
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let (home, directory) = directory();
        home.close().unwrap();
        let error = directory.open_write(Path::new("a.term")).err().unwrap();
        assert!(matches!(error, OpenWriteError::IoError { .. }), "{error}");
        directory.atomic_write(Path::new("meta.json"), b"{}").unwrap_err();
        assert!(UnsyncedDirectory::open(&directory.folder).is_err());
    }

    #[test]
    fn a_second_writer_is_kept_out() {
        let (home, directory) = directory();
        let other = UnsyncedDirectory::open(home.path()).unwrap();
        let lock = directory.acquire_lock(&tantivy::directory::INDEX_WRITER_LOCK).unwrap();
        assert!(matches!(other.acquire_lock(&tantivy::directory::INDEX_WRITER_LOCK), Err(LockError::LockBusy)));
        drop(lock);
        other.acquire_lock(&tantivy::directory::INDEX_WRITER_LOCK).unwrap();
    }
}
