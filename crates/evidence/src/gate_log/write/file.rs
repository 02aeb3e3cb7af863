//! The segment that is being written of one gate.
//!
//! It gets its name once its header is whole and synced, so there is no segment without one. After a failure it is cut back
//! to what was written before, and left: nothing is ever written behind what may be half a record.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::super::segment::{Header, hash_of_name, put_end, put_event};
use super::super::{EXTENSION, segments_in};
use crate::error::{Error, Result};
use crate::{Digest, GateLogSegment, Moment};

/// How a segment begins.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) first_event: u64,
    pub(super) missing: u64,
    pub(super) began_at_ms: i64,
    pub(super) state: Vec<u64>,
}

/// Nobody takes so long to begin a file.
const A_CRASH_AGO: Duration = Duration::from_secs(60);

/// How a file ends that is no segment yet.
const UNFINISHED: &str = "tmp";

pub(super) struct GateFile<const N: usize> {
    path: PathBuf,
    file: File,
    header: Header,
    record: GateLogSegment,
    hash: Sha256,
    /// What was added and is not written.
    unwritten: Vec<u8>,
    added: u64,
    /// Events that a power cut would leave.
    synced: u64,
}

impl<const N: usize> GateFile<N> {
    pub(super) fn begin(directory: &Path, gate: &str, run: u64, begin: &Begin) -> Result<GateFile<N>> {
        let header = Header {
            run,
            words: N,
            first_event: begin.first_event,
            missing: begin.missing,
            began_at_ms: begin.began_at_ms,
            identity: hash_of_name(gate),
            state: Vec::new(),
        };
        let bytes = Header { state: begin.state.clone(), ..header.clone() }.encode();
        let unfinished = directory.join(format!("{run:016x}.{UNFINISHED}"));
        let failed = |error| Error::File { doing: "begin", path: unfinished.clone(), error };
        let file = create(&unfinished, &bytes).map_err(failed)?;
        let mut number = segments_in(directory)?.last().map_or(0, |(number, _)| *number) + 1;
        // Another process may take the same number at the same moment.
        let path = loop {
            let path = directory.join(format!("{number:010}.{EXTENSION}"));
            match fs::hard_link(&unfinished, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                other => break other.map(|()| path).map_err(failed)?,
            }
        };
        fs::remove_file(&unfinished).and_then(|()| File::open(directory)?.sync_all()).map_err(failed)?;
        let mut record = begin.record(gate, &path);
        record.bytes = bytes.len() as u64;
        let hash = Sha256::new_with_prefix(&bytes);
        Ok(GateFile { path, file, header, record, hash, unwritten: Vec::new(), added: 0, synced: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an event; [`write`](Self::write) writes it.
    pub(super) fn add(&mut self, at_ms: i64, words: &[u64; N]) {
        let number = self.header.first_event + self.record.events + self.added;
        put_event(&mut self.unwritten, self.header.run, number, at_ms, words);
        self.added += 1;
        self.record.ts = Moment::from_ms(at_ms);
    }

    /// Writes what was added. The error says how many events are not in the file.
    pub(super) fn write(&mut self) -> std::result::Result<(), (Error, u64)> {
        if let Err(error) = self.file.write_all(&self.unwritten) {
            if let Err(error) = self.file.set_len(self.record.bytes) {
                tracing::debug!("{} ends in half a record: {error}", self.path.display());
            }
            return Err((self.failed("write", error), self.added));
        }
        self.hash.update(&self.unwritten);
        self.record.bytes += self.unwritten.len() as u64;
        self.record.events += self.added;
        self.added = 0;
        self.unwritten.clear();
        Ok(())
    }

    /// Syncs what was written. The error says how many events may not be on the disk.
    pub(super) fn sync(&mut self) -> std::result::Result<(), (Error, u64)> {
        if self.synced < self.record.events {
            let synced = self.file.sync_data();
            synced.map_err(|error| (self.failed("sync", error), self.record.events - self.synced))?;
            self.synced = self.record.events;
        }
        Ok(())
    }

    /// Ends the segment.
    pub(super) fn end(mut self) -> Result<GateLogSegment> {
        put_end(&mut self.unwritten, &self.header, self.record.events);
        self.write().map_err(|(error, _)| error)?;
        self.file.sync_all().map_err(|error| self.failed("sync", error))?;
        let sha256: [u8; 32] = self.hash.finalize().into();
        Ok(GateLogSegment { sha256: Digest::from(sha256), ..self.record })
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> Error {
        Error::File { doing, path: self.path.clone(), error }
    }
}

/// Removes what a crash has left of a beginning. What is young may be another process's that begins at this moment.
pub(super) fn remove_unfinished(directory: &Path) -> Result<()> {
    let failed = |error| Error::File { doing: "tidy up", path: directory.to_owned(), error };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_old = || {
            let age = path.metadata().ok()?.modified().ok()?.elapsed().ok()?;
            Some(age > A_CRASH_AGO)
        };
        if path.extension().is_some_and(|extension| extension == UNFINISHED) && is_old() == Some(true) {
            fs::remove_file(path).map_err(failed)?;
        }
    }
    Ok(())
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<File> {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}
