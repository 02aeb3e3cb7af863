//! Writes that neither a kill nor a power cut leaves half done, and the turn that two gateways take at
//! writing.
//!
//! A new file is synced before its name is, so a name that is there after a crash has its content.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::files::{UNFINISHED, open_regular};

/// A tenants file holds hashes of keys: nobody else's business.
pub(crate) const FILE_MODE: u32 = 0o640;

/// Between two looks at whether it is our turn.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks at most: five seconds. The other may be a container that somebody has paused.
pub(super) const LOOKS: usize = 500;

/// Puts a whole file there in one step, instead of what was there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, FILE_MODE)
}

/// The same for what not even the group may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, 0o600)
}

fn write_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let permissions = Permissions::from_mode(mode);
    let mut next = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(permissions)
        .tempfile_in(directory)
        .map_err(at(directory))?;
    next.write_all(bytes).map_err(at(path))?;
    next.as_file().sync_all().map_err(at(path))?;
    next.persist(path).map_err(|error| at(path)(error.error))?;
    sync(directory)
}

/// Makes the names in a directory last.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
}

/// Removes a file, if nobody else has.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

/// Removes what a killed process did not finish. Only for who has the turn: it could be another's work.
pub(super) fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let entry = entry.map_err(at(directory))?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Waits for the turn, which lasts until the file is dropped. `None` when it did not come within so many
/// looks.
///
/// Where the file system knows no locks there is nothing to wait for.
pub(crate) fn turn(lock: &Path, looks: usize) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true).mode(FILE_MODE);
    let file = open_regular(options, lock).map_err(at(lock))?;
    for _ in 0..looks {
        match file.try_lock() {
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => sleep(LOOK_EVERY),
        }
    }
    Ok(None)
}

/// Says which file an error is about.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turn_is_one_process_s_at_a_time_and_waiting_for_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let lock = directory.path().join(".lock");
        let mine = turn(&lock, 1).unwrap();
        assert!(mine.is_some());
        assert!(turn(&lock, 2).unwrap().is_none());
        drop(mine);
        assert!(turn(&lock, 1).unwrap().is_some());
    }

    #[test]
    fn a_file_is_replaced_and_is_not_for_everybody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o027, 0);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_not_finished_goes_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        for name in [".cometgate-x1", ".lock", "file"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        remove_unfinished(directory.path()).unwrap();
        assert!(!directory.path().join(".cometgate-x1").exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        remove(&directory.path().join("gone")).unwrap();
    }
}
