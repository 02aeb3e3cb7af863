//! Writes accepted versions behind the reload: a disk may take seconds for what must be live at once.
//!
//! What is waiting to be written is found as if it had been. A version is announced once it is written, or once it is
//! clear that it cannot be: whoever reads the announcement may rely on what it says.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::StateDir;
use super::digest::Digest;
use super::record::Accepted;

/// Versions that wait at most; the next one waits for the disk.
const WAITING: usize = 256;

/// How often it is looked whether the newest version is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    let mut newest: Option<Newest> = None;
    loop {
        let job = match queue.recv_timeout(LOOK_EVERY) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                if let Some(newest) = &mut newest {
                    newest.look(&mut store);
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Job { record, routes, tenants, pinned, announce } = job;
        let mut written = Newest { record, routes, tenants, pinned, is_written: false };
        let outcome = written.write(&mut store);
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for digest in [written.record.routes, written.record.tenants] {
            if let Some((count, _)) = waiting.get_mut(&digest) {
                *count -= 1;
                if *count == 0 {
                    waiting.remove(&digest);
                }
            }
        }
        drop(waiting);
        announce(outcome);
        newest = Some(written);
    }
}

/// What is in force. Somebody may remove the state directory while the gateway runs, or make it writable at last; the
/// commands read it, and so does the next start.
struct Newest {
    record: Accepted,
    routes: Arc<str>,
    tenants: Arc<str>,
    pinned: Vec<String>,
    is_written: bool,
}

impl Newest {
    fn write(&mut self, store: &mut StateDir) -> io::Result<()> {
        let pinned: Vec<&str> = self.pinned.iter().map(String::as_str).collect();
        let outcome = store.accept(&self.record, &self.routes, &self.tenants, &pinned);
        self.is_written = outcome.is_ok();
        outcome
    }

    /// Complains once, not every second.
    fn look(&mut self, store: &mut StateDir) {
        let was_written = self.is_written;
        if was_written && !store.has_vanished() {
            return;
        }
        let (version, path) = (&self.record.route_version.clone(), store.path.display().to_string());
        match self.write(store) {
            Ok(()) if was_written => tracing::warn!(
                "{path} had lost what is in force, and has it again: route map {version}; earlier versions are gone\n  \
                 help: put them back from a backup, or keep them in versions/ beside the map"
            ),
            Ok(()) => tracing::info!("route map {version} is kept in {path} now"),
            Err(error) if was_written => tracing::error!(
                "{path} has lost what is in force, and it cannot be written again: {error}\n  help: make it a directory \
                 that the gateway may write to; it is tried again every second, and until then no command can tell what \
                 is in force"
            ),
            Err(_) => {}
        }
    }
}

fn texts(job: &Job) -> [(Digest, Arc<str>); 2] {
    [(job.record.routes, Arc::clone(&job.routes)), (job.record.tenants, Arc::clone(&job.tenants))]
}
