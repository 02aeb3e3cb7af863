//! The thread that writes: everything that waits goes into one write and one sync, and is acknowledged after it.
//!
//! So the more wait, the less each costs, and nobody waits longer than two syncs. What could not be written is kept for
//! the next try, up to a bound, while the map in memory serves on. In between the thread reads what another process has
//! added that shares the directory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::log::{Directory, LogFile, encode};
use crate::memory::Record;
use crate::store::{Acknowledge, Shared};

/// Between two looks at what others have added.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// So many jobs make one write.
const MOST_AT_ONCE: usize = 1024;

/// What could not be written is kept up to here.
const MOST_UNWRITTEN: usize = 4 << 20;

/// Something to be written.
pub(crate) struct Job {
    /// The file that it belongs to has at least this number.
    pub(crate) generation: u32,
    /// May be empty: then only the acknowledgement waits for what was written before.
    pub(crate) records: Vec<Record>,
    /// Files up to this number go.
    pub(crate) gone: Option<u32>,
    pub(crate) acknowledge: Option<Acknowledge>,
}

/// Writes to one directory.
pub(crate) struct Committer {
    directory: Directory,
    shared: Arc<Shared>,
    /// What is written now belongs to this one.
    generation: u32,
    /// The file being written.
    open: Option<(LogFile, File)>,
    /// What is not on disk yet.
    unwritten: Vec<u8>,
    /// How far the files of others have been read.
    read: HashMap<PathBuf, u64>,
}

impl Committer {
    /// `read` says how far each file was read when the map was filled.
    pub(crate) fn new(directory: Directory, shared: Arc<Shared>, read: HashMap<PathBuf, u64>) -> Committer {
        Committer { directory, shared, generation: 0, open: None, unwritten: Vec::new(), read }
    }

    /// Begins a file, to find out whether that is possible.
    pub(crate) fn begin(&mut self, generation: u32) -> io::Result<()> {
        let begun = self.directory.begin(generation)?;
        (self.generation, self.open) = (generation, Some(begun));
        Ok(())
    }

    /// Writes until nobody is left who could ask for more.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(LOOK_EVERY) {
                Ok(first) => {
                    let rest = jobs.try_iter().take(MOST_AT_ONCE - 1);
                    let batch: Vec<Job> = std::iter::once(first).chain(rest).collect();
                    self.commit(batch);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !self.unwritten.is_empty() {
                        self.commit(Vec::new());
                    }
                    self.look();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn commit(&mut self, batch: Vec<Job>) {
        let generation = batch.iter().map(|job| job.generation).max().unwrap_or(0);
        self.generation = self.generation.max(generation);
        for record in batch.iter().flat_map(|job| &job.records) {
            if self.unwritten.len() < MOST_UNWRITTEN {
                encode(record, &mut self.unwritten);
            }
        }
        let written = self.write();
        let was_durable = self.shared.is_durable.swap(written.is_ok(), Ordering::AcqRel);
        match &written {
            Ok(()) if !was_durable => {
                tracing::info!("where state lives is written down again");
            }
            Err(error) if was_durable => tracing::error!(
                "where state lives is kept in memory only, and nothing that stores state is canaried: {error}\n  help: \
                 make room in `state_dir`, and let the gateway write to it"
            ),
            _ => {}
        }
        let gone = batch.iter().filter_map(|job| job.gone).max();
        for acknowledge in batch.into_iter().filter_map(|job| job.acknowledge) {
            acknowledge(written.is_ok());
        }
        if let Some(gone) = gone {
            self.remove_up_to(gone);
        }
    }

    /// Writes what there is, and syncs it.
    fn write(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        if self.open.as_ref().is_none_or(|(file, _)| file.generation < self.generation) {
            self.open = None;
            self.begin(self.generation)?;
        }
        let Some((_, file)) = &mut self.open else { return Ok(()) };
        let written = file.write_all(&self.unwritten).and_then(|()| file.sync_data());
        match &written {
            Ok(()) => self.unwritten.clear(),
            // Nothing is ever written behind what may be half a record.
            Err(_) => self.open = None,
        }
        written
    }

    fn remove_up_to(&mut self, gone: u32) {
        let old = |file: &LogFile| file.generation <= gone && !file.is_in_use();
        let removed = self.directory.files().and_then(|files| {
            let files: Vec<LogFile> = files.into_iter().filter(old).collect();
            self.directory.remove(&files)
        });
        if let Err(error) = removed {
            tracing::warn!("old files of where state lives could not be removed: {error}");
        }
    }

    /// Reads what others have added.
    fn look(&mut self) {
        let Ok(files) = self.directory.files() else { return };
        let own = self.open.as_ref().map(|(file, _)| file.path.clone());
        let mut added = Vec::new();
        for file in files.into_iter().filter(|file| Some(&file.path) != own.as_ref()) {
            let from = self.read.get(&file.path).copied().unwrap_or(0);
            let is_longer = std::fs::metadata(&file.path).is_ok_and(|found| found.len() > from);
            if is_longer && let Ok((to, _)) = file.read(from, |record| added.push(record)) {
                self.read.insert(file.path, to);
            }
        }
        if !added.is_empty() {
            self.shared.take_in(&added);
        }
    }
}
