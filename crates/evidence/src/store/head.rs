//! The side file: how far the chain reached when it was last appended to.
//!
//! Cutting records off the end of a chain leaves a chain. Who cuts by accident (a restored backup, a lost log file of the
//! database, a copy of the database alone) does not cut this file as well, so it shows. Who cuts on purpose does both, and
//! only a head that was noted down elsewhere tells. It is written after the commit, so a crash leaves it one behind, never
//! one ahead.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::owner::give;
use crate::Digest;
use crate::error::{Error, Result};
use crate::record::Head;

const NAME: &str = "head";
const UNFINISHED: &str = "head.tmp";
const LOCK: &str = "lock";

/// Looks at a lock that somebody else holds, and the time between them: 5 s together.
const LOOKS: u32 = 500;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Where the side file is.
#[derive(Debug)]
pub(crate) struct SideFile {
    directory: PathBuf,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    Nothing,
    /// It is not as it was written.
    Damaged,
    Head(Head),
}

impl Noted {
    /// The record that must be in the store, where one is named. A damaged file names none, and the next append mends it.
    pub(crate) fn must_be_there(self) -> Option<Head> {
        match self {
            Noted::Head(head) => Some(head),
            Noted::Nothing | Noted::Damaged => None,
        }
    }
}

impl SideFile {
    pub(crate) fn of(directory: &Path) -> SideFile {
        SideFile { directory: directory.to_owned() }
    }

    pub(crate) fn read(&self) -> Result<Noted> {
        let path = self.directory.join(NAME);
        match fs::read(&path) {
            Ok(bytes) => Ok(parse(&bytes).map_or(Noted::Damaged, Noted::Head)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Noted::Nothing),
            Err(error) => Err(Error::File { doing: "read", path, error }),
        }
    }

    /// Notes a head, unless a later one is noted.
    pub(crate) fn raise(&self, head: Head) -> Result<()> {
        let _turn = self.lock()?;
        if self.read()?.must_be_there().is_some_and(|noted| noted.sequence >= head.sequence) {
            return Ok(());
        }
        let unfinished = self.directory.join(UNFINISHED);
        write(&unfinished, &text(head), &self.directory)
            .and_then(|()| fs::rename(&unfinished, self.directory.join(NAME)))
            .map_err(|error| Error::File { doing: "write", path: unfinished, error })
    }

    /// Waits for its turn; the end of the returned file ends it, and so does the end of the process.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.directory.join(LOCK);
        let failed = |error| Error::File { doing: "lock", path: path.clone(), error };
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
        give(&file, &self.directory).map_err(failed)?;
        for _ in 0..LOOKS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_LOOKS),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(Error::Busy)
    }
}

fn write(path: &Path, text: &str, directory: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    give(&file, directory)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// Number, hash, and the beginning of the SHA-256 of both.
fn text(head: Head) -> String {
    let said = format!("{} {}", head.sequence, head.hash);
    let check = Digest::of(said.as_bytes()).to_string();
    format!("{said} {}\n", &check[..16])
}

fn parse(bytes: &[u8]) -> Option<Head> {
    let mut words = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
    let head = Head { sequence: words.next()?.parse().ok()?, hash: Digest::parse(words.next()?)? };
    (text(head).as_bytes() == bytes).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_the_side_file_is_noticed() {
        let head = Head { sequence: 12, hash: Digest::of(b"x") };
        let written = text(head).into_bytes();
        assert_eq!(parse(&written), Some(head));
        for bit in 0..written.len() * 8 {
            let mut flipped = written.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(parse(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_head_is_only_ever_raised() {
        let directory = tempfile::tempdir().unwrap();
        let side = SideFile::of(directory.path());
        assert_eq!(side.read().unwrap(), Noted::Nothing);
        let head = |sequence| Head { sequence, hash: Digest::of(&[0]) };
        for (given, noted) in [(3, 3), (2, 3), (4, 4)] {
            side.raise(head(given)).unwrap();
            assert_eq!(side.read().unwrap(), Noted::Head(head(noted)));
        }
    }
}
