//! The map, and what goes first when it is full: the oldest generation, a sixteenth of all.
//!
//! What is used again while it is old is written down once more and thereby young. An entry takes 32 bytes, and 16 more
//! say which generation it belongs to.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::hash::IdHash;

/// So many generations make a full map.
const GENERATIONS: usize = 16;

/// Whose something is, where it lives and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) hash: IdHash,
    pub(crate) tenant: Arc<str>,
    pub(crate) provider: Arc<str>,
    /// Seconds since 1970; 0 is never.
    pub(crate) expires: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tenant: u32,
    provider: u32,
    expires: u32,
    generation: u32,
}

/// All bindings.
#[derive(Debug)]
pub(crate) struct Memory {
    entries: HashMap<IdHash, Entry>,
    names: Names,
    /// Oldest first: the number of each, and what was written in it.
    generations: VecDeque<(u32, Vec<IdHash>)>,
    most: usize,
}

/// What is known of a hash.
pub(crate) struct Seen<'m> {
    pub(crate) tenant: &'m Arc<str>,
    pub(crate) provider: &'m Arc<str>,
    /// Seconds since 1970; 0 is never.
    pub(crate) expires: u32,
    pub(crate) is_expired: bool,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Memory {
        let generations = VecDeque::from([(1, Vec::new())]);
        Memory { entries: HashMap::new(), names: Names::default(), generations, most: most.max(GENERATIONS) }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of the youngest generation.
    pub(crate) fn generation(&self) -> u32 {
        self.generations.back().map_or(1, |(number, _)| *number)
    }

    pub(crate) fn find(&self, hash: IdHash, now: u32) -> Option<Seen<'_>> {
        let entry = self.entries.get(&hash)?;
        Some(Seen {
            tenant: self.names.text(entry.tenant)?,
            provider: self.names.text(entry.provider)?,
            expires: entry.expires,
            is_expired: entry.expires != 0 && entry.expires <= now,
        })
    }

    /// Whether it is known just so and young enough to last.
    pub(crate) fn is_settled(&self, record: &Record) -> bool {
        /// Renewing an expiry by less than this is not worth a record.
        const DAY: u32 = 86_400;
        let Some(entry) = self.entries.get(&record.hash) else { return false };
        let same = |id, text: &Arc<str>| self.names.text(id) == Some(text);
        let lasts = match (entry.expires, record.expires) {
            (0, _) => true,
            (_, 0) => false,
            (known, new) => known.saturating_add(DAY) >= new,
        };
        // Counted from both ends: a map that is not full has few generations, and none of them goes soon.
        let age = self.generations.iter().rev().position(|(number, _)| *number == entry.generation);
        let is_young = age.is_some_and(|age| age < GENERATIONS / 2);
        lasts && is_young && same(entry.tenant, &record.tenant) && same(entry.provider, &record.provider)
    }

    /// Takes a record in as the youngest. Returns the number of a generation that had to go with all before it.
    pub(crate) fn insert(&mut self, record: &Record) -> Option<u32> {
        let is_full = |keys: &Vec<IdHash>| keys.len() >= self.most / GENERATIONS;
        if self.generations.back().is_none_or(|(_, keys)| is_full(keys)) {
            self.begin(self.generation() + 1);
        }
        self.put(record);
        self.make_room()
    }

    /// Begins a generation, as read from a file. Numbers only grow.
    pub(crate) fn begin(&mut self, number: u32) {
        if number > self.generation() {
            self.generations.push_back((number, Vec::new()));
        }
    }

    /// Takes a record into the youngest generation, however large that is.
    pub(crate) fn put(&mut self, record: &Record) {
        let Some((generation, keys)) = self.generations.back_mut() else { return };
        let entry = Entry {
            tenant: self.names.id(&record.tenant),
            provider: self.names.id(&record.provider),
            expires: record.expires,
            generation: *generation,
        };
        let before = self.entries.insert(record.hash, entry);
        if before.is_none_or(|before| before.generation != *generation) {
            keys.push(record.hash);
        }
    }

    /// Lets the oldest generations go until the rest fits.
    pub(crate) fn make_room(&mut self) -> Option<u32> {
        let mut gone = None;
        while self.entries.len() > self.most && self.generations.len() > 1 {
            let Some((number, keys)) = self.generations.pop_front() else { break };
            for key in keys {
                if self.entries.get(&key).is_some_and(|entry| entry.generation == number) {
                    self.entries.remove(&key);
                }
            }
            gone = Some(number);
        }
        gone
    }

    /// An empty one of the same size, whose generations are younger than all here.
    pub(crate) fn emptied(&self) -> Memory {
        let mut empty = Memory::new(self.most);
        empty.begin(self.generation() + 1);
        empty
    }

    /// What has not expired, oldest first.
    pub(crate) fn live(&self, now: u32) -> impl Iterator<Item = Record> {
        self.numbered(now).map(|(_, record)| record)
    }

    /// What has not expired, oldest first, each with the number of its generation.
    pub(crate) fn numbered(&self, now: u32) -> impl Iterator<Item = (u32, Record)> {
        self.generations.iter().flat_map(move |(number, keys)| {
            keys.iter().filter_map(move |hash| {
                let entry = self.entries.get(hash).filter(|entry| entry.generation == *number)?;
                let seen = self.find(*hash, now).filter(|seen| !seen.is_expired)?;
                let (tenant, provider) = (Arc::clone(seen.tenant), Arc::clone(seen.provider));
                Some((*number, Record { hash: *hash, tenant, provider, expires: entry.expires }))
            })
        })
    }
}

