//! The store: records are appended here, one after the other, each tied to the one before.
//!
//! A database in one file, since operators can read it with a tool that they have, since it survives crashes, and since the
//! commands write to it beside a running gateway. Whoever appends holds the database for writing from the look at the last
//! record to the commit, so the chain has no forks. `append` comes back when the record would survive a power cut.

pub(crate) mod head;
mod owner;
pub(crate) mod reader;
pub(crate) mod schema;
pub(crate) mod verify;
mod volume;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use crate::error::{Error, Result};
use crate::record::{Entry, Head, Record, encode};
use head::SideFile;

/// The database, in the store's directory.
pub(crate) const DATABASE: &str = "evidence.sqlite3";

/// How long one who appends waits for another.
const PATIENCE: Duration = Duration::from_secs(5);

/// The store, for who appends to it. Appending waits for the disk, so it is not for a thread that serves requests.
#[derive(Debug)]
pub struct Store {
    side: SideFile,
    connection: Mutex<Connection>,
    directory: PathBuf,
}

impl Store {
    /// Opens the store in a directory (`state_dir/evidence`), or begins one. The directory gets mode 0700, files 0600.
    ///
    /// # Errors
    /// The directory cannot be written, is on a network volume, or what is there is no store, is damaged, was written by a
    /// newer version, or has lost records that were acknowledged. Each says what to do.
    pub fn open(directory: &Path) -> Result<Store> {
        let file = |doing, error| Error::File { doing, path: directory.join(DATABASE), error };
        make_directory(directory)?;
        volume::refuse_network(directory)?;
        let side = SideFile::of(directory);
        let path = directory.join(DATABASE);
        // Two that begin the same store take turns.
        let _turn = side.lock()?;
        let made = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        made.and_then(|file| owner::give(&file, directory)).map_err(|error| file("create", error))?;
        let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let is_new = schema::is_empty(&connection, &path)?;
        if is_new && let Some(expected) = side.read()?.must_be_there() {
            return Err(Error::Lost { expected, found: Head::NONE });
        }
        schema::prepare(&mut connection, &path, is_new)?;
        let store = Store { side, connection: Mutex::new(connection), directory: directory.to_owned() };
        store.head()?;
        Ok(store)
    }

    /// Appends a record and returns the end of the chain that it makes, once it would survive a power cut.
    ///
    /// # Errors
    /// The disk is full or fails, another process holds the store for 5 s, records were lost meanwhile. Then nothing of the
    /// record counts; after a failure of the disk it may yet turn up behind a crash, as a record that nobody acknowledged.
    pub fn append(&self, entry: &Entry) -> Result<Head> {
        self.append_all([entry])
    }

    /// Appends records, all or none, with one wait for the disk; returns the end of the chain.
    ///
    /// # Errors
    /// As [`append`](Store::append), of any of them.
    pub fn append_all<'e>(&self, entries: impl IntoIterator<Item = &'e Entry>) -> Result<Head> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error| Error::of("append to", error);
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut head = self.checked_head(&transaction)?;
        for entry in entries {
            let (line, next) = encode(entry, head)?;
            transaction
                .prepare_cached("INSERT INTO record (sequence, line, hash) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| {
                    insert.execute(params![as_key(next.sequence), line, next.hash.to_string()])
                })
                .map_err(failed)?;
            head = next;
        }
        transaction.commit().map_err(failed)?;
        // The record is safe. A side file that lags behind only notices less.
        if let Err(error) = self.side.raise(head) {
            tracing::warn!("the head of the evidence could not be noted beside it: {error}");
        }
        Ok(head)
    }

    /// The end of the chain.
    ///
    /// # Errors
    /// The last record is damaged, or records are lost.
    pub fn head(&self) -> Result<Head> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        self.checked_head(&connection)
    }

    /// Reads the same store. Reading never holds up who appends.
    ///
    /// # Errors
    /// As [`Reader::open`](crate::Reader::open).
    pub fn reader(&self) -> Result<crate::Reader> {
        crate::Reader::open(&self.directory)
    }

    /// The last record, sound, and at least as far as the side file says.
    fn checked_head(&self, connection: &Connection) -> Result<Head> {
        // The side file first: it is raised after a commit, so it never says more than what is read behind it.
        let noted = self.side.read()?.must_be_there();
        let found = last_head(connection)?;
        match noted {
            Some(expected) if expected.sequence > found.sequence => Err(Error::Lost { expected, found }),
            Some(expected) if expected.sequence == found.sequence && expected.hash != found.hash => {
                Err(Error::Lost { expected, found })
            }
            _ => Ok(found),
        }
    }
}

/// Makes a directory that only its owner reads, where there is none.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    owner::make_directory(path).map_err(|error| Error::File { doing: "create", path: path.to_owned(), error })
}

/// Opens the database, with what every connection needs.
pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let failed = |error| Error::of("open", error);
    let connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    schema::harden(&connection).map_err(failed)?;
    Ok(connection)
}

fn last_head(connection: &Connection) -> Result<Head> {
    let last = connection
        .prepare_cached("SELECT sequence, line, hash FROM record ORDER BY sequence DESC LIMIT 1")
        .and_then(|mut select| select.query_row([], |row| Ok(decode_row(row))).optional())
        .map_err(|error| Error::of("read", error))?;
    last.map_or(Ok(Head::NONE), |record| record.map(|record| record.head()))
}

/// Reads columns `sequence`, `line`, `hash`, whatever type damage may have given them.
pub(crate) fn decode_row(row: &rusqlite::Row<'_>) -> Result<Record> {
    let sequence: i64 = row.get(0).map_err(|error| Error::of("read", error))?;
    let bytes = |column| {
        row.get_ref(column)
            .ok()
            .and_then(|value| value.as_bytes_or_null().ok().flatten())
            .ok_or_else(|| Error::Damaged { sequence, what: "it is no text".to_owned() })
    };
    Record::decode(sequence, bytes(1)?, bytes(2)?).map_err(|what| Error::Damaged { sequence, what })
}

/// Sequences as the database counts them. Nobody writes as many as would not fit.
pub(crate) fn as_key(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
