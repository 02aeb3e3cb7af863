//! The history on disk: one record a line, written by one call at the end of the file.
//!
//! A kill or a full disk may leave half a line at the end. A line counts once its end is there; the next
//! record begins on a line of its own. What cannot be read is skipped and counted: a damaged history must not
//! keep a gateway down. But where the end cannot be read, nobody knows what was last in force, and that is
//! said. It is cut by lines and by bytes, so that neither the disk nor a start's memory fills up.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::durable::{FILE_MODE, at, sync, write};
use super::record::{Accepted, MOST_HELD};
use crate::files::open_regular;

/// More lines or bytes than these, and the history is cut.
const MOST_LINES: usize = 20_000;
const MOST_BYTES: u64 = 16 << 20;

/// To its newest lines: so many, in so many bytes.
const LEFT_LINES: usize = 10_000;
const LEFT_BYTES: usize = 8 << 20;

/// How every line of ours begins.
const RECORD_START: &[u8] = b"{\"";

/// Bytes that are read, from the end: more is none of our writing.
const MOST_READ: u64 = 64 << 20;

/// What could be read of the history.
#[derive(Debug)]
pub(super) struct History {
    path: PathBuf,
    records: Vec<Accepted>,
    skipped: usize,
    is_end_damaged: bool,
    lines: usize,
    bytes: u64,
}

impl History {
    /// Reads all of it; a history that is not there is empty.
    pub(super) fn read(path: PathBuf) -> io::Result<History> {
        let (bytes, length) = newest_bytes(&path)?;
        let mut history =
            History { path, records: Vec::new(), skipped: 0, is_end_damaged: false, lines: 0, bytes: length };
        for line in whole_lines(&bytes) {
            history.lines += 1;
            match Accepted::parse(line) {
                Some(record) => history.push(record),
                None if line == b"\n" => {}
                None => {
                    history.skipped += 1;
                    history.is_end_damaged = true;
                }
            }
        }
        history.is_end_damaged |= !is_torn_or_nothing(rest(&bytes));
        Ok(history)
    }

    fn push(&mut self, record: Accepted) {
        if let Some(last) = self.records.last_mut() {
            last.shorten();
        }
        self.records.push(record);
        self.is_end_damaged = false;
    }

    /// Oldest first.
    pub(super) fn records(&self) -> &[Accepted] {
        &self.records
    }

    /// Lines that are no record.
    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }

    /// Whether something was written after the last record and cannot be read.
    ///
    /// Half a line that was being written when the process ended is no damage: nobody was told of that record.
    pub(super) fn is_end_damaged(&self) -> bool {
        self.is_end_damaged
    }

    /// Adds a record here alone: somebody else writes it.
    pub(super) fn remember(&mut self, record: Accepted) {
        if self.records.len() >= MOST_LINES {
            self.records.drain(..LEFT_LINES);
        }
        self.push(record);
    }

    /// Adds a record on disk and here. The file is read again only where others have added to it.
    pub(super) fn append(&mut self, record: &Accepted) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(FILE_MODE);
        let mut file = open_regular(options, &self.path).map_err(at(&self.path))?;
        let length = file.metadata().map_err(at(&self.path))?.len();
        let mut line = record.line();
        if length > 0 && !ends_with_line(&file, length) {
            line.insert(0, '\n');
        }
        write_once(&mut file, line.as_bytes()).map_err(at(&self.path))?;
        file.sync_data().map_err(at(&self.path))?;
        if let Some(directory) = self.path.parent().filter(|_| length == 0) {
            sync(directory)?;
        }
        let written = Accepted::parse(line.as_bytes());
        match written.filter(|_| length == self.bytes && !line.starts_with('\n')) {
            Some(record) => {
                self.push(record);
                self.lines += 1;
                self.bytes += line.len() as u64;
            }
            None => *self = History::read(self.path.clone())?,
        }
        Ok(())
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.lines > MOST_LINES || self.bytes > MOST_BYTES
    }

    /// Cuts the file to its newest lines. Of older ones those stay that say what the kept texts are: when
    /// each map first went live (its version stays taken) and when each text last did (what to keep next
    /// time).
    pub(super) fn cut(&self, routes: &HashSet<Digest>, tenants: &HashSet<Digest>) -> io::Result<()> {
        let (bytes, _) = newest_bytes(&self.path)?;
        let lines: Vec<&[u8]> = whole_lines(&bytes).collect();
        let (mut first, mut last) = (HashMap::new(), HashMap::new());
        for (number, line) in lines.iter().enumerate() {
            let Some(record) = Accepted::parse(line) else { continue };
            if routes.contains(&record.routes) {
                first.entry(record.routes).or_insert(number);
                last.insert(("routes", record.routes), number);
            }
            if tenants.contains(&record.tenants) {
                last.insert(("tenants", record.tenants), number);
            }
        }
        let newest = first_of_newest(&lines)..lines.len();
        let stay: BTreeSet<usize> = newest.chain(first.into_values()).chain(last.into_values()).collect();
        let mut text = Vec::new();
        for number in stay {
            match Accepted::parse(lines[number]).filter(|record| record.held.len() > MOST_HELD) {
                // The next start has to know every name of the newest one.
                Some(mut record) if number + 1 < lines.len() => {
                    record.shorten();
                    text.extend_from_slice(record.line().as_bytes());
                }
                _ => text.extend_from_slice(lines[number]),
            }
        }
        write(&self.path, &text)
    }
}

