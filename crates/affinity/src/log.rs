//! The files of the log. Each belongs to one process and is only ever appended to; a beginning of one is a whole one.
//!
//! `GENERATION-RANDOM.log`: a header, then records, each with its length and a checksum. Reading stops at the first that
//! is not whole: that is where a crash has cut. A process begins files of its own, so it never writes behind such a cut,
//! and two that share a directory for the length of a rolling restart never meet in one. Who writes to a file holds its
//! lock, so that nobody else takes it for finished.

mod record;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub(crate) use record::{decode, encode};

use crate::memory::Record;

/// How a file begins: whose it is and how its records look.
const HEADER: [u8; 8] = *b"cgaff\0\0\x01";

/// How a file that is not finished ends.
const UNFINISHED: &str = "tmp";

/// A directory of log files.
#[derive(Clone, Debug)]
pub(crate) struct Directory(PathBuf);

/// A file of the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogFile {
    pub(crate) generation: u32,
    pub(crate) path: PathBuf,
}

impl Directory {
    /// Makes it where it is missing; fails where nothing can be written.
    pub(crate) fn open(path: &Path) -> io::Result<Directory> {
        DirBuilder::new().recursive(true).mode(0o750).create(path)?;
        Ok(Directory(path.to_owned()))
    }

    /// One that is there, or is not; to be read only.
    pub(crate) fn at(path: &Path) -> Directory {
        Directory(path.to_owned())
    }

    /// All files, oldest first.
    pub(crate) fn files(&self) -> io::Result<Vec<LogFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let generation = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(".log")?.split_once('-')?.0.parse().ok());
            files.extend(generation.map(|generation| LogFile { generation, path }));
        }
        files.sort_unstable();
        Ok(files)
    }

    /// Begins a file that only this process writes to.
    pub(crate) fn begin(&self, generation: u32) -> io::Result<(LogFile, File)> {
        let path = self.0.join(format!("{generation:010}-{}.log", suffix()?));
        let mut file = create(&path)?;
        // Where the file system knows no locks, nobody tidies up beside another either.
        file.try_lock().or_else(|error| match error {
            TryLockError::Error(_) => Ok(()),
            TryLockError::WouldBlock => Err(io::Error::from(io::ErrorKind::WouldBlock)),
        })?;
        file.write_all(&HEADER)?;
        file.sync_all()?;
        self.sync()?;
        Ok((LogFile { generation, path }, file))
    }

    /// Writes a whole file in one step.
    pub(crate) fn write_whole(&self, generation: u32, records: &[u8]) -> io::Result<LogFile> {
        let name = format!("{generation:010}-{}", suffix()?);
        let (unfinished, path) =
            (self.0.join(format!("{name}.{UNFINISHED}")), self.0.join(format!("{name}.log")));
        let mut file = create(&unfinished)?;
        file.write_all(&HEADER)?;
        file.write_all(records)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        self.sync()?;
        Ok(LogFile { generation, path })
    }

    /// Removes files that nobody writes to.
    pub(crate) fn remove(&self, files: &[LogFile]) -> io::Result<()> {
        for file in files {
            match fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// Only for whoever owns the directory and those who look after it: it says who talks to whom.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o640).open(path)
}

fn suffix() -> io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:016x}", u64::from_le_bytes(bytes)))
}

impl LogFile {
    /// Whether a process writes to it.
    pub(crate) fn is_in_use(&self) -> bool {
        let Ok(file) = File::open(&self.path) else { return true };
        matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Reads what is whole from `from` on. Returns where the next record begins, and how many bytes are left that are
    /// no record: cut, or still being written.
    pub(crate) fn read(&self, from: u64, mut take: impl FnMut(Record)) -> io::Result<(u64, usize)> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut rest = &bytes[..];
        if from == 0 {
            let Some(records) = rest.strip_prefix(&HEADER) else { return Ok((0, rest.len())) };
            rest = records;
        }
        while let Some((record, after)) = decode(rest) {
            take(record);
            rest = after;
        }
        Ok((from + (bytes.len() - rest.len()) as u64, rest.len()))
    }
}
