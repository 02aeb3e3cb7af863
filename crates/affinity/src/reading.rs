//! What is written down, read by somebody else than the gateway: nothing is written, locked or tidied up, so it may run
//! beside one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::hash::IdHash;
use crate::log::Directory;
use crate::memory::{Memory, Seen};
use crate::store::MOST;

/// How often a directory is read again whose files are put together meanwhile.
const ATTEMPTS: usize = 5;

/// What a directory held at one moment.
#[derive(Debug)]
pub struct Reading {
    memory: Memory,
    now: u32,
}

/// Whose something is and where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name of the tenant that made it.
    pub tenant: Arc<str>,
    /// The name of the provider at which it lives.
    pub provider: Arc<str>,
    /// When its provider lets go of it, in seconds since 1970; 0 is never.
    pub expires: u32,
    /// That moment has passed.
    pub is_expired: bool,
}

impl Reading {
    /// Reads what is in a directory; one that is not there holds nothing. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// When a file that is there cannot be read.
    pub fn of(directory: &Path, now: u32) -> io::Result<Reading> {
        let directory = Directory::at(directory);
        let mut attempts = 1;
        loop {
            match read(&directory) {
                // A gateway has put it together with others between the list and the look.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS => attempts += 1,
                read => return Ok(Reading { memory: read?, now }),
            }
        }
    }

    /// What is known of an ID: of this tenant's if it has one of that name, else of whoever's it is.
    #[must_use]
    pub fn find(&self, tenant: &str, id: &str) -> Option<Binding> {
        let first = self.memory.find(IdHash::of(id), self.now)?;
        if &**first.tenant == tenant {
            return Some(bind(&first));
        }
        let own = self.memory.find(IdHash::of_second(id, tenant), self.now);
        Some(bind(&own.unwrap_or(first)))
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn bind(seen: &Seen<'_>) -> Binding {
    Binding {
        tenant: Arc::clone(seen.tenant),
        provider: Arc::clone(seen.provider),
        expires: seen.expires,
        is_expired: seen.is_expired,
    }
}

fn read(directory: &Directory) -> io::Result<Memory> {
    let mut memory = Memory::new(MOST);
    let files = match directory.files() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(memory),
        files => files?,
    };
    for file in &files {
        memory.begin(file.generation);
        // What follows the last whole record is still being written, or was cut by a crash.
        file.read(0, |record| memory.put(&record))?;
    }
    memory.make_room();
    Ok(memory)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::{Made, Store};

    const NOW: u32 = 1_000_000;

    fn learn(store: &Store, tenant: &str, provider: &str, id: &str, expires: u32) {
        let (sender, synced) = channel();
        let made = Made { tenant, provider, ids: &[(id, expires)] };
        store.learn(&made, NOW, Box::new(move |is_durable| sender.send(is_durable).unwrap()));
        assert!(synced.recv().unwrap());
    }

    fn listed(directory: &Path) -> Vec<(std::path::PathBuf, u64)> {
        let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
        let mut files: Vec<_> =
            entries.map(|entry| (entry.path(), entry.metadata().unwrap().len())).collect();
        files.sort();
        files
    }

    #[test]
    fn what_a_running_store_has_written_is_read_beside_it_and_nothing_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), NOW).unwrap();
        learn(&store, "acme", "cometapi", "resp_1", NOW + 10);
        learn(&store, "acme", "openai", "file-1", 0);
        learn(&store, "globex", "cometapi", "file-1", 0);
        let before = listed(directory.path());
        let reading = Reading::of(directory.path(), NOW).unwrap();
        let binding = |tenant: &str, provider: &str, expires| {
            let (tenant, provider) = (tenant.into(), provider.into());
            Some(Binding { tenant, provider, expires, is_expired: false })
        };
        assert_eq!(reading.find("acme", "resp_1"), binding("acme", "cometapi", NOW + 10));
        assert_eq!(reading.find("globex", "resp_1"), binding("acme", "cometapi", NOW + 10), "whose it is");
        assert_eq!(reading.find("acme", "file-1"), binding("acme", "openai", 0));
        assert_eq!(
            reading.find("globex", "file-1"),
            binding("globex", "cometapi", 0),
            "its own of that name"
        );
        assert_eq!(reading.find("acme", "resp_2"), None);
        assert_eq!(listed(directory.path()), before);
        let later = Reading::of(directory.path(), NOW + 10).unwrap();
        assert!(later.find("acme", "resp_1").unwrap().is_expired);
        // It goes on writing, and that is seen by the next look.
        learn(&store, "acme", "cometapi", "resp_2", 0);
        assert!(Reading::of(directory.path(), NOW).unwrap().find("acme", "resp_2").is_some());
    }

    #[test]
    fn a_directory_that_is_not_there_holds_nothing_and_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("affinity");
        assert!(Reading::of(&path, NOW).unwrap().is_empty());
        assert!(!path.exists());
    }
}
