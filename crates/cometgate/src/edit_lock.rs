//! One edit of a configuration file at a time, so that none is lost: commands take turns for as long as it takes to
//! compare and to write, never while a question waits for its answer.
//!
//! The directory of the file itself is locked, not that of a link to it: two links lead to one file, and to one lock.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::files::real_path;

/// Looks at most: five seconds. A write takes milliseconds; who has the turn for longer is stopped or sits on a disk
/// that hangs.
const LOOKS: usize = 500;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The turn at editing, until it is dropped.
#[derive(Debug)]
pub(crate) struct EditLock {
    _directory: File,
}

/// Waits for the turn at editing a file. A file system without locks is taken to have nobody else.
pub(crate) fn lock(path: &Path) -> io::Result<EditLock> {
    wait_for(path, LOOKS)
}

fn wait_for(path: &Path, looks: usize) -> io::Result<EditLock> {
    let path = real_path(path)?;
    let directory = File::open(path.parent().unwrap_or(Path::new("/")))?;
    for _ in 0..looks {
        match directory.try_lock() {
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(EditLock { _directory: directory }),
            Err(TryLockError::WouldBlock) => sleep(LOOK_EVERY),
        }
    }
    let who = holder(&directory).map_or_else(
        || "another command".to_owned(),
        |process| format!("another command (process {process})"),
    );
    let message = format!("{who} is writing files of this directory; try again");
    Err(io::Error::new(io::ErrorKind::WouldBlock, message))
}

/// Which process has it, as Linux tells: `1: FLOCK ADVISORY WRITE 4711 fd:01:123 0 EOF`.
fn holder(directory: &File) -> Option<String> {
    let inode = directory.metadata().ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, process, place, ..] = fields[..] else { return None };
        (place.rsplit(':').next() == Some(&inode)).then(|| process.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_two_directories_lead_to_one_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["real", "a", "b"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("real/routes.toml"), "").unwrap();
        for link in ["a/routes.toml", "b/routes.toml"] {
            std::os::unix::fs::symlink(path("real/routes.toml"), path(link)).unwrap();
        }
        let mine = lock(&path("a/routes.toml")).unwrap();
        let error = wait_for(&path("b/routes.toml"), 1).unwrap_err().to_string();
        assert!(error.contains("is writing files"), "{error}");
        if cfg!(target_os = "linux") {
            assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        }
        drop(mine);
        wait_for(&path("b/routes.toml"), 1).unwrap();
        // A file that is still to come has a lock too.
        lock(&path("a/tenants.toml")).unwrap();
    }
}
