//! Tells that a file is another one than before, so that who has read it reads it again.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// When a file was written last, and its bytes. The default is that of a file that is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileVersion(Option<(SystemTime, u64)>);

impl FileVersion {
    /// Of the file as it is. Taken before the file is read: what becomes another one in between is read again.
    pub(super) fn of(path: &Path) -> Self {
        Self::told(std::fs::metadata(path))
    }

    /// The same, where others are waited for meanwhile.
    pub(super) async fn look(path: &Path) -> Self {
        Self::told(tokio::fs::metadata(path).await)
    }

    fn told(metadata: io::Result<Metadata>) -> Self {
        let version = metadata.and_then(|metadata| Ok((metadata.modified()?, metadata.len())));
        Self(version.ok())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn another_file_is_another_version() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        assert_eq!(FileVersion::of(&path), FileVersion::default());
        std::fs::write(&path, "one").unwrap();
        let first = FileVersion::of(&path);
        assert_eq!(FileVersion::look(&path).await, first);
        assert_ne!(first, FileVersion::default());
        std::fs::write(&path, "another").unwrap();
        assert_ne!(FileVersion::of(&path), first);
    }
}
