//! The one table, what guards it, and how a database is known to be ours.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, Result};

/// Stands in the head of the file, so that no other database is taken for a store: "cgEv".
const APPLICATION: i64 = 0x6367_4576;

/// The format of the database; [`Error::Newer`] above it.
const VERSION: i64 = 1;

/// Before this a checkpoint could lose what another connection was writing (sqlite.org/wal.html, "WAL-reset bug").
const OLDEST_LIBRARY: i32 = 3_051_003;

/// `line` is what is hashed; `readable` is for people with a database tool. Replacing a row fires no trigger for the row
/// that goes, so inserts have to be the next number too.
const TABLES: &str = "
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY NOT NULL,
    line     TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
CREATE TRIGGER record_is_never_changed BEFORE UPDATE ON record
BEGIN SELECT RAISE(ABORT, 'evidence is only ever appended to'); END;
CREATE TRIGGER record_is_never_removed BEFORE DELETE ON record
BEGIN SELECT RAISE(ABORT, 'evidence is only ever appended to'); END;
CREATE TRIGGER record_is_the_next BEFORE INSERT ON record
WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM record)
BEGIN SELECT RAISE(ABORT, 'evidence is only ever appended to'); END;
CREATE VIEW readable AS SELECT
    sequence,
    line ->> 'at' AS at,
    line ->> 'kind' AS kind,
    line ->> 'route' AS route,
    line ->> 'route_version' AS route_version,
    line ->> 'by' AS by,
    line -> 'body' AS body,
    hash
FROM record;
";

/// What every connection gets.
pub(crate) fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Whether nothing was ever written to it. A crash while it was made leaves it so, too.
pub(crate) fn is_empty(connection: &Connection, path: &Path) -> Result<bool> {
    let objects = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let objects = objects.map_err(|error| unreadable(path, error))?;
    Ok(objects == 0 && number(connection, path, "application_id")? == 0)
}

/// Makes a new database, or sees that this one is ours, and sets how it is written.
pub(crate) fn prepare(connection: &mut Connection, path: &Path, is_new: bool) -> Result<()> {
    if rusqlite::version_number() < OLDEST_LIBRARY {
        let why =
            format!("SQLite {} may lose records; 3.51.3 is the first that does not", rusqlite::version());
        return Err(Error::Unreadable { path: path.to_owned(), why });
    }
    if !is_new {
        recognise(connection, path)?;
    }
    let failed = |error| Error::of("open", error);
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        let why = format!("it cannot have a write-ahead log here, only `{mode}`");
        return Err(Error::Unreadable { path: path.to_owned(), why });
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    connection.pragma_update(None, "fullfsync", true).map_err(failed)?;
    if is_new {
        create(connection).map_err(failed)?;
    }
    Ok(())
}

/// Whether a database is a store of this version.
pub(crate) fn recognise(connection: &Connection, path: &Path) -> Result<()> {
    let application = number(connection, path, "application_id")?;
    let found = number(connection, path, "user_version")?;
    if application != APPLICATION {
        let why = "it is a database of something else, or its beginning is damaged".to_owned();
        return Err(Error::Unreadable { path: path.to_owned(), why });
    }
    match found {
        VERSION => Ok(()),
        _ if found > VERSION => Err(Error::Newer { path: path.to_owned(), found, known: VERSION }),
        _ => Err(Error::Unreadable { path: path.to_owned(), why: format!("its format is {found}") }),
    }
}

fn number(connection: &Connection, path: &Path, pragma: &str) -> Result<i64> {
    let read = connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0));
    read.map_err(|error| unreadable(path, error))
}

/// What the database says of a file that it cannot read.
fn unreadable(path: &Path, error: rusqlite::Error) -> Error {
    match Error::of("open", error) {
        Error::Database { error, .. } => Error::Unreadable { path: path.to_owned(), why: error.to_string() },
        other => other,
    }
}

fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// How the schema differs from what it should be: tables, triggers and views that are gone, changed or added.
pub(crate) fn differences(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut expected = Connection::open_in_memory()?;
    create(&mut expected)?;
    let (expected, found) = (objects(&expected)?, objects(connection)?);
    let gone = expected.iter().filter(|object| !found.contains(object));
    let added = found.iter().filter(|object| !expected.contains(object));
    Ok(gone
        .map(|(name, _)| format!("`{name}` of the database is gone or changed"))
        .chain(added.map(|(name, _)| format!("`{name}` of the database is not as it was made")))
        .collect())
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    connection
        .prepare("SELECT name, type || ' ' || tbl_name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
