//! Looking for damage: every record against its hash, its number and the record before; the database against its own
//! rules; the end of the chain against what was noted down.

use std::path::Path;

use rusqlite::Connection;

use super::decode_row;
use super::head::{Noted, SideFile};
use super::schema;
use crate::Digest;
use crate::error::{Error, Result};
use crate::record::Head;

/// Damage beyond this many findings is only counted.
const MOST_FINDINGS: usize = 100;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The number of the record, as it is stored; `None` if it is the store as a whole.
    pub sequence: Option<i64>,
    /// What is wrong, as a sentence.
    pub what: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Records that were read.
    pub records: u64,
    /// Where the chain ends: worth noting down outside of this machine.
    pub head: Head,
    /// The number of the record whose hash was expected.
    pub expected_at: Option<u64>,
    /// All that is wrong, up to 100; none if the store is as it was written.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub further: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, sequence: impl Into<Option<i64>>, what: impl Into<String>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { sequence: sequence.into(), what: what.into() });
        } else {
            self.further += 1;
        }
    }
}

pub(super) fn verify(
    directory: &Path,
    connection: &Connection,
    expected: Option<Digest>,
) -> Result<Verification> {
    let mut found =
        Verification { records: 0, head: Head::NONE, expected_at: None, findings: Vec::new(), further: 0 };
    // Before the chain: it may have grown since, but not shrunk.
    let noted = SideFile::of(directory).read()?;
    // One transaction: all looks see the same records, whoever appends meanwhile.
    let snapshot = connection.unchecked_transaction().map_err(|error| Error::of("read", error))?;
    let mut walk = Walk { found: &mut found, expected, noted: noted.must_be_there(), at_noted: None };
    let walked = walk.all(&snapshot);
    let at_noted = walk.at_noted;
    if let Err(error) = walked {
        let last = found.head.sequence;
        found.find(None, format!("behind record {last} the database cannot be read: {error}"));
    }
    compare_with_noted(&mut found, noted, at_noted);
    if let Some(hash) = expected
        && found.expected_at.is_none()
    {
        found
            .find(None, format!("no record has the expected hash {hash}: records were cut off or exchanged"));
    }
    look_at_database(&snapshot, &mut found);
    Ok(found)
}

/// Goes along the chain.
struct Walk<'a> {
    found: &'a mut Verification,
    expected: Option<Digest>,
    noted: Option<Head>,
    /// The hash of the record that the side file names.
    at_noted: Option<Digest>,
}

impl Walk<'_> {
    fn all(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut select = connection.prepare("SELECT sequence, line, hash FROM record ORDER BY sequence")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            self.found.records += 1;
            let sequence: i64 = row.get(0)?;
            self.look_at(sequence, decode_row(row));
        }
        Ok(())
    }

    fn look_at(&mut self, sequence: i64, record: Result<crate::Record>) {
        let last = self.found.head;
        let number = u64::try_from(sequence).unwrap_or(0);
        if number != last.sequence + 1 {
            self.found.find(sequence, format!("it follows record {}: others are missing", last.sequence));
        }
        match record {
            Ok(record) => {
                // Behind a damaged record the link says nothing that the damage has not said.
                if record.previous_hash != last.hash && last.hash != UNKNOWN {
                    self.found.find(sequence, "it is not chained to the record before it");
                }
                if let Err(error) = record.body()
                    && crate::Kind::parse(record.kind.as_str()).is_some()
                {
                    self.found.find(sequence, format!("what it says cannot be read: {error}"));
                }
                if Some(record.hash) == self.expected {
                    self.found.expected_at = Some(number);
                }
                self.found.head = Head { sequence: number, hash: record.hash };
            }
            Err(Error::Damaged { what, .. }) => {
                self.found.find(sequence, what);
                self.found.head = Head { sequence: number, hash: UNKNOWN };
            }
            Err(error) => {
                self.found.find(sequence, error.to_string());
                self.found.head = Head { sequence: number, hash: UNKNOWN };
            }
        }
        if self.noted.is_some_and(|noted| noted.sequence == number) {
            self.at_noted = Some(self.found.head.hash);
        }
    }
}

/// Stands for the hash of a damaged record. No SHA-256 of a line is known to be this.
const UNKNOWN: Digest = Digest::ONES;

fn compare_with_noted(found: &mut Verification, noted: Noted, at_noted: Option<Digest>) {
    match noted {
        Noted::Head(head) if at_noted == Some(head.hash) || at_noted == Some(UNKNOWN) => {}
        Noted::Head(head) if at_noted.is_some() => {
            found.find(
                i64::try_from(head.sequence).ok(),
                format!("`head` says that its hash was {}: records were exchanged", head.hash),
            );
        }
        Noted::Head(head) => found.find(
            None,
            format!(
                "`head` says that record {} was written, and it is not there: records were cut off",
                head.sequence
            ),
        ),
        Noted::Damaged => found.find(None, "`head`, the file beside the database, is damaged"),
        Noted::Nothing if found.records > 1 => {
            found.find(None, "`head`, the file beside the database, is gone");
        }
        Noted::Nothing => {}
    }
}

fn look_at_database(connection: &Connection, found: &mut Verification) {
    match schema::differences(connection) {
        Ok(differences) => differences.into_iter().for_each(|what| found.find(None, what)),
        Err(error) => found.find(None, format!("the schema cannot be read: {error}")),
    }
    let complaints = connection.prepare("PRAGMA integrity_check(20)").and_then(|mut check| {
        check.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
    });
    match complaints {
        Ok(complaints) => complaints
            .into_iter()
            .filter(|complaint| complaint != "ok")
            .for_each(|complaint| found.find(None, format!("the database: {complaint}"))),
        Err(error) => found.find(None, format!("the database cannot be checked: {error}")),
    }
}
