//! Whose files these are. A command that root runs beside a gateway of another user must not leave files that the gateway
//! cannot read: what root makes belongs to who owns the directory. SQLite does the same with its own files.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, fchown};
use std::path::Path;

const ROOT: u32 = 0;

/// Makes a directory that only its owner reads, where there is none.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match path.parent() {
        Some(parent) => give(&File::open(path)?, parent),
        None => Ok(()),
    }
}

/// Gives what root has made to the owner of the directory.
pub(super) fn give(file: &File, directory: &Path) -> io::Result<()> {
    let owner = directory.metadata()?;
    if file.metadata()?.uid() == ROOT && owner.uid() != ROOT {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}
