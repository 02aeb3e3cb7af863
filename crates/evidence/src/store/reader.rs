//! Reading the store: lists, single records, exports. Needs no right to write, and never holds up who appends.

use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::head::{Noted, SideFile};
use super::{DATABASE, as_key, connect, decode_row, schema};
use crate::error::{Error, Result};
use crate::record::Record;
use crate::{Digest, Kind, Moment, Verification};

/// The store, for who reads it.
#[derive(Clone, Debug)]
pub struct Reader {
    directory: PathBuf,
}

/// Which records; by default all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only of this route.
    pub route: Option<&'a str>,
    /// Only recorded at this moment or later.
    pub since: Option<Moment>,
    /// Only recorded before this moment.
    pub until: Option<Moment>,
    /// Only with a greater number than this. A list does not look at those before.
    pub after: Option<u64>,
    /// The newest of them, so many at the most.
    pub limit: Option<usize>,
}

impl Filter<'_> {
    fn takes(&self, record: &Record) -> bool {
        self.kind.is_none_or(|kind| record.kind.as_str() == kind.as_str())
            && self.route.is_none_or(|route| record.route.as_ref().is_some_and(|name| name.as_str() == route))
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
            && self.after.is_none_or(|after| record.sequence > after)
    }
}

impl Reader {
    /// Opens the store in a directory.
    ///
    /// # Errors
    /// There is none, it cannot be read, or a newer version has written it.
    pub fn open(directory: &Path) -> Result<Reader> {
        let reader = Reader { directory: directory.to_owned() };
        reader.connect()?;
        Ok(reader)
    }

    /// Records, newest first. Each is checked against its hash.
    ///
    /// # Errors
    /// A record on the way is damaged, or the file cannot be read.
    pub fn list(&self, filter: &Filter<'_>) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        if filter.limit == Some(0) {
            return Ok(records);
        }
        self.newest(filter, |record| {
            records.push(record);
            filter.limit.is_none_or(|limit| records.len() < limit)
        })?;
        Ok(records)
    }

    /// Hands records to `take`, newest first, until it says `false`; a limit in the filter counts for nothing. Each is checked
    /// against its hash.
    ///
    /// # Errors
    /// As [`list`](Reader::list).
    pub fn newest(&self, filter: &Filter<'_>, mut take: impl FnMut(Record) -> bool) -> Result<()> {
        let select = match filter.after {
            None => "SELECT sequence, line, hash FROM record ORDER BY sequence DESC",
            Some(_) => "SELECT sequence, line, hash FROM record WHERE sequence > ?1 ORDER BY sequence DESC",
        };
        self.each(select, as_key(filter.after.unwrap_or(0)), |record| {
            Ok(!filter.takes(&record) || take(record))
        })
    }

    /// One record.
    ///
    /// # Errors
    /// It is damaged, or the file cannot be read.
    pub fn get(&self, sequence: u64) -> Result<Option<Record>> {
        let mut found = None;
        let select = "SELECT sequence, line, hash FROM record WHERE sequence >= ?1 ORDER BY sequence LIMIT 1";
        self.each(select, as_key(sequence), |record| {
            found = (record.sequence == sequence).then_some(record);
            Ok(false)
        })?;
        Ok(found)
    }

    /// Writes records as JSON Lines, oldest first, each with its hash (docs/evidence.md says how to check them). Returns how
    /// many.
    ///
    /// # Errors
    /// A record is damaged, the file cannot be read, or the output cannot be written.
    pub fn export(&self, filter: &Filter<'_>, output: &mut impl Write) -> Result<u64> {
        let mut written = 0;
        let mut put = |record: &Record| {
            written += 1;
            writeln!(output, "{}", record.to_json_line()).map_err(Error::Export)
        };
        if filter.limit.is_some() {
            self.list(filter)?.iter().rev().try_for_each(&mut put)?;
        } else {
            self.each("SELECT sequence, line, hash FROM record ORDER BY sequence", 0, |record| {
                if filter.takes(&record) {
                    put(&record)?;
                }
                Ok(true)
            })?;
        }
        output.flush().map_err(Error::Export)?;
        Ok(written)
    }

    /// Looks for damage: in the chain, in the database around it, and against the side file. `expected` is a hash that
    /// someone noted down: it has to be that of a record, or records were cut off or exchanged.
    ///
    /// # Errors
    /// The database cannot be opened; what is found in it is in the [`Verification`].
    pub fn verify(&self, expected: Option<Digest>) -> Result<Verification> {
        super::verify::verify(&self.directory, &self.connect()?, expected)
    }

    /// Hands rows to `take` until it says `false`. `from` is the parameter of the query, where it has one.
    fn each(&self, select: &str, from: i64, mut take: impl FnMut(Record) -> Result<bool>) -> Result<()> {
        let connection = self.connect()?;
        let failed = |error| Error::of("read", error);
        let mut statement = connection.prepare(select).map_err(failed)?;
        let mut rows = match statement.parameter_count() {
            0 => statement.query([]),
            _ => statement.query([from]),
        }
        .map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            if !take(decode_row(row)?)? {
                break;
            }
        }
        Ok(())
    }

    fn connect(&self) -> Result<Connection> {
        let path = self.directory.join(DATABASE);
        if !path.exists() {
            return Err(Error::Absent { path: self.directory.clone() });
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        // Somebody is making it at this moment. One that has lost what was in it has a note of that beside it.
        let has_no_note = matches!(SideFile::of(&self.directory).read()?, Noted::Nothing);
        if has_no_note && schema::is_empty(&connection, &path)? {
            return Err(Error::Absent { path: self.directory.clone() });
        }
        schema::recognise(&connection, &path)?;
        Ok(connection)
    }
}
