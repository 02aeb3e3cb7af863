//! Reads and replaces configuration files so that nobody ever sees half of one.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A map of ten thousand routes has about 3 MiB.
const LARGEST: u64 = 16 << 20;

/// Linux' and macOS' flag for "don't wait for a writer", should the path turn out to be a pipe.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = 0o4000;
#[cfg(not(target_os = "linux"))]
const NONBLOCK: i32 = 0x4;

/// Reads a configuration file as text.
///
/// Only a regular file of a sensible size, so that a device, a pipe or a mistake neither blocks nor fills the memory.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(invalid("it is not a regular file"));
    }
    if metadata.len() > LARGEST {
        return Err(invalid("it is larger than 16 MiB"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8 text"))
}

/// What tells one state of a file from another without reading it; follows links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The stamp of what is there now; `None` when nothing is.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata: Metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// Writes a file that must not exist yet. What holds a hash of a key is nobody else's business.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o640).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Replaces a file in one step: whoever reads it sees the old text or the new one. A link keeps pointing where it did.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut next = tempfile::Builder::new().prefix(".cometgate-").tempfile_in(directory)?;
    next.write_all(text.as_bytes())?;
    let before = fs::metadata(&path)?;
    next.as_file().set_permissions(before.permissions())?;
    // Whoever could read it must be able to go on; without the right to give a file away there is nothing to do.
    std::os::unix::fs::chown(next.path(), Some(before.uid()), Some(before.gid())).ok();
    next.as_file().sync_all()?;
    next.persist(&path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// Keeps other commands of ours from editing files of a directory until it is dropped. A file system without locks is
/// taken to have nobody else.
pub(crate) fn lock(directory: &Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    match directory.try_lock() {
        Err(fs::TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::WouldBlock, "another command is editing it; try again"))
        }
        Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(directory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_a_device_and_a_pipe_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [directory.path(), Path::new("/dev/zero"), &pipe] {
            assert!(read(path).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn replacing_through_a_link_changes_the_file_and_keeps_the_link() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        create(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(read(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(create(&file, "again").is_err());
    }
}