/// The file's end, and its length.
fn newest_bytes(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let mut file = match open_regular(OpenOptions::new().read(true), path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(at(path)(error)),
    };
    let length = file.metadata().map_err(at(path))?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_READ))).map_err(at(path))?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes).map_err(at(path))?;
    Ok((bytes, length))
}

/// The lines with their ends. What comes after the last end is torn, or is being written.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// What comes after the last line's end.
fn rest(bytes: &[u8]) -> &[u8] {
    let from = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &bytes[from..]
}

/// Nothing, or the beginning of a record; anything else is none of our writing.
fn is_torn_or_nothing(rest: &[u8]) -> bool {
    rest.starts_with(RECORD_START) || RECORD_START.starts_with(rest)
}

fn first_of_newest(lines: &[&[u8]]) -> usize {
    let mut left = LEFT_BYTES;
    let fits = |line: &&&[u8]| {
        let rest = left.checked_sub(line.len());
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    lines.len() - lines.iter().rev().take(LEFT_LINES).take_while(fits).count()
}

/// In doubt not: an empty line does no harm, but a record behind half of another is lost.
fn ends_with_line(file: &File, length: u64) -> bool {
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1).is_ok() && last == *b"\n"
}

/// All or an error: the rest of a line in a second call could land behind another process's line.
fn write_once(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    loop {
        return match file.write(bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(_) => Err(io::Error::new(
                io::ErrorKind::WriteZero,
                "only half a line was written: is the disk full?",
            )),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Why;
    use super::*;

    #[test]
    fn the_newest_lines_are_limited_by_number_and_by_bytes() {
        let short: Vec<&[u8]> = vec![b"a\n"; LEFT_LINES + 5];
        assert_eq!(first_of_newest(&short), 5);
        let long = vec![b'a'; LEFT_BYTES / 4];
        assert_eq!(first_of_newest(&[&long[..]; 10]), 6);
        assert_eq!(first_of_newest(&[]), 0);
    }

    #[test]
    fn a_history_that_somebody_filled_with_rubbish_is_read_and_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.jsonl");
        let rubbish = "x".repeat(1 << 20) + "\n";
        std::fs::write(&path, rubbish.repeat(20) + "half").unwrap();
        let history = History::read(path.clone()).unwrap();
        assert_eq!((history.records().len(), history.skipped()), (0, 20));
        assert!(history.is_too_long());
        history.cut(&HashSet::new(), &HashSet::new()).unwrap();
        let history = History::read(path).unwrap();
        assert!(!history.is_too_long() && history.skipped() == 7, "{}", history.skipped());
    }

    #[test]
    fn records_added_without_a_turn_are_all_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.jsonl");
        let record = Accepted {
            at: "2026-11-20T03:00:00Z".parse().unwrap(),
            why: Why::Reload,
            environment: None,
            route_version: "v1".to_owned(),
            routes: Digest::of("routes"),
            tenants_version: "t1".to_owned(),
            tenants: Digest::of("tenants"),
            held: vec!["route".to_owned(); 1_000],
            and_more: 0,
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut history = History::read(path.clone()).unwrap();
                let record = &record;
                scope.spawn(move || {
                    (0..25).for_each(|_| history.append(record).unwrap());
                });
            }
        });
        let history = History::read(path).unwrap();
        assert_eq!((history.records().len(), history.skipped()), (100, 0));
    }
}
