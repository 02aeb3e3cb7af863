//! Reads and replaces configuration files so that nobody ever sees half of one.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::map_files::directory_of;

/// How a file that is not finished is called.
pub(crate) const UNFINISHED: &str = ".cometgate-";

/// No write takes this long: who wrote it is gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// For the owner and the group.
const NEW_FILE_MODE: u32 = 0o640;

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
    let file = open_regular(OpenOptions::new().read(true), path)?;
    if file.metadata()?.len() > LARGEST {
        return Err(invalid("it is larger than 16 MiB"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8 text"))
}

/// Opens a regular file and nothing else: a pipe would have the process wait for somebody at its other end.
pub(crate) fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(invalid("it is not a regular file")) }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
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
    create_with(path, text, NEW_FILE_MODE)
}

/// The same for a file that is itself a secret: for its owner alone.
pub(crate) fn create_secret(path: &Path, text: &str) -> io::Result<()> {
    create_with(path, text, 0o600)
}

fn create_with(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Replaces a file in one step, or makes it: whoever reads it sees the old text or the new one. A link keeps pointing
/// where it did.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = real_path(path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut next = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
    next.write_all(text.as_bytes())?;
    let ours = next.as_file().metadata()?.uid();
    match fs::metadata(&path) {
        Ok(before) => {
            next.as_file().set_permissions(before.permissions())?;
            // Whoever could read it must be able to go on; without the right to give a file away there is nothing to do.
            std::os::unix::fs::chown(next.path(), Some(before.uid()), Some(before.gid())).ok();
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            next.as_file().set_permissions(Permissions::from_mode(NEW_FILE_MODE))?;
        }
        Err(error) => return Err(error),
    }
    next.as_file().sync_all()?;
    next.persist(&path).map_err(|error| error.error)?;
    remove_forgotten(directory, ours);
    File::open(directory)?.sync_all()
}

/// Where a file really is: where its links lead, or, of one that is not there, where its directory is.
pub(crate) fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(error)?;
            Ok(fs::canonicalize(directory_of(path))?.join(name))
        }
        found => found,
    }
}

/// Removes what edits that were killed have left. Only what is ours and old: it could be another's work. Whatever
/// fails here is left to the next edit.
fn remove_forgotten(directory: &Path, ours: u32) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let is_unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED));
        if !is_unfinished {
            continue;
        }
        let Ok(found) = entry.metadata() else { continue };
        let is_old = found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FORGOTTEN_AFTER));
        if found.is_file() && is_old && found.uid() == ours {
            fs::remove_file(entry.path()).ok();
        }
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

    #[test]
    fn what_a_killed_edit_left_goes_once_it_is_old_and_nothing_else_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in [".cometgate-old", ".cometgate-new", ".other"] {
            fs::write(path(name), "").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - FORGOTTEN_AFTER - Duration::from_secs(60);
        for name in [".cometgate-old", ".other"] {
            File::options().write(true).open(path(name)).unwrap().set_modified(long_ago).unwrap();
        }
        replace(&path("file"), "text").unwrap();
        assert_eq!(read(&path("file")).unwrap(), "text");
        let left = [".cometgate-old", ".cometgate-new", ".other"].map(|name| path(name).exists());
        assert_eq!(left, [false, true, true]);
    }
}