/// Names are few and come again and again.
#[derive(Debug, Default)]
struct Names {
    texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
}

impl Names {
    fn id(&mut self, text: &Arc<str>) -> u32 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(Arc::clone(text));
        self.ids.insert(Arc::clone(text), id);
        id
    }

    fn text(&self, id: u32) -> Option<&Arc<str>> {
        self.texts.get(id as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u32) -> Record {
        Record {
            hash: IdHash::of(&id.to_string()),
            tenant: "acme".into(),
            provider: "openai".into(),
            expires: 0,
        }
    }

    #[test]
    fn the_oldest_go_first_and_what_was_renewed_stays() {
        let mut memory = Memory::new(160);
        let mut gone = Vec::new();
        for id in 0..160 {
            assert!(memory.insert(&record(id)).is_none());
        }
        assert!(!memory.is_settled(&record(0)), "it is old");
        assert!(memory.is_settled(&record(159)));
        gone.extend(memory.insert(&record(0)));
        gone.extend(memory.insert(&record(160)));
        assert_eq!(gone, [1]);
        assert!(memory.find(IdHash::of("0"), 0).is_some());
        assert!(memory.find(IdHash::of("1"), 0).is_none());
        assert!(memory.find(IdHash::of("10"), 0).is_some());
        assert_eq!(memory.len(), 152);
    }

    #[test]
    fn it_never_holds_more_than_it_may() {
        let mut memory = Memory::new(1000);
        for id in 0..20_000 {
            memory.insert(&record(id % 7000));
            assert!(memory.len() <= 1000);
            let listed: usize = memory.generations.iter().map(|(_, keys)| keys.len()).sum();
            assert!(listed <= 3000, "{listed}");
        }
    }

    #[test]
    fn what_has_expired_is_known_as_such_and_not_kept() {
        let mut memory = Memory::new(100);
        memory.insert(&Record { expires: 50, ..record(1) });
        assert!(memory.find(IdHash::of("1"), 49).is_some_and(|seen| !seen.is_expired));
        assert!(memory.find(IdHash::of("1"), 50).is_some_and(|seen| seen.is_expired));
        assert_eq!(memory.live(49).count(), 1);
        assert_eq!(memory.live(50).count(), 0);
        assert!(memory.is_settled(&Record { expires: 60, ..record(1) }), "a day more is not worth it");
        assert!(!memory.is_settled(&record(1)), "for ever is");
    }
}
