//! Writes accepted versions behind the reload: a disk may take seconds for what must be live at once.
//!
//! What is waiting to be written is found as if it had been. A version is announced once it is written, or once it is
//! clear that it cannot be: whoever reads the announcement may rely on what it says.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::StateDir;
use super::digest::Digest;
use super::record::Accepted;

/// Versions that wait at most; the next one waits for the disk.
const WAITING: usize = 256;

/// What is written.
pub(crate) struct Job {
    pub(crate) record: Accepted,
    pub(crate) routes: Arc<str>,
    pub(crate) tenants: Arc<str>,
    /// Versions whose texts must not be given up.
    pub(crate) pinned: Vec<String>,
    /// Called once it is written, or cannot be.
    pub(crate) announce: Box<dyn FnOnce(io::Result<()>) + Send>,
}

type Waiting = Arc<Mutex<HashMap<Digest, (usize, Arc<str>)>>>;

/// The thread that writes. Dropping it waits until everything is written.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    waiting: Waiting,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(store: StateDir) -> io::Result<Writer> {
        let (jobs, queue) = sync_channel(WAITING);
        let waiting = Waiting::default();
        let seen = Arc::clone(&waiting);
        let thread = std::thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || write_all(store, &queue, &seen))?;
        Ok(Writer { jobs: Some(jobs), waiting, thread: Some(thread) })
    }

    pub(super) fn write(&self, job: Job) {
        for (digest, text) in texts(&job) {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.entry(digest).or_insert_with(|| (0, text)).0 += 1;
        }
        if let Some(jobs) = &self.jobs
            && let Err(unsent) = jobs.send(job)
        {
            let gone = io::Error::other("the thread that writes has ended");
            (unsent.0.announce)(Err(gone));
        }
    }

    /// A text that is waiting to be written.
    pub(super) fn text(&self, digest: Digest) -> Option<String> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(&digest).map(|(_, text)| text.to_string())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported there.
            drop(thread.join());
        }
    }
}

fn write_all(mut store: StateDir, queue: &Receiver<Job>, waiting: &Waiting) {
    for job in queue {
        let pinned: Vec<&str> = job.pinned.iter().map(String::as_str).collect();
        let written = store.accept(&job.record, &job.routes, &job.tenants, &pinned);
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (digest, _) in texts(&job) {
            if let Some((count, _)) = waiting.get_mut(&digest) {
                *count -= 1;
                if *count == 0 {
                    waiting.remove(&digest);
                }
            }
        }
        drop(waiting);
        (job.announce)(written);
    }
}

fn texts(job: &Job) -> [(Digest, Arc<str>); 2] {
    [(job.record.routes, Arc::clone(&job.routes)), (job.record.tenants, Arc::clone(&job.tenants))]
}
