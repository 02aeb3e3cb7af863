//! What can go wrong with the store, each with what to do about it.

use std::io;
use std::path::PathBuf;

use crate::record::Head;

/// The result of everything that touches the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the store.
    #[error("cannot {doing} {}: {error}\n  help: let the gateway write to `state_dir`, and see that there is room", path.display())]
    File {
        /// What was tried: "create", "read", …
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The disk is full, or a limit on the size of files is reached. Nothing of the record is stored.
    #[error("the evidence is not written, since the disk is full: {error}\n  help: make room in `state_dir`")]
    Full {
        /// What the database says.
        #[source]
        error: rusqlite::Error,
    },
    /// Another process holds the store for longer than anybody should.
    #[error("the evidence is held by another process\n  help: see which processes use `state_dir`")]
    Busy,
    /// The database cannot do what it should.
    #[error("cannot {doing} the evidence: {error}")]
    Database {
        /// What was tried: "open", "append to", "read".
        doing: &'static str,
        /// What it says.
        #[source]
        error: rusqlite::Error,
    },
    /// There is no store.
    #[error("there is no evidence in {}\n  help: it begins with the first record; name the gateway's `state_dir`", path.display())]
    Absent {
        /// The directory.
        path: PathBuf,
    },
    /// The file is not a store, or is damaged where that is said.
    #[error(
        "{} is no evidence that can be read: {why}\n  help: keep a copy of the directory, find out what wrote to it, then \
         move it away: the gateway begins a new one", path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A newer version has written the store.
    #[error(
        "{} has the format {found}, and this version knows {known}\n  help: use the version of cometgate that wrote it, or \
         a newer one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Records that were acknowledged are gone, or are not those that were acknowledged.
    #[error(
        "evidence is lost: `head` says that record {} with the hash {} was written, and the store ends with record {} and \
         the hash {}\n  help: keep a copy of the directory, bring the store back from a backup or move it away: the gateway \
         begins a new one, and until then records nothing", expected.sequence, expected.hash, found.sequence, found.hash
    )]
    Lost {
        /// What the side file says.
        expected: Head,
        /// Where the chain ends.
        found: Head,
    },
    /// A record is not as it was written.
    #[error(
        "record {sequence} is damaged: {what}\n  help: run `cometgate evidence verify`, which finds all damage"
    )]
    Damaged {
        /// The number under which it is stored.
        sequence: i64,
        /// What is wrong with it.
        what: String,
    },
    /// A record is longer than any that should be written.
    #[error("a record of {bytes} bytes is longer than {most}")]
    TooLong {
        /// So long.
        bytes: usize,
        /// The longest.
        most: usize,
    },
    /// What a record says has no JSON.
    #[error("a record cannot be encoded: {error}")]
    Encoding {
        /// Why.
        #[source]
        error: serde_json::Error,
    },
    /// The store is on a volume where several processes would corrupt it.
    #[error(
        "{} is on {kind}, where the evidence would not be safe\n  help: put `state_dir` on a local disk", path.display()
    )]
    NetworkVolume {
        /// The directory.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// What an export was written to.
    #[error("cannot write the export: {0}")]
    Export(#[source] io::Error),
}

impl Error {
    /// Whether the disk does not take it, which may pass, and not what is stored is wrong or held by somebody.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly, SystemIoFailure};
        match self {
            Error::File { .. } | Error::Full { .. } => true,
            Error::Database { error, .. } => matches!(
                error.sqlite_error_code(),
                Some(CannotOpen | PermissionDenied | ReadOnly | SystemIoFailure)
            ),
            _ => false,
        }
    }

    /// Sorts what the database says into what an operator can do about it.
    pub(crate) fn of(doing: &'static str, error: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
        match error.sqlite_error_code() {
            Some(DiskFull) => Error::Full { error },
            Some(DatabaseBusy | DatabaseLocked) => Error::Busy,
            _ => Error::Database { doing, error },
        }
    }
}
