//! What the crate offers: look up an ID, learn some, and be told when they will not be forgotten.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use crate::committer::{Committer, Job};
use crate::hash::IdHash;
use crate::log::{Directory, LogFile, encode};
use crate::memory::{Memory, Record};

/// Bindings at once, unless told otherwise: about 60 MB of memory, and as much of disk.
pub(crate) const MOST: usize = 900_000;

/// Jobs that wait for the disk; more are kept in memory only, and say so.
const WAITING: usize = 8192;

/// Files of ended processes beyond which they are put together.
const MOST_FILES: usize = 32;

/// Called once: `true` if everything learned so far would survive a power cut.
pub type Acknowledge = Box<dyn FnOnce(bool) + Send>;

/// What is known of an ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Unknown,
    /// It is another tenant's.
    Anothers,
    /// It is the asking tenant's.
    Own {
        /// The name of the provider at which it lives.
        provider: Arc<str>,
        /// The provider does not keep it any more.
        is_expired: bool,
    },
}

/// Things that were made at one provider for one tenant.
#[derive(Clone, Copy, Debug)]
pub struct Made<'m> {
    /// Whose they are.
    pub tenant: &'m str,
    /// Where they live.
    pub provider: &'m str,
    /// Each with the moment at which it expires, in seconds since 1970; 0 is never.
    pub ids: &'m [(&'m str, u32)],
}

/// Where each ID lives and whose it is. Dropping it writes what still waits.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What the requests and the thread that writes have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    memory: RwLock<Memory>,
    pub(crate) is_durable: AtomicBool,
}

impl Shared {
    fn new(memory: Memory, is_durable: bool) -> Arc<Shared> {
        Arc::new(Shared { memory: RwLock::new(memory), is_durable: AtomicBool::new(is_durable) })
    }

    /// What another process has learned.
    pub(crate) fn take_in(&self, records: &[Record]) {
        let mut memory = self.memory.write().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            if !memory.is_settled(record) {
                memory.insert(record);
            }
        }
    }
}

impl Store {
    /// Opens the store in a directory, which is made where it is missing. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When nothing can be written there, or what is there cannot be read.
    pub fn open(directory: &Path, now: u32) -> io::Result<Store> {
        Store::open_with(directory, now, MOST)
    }

    /// Opens it for so many bindings.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(directory: &Path, now: u32, most: usize) -> io::Result<Store> {
        let directory = Directory::open(directory)?;
        let files = directory.files()?;
        let mut memory = Memory::new(most);
        let (mut read, mut records) = (HashMap::new(), 0_usize);
        for file in &files {
            memory.begin(file.generation);
            let take = |record| {
                records += 1;
                memory.put(&record);
            };
            let (end, left) = match file.read(0, take) {
                // Another process has just put it together with others, and what is in there is read soon.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read?,
            };
            if left > 0 && !file.is_in_use() {
                tracing::warn!(
                    "{left} bytes at the end of {} are no record: a crash cut it",
                    file.path.display()
                );
            }
            read.insert(file.path.clone(), end);
        }
        let gone = memory.make_room();
        memory.begin(memory.generation() + 1);
        let files: Vec<LogFile> = files.into_iter().filter(|file| !file.is_in_use()).collect();
        if files.len() > MOST_FILES || gone.is_some() || records > 2 * memory.len() + 10_000 {
            put_together(&directory, &mut memory, now, &files)?;
        }
        let generation = memory.generation();
        let shared = Shared::new(memory, true);
        let mut committer = Committer::new(directory, Arc::clone(&shared), read);
        committer.begin(generation)?;
        let (jobs, queue): (SyncSender<Job>, Receiver<Job>) = sync_channel(WAITING);
        let thread =
            std::thread::Builder::new().name("affinity".to_owned()).spawn(move || committer.run(&queue))?;
        Ok(Store { shared, jobs: Some(jobs), thread: Some(thread) })
    }

    /// One that forgets everything when the process ends.
    #[must_use]
    pub fn in_memory() -> Store {
        Store { shared: Shared::new(Memory::new(MOST), false), jobs: None, thread: None }
    }

    /// What is known of an ID that a tenant asks for.
    #[must_use]
    pub fn find(&self, tenant: &str, id: &str, now: u32) -> Found {
        let memory = self.shared.memory.read().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = memory.find(IdHash::of(id), now) else { return Found::Unknown };
        if &**first.tenant == tenant {
            return Found::Own { provider: Arc::clone(first.provider), is_expired: first.is_expired };
        }
        match memory.find(IdHash::of_second(id, tenant), now) {
            Some(own) => Found::Own { provider: Arc::clone(own.provider), is_expired: own.is_expired },
            None => Found::Anothers,
        }
    }

    /// Learns where things live. They are found from now on; the acknowledgement says when they will be found after a
    /// crash too.
    pub fn learn(&self, made: &Made<'_>, now: u32, acknowledge: Acknowledge) {
        let (tenant, provider): (Arc<str>, Arc<str>) = (made.tenant.into(), made.provider.into());
        let mut memory = self.shared.memory.write().unwrap_or_else(PoisonError::into_inner);
        let mut job = Job { generation: 0, records: Vec::new(), gone: None, acknowledge: Some(acknowledge) };
        for (id, expires) in made.ids {
            let first = IdHash::of(id);
            let is_anothers =
                memory.find(first, now).is_some_and(|seen| !seen.is_expired && **seen.tenant != *made.tenant);
            let hash = if is_anothers { IdHash::of_second(id, made.tenant) } else { first };
            let (tenant, provider) = (Arc::clone(&tenant), Arc::clone(&provider));
            let record = Record { hash, tenant, provider, expires: *expires };
            if !memory.is_settled(&record) {
                job.gone = memory.insert(&record).or(job.gone);
                job.records.push(record);
            }
        }
        job.generation = memory.generation();
        // Sent under the lock, so that the log has the order of the map; sending does not wait.
        let unsent = match &self.jobs {
            Some(jobs) => jobs.try_send(job).err().map(|error| match error {
                TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
            }),
            None => Some(job),
        };
        drop(memory);
        if let Some(acknowledge) = unsent.and_then(|job| job.acknowledge) {
            acknowledge(false);
        }
    }

    /// Whether what is learned survives the process. If not, nothing should be made where it could not be found again.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.shared.is_durable.load(Ordering::Acquire)
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.memory.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported there.
            drop(thread.join());
        }
    }
}

/// Writes what still counts anew, in files of the usual size, and removes those that it was read from.
fn put_together(directory: &Directory, memory: &mut Memory, now: u32, files: &[LogFile]) -> io::Result<()> {
    let mut fresh = memory.emptied();
    for record in memory.live(now) {
        fresh.insert(&record);
    }
    let mut generation = 0;
    let mut bytes = Vec::new();
    for (of, record) in fresh.numbered(now) {
        if of != generation && !bytes.is_empty() {
            directory.write_whole(generation, &bytes)?;
            bytes.clear();
        }
        generation = of;
        encode(&record, &mut bytes);
    }
    if !bytes.is_empty() {
        directory.write_whole(generation, &bytes)?;
    }
    directory.remove(files)?;
    fresh.begin(fresh.generation() + 1);
    *memory = fresh;
    Ok(())
}

#[cfg(test)]
mod tests;
